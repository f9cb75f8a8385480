/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lockd.etcd asks etcd: leases, and the line of a lock (https://etcd.io/
 * docs/v3.5/dev-guide/api_concurrency_reference_v3/ does the same): every key
 * `prefix/lock/NAME` stands for one who has or wants the lock, in the order of
 * their create revisions; the first has it.
 */
#ifndef SL_LOCKD_ETCD_CALL_H
#define SL_LOCKD_ETCD_CALL_H

#include "client/etcd/etcd.h"

/* A connection, and until when it may take.  Functions set *unchanged where
 * they fail, and etcd has certainly not acted. */
struct sl_etcd_lock_call {
    struct sl_etcd_conn *conn;
    sl_deadline deadline;
    bool unchanged;
};

enum { SL_ETCD_LOCK_KEY_MAX = 4096 };

/* `prefix` and the lock's name, in which a slash is no slash, and a slash. */
SL_MUST_CHECK enum sl_status sl_etcd_lock_line(struct sl_buf *out,
                                               struct sl_bytes prefix,
                                               struct sl_bytes lock,
                                               struct sl_error *err);

/* *lease_ms: what was wanted, and then what it is. */
SL_MUST_CHECK enum sl_status sl_etcd_lease_grant(struct sl_etcd_lock_call *call,
                                                 int64_t *lease,
                                                 int64_t *lease_ms,
                                                 struct sl_error *err);
/* SL_NOT_FOUND where it is over. */
SL_MUST_CHECK enum sl_status sl_etcd_lease_keep(struct sl_etcd_lock_call *call,
                                                int64_t lease,
                                                struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_etcd_lease_revoke(struct sl_etcd_lock_call *call, int64_t lease,
                     struct sl_error *err);

/*
 * Stand in line, with the lease; only where there is none, unless `behind`
 * others too.  *revision: of our key, 0 where it was not made.  *first: there
 * was no line.  SL_NOT_FOUND where the lease is over.
 */
SL_MUST_CHECK enum sl_status
sl_etcd_lock_enter(struct sl_etcd_lock_call *call, struct sl_bytes line,
                   const char *name, int64_t lease, bool behind,
                   int64_t *revision, bool *first, struct sl_error *err);

/*
 * Who stands just before us: its whole key into *before, which is empty where
 * that is nobody; *seen: when.  SL_NOT_FOUND where we do not stand in line.
 */
SL_MUST_CHECK enum sl_status
sl_etcd_lock_look(struct sl_etcd_lock_call *call, struct sl_bytes line,
                  const char *name, int64_t revision, struct sl_buf *before,
                  int64_t *seen, struct sl_error *err);

/* Give our key another lease.  SL_NOT_FOUND where it is not there any more. */
SL_MUST_CHECK enum sl_status sl_etcd_lock_lease(struct sl_etcd_lock_call *call,
                                                struct sl_bytes line,
                                                const char *name,
                                                int64_t revision, int64_t lease,
                                                struct sl_error *err);

/* SL_NOT_FOUND where our key is not there any more. */
SL_MUST_CHECK enum sl_status
sl_etcd_lock_check(struct sl_etcd_lock_call *call, struct sl_bytes line,
                   const char *name, int64_t revision, struct sl_error *err);

/* Whether there is a line. */
SL_MUST_CHECK enum sl_status sl_etcd_lock_any(struct sl_etcd_lock_call *call,
                                              struct sl_bytes line, bool *any,
                                              struct sl_error *err);

#endif
