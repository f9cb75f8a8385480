/* SPDX-License-Identifier: Apache-2.0 */
/* Key-value stores and locks. */
#include "chaos.h"

typedef slight_kv_store_borrow_bucket_t bucket_t;

static void drop_bucket(int32_t handle)
{
    slight_kv_store_bucket_drop_own((slight_kv_store_own_bucket_t){handle});
}

static void drop_service(int32_t handle)
{
    slight_lockd_locks_service_drop_own(
        (slight_lockd_locks_own_service_t){handle});
}

static void drop_lock(int32_t handle)
{
    slight_lockd_locks_lock_drop_own((slight_lockd_locks_own_lock_t){handle});
}

static struct chaos_handles buckets = {.drop = drop_bucket};
static struct chaos_handles services = {.drop = drop_service};
static struct chaos_handles locks = {.drop = drop_lock};

static http_string_t name_of(const char *name)
{
    http_string_t text;

    http_string_set(&text, name);
    return chaos_once_in(50) ? chaos_text() : text;
}

static void open_bucket(void)
{
    static const char *const names[] = {"memory", "file", "none"};
    http_string_t name = name_of(names[chaos_below(3)]);
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;

    if (slight_kv_store_static_bucket_open(&name, &bucket, &error))
        chaos_keep(&buckets, bucket.__handle);
}

static bool any_bucket(bucket_t *bucket)
{
    if (buckets.count == 0)
        open_bucket();
    return chaos_any(&buckets, &bucket->__handle);
}

static void get(void)
{
    http_string_t key = chaos_text();
    http_option_list_u8_t value;
    slight_kv_store_option_entry_t entry;
    slight_kv_store_error_t error;
    bucket_t bucket;
    bool found;

    if (!any_bucket(&bucket))
        return;
    (void)slight_kv_store_method_bucket_get(bucket, &key, &value, &error);
    (void)slight_kv_store_method_bucket_get_entry(bucket, &key, &entry, &error);
    (void)slight_kv_store_method_bucket_exists(bucket, &key, &found, &error);
}

static void set(void)
{
    http_string_t key = chaos_text();
    http_list_u8_t value = chaos_bytes();
    slight_kv_store_error_t error;
    bucket_t bucket;

    if (any_bucket(&bucket))
        (void)slight_kv_store_method_bucket_set(bucket, &key, &value, &error);
}

static void set_with(void)
{
    http_string_t key = chaos_text();
    http_list_u8_t value = chaos_bytes();
    slight_kv_store_set_options_t options = {
        .condition.tag = (uint8_t)chaos_below(3),
        .condition.val.version = chaos_text(),
        .ttl_ms = chaos_maybe_ms()};
    slight_kv_store_option_version_t version;
    slight_kv_store_error_t error;
    bucket_t bucket;

    if (!any_bucket(&bucket))
        return;
    if (slight_kv_store_method_bucket_set_with(bucket, &key, &value, &options,
                                               &version, &error) &&
        version.is_some)
        (void)slight_kv_store_method_bucket_delete_if(bucket, &key,
                                                      &version.val, &error);
}

static void delete_and_count(void)
{
    http_string_t key = chaos_text();
    slight_kv_store_error_t error;
    int64_t number;
    bucket_t bucket;
    bool found;

    if (!any_bucket(&bucket))
        return;
    (void)slight_kv_store_method_bucket_delete(bucket, &key, &found, &error);
    (void)slight_kv_store_method_bucket_increment(
        bucket, &key, chaos_once_in(9) ? INT64_MAX : 1, &number, &error);
}

static void list_keys(void)
{
    http_string_t prefix = chaos_text(), cursor = chaos_text();
    slight_kv_store_page_t page;
    slight_kv_store_error_t error;
    bucket_t bucket;

    if (any_bucket(&bucket))
        (void)slight_kv_store_method_bucket_keys(
            bucket, &prefix, chaos_once_in(3) ? &cursor : NULL,
            chaos_below(2000), &page, &error);
}

