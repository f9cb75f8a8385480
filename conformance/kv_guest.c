/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases' interface over the bindings of slight:kv, and the component that
 * runs them:
 *
 *     --list FEATURES         the names of the cases, one a line
 *     FEATURES NAME DRIVER    one case; it needs an empty store named "store",
 *                             and another one named "other"
 *
 * A case that fails says so on standard error and exits with 1.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "kv_cases.h"

struct kv {
    slight_kv_store_own_bucket_t bucket;
};

static struct kv_failure last;

const struct kv_failure *kv_last_failure(void)
{
    return &last;
}

void kv_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* --- To and from the bindings' types ------------------------------------ */

static slight_kv_store_borrow_bucket_t bucket_of(const struct kv *kv)
{
    return slight_kv_store_borrow_bucket(kv->bucket);
}

/* Arguments are not changed, though the bindings do not promise it. */
static command_string_t string_of(struct kv_bytes bytes)
{
    return (command_string_t){(uint8_t *)(uintptr_t)bytes.ptr, bytes.len};
}

static command_list_u8_t list_of(struct kv_bytes bytes)
{
    return (command_list_u8_t){(uint8_t *)(uintptr_t)bytes.ptr, bytes.len};
}

static void *must(void *memory)
{
    if (memory == NULL)
        kv_fail(__FILE__, __LINE__, "out of memory");
    return memory;
}

static char *text_of(command_string_t string)
{
    char *text = must(malloc(string.len + 1));

    if (string.len > 0)
        memcpy(text, string.ptr, string.len);
    text[string.len] = '\0';
    return text;
}

/* Remember a failure, and free it. */
static enum kv_status failed(slight_kv_store_error_t *error)
{
    last.status = (enum kv_status)(error->code + 1);
    last.retryable = error->retryable;
    snprintf(last.message, sizeof(last.message), "%.*s",
             (int)error->message.len, (const char *)error->message.ptr);
    slight_kv_store_error_free(error);
    return last.status;
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

enum kv_status kv_get(struct kv *kv, struct kv_bytes key,
                      struct kv_value *value)
{
    command_string_t name = string_of(key);
    command_option_list_u8_t got;
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_get(bucket_of(kv), &name, &got, &error))
        return failed(&error);
    *value = value_of(got.is_some, got.val);
    return KV_OK;
}

enum kv_status kv_get_entry(struct kv *kv, struct kv_bytes key,
                            struct kv_value *value)
{
    command_string_t name = string_of(key);
    slight_kv_store_option_entry_t got;
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_get_entry(bucket_of(kv), &name, &got,
                                                 &error))
        return failed(&error);
    *value = value_of(got.is_some, got.val.value);
    if (got.is_some)
        take_version(&got.val.version, value->version);
    return KV_OK;
}

enum kv_status kv_exists(struct kv *kv, struct kv_bytes key, bool *found)
{
    command_string_t name = string_of(key);
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_exists(bucket_of(kv), &name, found,
                                              &error))
        return failed(&error);
    return KV_OK;
}

enum kv_status kv_set(struct kv *kv, struct kv_bytes key, struct kv_bytes value)
{
    command_string_t name = string_of(key);
    command_list_u8_t content = list_of(value);
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_set(bucket_of(kv), &name, &content,
                                           &error))
        return failed(&error);
    return KV_OK;
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
        result.condition.val.version = string_of(kv_bytes_of(options.version));
    }
    return result;
}

enum kv_status kv_set_with(struct kv *kv, struct kv_bytes key,
                           struct kv_bytes value, struct kv_options options,
                           char version[KV_VERSION_MAX + 1])
{
    command_string_t name = string_of(key);
    command_list_u8_t content = list_of(value);
    slight_kv_store_set_options_t how = options_of(options);
    slight_kv_store_version_t written;
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_set_with(bucket_of(kv), &name, &content,
                                                &how, &written, &error))
        return failed(&error);
    take_version(&written, version);
    return KV_OK;
}

