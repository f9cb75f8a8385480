/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on many keys: get-many, set-many, delete-many. */
#include "kv_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One more than a call may have. */
enum { TOO_MANY = KV_MANY_MAX + 1 };

static char texts[TOO_MANY][16];
static struct bytes keys[TOO_MANY], bytes[TOO_MANY];
static struct kv_value values[TOO_MANY];
static enum status each[TOO_MANY];
static bool found[TOO_MANY];

/* keys "k0000" and on, all with this value. */
static void number_keys(struct bytes value)
{
    for (int i = 0; i < TOO_MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]), "k%04d", i);
        keys[i] = bytes_of(texts[i]);
        bytes[i] = value;
    }
}

static void expect_each(size_t count, enum status expected)
{
    for (size_t i = 0; i < count; i++)
        CHECK(each[i] == expected);
}

/* values[i], which this frees. */
static void expect_value_at(size_t i, const char *expected)
{
    CHECK(values[i].found == (expected != NULL));
    if (expected != NULL) {
        CHECK(values[i].len == strlen(expected));
        CHECK(memcmp(values[i].ptr, expected, values[i].len) == 0);
    }
    kv_value_done(&values[i]);
}

static void answers_come_in_order(struct resource *kv)
{
    const struct bytes some[] = {TEXT("c"), TEXT("a"), TEXT("no"), TEXT("b"),
                                 TEXT("a")};

    OK(kv_set(kv, TEXT("a"), TEXT("1")));
    OK(kv_set(kv, TEXT("b"), TEXT("")));
    OK(kv_set(kv, TEXT("c"), TEXT("333")));
    OK(kv_get_many(kv, some, 5, values));
    expect_value_at(0, "333");
    expect_value_at(1, "1");
    expect_value_at(2, NULL);
    expect_value_at(3, "");
    expect_value_at(4, "1");
    OK(kv_delete_many(kv, some, 3, each, found));
    expect_each(3, WORKED);
    CHECK(found[0] && found[1] && !found[2]);
    ABSENT(kv, TEXT("a"));
    HOLDS(kv, TEXT("b"), TEXT(""));
}

static void none_is_fine(struct resource *kv)
{
    OK(kv_get_many(kv, keys, 0, values));
    OK(kv_set_many(kv, keys, bytes, 0, each));
    OK(kv_delete_many(kv, keys, 0, each, found));
}

static void the_later_of_two_stays(struct resource *kv)
{
    const struct bytes same[] = {TEXT("a"), TEXT("b"), TEXT("a"), TEXT("a")};
    const struct bytes different[] = {TEXT("first"), TEXT("b"), TEXT("second"),
                                      TEXT("third")};

    OK(kv_set_many(kv, same, different, 4, each));
    expect_each(4, WORKED);
    HOLDS(kv, TEXT("a"), TEXT("third"));
    HOLDS(kv, TEXT("b"), TEXT("b"));
    OK(kv_delete_many(kv, same, 4, each, found));
    expect_each(4, WORKED);
    CHECK(found[0] && found[1] && !found[2] && !found[3]);
}

static void a_thousand(struct resource *kv)
{
    number_keys(TEXT(""));
    for (size_t i = 0; i < KV_MANY_MAX; i++)
        bytes[i] = keys[i];
    OK(kv_set_many(kv, keys, bytes, KV_MANY_MAX, each));
    expect_each(KV_MANY_MAX, WORKED);
    OK(kv_get_many(kv, keys, KV_MANY_MAX, values));
    for (size_t i = 0; i < KV_MANY_MAX; i++)
        expect_value_at(i, texts[i]);
    OK(kv_delete_many(kv, keys, KV_MANY_MAX, each, found));
    expect_each(KV_MANY_MAX, WORKED);
    for (size_t i = 0; i < KV_MANY_MAX; i++)
        CHECK(found[i]);
    ABSENT(kv, keys[0]);
    ABSENT(kv, keys[KV_MANY_MAX - 1]);
}

static void more_than_a_thousand(struct resource *kv)
{
    number_keys(TEXT("new"));
    OK(kv_set(kv, keys[0], TEXT("old")));
    FAILS(kv_set_many(kv, keys, bytes, TOO_MANY, each), TOO_LARGE);
    CHECK(strstr(last_failure()->message, "1000") != NULL);
    HOLDS(kv, keys[0], TEXT("old"));
    ABSENT(kv, keys[1]);
    FAILS(kv_get_many(kv, keys, TOO_MANY, values), TOO_LARGE);
    FAILS(kv_delete_many(kv, keys, TOO_MANY, each, found), TOO_LARGE);
    HOLDS(kv, keys[0], TEXT("old"));
}

