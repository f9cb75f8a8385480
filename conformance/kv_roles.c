/* SPDX-License-Identifier: Apache-2.0 */
/* Two instances, and more, of one bucket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "kv_cases.h"

enum { ROUNDS = 50 };

static void hold(struct resource *kv, bool stay)
{
    (void)stay;
    OK(kv_set(kv, TEXT("held"), bytes_of(case_word())));
}

/* What was answered is there: for others, and after a crash. */
static void find(struct resource *kv)
{
    HOLDS(kv, TEXT("held"), bytes_of(case_word()));
}

/* Add one by reading, and writing if nobody else wrote; false: somebody did. */
static bool compare_and_set(struct resource *kv)
{
    struct kv_value value = {0};
    struct kv_options options = {.condition = KV_ABSENT};
    char text[32] = "0", version[KV_VERSION_MAX + 1];

    OK(kv_get_entry(kv, TEXT("by version"), &value));
    if (value.found) {
        CHECK(value.len < sizeof(text));
        memcpy(text, value.ptr, value.len);
        text[value.len] = '\0';
        options = (struct kv_options){.condition = KV_VERSION,
                                      .version = value.version};
    }
    snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
    enum status status =
        kv_set_with(kv, TEXT("by version"), bytes_of(text), options, version);
    kv_value_done(&value);
    if (status == CONFLICT || status == ALREADY_EXISTS)
        return false;
    OK(status);
    return true;
}

static void contend(struct resource *kv)
{
    int64_t last = 0, sum;

    OK(kv_increment(kv, TEXT("contenders"), 1, &sum));
    for (int i = 0; i < ROUNDS; i++) {
        OK(kv_increment(kv, TEXT("by increment"), 1, &sum));
        CHECK(sum > last);
        last = sum;
        while (!compare_and_set(kv))
            continue;
    }
}

static int64_t number_of(struct resource *kv, struct bytes key)
{
    int64_t sum;

    OK(kv_increment(kv, key, 0, &sum));
    return sum;
}

/* Nothing that a contender wrote was lost. */
static void audit(struct resource *kv)
{
    int64_t total = ROUNDS * number_of(kv, TEXT("contenders"));

    CHECK(total > 0);
    CHECK(number_of(kv, TEXT("by increment")) == total);
    CHECK(number_of(kv, TEXT("by version")) == total);
}

/* holds: kv-6 kv-7 kv-9 kv-10 */
const struct suite_roles suite_roles = {hold, find, contend, audit};