enum kv_status kv_delete(struct kv *kv, struct kv_bytes key, bool *found)
{
    command_string_t name = string_of(key);
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_delete(bucket_of(kv), &name, found,
                                              &error))
        return failed(&error);
    return KV_OK;
}

enum kv_status kv_delete_if(struct kv *kv, struct kv_bytes key,
                            const char *version)
{
    command_string_t name = string_of(key);
    slight_kv_store_version_t expected = string_of(kv_bytes_of(version));
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_delete_if(bucket_of(kv), &name,
                                                 &expected, &error))
        return failed(&error);
    return KV_OK;
}

enum kv_status kv_increment(struct kv *kv, struct kv_bytes key, int64_t delta,
                            int64_t *sum)
{
    command_string_t name = string_of(key);
    slight_kv_store_error_t error;
    int64_t result;

    if (!slight_kv_store_method_bucket_increment(bucket_of(kv), &name, delta,
                                                 &result, &error))
        return failed(&error);
    *sum = result;
    return KV_OK;
}

enum kv_status kv_keys(struct kv *kv, struct kv_bytes prefix,
                       const char *cursor, uint32_t limit, struct kv_page *page)
{
    command_string_t start = string_of(prefix), from = {0};
    slight_kv_store_page_t got;
    slight_kv_store_error_t error;

    if (cursor != NULL)
        from = string_of(kv_bytes_of(cursor));
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
    return KV_OK;
}

/* --- Many keys ---------------------------------------------------------- */

/* The keys, in memory that the caller frees. */
static command_list_string_t strings_of(const struct kv_bytes keys[],
                                        size_t count)
{
    command_list_string_t list = {must(calloc(count + 1, sizeof(*list.ptr))),
                                  count};

    for (size_t i = 0; i < count; i++)
        list.ptr[i] = string_of(keys[i]);
    return list;
}

enum kv_status kv_get_many(struct kv *kv, const struct kv_bytes keys[],
                           size_t count, struct kv_value values[])
{
    command_list_string_t names = strings_of(keys, count);
    command_list_option_list_u8_t got;
    slight_kv_store_error_t error;

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
    return KV_OK;
}

enum kv_status kv_set_many(struct kv *kv, const struct kv_bytes keys[],
                           const struct kv_bytes values[], size_t count,
                           enum kv_status each[])
{
    command_list_tuple2_string_list_u8_t entries = {
        must(calloc(count + 1, sizeof(*entries.ptr))), count};
    slight_kv_store_list_result_void_error_t results;
    slight_kv_store_error_t error;

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
                      ? (enum kv_status)(results.ptr[i].val.err.code + 1)
                      : KV_OK;
    slight_kv_store_list_result_void_error_free(&results);
    return KV_OK;
}

enum kv_status kv_delete_many(struct kv *kv, const struct kv_bytes keys[],
                              size_t count, enum kv_status each[], bool found[])
{
    command_list_string_t names = strings_of(keys, count);
    slight_kv_store_list_result_bool_error_t results;
    slight_kv_store_error_t error;

    bool ok = slight_kv_store_method_bucket_delete_many(bucket_of(kv), &names,
                                                        &results, &error);
    free(names.ptr);
    if (!ok)
        return failed(&error);
    CHECK(results.len == count);
    for (size_t i = 0; i < count; i++) {
        each[i] = results.ptr[i].is_err
                      ? (enum kv_status)(results.ptr[i].val.err.code + 1)
                      : KV_OK;
        found[i] = !results.ptr[i].is_err && results.ptr[i].val.ok;
    }
    slight_kv_store_list_result_bool_error_free(&results);
    return KV_OK;
}

/* --- Cases about handles ------------------------------------------------ */

static enum kv_status open_bucket(const char *name, struct kv *kv)
{
    command_string_t string = string_of(kv_bytes_of(name));
    slight_kv_store_error_t error;

