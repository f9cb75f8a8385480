/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which a component ends against its will. */
#include "guest.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "command.h"

static int __attribute__((noinline)) unreachable(int count, char *args[])
{
    (void)count;
    (void)args;
    __builtin_trap();
}

static int out_of_bounds(int count, char *args[])
{
    volatile char *far = (volatile char *)(uintptr_t)0xfffffff0u;

    (void)count;
    (void)args;
    return *far;
}

/* C leaves both undefined; the instructions trap. */
static int divide(int count, char *args[])
{
    int quotient;

    (void)args;
    __asm__ volatile("local.get %1\ni32.const 0\ni32.div_s\nlocal.set %0"
                     : "=r"(quotient)
                     : "r"(count));
    return quotient;
}

static int overflow(int count, char *args[])
{
    int quotient;

    (void)args;
    __asm__ volatile("local.get %1\ni32.const -1\ni32.div_s\nlocal.set %0"
                     : "=r"(quotient)
                     : "r"(count + INT_MIN));
    return quotient;
}

/* Without end, on the stack of calls. */
static int __attribute__((noinline)) recurse(int count, char *args[])
{
    if (count < 0)
        return 0;
    int depth = recurse(count / 2 + 1, args);
    __asm__ volatile("" : "+r"(depth)); /* no loop is made of it */
    return depth + 1;
}

/* Without end, on the stack in memory, which is used up first. */
static int __attribute__((noinline)) overrun(int count, char *args[])
{
    volatile int depth = count;

    if (count < 0)
        return 0;
    return overrun(depth / 2 + 1, args) + depth;
}

static int call_null(int count, char *args[])
{
    act_fn *volatile function = NULL;

    return function(count, args);
}

static int end_by_abort(int count, char *args[])
{
    (void)count;
    (void)args;
    abort();
}

/* Ends the component where it cannot open "store". */
static slight_kv_store_own_bucket_t open_store(void)
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t name;

    command_string_set(&name, "default");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error))
        exit(1);
    return bucket;
}

static int drop_twice(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket = open_store();

    (void)count;
    (void)args;
    slight_kv_store_bucket_drop_own(bucket);
    slight_kv_store_bucket_drop_own(bucket);
    return 0;
}

static int get(slight_kv_store_borrow_bucket_t bucket, command_string_t key)
{
    command_option_list_u8_t value;
    slight_kv_store_error_t error;

    return slight_kv_store_method_bucket_get(bucket, &key, &value, &error) ? 0
                                                                           : 1;
}

static int use_dropped(int count, char *args[])
{
    slight_kv_store_own_bucket_t bucket = open_store();
    command_string_t key;

    (void)count;
    (void)args;
    command_string_set(&key, "key");
    slight_kv_store_bucket_drop_own(bucket);
    return get(slight_kv_store_borrow_bucket(bucket), key);
}

static int use_invented(int count, char *args[])
{
    slight_kv_store_borrow_bucket_t bucket = {.__handle = 12345};
    command_string_t key;

    (void)count;
    (void)args;
    command_string_set(&key, "key");
    return get(bucket, key);
}

/* A key beyond the end of its memory. */
static int pass_outside(int count, char *args[])
{
    command_string_t key = {.ptr = (uint8_t *)(uintptr_t)0xfffffff0u,
                            .len = 100};

    (void)count;
    (void)args;
    return get(slight_kv_store_borrow_bucket(open_store()), key);
}

/* A key that is no UTF-8, which a string must be. */
static int pass_no_text(int count, char *args[])
{
    uint8_t bytes[] = {0xff, 0xfe};
    command_string_t key = {.ptr = bytes, .len = sizeof(bytes)};

    (void)count;
    (void)args;
    return get(slight_kv_store_borrow_bucket(open_store()), key);
}

const struct act trap_acts[] = {
    {"unreachable", unreachable},
    {"out-of-bounds", out_of_bounds},
    {"divide", divide},
    {"overflow", overflow},
    {"recurse", recurse},
    {"overrun", overrun},
    {"call-null", call_null},
    {"abort", end_by_abort},
    {"drop-twice", drop_twice},
    {"use-dropped", use_dropped},
    {"use-invented", use_invented},
    {"pass-outside", pass_outside},
    {"pass-no-text", pass_no_text},
    {NULL, NULL},
};
