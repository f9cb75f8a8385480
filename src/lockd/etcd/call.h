/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of lockd.etcd: leases, and the wait queue of a lock (as in
 * https://etcd.io/docs/v3.5/dev-guide/api_concurrency_reference_v3/).  Every
 * key `prefix/lock/NAME` belongs to a holder or a waiter; keys are ordered by
 * their create revision, and the first one holds the lock.
 */
#ifndef SL_LOCKD_ETCD_CALL_H
#define SL_LOCKD_ETCD_CALL_H

#include "client/etcd/etcd.h"

/* A connection and a deadline.  A function that fails sets `unchanged` where
 * etcd has certainly not acted. */
struct sl_lockd_etcd_call {
    struct sl_etcd_conn *conn;
    sl_deadline deadline;
    bool unchanged;
};

enum { SL_LOCKD_ETCD_KEY_MAX = 4096 };

/* Append `prefix`, the escaped name of the lock and a slash. */
SL_MUST_CHECK enum sl_status sl_lockd_etcd_queue_prefix(struct sl_buf *out,
                                                        struct sl_bytes prefix,
                                                        struct sl_bytes lock,
                                                        struct sl_error *err);

/* *lease_ms: the requested time to live; on return the granted one. */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_lease_grant(struct sl_lockd_etcd_call *call, int64_t *lease,
                          int64_t *lease_ms, struct sl_error *err);
/* SL_NOT_FOUND: the lease has expired. */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_lease_keep_alive(struct sl_lockd_etcd_call *call, int64_t lease,
                               struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_lease_revoke(struct sl_lockd_etcd_call *call, int64_t lease,
                           struct sl_error *err);

/*
 * Create our key with the lease; unless `behind`, only if the queue is empty.
 * *revision: the create revision of our key, 0: not created.  *first: the queue
 * was empty.  SL_NOT_FOUND: the lease has expired.
 */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_enqueue(struct sl_lockd_etcd_call *call, struct sl_bytes prefix,
                      const char *name, int64_t lease, bool behind,
                      int64_t *revision, bool *first, struct sl_error *err);

/*
 * The full key of our predecessor into *before, empty: we are first; *seen: the
 * revision of the answer.  SL_NOT_FOUND: our key does not exist.
 */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_find_predecessor(struct sl_lockd_etcd_call *call,
                               struct sl_bytes prefix, const char *name,
                               int64_t revision, struct sl_buf *before,
                               int64_t *seen, struct sl_error *err);

/* Attach another lease to our key.  SL_NOT_FOUND: the key does not exist. */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_set_lease(struct sl_lockd_etcd_call *call, struct sl_bytes prefix,
                        const char *name, int64_t revision, int64_t lease,
                        struct sl_error *err);

/* SL_NOT_FOUND: our key does not exist. */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_check_key(struct sl_lockd_etcd_call *call, struct sl_bytes prefix,
                        const char *name, int64_t revision,
                        struct sl_error *err);

/* Whether the queue has a key. */
SL_MUST_CHECK enum sl_status
sl_lockd_etcd_is_locked(struct sl_lockd_etcd_call *call, struct sl_bytes prefix,
                        bool *any, struct sl_error *err);

#endif