    if (!slight_kv_store_static_bucket_open(&string, &kv->bucket, &error))
        return failed(&error);
    return KV_OK;
}

static void close_bucket(struct kv *kv)
{
    slight_kv_store_bucket_drop_own(kv->bucket);
}

static void only_what_is_granted(struct kv *kv)
{
    static const char *const names[] = {
        "nothing", "", "Store", "store ", "stor", "store/", "../store", "*",
    };
    struct kv bucket;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        FAILS(open_bucket(names[i], &bucket), KV_PERMISSION_DENIED);
    char *name = must(calloc(1, 100000));
    memset(name, 'n', 99999);
    FAILS(open_bucket(name, &bucket), KV_PERMISSION_DENIED);
    free(name);
    OK(kv_set(kv, KV_TEXT("key"), KV_TEXT("still works")));
    HOLDS(kv, KV_TEXT("key"), KV_TEXT("still works"));
}

static void two_handles_of_one_store(struct kv *kv)
{
    struct kv second;

    OK(open_bucket("store", &second));
    OK(kv_set(kv, KV_TEXT("key"), KV_TEXT("value")));
    HOLDS(&second, KV_TEXT("key"), KV_TEXT("value"));
    close_bucket(&second);
    HOLDS(kv, KV_TEXT("key"), KV_TEXT("value"));
}

static void two_stores(struct kv *kv)
{
    struct kv other;

    OK(open_bucket("other", &other));
    OK(kv_set(kv, KV_TEXT("key"), KV_TEXT("here")));
    ABSENT(&other, KV_TEXT("key"));
    OK(kv_set(&other, KV_TEXT("key"), KV_TEXT("there")));
    HOLDS(kv, KV_TEXT("key"), KV_TEXT("here"));
    HOLDS(&other, KV_TEXT("key"), KV_TEXT("there"));
    close_bucket(&other);
}

static void many_handles(struct kv *kv)
{
    enum { MOST = 1024 };
    static struct kv buckets[MOST];

    for (int i = 0; i < MOST - 1; i++) /* one is open already */
        OK(open_bucket(i % 2 == 0 ? "store" : "other", &buckets[i]));
    FAILS(open_bucket("store", &buckets[MOST - 1]), KV_TOO_LARGE);
    OK(kv_set(kv, KV_TEXT("key"), KV_TEXT("value")));
    HOLDS(&buckets[MOST - 2], KV_TEXT("key"), KV_TEXT("value"));
    close_bucket(&buckets[7]);
    OK(open_bucket("store", &buckets[7]));
    HOLDS(&buckets[7], KV_TEXT("key"), KV_TEXT("value"));
    for (int i = 0; i < MOST - 1; i++)
        close_bucket(&buckets[i]);
}

const struct kv_case kv_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted},
    {"two handles of one store", 0, two_handles_of_one_store},
    {"two stores are two", 0, two_stores},
    {"a thousand handles, and no more", 0, many_handles},
    {0},
};

/* --- The program -------------------------------------------------------- */

static int list_cases(unsigned features)
{
    const struct kv_case *item;

    for (size_t i = 0; (item = kv_case_at(features, i)) != NULL; i++)
        puts(item->name);
    return 0;
}

static int run_case(unsigned features, const char *name)
{
    const struct kv_case *item;
    struct kv kv;

    for (size_t i = 0; (item = kv_case_at(features, i)) != NULL; i++)
        if (strcmp(item->name, name) == 0)
            break;
    if (item == NULL) {
        fprintf(stderr, "no such case: %s\n", name);
        return 2;
    }
    OK(open_bucket("store", &kv));
    item->run(&kv);
    close_bucket(&kv);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return list_cases((unsigned)strtoul(argv[2], NULL, 10));
    if (argc == 5) /* all drivers are the same */
        return run_case((unsigned)strtoul(argv[1], NULL, 10), argv[2]);
    fprintf(stderr, "usage: --list FEATURES | FEATURES CASE DRIVER\n");
    return 2;
}
