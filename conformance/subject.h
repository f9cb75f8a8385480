/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both subjects do with what they are called with: write down what they
 * saw, and answer as its first word says.  A macro of each subject names its
 * world, whose bindings these are.
 */
#ifndef CONFORMANCE_SUBJECT_H
#define CONFORMANCE_SUBJECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often this instance was called. */
static int calls;

/* "WHAT TEXT"; a name that the bindings free. */
static SUBJECT_STRING key_of(const char *what, const uint8_t *text, size_t len)
{
    static char key[200];
    int size = snprintf(key, sizeof(key), "%s %.*s", what, (int)len,
                        (const char *)text);

    if (size < 0 || (size_t)size >= sizeof(key))
        abort();
    return (SUBJECT_STRING){(uint8_t *)key, (size_t)size};
}

static void write_value(slight_kv_store_borrow_bucket_t bucket,
                        SUBJECT_STRING key, const void *ptr, size_t len)
{
    SUBJECT_LIST value = {(uint8_t *)(uintptr_t)ptr, len};
    slight_types_errors_error_t error;

    if (!slight_kv_store_method_bucket_set(bucket, &key, &value, &error))
        abort();
}

/* Write down what was seen, the count last; how often this text was, now. */
static int64_t note(SUBJECT_STRING resource, const uint8_t *text, size_t len)
{
    char number[16];
    SUBJECT_STRING name = {(uint8_t *)(uintptr_t)"seen", 4};
    slight_kv_store_own_bucket_t own;
    slight_types_errors_error_t error;
    int64_t count;

    calls++;
    snprintf(number, sizeof(number), "%d", calls);
    if (!slight_kv_store_static_bucket_open(&name, &own, &error))
        abort();
    slight_kv_store_borrow_bucket_t bucket = slight_kv_store_borrow_bucket(own);
    write_value(bucket, key_of("resource", text, len), resource.ptr,
                resource.len);
    write_value(bucket, key_of("calls", text, len), number, strlen(number));
    SUBJECT_STRING key = key_of("count", text, len);
    if (!slight_kv_store_method_bucket_increment(bucket, &key, 1, &count,
                                                 &error))
        abort();
    slight_kv_store_bucket_drop_own(own);
    return count;
}

enum subject_answer { SUBJECT_OK, SUBJECT_RETRY, SUBJECT_REJECT };

/* The answer to a text that was seen so often; or a trap. */
static enum subject_answer answer_to(const uint8_t *text, size_t len,
                                     int64_t count)
{
    if (len > 4 && memcmp(text, "trap", 4) == 0 && count == 1)
        abort();
    if (len > 5 && memcmp(text, "retry", 5) == 0 && count < 3)
        return SUBJECT_RETRY;
    if (len > 6 && memcmp(text, "reject", 6) == 0)
        return SUBJECT_REJECT;
    return SUBJECT_OK;
}

#endif
