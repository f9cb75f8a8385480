/* SPDX-License-Identifier: Apache-2.0 */
/* kv_cases.h over the bindings of slight:kv; and what only a guest can do. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "kv_cases.h"

struct resource {
    slight_kv_store_own_bucket_t bucket;
};

/* --- To and from the bindings' types ------------------------------------ */

static slight_kv_store_borrow_bucket_t bucket_of(const struct resource *kv)
{
    return slight_kv_store_borrow_bucket(kv->bucket);
}

/* Arguments are not changed, though the bindings do not promise it. */
static command_list_u8_t list_of(struct bytes bytes)
{
    return (command_list_u8_t){(uint8_t *)(uintptr_t)bytes.ptr, bytes.len};
}

static char *text_of(command_string_t string)
{
    char *text = must(malloc(string.len + 1));

    if (string.len > 0)
        memcpy(text, string.ptr, string.len);
    text[string.len] = '\0';
    return text;
}

static void take_version(command_string_t *string,
                         char version[KV_VERSION_MAX + 1])
{
    CHECK(string->len > 0 && string->len <= KV_VERSION_MAX);
    memcpy(version, string->ptr, string->len);
    version[string->len] = '\0';
    command_string_free(string);
}

/* Nothing at all has a pointer that cannot be freed. */
static struct kv_value value_of(bool found, command_list_u8_t list)
{
    struct kv_value value = {.found = found};

    if (found && list.len > 0) {
        value.ptr = list.ptr;
        value.len = list.len;
    }
    return value;
}

/* --- One key ------------------------------------------------------------ */

enum status kv_get(struct resource *kv, struct bytes key,
                   struct kv_value *value)
{
    command_string_t name = string_of(key);
    command_option_list_u8_t got;
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_get(bucket_of(kv), &name, &got, &error))
        return failed(&error);
    *value = value_of(got.is_some, got.val);
    return WORKED;
}

enum status kv_get_entry(struct resource *kv, struct bytes key,
                         struct kv_value *value)
{
    command_string_t name = string_of(key);
    slight_kv_store_option_entry_t got;
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_get_entry(bucket_of(kv), &name, &got,
                                                 &error))
        return failed(&error);
    *value = value_of(got.is_some, got.val.value);
    if (got.is_some)
        take_version(&got.val.version, value->version);
    return WORKED;
}

enum status kv_exists(struct resource *kv, struct bytes key, bool *found)
{
    command_string_t name = string_of(key);
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_exists(bucket_of(kv), &name, found,
                                              &error))
        return failed(&error);
    return WORKED;
}

enum status kv_set(struct resource *kv, struct bytes key, struct bytes value)
{
    command_string_t name = string_of(key);
    command_list_u8_t content = list_of(value);
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_set(bucket_of(kv), &name, &content,
                                           &error))
        return failed(&error);
    return WORKED;
}

static slight_kv_store_set_options_t options_of(struct kv_options options)
{
    slight_kv_store_set_options_t result = {
        .condition = {.tag = SLIGHT_KV_STORE_CONDITION_ALWAYS},
        .ttl_ms = {.is_some = options.has_ttl, .val = options.ttl_ms},
    };

    if (options.condition == KV_ABSENT)
        result.condition.tag = SLIGHT_KV_STORE_CONDITION_ABSENT;
    if (options.condition == KV_VERSION) {
        result.condition.tag = SLIGHT_KV_STORE_CONDITION_VERSION;
        result.condition.val.version = string_of(bytes_of(options.version));
    }
    return result;
}

enum status kv_set_with(struct resource *kv, struct bytes key,
                        struct bytes value, struct kv_options options,
                        char version[KV_VERSION_MAX + 1])
{
    command_string_t name = string_of(key);
    command_list_u8_t content = list_of(value);
    slight_kv_store_set_options_t how = options_of(options);
    slight_kv_store_option_version_t written;
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_set_with(bucket_of(kv), &name, &content,
                                                &how, &written, &error))
        return failed(&error);
    version[0] = '\0';
    if (written.is_some)
        take_version(&written.val, version);
    return WORKED;
}

enum status kv_delete(struct resource *kv, struct bytes key, bool *found)
{
    command_string_t name = string_of(key);
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_delete(bucket_of(kv), &name, found,
                                              &error))
        return failed(&error);
    return WORKED;
}

enum status kv_delete_if(struct resource *kv, struct bytes key,
                         const char *version)
{
    command_string_t name = string_of(key);
    slight_kv_store_version_t expected = string_of(bytes_of(version));
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_delete_if(bucket_of(kv), &name,
                                                 &expected, &error))
        return failed(&error);
    return WORKED;
}