static void one_fails_alone(struct resource *kv)
{
    uint8_t *large = calloc(1, KV_VALUE_MAX + 1);
    const struct bytes mixed[] = {TEXT("a"), TEXT(""), TEXT("b"), TEXT("c\0"),
                                  TEXT("d")};
    const struct bytes contents[] = {
        TEXT("1"), TEXT("2"), {large, KV_VALUE_MAX + 1}, TEXT("4"), TEXT("5")};

    CHECK(large != NULL);
    OK(kv_set(kv, TEXT("b"), TEXT("old")));
    OK(kv_set_many(kv, mixed, contents, 5, each));
    CHECK(each[0] == WORKED && each[4] == WORKED);
    CHECK(each[1] == INVALID_ARGUMENT && each[3] == INVALID_ARGUMENT);
    CHECK(each[2] == TOO_LARGE);
    HOLDS(kv, TEXT("a"), TEXT("1"));
    HOLDS(kv, TEXT("b"), TEXT("old"));
    HOLDS(kv, TEXT("d"), TEXT("5"));
    OK(kv_delete_many(kv, mixed, 5, each, found));
    CHECK(each[0] == WORKED && each[2] == WORKED && each[4] == WORKED);
    CHECK(found[0] && found[2] && found[4]);
    CHECK(each[1] == INVALID_ARGUMENT && each[3] == INVALID_ARGUMENT);
    free(large);
}

static void get_many_fails_with_the_first(struct resource *kv)
{
    const struct bytes mixed[] = {TEXT("a"), TEXT(""), TEXT("no")};

    OK(kv_set(kv, TEXT("a"), TEXT("1")));
    FAILS(kv_get_many(kv, mixed, 2, values), INVALID_ARGUMENT);
    FAILS(kv_get_many(kv, mixed, 3, values), INVALID_ARGUMENT);
}

static void the_limit_of_a_call(struct resource *kv)
{
    const size_t fit = KV_CALL_MAX / KV_VALUE_MAX, half = fit / 2;

    if (fit + 1 > KV_MANY_MAX)
        return; /* other limits are met before */
    uint8_t *value = malloc(KV_VALUE_MAX);

    CHECK(value != NULL);
    memset(value, 'v', KV_VALUE_MAX);
    number_keys((struct bytes){value, KV_VALUE_MAX});
    FAILS(kv_set_many(kv, keys, bytes, fit + 1, each), TOO_LARGE);
    ABSENT(kv, keys[0]);
    OK(kv_set_many(kv, keys, bytes, half, each));
    expect_each(half, WORKED);
    OK(kv_set_many(kv, keys + half, bytes, half + 1, each));
    expect_each(half + 1, WORKED);
    FAILS(kv_get_many(kv, keys, fit + 1, values), TOO_LARGE);
    OK(kv_get_many(kv, keys, half, values));
    for (size_t i = 0; i < half; i++) {
        CHECK(values[i].found && values[i].len == KV_VALUE_MAX);
        CHECK(memcmp(values[i].ptr, value, KV_VALUE_MAX) == 0);
        kv_value_done(&values[i]);
    }
    free(value);
}

const struct suite_case kv_many_cases[] = {
    {"answers come in the order asked for", 0, answers_come_in_order,
     .holds = "kv-50 kv-51 kv-55 kv-59"},
    {"a call on no keys", 0, none_is_fine, .holds = "kv-52"},
    {"of two entries with one key the later stays", 0, the_later_of_two_stays,
     .holds = "kv-57 kv-65"},
    {"a call on a thousand keys", 0, a_thousand, .holds = "kv-50 kv-55 kv-59"},
    {"more than a thousand keys are refused", 0, more_than_a_thousand,
     .holds = "kv-54 kv-58 kv-60 types-12 types-13 types-14"},
    {"of many one fails alone", 0, one_fails_alone,
     .holds = "kv-56 kv-64 kv-66"},
    {"get-many fails with the first that fails", 0,
     get_many_fails_with_the_first, .holds = "kv-53"},
    {"the limit of all values of a call", 0, the_limit_of_a_call,
     .holds = "kv-5 kv-54 kv-58"},
    {0},
};
