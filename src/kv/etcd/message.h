/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of etcd and their answers (https://etcd.io/docs/v3.5/learning/
 * api/#transaction), without a connection: for etcd.c, its fuzzer and its
 * tests.
 */
#ifndef SL_KV_ETCD_MESSAGE_H
#define SL_KV_ETCD_MESSAGE_H

#include "kv/driver.h"
#include "net/http/json.h"

/* Append the operation of a GET, EXISTS, SET or DELETE, as one of a
 * transaction's. */
SL_MUST_CHECK enum sl_status
sl_kv_etcd_append_op(struct sl_buf *out, const struct sl_kv_request *request,
                     struct sl_bytes prefix, struct sl_error *err);

/* The whole transaction of a SET or DELETE on a condition.  SL_CONFLICT where
 * the version is the text of none. */
SL_MUST_CHECK enum sl_status
sl_kv_etcd_append_conditional(struct sl_buf *out,
                              const struct sl_kv_request *request,
                              struct sl_bytes prefix, struct sl_error *err);

/*
 * Fill op's answer from the index-th response of a transaction.  False where it
 * is not what the server answers to such an operation.
 */
SL_MUST_CHECK bool sl_kv_etcd_answer(struct sl_op *op,
                                     const struct sl_json *txn, size_t index);

/* A number and the revision that it is of; 0, 0 where there is no key. */
struct sl_kv_etcd_number {
    int64_t value;
    int64_t revision;
};

/* The transaction that writes sum where the key is in that revision, and reads
 * it otherwise. */
SL_MUST_CHECK enum sl_status
sl_kv_etcd_append_replace(struct sl_buf *out,
                          const struct sl_kv_request *request,
                          struct sl_bytes prefix, int64_t revision, int64_t sum,
                          struct sl_error *err);
/* The number of a range's answer.  SL_INVALID_ARGUMENT: it is not a number. */
SL_MUST_CHECK enum sl_status
sl_kv_etcd_read_number(const struct sl_json *range,
                       struct sl_kv_etcd_number *out, struct sl_error *err);

/* The range of a page.  SL_INVALID_ARGUMENT: invalid cursor. */
SL_MUST_CHECK enum sl_status
sl_kv_etcd_append_page(struct sl_buf *out, const struct sl_kv_request *request,
                       struct sl_bytes prefix, struct sl_error *err);
/* Its answer into op's.  False: invalid answer. */
SL_MUST_CHECK bool sl_kv_etcd_answer_page(struct sl_op *op,
                                          const struct sl_json *range,
                                          struct sl_bytes prefix);

#endif