enum status kv_increment(struct resource *kv, struct bytes key, int64_t delta,
                         int64_t *sum)
{
    command_string_t name = string_of(key);
    slight_types_errors_error_t error;
    int64_t result;

    if (!slight_kv_store_method_bucket_increment(bucket_of(kv), &name, delta,
                                                 &result, &error))
        return failed(&error);
    *sum = result;
    return WORKED;
}

enum status kv_keys(struct resource *kv, struct bytes prefix,
                    const char *cursor, uint32_t limit, struct kv_page *page)
{
    command_string_t start = string_of(prefix), from = {0};
    slight_kv_store_page_t got;
    slight_types_errors_error_t error;

    if (cursor != NULL)
        from = string_of(bytes_of(cursor));
    if (!slight_kv_store_method_bucket_keys(bucket_of(kv), &start,
                                            cursor != NULL ? &from : NULL,
                                            limit, &got, &error))
        return failed(&error);
    *page = (struct kv_page){.count = got.keys.len};
    page->keys = must(calloc(got.keys.len + 1, sizeof(char *)));
    for (size_t i = 0; i < got.keys.len; i++)
        page->keys[i] = text_of(got.keys.ptr[i]);
    if (got.next.is_some)
        page->next = text_of(got.next.val);
    slight_kv_store_page_free(&got);
    return WORKED;
}

/* --- Many keys ---------------------------------------------------------- */

/* The keys, in memory that the caller frees. */
static command_list_string_t strings_of(const struct bytes keys[], size_t count)
{
    command_list_string_t list = {must(calloc(count + 1, sizeof(*list.ptr))),
                                  count};

    for (size_t i = 0; i < count; i++)
        list.ptr[i] = string_of(keys[i]);
    return list;
}

enum status kv_get_many(struct resource *kv, const struct bytes keys[],
                        size_t count, struct kv_value values[])
{
    command_list_string_t names = strings_of(keys, count);
    command_list_option_list_u8_t got;
    slight_types_errors_error_t error;

    bool ok = slight_kv_store_method_bucket_get_many(bucket_of(kv), &names,
                                                     &got, &error);
    free(names.ptr);
    if (!ok)
        return failed(&error);
    CHECK(got.len == count);
    for (size_t i = 0; i < count; i++)
        values[i] = value_of(got.ptr[i].is_some, got.ptr[i].val);
    if (count > 0)
        free(got.ptr); /* the values are handed over */
    return WORKED;
}

enum status kv_set_many(struct resource *kv, const struct bytes keys[],
                        const struct bytes values[], size_t count,
                        enum status each[])
{
    command_list_tuple2_string_list_u8_t entries = {
        must(calloc(count + 1, sizeof(*entries.ptr))), count};
    slight_kv_store_list_result_void_error_t results;
    slight_types_errors_error_t error;

    for (size_t i = 0; i < count; i++) {
        entries.ptr[i].f0 = string_of(keys[i]);
        entries.ptr[i].f1 = list_of(values[i]);
    }
    bool ok = slight_kv_store_method_bucket_set_many(bucket_of(kv), &entries,
                                                     &results, &error);
    free(entries.ptr);
    if (!ok)
        return failed(&error);
    CHECK(results.len == count);
    for (size_t i = 0; i < count; i++)
        each[i] = results.ptr[i].is_err
                      ? (enum status)(results.ptr[i].val.err.code + 1)
                      : WORKED;
    slight_kv_store_list_result_void_error_free(&results);
    return WORKED;
}

enum status kv_delete_many(struct resource *kv, const struct bytes keys[],
                           size_t count, enum status each[], bool found[])
{
    command_list_string_t names = strings_of(keys, count);
    slight_kv_store_list_result_bool_error_t results;
    slight_types_errors_error_t error;

    bool ok = slight_kv_store_method_bucket_delete_many(bucket_of(kv), &names,
                                                        &results, &error);
    free(names.ptr);
    if (!ok)
        return failed(&error);
    CHECK(results.len == count);
    for (size_t i = 0; i < count; i++) {
        each[i] = results.ptr[i].is_err
                      ? (enum status)(results.ptr[i].val.err.code + 1)
                      : WORKED;
        found[i] = !results.ptr[i].is_err && results.ptr[i].val.ok;
    }
    slight_kv_store_list_result_bool_error_free(&results);
    return WORKED;
}

