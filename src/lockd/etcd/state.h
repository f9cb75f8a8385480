/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of lockd.etcd share: its states, and how a lock is acquired.
 */
#ifndef SL_LOCKD_ETCD_STATE_H
#define SL_LOCKD_ETCD_STATE_H

#include <pthread.h>

#include "lockd/driver.h"
#include "lockd/etcd/call.h"
#include "lockd/etcd/line.h"

struct sl_etcd_lock_store {
    struct sl_etcd *etcd;
    struct sl_bytes prefix;
    struct sl_etcd_line *line;

    pthread_mutex_t mutex; /* of what follows */
    struct sl_etcd_watch *watch;
    sl_deadline watch_again; /* no sooner */
};

/* One connection. */
struct sl_etcd_lock_state {
    struct sl_etcd_lock_store *store;
    struct sl_etcd_conn *conn;
    struct sl_buf line; /* of the op's key */
};

struct sl_etcd_lock_call
sl_etcd_lock_call_by(const struct sl_etcd_lock_state *state,
                     sl_deadline deadline);
/* The whole key of a name in the state's line, into out. */
struct sl_bytes sl_etcd_lock_key(const struct sl_etcd_lock_state *state,
                                 const char *name, struct sl_buf *out);

/* Run an ACQUIRE; the state's line is that of its key. */
void sl_etcd_lock_acquire(struct sl_etcd_lock_state *state, struct sl_op *op);
/* It is given up: out of the line. */
void sl_etcd_lock_leave(struct sl_etcd_lock_state *state, struct sl_op *op,
                        struct sl_etcd_candidate *candidate);

#endif
