/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of slight:kv; an error is printed as "CODE: MESSAGE". */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static int tell(const slight_kv_store_error_t *error)
{
    static const char *const codes[] = {
        "invalid-argument",   "not-found",   "already-exists",
        "conflict",           "aborted",     "permission-denied",
        "unauthenticated",    "read-only",   "too-large",
        "resource-exhausted", "timeout",     "cancelled",
        "unavailable",        "unsupported", "internal",
    };

    printf("%s: %.*s\n", codes[error->code], (int)error->message.len,
           (const char *)error->message.ptr);
    return 1;
}

static bool open_bucket(const char *name, slight_kv_store_own_bucket_t *bucket)
{
    slight_kv_store_error_t error;
    command_string_t text;

    command_string_set(&text, name);
    if (slight_kv_store_static_bucket_open(&text, bucket, &error))
        return true;
    tell(&error);
    return false;
}

static int get_key(slight_kv_store_borrow_bucket_t bucket, command_string_t key)
{
    command_option_list_u8_t value;
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_get(bucket, &key, &value, &error))
        return tell(&error);
    if (!value.is_some)
        puts("none");
    else
        printf("value: %.*s\n", (int)value.val.len,
               (const char *)value.val.ptr);
    return 0;
}

static int set_key(slight_kv_store_borrow_bucket_t bucket, command_string_t key,
                   command_list_u8_t value)
{
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_set(bucket, &key, &value, &error))
        return tell(&error);
    puts("set");
    return 0;
}

/* get NAME KEY */
static int get(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    command_string_t key;

    if (count < 2 || !open_bucket(args[0], &bucket))
        return 1;
    command_string_set(&key, args[1]);
    return get_key(slight_kv_store_borrow_bucket(bucket), key);
}

/* ask NAME KEY: get, and say so before. */
static int ask(int count, char *args[])
{
    puts("asking");
    fflush(stdout);
    return get(count, args);
}

/* set NAME KEY VALUE */
static int set(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    command_string_t key;
    command_list_u8_t value;

    if (count < 3 || !open_bucket(args[0], &bucket))
        return 1;
    command_string_set(&key, args[1]);
    value.ptr = (uint8_t *)args[2];
    value.len = strlen(args[2]);
    return set_key(slight_kv_store_borrow_bucket(bucket), key, value);
}

/* MiB of the letter x; ends the component where it has no room for them. */
static uint8_t *letters(const char *mebibytes, size_t *len)
{
    *len = strtoul(mebibytes, NULL, 10) << 20;
    uint8_t *text = malloc(*len);
    if (text == NULL) {
        puts("no memory");
        exit(1);
    }
    memset(text, 'x', *len);
    return text;
}

/* get-long NAME MIB: a key of that size. */
static int get_long(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    command_string_t key;

    if (count < 2 || !open_bucket(args[0], &bucket))
        return 1;
    key.ptr = letters(args[1], &key.len);
    return get_key(slight_kv_store_borrow_bucket(bucket), key);
}

/* set-large NAME MIB: a value of that size. */
static int set_large(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    command_string_t key;
    command_list_u8_t value;

    if (count < 2 || !open_bucket(args[0], &bucket))
        return 1;
    command_string_set(&key, "large");
    value.ptr = letters(args[1], &value.len);
    return set_key(slight_kv_store_borrow_bucket(bucket), key, value);
}

/* fill NAME MIB: values of that size until one has no room; then the first of
 * them is deleted. */
static int fill(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t key;
    command_list_u8_t value;
    char number[24];
    bool was = false;

    if (count < 2 || !open_bucket(args[0], &bucket))
        return 1;
    value.ptr = letters(args[1], &value.len);
    unsigned n = 0;
    do {
        snprintf(number, sizeof(number), "%u", n++);
        command_string_set(&key, number);
    } while (slight_kv_store_method_bucket_set(
        slight_kv_store_borrow_bucket(bucket), &key, &value, &error));
    tell(&error);
    command_string_set(&key, "0");
    if (!slight_kv_store_method_bucket_delete(
            slight_kv_store_borrow_bucket(bucket), &key, &was, &error))
        return tell(&error);
    printf("%u had room; one was deleted\n", n - 1);
    return was ? 0 : 1;
}

/* get-many NAME COUNT: of one key, so often. */
static int get_many(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    command_list_option_list_u8_t values;
    slight_kv_store_error_t error;
    command_list_string_t keys;

    if (count < 2 || !open_bucket(args[0], &bucket))
        return 1;
    keys.len = strtoul(args[1], NULL, 10);
    keys.ptr = malloc(keys.len * sizeof(*keys.ptr));
    if (keys.ptr == NULL)
        return 1;
    for (size_t i = 0; i < keys.len; i++)
        command_string_set(&keys.ptr[i], "key");
    if (!slight_kv_store_method_bucket_get_many(
            slight_kv_store_borrow_bucket(bucket), &keys, &values, &error))
        return tell(&error);
    return values.len == keys.len ? 0 : 1;
}

/* open-long MIB: a name of that size. */
static int open_long(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t name;

    if (count < 1)
        return 1;
    name.ptr = letters(args[0], &name.len);
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error))
        return tell(&error);
    return 0;
}

/* open-many NAME COUNT: keeps them all; then one is dropped, and opened. */
static int open_many(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket = {0};
    slight_kv_store_own_bucket_t last = {0};

    if (count < 2)
        return 1;
    for (int i = 0; i < atoi(args[1]); i++) {
        if (!open_bucket(args[0], &bucket)) {
            printf("%d were open\n", i);
            slight_kv_store_bucket_drop_own(last);
            return open_bucket(args[0], &bucket) ? 0 : 1;
        }
        last = bucket;
    }
    return 0;
}

const struct act kv_acts[] = {
    {"get", get},
    {"ask", ask},
    {"set", set},
    {"get-long", get_long},
    {"set-large", set_large},
    {"fill", fill},
    {"get-many", get_many},
    {"open-long", open_long},
    {"open-many", open_many},
    {NULL, NULL},
};
