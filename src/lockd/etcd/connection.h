/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lockd.etcd share: store, connection, acquiring a lock. */
#ifndef SL_LOCKD_ETCD_CONNECTION_H
#define SL_LOCKD_ETCD_CONNECTION_H

#include <pthread.h>

#include "lockd/driver.h"
#include "lockd/etcd/call.h"
#include "lockd/etcd/queue.h"

struct sl_lockd_etcd_store {
    struct sl_etcd *etcd;
    struct sl_bytes prefix;
    struct sl_lockd_etcd_queue *queue;

    pthread_mutex_t mutex; /* guards the fields below */
    struct sl_etcd_watch *watch;
    sl_deadline watch_retry_at; /* a failed watch is not reopened before */
};

/* One connection. */
struct sl_lockd_etcd_connection {
    struct sl_lockd_etcd_store *store;
    struct sl_etcd_conn *conn;
    struct sl_buf queue_prefix; /* of the key of the op at hand */
};

struct sl_lockd_etcd_call
sl_lockd_etcd_call_new(const struct sl_lockd_etcd_connection *connection,
                       sl_deadline deadline);
/* The full key of a name in the connection's queue, written into out. */
struct sl_bytes
sl_lockd_etcd_key(const struct sl_lockd_etcd_connection *connection,
                  const char *name, struct sl_buf *out);

/* Run an ACQUIRE; connection->queue_prefix is set. */
void sl_lockd_etcd_acquire(struct sl_lockd_etcd_connection *connection,
                           struct sl_op *op);
/* Remove a waiter from the queue. */
void sl_lockd_etcd_cancel(struct sl_lockd_etcd_connection *connection,
                          struct sl_op *op,
                          struct sl_lockd_etcd_waiter *waiter);

#endif
