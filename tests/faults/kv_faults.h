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
#define KV_FAULT_HOOKS                                                         \
    .write = kv_write, .before_full = kv_before_full,                          \
    .while_full = kv_while_full

void kv_case_restarted(void **state);
void kv_case_killed(void **state);
void kv_case_cut(void **state);
void kv_case_sums(void **state);
void kv_case_doubtful(void **state);

#define KV_FAULT_CASES                                                         \
    FAULT_DRIVER_CASES,                                                        \
        {"values outlive the server", kv_case_restarted, NULL, NULL, NULL},    \
        {"a server killed under traffic loses nothing", kv_case_killed, NULL,  \
         NULL, NULL},                                                          \
        {"connections cut under traffic lose nothing", kv_case_cut, NULL,      \
         NULL, NULL},                                                          \
        {"no addition counts twice", kv_case_sums, NULL, NULL, NULL},          \
    {                                                                          \
        "what may have been done is not repeatable", kv_case_doubtful, NULL,   \
            NULL, NULL                                                         \
    }

#endif
