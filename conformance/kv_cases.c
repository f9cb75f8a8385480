/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all cases, and what they share. */
#include "kv_cases.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct kv_case *const lists[] = {
    kv_value_cases, kv_version_cases, kv_ttl_cases,  kv_number_cases,
    kv_list_cases,  kv_many_cases,    kv_side_cases,
};

const struct kv_case *kv_case_at(unsigned features, size_t index)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (const struct kv_case *item = lists[i]; item->name != NULL; item++)
            if ((item->needs & ~features) == 0 && index-- == 0)
                return item;
    return NULL;
}

struct kv_bytes kv_bytes_of(const char *text)
{
    return (struct kv_bytes){(const uint8_t *)text, strlen(text)};
}

void kv_value_done(struct kv_value *value)
{
    free(value->ptr);
    *value = (struct kv_value){0};
}

void kv_page_done(struct kv_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->keys[i]);
    free(page->keys);
    free(page->next);
    *page = (struct kv_page){0};
}

static const char *status_text(enum kv_status status)
{
    static const char *const texts[] = {
        [KV_OK] = "ok",
        [KV_INVALID_ARGUMENT] = "invalid-argument",
        [KV_NOT_FOUND] = "not-found",
        [KV_ALREADY_EXISTS] = "already-exists",
        [KV_CONFLICT] = "conflict",
        [KV_PERMISSION_DENIED] = "permission-denied",
        [KV_UNAUTHENTICATED] = "unauthenticated",
        [KV_TOO_LARGE] = "too-large",
        [KV_TIMEOUT] = "timeout",
        [KV_UNAVAILABLE] = "unavailable",
        [KV_UNSUPPORTED] = "unsupported",
        [KV_INTERNAL] = "internal",
    };

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status]
                                                             : "?";
}

/* One line, for people; and to repeat it as it is could not help. */
static void expect_well_formed(const struct kv_failure *failure,
                               const char *call, const char *file, int line)
{
    size_t len = strlen(failure->message);

    if (len == 0 || len > KV_MESSAGE_MAX ||
        strpbrk(failure->message, "\r\n") != NULL)
        kv_fail(file, line, "%s: a message of %zu bytes: %s", call, len,
                failure->message);
    if (failure->retryable)
        kv_fail(file, line, "%s: retryable: %s", call, failure->message);
}

void kv_expect(enum kv_status status, enum kv_status expected, const char *call,
               const char *file, int line)
{
    const struct kv_failure *failure = kv_last_failure();

    if (status != expected)
        kv_fail(file, line, "%s is %s, not %s: %s", call, status_text(status),
                status_text(expected), status == KV_OK ? "" : failure->message);
    if (status != KV_OK)
        expect_well_formed(failure, call, file, line);
}

void kv_expect_value(struct kv *kv, struct kv_bytes key,
                     struct kv_bytes expected, const char *file, int line)
{
    struct kv_value value = {0};
    bool found = false;

    kv_expect(kv_get(kv, key, &value), KV_OK, "get", file, line);
    if (!value.found)
        kv_fail(file, line, "there is no value");
    if (value.len != expected.len ||
        (value.len > 0 && memcmp(value.ptr, expected.ptr, value.len) != 0))
        kv_fail(file, line, "another value, of %zu bytes: %.*s", value.len,
                value.len < 60 ? (int)value.len : 60, (const char *)value.ptr);
    kv_value_done(&value);
    kv_expect(kv_exists(kv, key, &found), KV_OK, "exists", file, line);
    if (!found)
        kv_fail(file, line, "it has a value, but does not exist");
}

void kv_expect_absent(struct kv *kv, struct kv_bytes key, const char *file,
                      int line)
{
    struct kv_value value = {0};
    bool found = true;

    kv_expect(kv_get(kv, key, &value), KV_OK, "get", file, line);
    if (value.found)
        kv_fail(file, line, "there is a value");
    kv_expect(kv_exists(kv, key, &found), KV_OK, "exists", file, line);
    if (found)
        kv_fail(file, line, "it has no value, but exists");
}

void kv_sleep_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000,
                                 .tv_nsec = (long)(ms % 1000) * 1000000},
              NULL);
}

void kv_wait_absent(struct kv *kv, struct kv_bytes key)
{
    bool found = true;

    for (int i = 0; i < 600 && found; i++) {
        OK(kv_exists(kv, key, &found));
        if (found)
            kv_sleep_ms(50);
    }
    CHECK(!found);
}
