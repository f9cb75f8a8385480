/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with every key-value store, once for all drivers. */
#ifndef TEST_FAULTS_KV_FAULTS_H
#define TEST_FAULTS_KV_FAULTS_H

#include "faults/driver.h"
#include "kv/driver.h"

/* One request of a key; out may be NULL, and owns nothing. */
enum sl_status kv_do(struct test_store *store, enum sl_kv_verb verb,
                     const char *key, const char *value,
                     struct sl_kv_answer *out);
enum sl_status kv_set(struct test_store *store, const char *key);

/* For fault_driver. */
const void *kv_write(int number);
void kv_before_full(struct test_store *store);
void kv_while_full(struct test_store *store);
void kv_begin_writing(struct test_store *straight);
enum sl_status kv_write_number(struct fault_traffic *traffic, int writer,
                               int number);
void kv_check_written(const struct fault_traffic *traffic,
                      struct test_store *straight);
#define KV_FAULT_HOOKS                                                         \
    .write = kv_write,                                                         \
    .writing = {kv_begin_writing, kv_write_number, kv_check_written},          \
    .before_full = kv_before_full, .while_full = kv_while_full

void kv_case_restarted(void **state);
void kv_case_sums(void **state);
void kv_case_doubtful(void **state);

#define KV_FAULT_CASES                                                         \
    FAULT_DRIVER_CASES,                                                        \
        {"values outlive the server", kv_case_restarted, NULL, NULL, NULL},    \
        FAULT_WRITING_CASES,                                                   \
        {"no addition counts twice", kv_case_sums, NULL, NULL, NULL},          \
    {                                                                          \
        "what may have been done is not repeatable", kv_case_doubtful, NULL,   \
            NULL, NULL                                                         \
    }

#endif