static http_list_string_t many_keys(void)
{
    http_list_string_t keys = {.len = chaos_count()};
    http_string_t same = chaos_text();
    bool is_same = chaos_once_in(2);

    keys.ptr = chaos_new(keys.len, sizeof(*keys.ptr));
    for (size_t i = 0; i < keys.len; i++)
        keys.ptr[i] = is_same ? same : chaos_text();
    return keys;
}

static void get_many(void)
{
    http_list_string_t keys = many_keys();
    http_list_option_list_u8_t values;
    slight_kv_store_list_result_bool_error_t deleted;
    slight_kv_store_error_t error;
    bucket_t bucket;

    if (!any_bucket(&bucket))
        return;
    (void)slight_kv_store_method_bucket_get_many(bucket, &keys, &values,
                                                 &error);
    (void)slight_kv_store_method_bucket_delete_many(bucket, &keys, &deleted,
                                                    &error);
}

static void set_many(void)
{
    http_list_tuple2_string_list_u8_t entries = {.len = chaos_count()};
    slight_kv_store_list_result_void_error_t results;
    slight_kv_store_error_t error;
    bucket_t bucket;

    entries.ptr = chaos_new(entries.len, sizeof(*entries.ptr));
    for (size_t i = 0; i < entries.len; i++)
        entries.ptr[i] =
            (http_tuple2_string_list_u8_t){chaos_text(), chaos_bytes()};
    if (any_bucket(&bucket))
        (void)slight_kv_store_method_bucket_set_many(bucket, &entries, &results,
                                                     &error);
}

static void drop_any_bucket(void)
{
    int32_t handle;

    if (chaos_take(&buckets, &handle) && !chaos_once_in(4))
        drop_bucket(handle);
}

static bool any_service(slight_lockd_locks_borrow_service_t *service)
{
    http_string_t name = name_of("locks");
    slight_lockd_locks_own_service_t opened;
    slight_lockd_locks_error_t error;

    if (services.count == 0 &&
        slight_lockd_locks_static_service_open(&name, &opened, &error))
        chaos_keep(&services, opened.__handle);
    return chaos_any(&services, &service->__handle);
}

static void acquire(void)
{
    http_string_t key = chaos_text();
    slight_lockd_locks_options_t options = {
        .ttl_ms = chaos_ms(),
        .wait_ms = {.is_some = true, .val = chaos_below(5)},
        .keep_alive = chaos_once_in(2)};
    slight_lockd_locks_borrow_service_t service;
    slight_lockd_locks_own_lock_t lock;
    slight_lockd_locks_error_t error;

    if (any_service(&service) && slight_lockd_locks_method_service_acquire(
                                     service, &key, &options, &lock, &error))
        chaos_keep(&locks, lock.__handle);
}

static void ask_lock(void)
{
    http_string_t key = chaos_text();
    slight_lockd_locks_borrow_service_t service;
    slight_lockd_locks_borrow_lock_t lock;
    slight_lockd_locks_error_t error;
    bool is_locked;

    if (any_service(&service))
        (void)slight_lockd_locks_method_service_is_locked(service, &key,
                                                          &is_locked, &error);
    if (!chaos_any(&locks, &lock.__handle))
        return;
    slight_lockd_locks_method_lock_key(lock, &key);
    (void)slight_lockd_locks_method_lock_fencing_token(lock);
    (void)slight_lockd_locks_method_lock_is_held(lock);
    (void)slight_lockd_locks_method_lock_renew(lock, &error);
}

static void release(void)
{
    slight_lockd_locks_own_lock_t lock;
    slight_lockd_locks_error_t error;

    if (!chaos_take(&locks, &lock.__handle))
        return;
    for (int i = 0; i < 2 && chaos_once_in(2); i++)
        (void)slight_lockd_locks_method_lock_release(
            slight_lockd_locks_borrow_lock(lock), &error);
    drop_lock(lock.__handle);
}

chaos_act *const chaos_kv_acts[] = {
    open_bucket, get,      set,      set_with,        delete_and_count,
    list_keys,   get_many, set_many, drop_any_bucket, acquire,
    ask_lock,    release,  NULL};
