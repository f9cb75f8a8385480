/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all cases, and what they share. */
#include "kv_cases.h"

#include <stdlib.h>
#include <string.h>

const struct suite_case *const suite[] = {
    kv_value_cases, kv_version_cases, kv_ttl_cases,  kv_number_cases,
    kv_list_cases,  kv_many_cases,    kv_side_cases, NULL,
};

struct suite_limit suite_limits[] = {{"max-value", 1 << 20}, {0}};

/* --- Without a feature --------------------------------------------------
 *
 * Wrong arguments are told before.  holds: kv-30 kv-35 kv-39 kv-45 kv-49 kv-62
 * types-21 types-22
 */

static void no_ttl(struct resource *kv)
{
    const struct kv_options options = {.has_ttl = true, .ttl_ms = 60000};
    const struct kv_options wrong = {.has_ttl = true, .ttl_ms = 0};
    char version[KV_VERSION_MAX + 1];

    FAILS(kv_set_with(kv, TEXT("key"), TEXT("value"), wrong, version),
          INVALID_ARGUMENT);
    FAILS(kv_set_with(kv, TEXT(""), TEXT("value"), options, version),
          INVALID_ARGUMENT);
    OK(kv_set_with(kv, TEXT("other"), TEXT("value"), (struct kv_options){0},
                   version));
    HOLDS(kv, TEXT("other"), TEXT("value"));

    FAILS(kv_set_with(kv, TEXT("key"), TEXT("value"), options, version),
          UNSUPPORTED);
    ABSENT(kv, TEXT("key"));
}

static void no_versions(struct resource *kv)
{
    const struct kv_options options = {.condition = KV_VERSION, .version = "1"};
    struct kv_value value = {0};
    char version[KV_VERSION_MAX + 1];

    OK(kv_set_with(kv, TEXT("key"), TEXT("value"), (struct kv_options){0},
                   version));
    CHECK(version[0] == '\0');
    FAILS(kv_get_entry(kv, TEXT(""), &value), INVALID_ARGUMENT);
    FAILS(kv_get_entry(kv, TEXT("key"), &value), UNSUPPORTED);
    FAILS(kv_set_with(kv, TEXT("key"), TEXT("other"), options, version),
          UNSUPPORTED);
    FAILS(kv_delete_if(kv, TEXT("key"), "1"), UNSUPPORTED);
    HOLDS(kv, TEXT("key"), TEXT("value"));
}

static void no_absent(struct resource *kv)
{
    const struct kv_options options = {.condition = KV_ABSENT};
    char version[KV_VERSION_MAX + 1];

    FAILS(kv_set_with(kv, TEXT("key"), TEXT("value"), options, version),
          UNSUPPORTED);
    ABSENT(kv, TEXT("key"));
}

static void no_increment(struct resource *kv)
{
    int64_t sum;

    FAILS(kv_increment(kv, TEXT(""), 1, &sum), INVALID_ARGUMENT);
    FAILS(kv_increment(kv, TEXT("key"), 1, &sum), UNSUPPORTED);
    ABSENT(kv, TEXT("key"));
}

static void no_keys(struct resource *kv)
{
    struct kv_page page = {0};

    FAILS(kv_keys(kv, TEXT(""), NULL, 0, &page), INVALID_ARGUMENT);
    FAILS(kv_keys(kv, TEXT(""), NULL, 10, &page), UNSUPPORTED);
}

const struct suite_feature suite_features[] = {
    {KV_NEEDS_TTL, "ttl", no_ttl},
    {KV_NEEDS_VERSION, "versions", no_versions},
    {KV_NEEDS_ABSENT, "if-absent", no_absent},
    {KV_NEEDS_INCREMENT, "increment", no_increment},
    {KV_NEEDS_KEYS, "keys", no_keys},
    {KV_NEEDS_DURABLE, "durable", NULL},
    {KV_NEEDS_SHARED, "shared", NULL},
    {KV_NEEDS_LINEARIZABLE, "linearizable", NULL},
    {0},
};

/* --- Values ------------------------------------------------------------- */

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

void kv_expect_value(struct resource *kv, struct bytes key,
                     struct bytes expected, const char *file, int line)
{
    struct kv_value value = {0};
    bool found = false;

    case_expect(kv_get(kv, key, &value), WORKED, false, "get", file, line);
    if (!value.found)
        case_fail(file, line, "there is no value");
    if (value.len != expected.len ||
        (value.len > 0 && memcmp(value.ptr, expected.ptr, value.len) != 0))
        case_fail(file, line, "another value, of %zu bytes: %.*s", value.len,
                  value.len < 60 ? (int)value.len : 60,
                  (const char *)value.ptr);
    kv_value_done(&value);
    case_expect(kv_exists(kv, key, &found), WORKED, false, "exists", file,
                line);
    if (!found)
        case_fail(file, line, "it has a value, but does not exist");
}

void kv_expect_absent(struct resource *kv, struct bytes key, const char *file,
                      int line)
{
    struct kv_value value = {0};
    bool found = true;

    case_expect(kv_get(kv, key, &value), WORKED, false, "get", file, line);
    if (value.found)
        case_fail(file, line, "there is a value");
    case_expect(kv_exists(kv, key, &found), WORKED, false, "exists", file,
                line);
    if (found)
        case_fail(file, line, "it has no value, but exists");
}

void kv_wait_absent(struct resource *kv, struct bytes key)
{
    bool found = true;

    for (int i = 0; i < 600 && found; i++) {
        OK(kv_exists(kv, key, &found));
        if (found)
            sleep_ms(50);
    }
    CHECK(!found);
}
