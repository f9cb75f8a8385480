/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of both kinds of handlers, and how the judge reads what was seen. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resource {
    slight_kv_store_own_bucket_t seen;
};

enum { PATIENCE_MS = 600000, STEP_MS = 50 };

/* The value under "FIRST SECOND"; the caller's, "" where there is none. */
static char *read_value(struct resource *resource, const char *first,
                        const char *second)
{
    char key[160];
    command_option_list_u8_t got;
    slight_types_errors_error_t error;

    snprintf(key, sizeof(key), "%s %s", first, second);
    command_string_t name = string_of(bytes_of(key));
    if (!slight_kv_store_method_bucket_get(
            slight_kv_store_borrow_bucket(resource->seen), &name, &got, &error))
        OK(failed(&error));
    char *text = zeros(got.is_some ? got.val.len + 1 : 1);
    if (got.is_some && got.val.len > 0)
        memcpy(text, got.val.ptr, got.val.len);
    command_option_list_u8_free(&got);
    return text;
}

static long count_of(struct resource *resource, const char *text)
{
    char *value = read_value(resource, "count", text);
    long count = strtol(value, NULL, 10);

    free(value);
    return count;
}

/* A text that no other case sends: the subject acts by its first word. */
static const char *say(const char *word)
{
    static char text[100];

    snprintf(text, sizeof(text), "%s %s", word, case_word());
    return text;
}

static void wait_count(struct resource *resource, const char *text, long count)
{
    for (int waited = 0; count_of(resource, text) < count; waited += STEP_MS) {
        if (waited >= PATIENCE_MS)
            case_fail(__FILE__, __LINE__, "\"%s\" was handled %ld times", text,
                      count_of(resource, text));
        sleep_ms(STEP_MS);
    }
}

static void wait_settled(void)
{
    for (int waited = 0; !judge_is_settled(); waited += STEP_MS) {
        CHECK(waited < PATIENCE_MS);
        sleep_ms(STEP_MS);
    }
}

static void ok_settles(struct resource *resource)
{
    OK(judge_send(say("ok")));
    wait_count(resource, say("ok"), 1);
    wait_settled();
}

static void retry_comes_back(struct resource *resource)
{
    OK(judge_send(say("retry")));
    wait_count(resource, say("retry"), 3); /* then it says ok */
    wait_settled();
}

static void a_trap_comes_back(struct resource *resource)
{
    OK(judge_send(say("trap")));
    wait_count(resource, say("trap"), 2);
    wait_settled();
}

/* Also what is behind it, in order where the kind has one, is handled. */
static void reject_ends_it(struct resource *resource)
{
    OK(judge_send(say("reject")));
    OK(judge_send(say("ok")));
    wait_count(resource, say("reject"), 1);
    wait_count(resource, say("ok"), 1);
    wait_settled();
}

static void the_resource_is_named(struct resource *resource)
{
    OK(judge_send(say("ok")));
    wait_count(resource, say("ok"), 1);
    char *name = read_value(resource, "resource", say("ok"));
    CHECK(strcmp(name, "store") == 0);
    free(name);
}

static void one_instance_each(struct resource *resource)
{
    enum { COUNT = 20 };
    char words[COUNT][8];

    for (int i = 0; i < COUNT; i++) {
        snprintf(words[i], sizeof(words[i]), "ok%d", i);
        OK(judge_send(say(words[i])));
    }
    for (int i = 0; i < COUNT; i++) {
        wait_count(resource, say(words[i]), 1);
        char *calls = read_value(resource, "calls", say(words[i]));
        CHECK(strcmp(calls, "1") == 0);
        free(calls);
    }
}

static const struct suite_case judge_cases[] = {
    {"ok settles", 0, ok_settles, .holds = "mq-48 pubsub-44"},
    {"retry comes back", 0, retry_comes_back,
     .holds = "mq-49 mq-50 pubsub-45 pubsub-46"},
    {"a trap comes back", 0, a_trap_comes_back, .holds = "mq-49 pubsub-45"},
    {"reject ends it", 0, reject_ends_it, .holds = "mq-51 pubsub-47"},
    {"the resource is named", 0, the_resource_is_named,
     .holds = "mq-52 pubsub-48"},
    {"one instance each", 0, one_instance_each,
     .holds = "slight-2 slight-3 mq-57 pubsub-55"},
    {0},
};

const struct suite_case *const suite[] = {judge_cases, NULL};
const struct suite_feature suite_features[] = {{0}};
struct suite_limit suite_limits[] = {{0}};
const struct suite_roles suite_roles = {NULL, NULL, NULL, NULL};

/* --- What the program needs --------------------------------------------- */

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t seen = string_of(bytes_of("seen"));
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;

    OK(judge_open(name));
    if (!slight_kv_store_static_bucket_open(&seen, &bucket, &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->seen = bucket;
    return WORKED;
}

void suite_close(struct resource *resource)
{
    slight_kv_store_bucket_drop_own(resource->seen);
    judge_close();
    free(resource);
}