/* --- Cases about handles ------------------------------------------------ */

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t string = string_of(bytes_of(name));
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;

    if (!slight_kv_store_static_bucket_open(&string, &bucket, &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->bucket = bucket;
    return WORKED;
}

void suite_close(struct resource *kv)
{
    slight_kv_store_bucket_drop_own(kv->bucket);
    free(kv);
}

static void only_what_is_granted(struct resource *kv)
{
    struct resource *bucket;

    check_grants();
    char *name = must(calloc(1, 100000));
    memset(name, 'n', 99999);
    FAILS(suite_open(name, &bucket), PERMISSION_DENIED);
    free(name);
    OK(kv_set(kv, TEXT("key"), TEXT("still works")));
    HOLDS(kv, TEXT("key"), TEXT("still works"));
}

static void two_handles_of_one_store(struct resource *kv)
{
    struct resource *second;

    OK(suite_open("store", &second));
    OK(kv_set(kv, TEXT("key"), TEXT("value")));
    HOLDS(second, TEXT("key"), TEXT("value"));
    suite_close(second);
    HOLDS(kv, TEXT("key"), TEXT("value"));
}

static void two_stores(struct resource *kv)
{
    struct resource *other;

    OK(suite_open("other", &other));
    OK(kv_set(kv, TEXT("key"), TEXT("here")));
    ABSENT(other, TEXT("key"));
    OK(kv_set(other, TEXT("key"), TEXT("there")));
    HOLDS(kv, TEXT("key"), TEXT("here"));
    HOLDS(other, TEXT("key"), TEXT("there"));
    suite_close(other);
}

/* What "other" lists behind a cursor of "store" are keys of its own. */
static void a_cursor_of_another_store(struct resource *kv)
{
    static const char *const here[] = {"a", "b", "c", "d"};
    static const char *const there[] = {"b2", "c2", "z"};
    struct kv_page first = {0}, page = {0};
    struct resource *other;
    bool found;

    OK(suite_open("other", &other));
    for (int i = 0; i < 4; i++)
        OK(kv_set(kv, bytes_of(here[i]), TEXT("value")));
    for (int i = 0; i < 3; i++)
        OK(kv_set(other, bytes_of(there[i]), TEXT("value")));
    OK(kv_keys(kv, TEXT(""), NULL, 1, &first));
    CHECK(first.next != NULL);
    enum status status = kv_keys(other, TEXT(""), first.next, 10, &page);
    CHECK(status == WORKED || status == INVALID_ARGUMENT);
    for (size_t i = 0; i < page.count; i++) {
        OK(kv_exists(other, bytes_of(page.keys[i]), &found));
        CHECK(found);
    }
    kv_page_done(&page);
    kv_page_done(&first);
    suite_close(other);
}

static void many_handles(struct resource *kv)
{
    enum { MOST = 1024 };
    static struct resource *buckets[MOST];

    for (int i = 0; i < MOST - 1; i++) /* one is open already */
        OK(suite_open(i % 2 == 0 ? "store" : "other", &buckets[i]));
    FAILS(suite_open("store", &buckets[MOST - 1]), RESOURCE_EXHAUSTED);
    OK(kv_set(kv, TEXT("key"), TEXT("value")));
    HOLDS(buckets[MOST - 2], TEXT("key"), TEXT("value"));
    suite_close(buckets[7]);
    OK(suite_open("store", &buckets[7]));
    HOLDS(buckets[7], TEXT("key"), TEXT("value"));
    for (int i = 0; i < MOST - 1; i++)
        suite_close(buckets[i]);
}

const struct suite_case kv_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted,
     .holds = "kv-26 types-8"},
    {"two handles of one store", 0, two_handles_of_one_store,
     .holds = "kv-8 kv-24"},
    {"two stores are two", 0, two_stores, .holds = "kv-26"},
    {"a cursor of another store", KV_NEEDS_KEYS, a_cursor_of_another_store,
     .holds = "kv-63"},
    {"a thousand handles, and no more", 0, many_handles,
     .holds = "kv-27 types-15 types-17"},
    {0},
};

/* --- What the program needs --------------------------------------------- */

/* Two resources of every case are "store" and "other". */
static void empty_bucket(struct resource *kv)
{
    struct kv_page page = {0};
    bool found, more = true;

    while (more) {
        OK(kv_keys(kv, TEXT(""), NULL, KV_PAGE_MAX, &page));
        for (size_t i = 0; i < page.count; i++)
            OK(kv_delete(kv, bytes_of(page.keys[i]), &found));
        more = page.next != NULL;
        kv_page_done(&page);
    }
}

/* A bucket that lists no keys is emptied by whoever runs the case. */
void suite_empty(struct resource *kv, unsigned features)
{
    struct resource *other;

    if ((features & KV_NEEDS_KEYS) == 0)
        return;
    empty_bucket(kv);
    OK(suite_open("other", &other));
    empty_bucket(other);
    suite_close(other);
}
