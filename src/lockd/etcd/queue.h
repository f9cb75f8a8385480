/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiters of this process: what each op of a lockd.etcd keeps from one run
 * to the next, and which waiters to wake when a key is deleted.  Any thread; a
 * waiter's own fields belong to the thread that runs its op.
 */
#ifndef SL_LOCKD_ETCD_QUEUE_H
#define SL_LOCKD_ETCD_QUEUE_H

#include "base/bytes.h"
#include "base/deadline.h"

enum { SL_LOCKD_ETCD_NAME_LEN = 32 /* of a waiter's key: 128 random bits */ };

struct sl_lockd_etcd_waiter {
    struct sl_lockd_etcd_waiter *next;
    int64_t ticket;
    sl_deadline
        abandoned_at; /* the op has ended if it was not run again by then */

    char name[SL_LOCKD_ETCD_NAME_LEN + 1];
    int64_t lease;        /* 0: not granted yet */
    int64_t lease_ms;     /* the lease's time to live */
    int64_t renewed_at;   /* sl_lock_clock() before that grant or renewal */
    int64_t revision;     /* the create revision of its key; 0: unknown */
    sl_deadline check_at; /* check the queue then, even without an event */

    /* The queue's: */
    char *before; /* the full key of the predecessor, or NULL */
    size_t before_len;
    int64_t seen; /* a revision in which that key existed */
    bool due;     /* that key was deleted */
};

struct sl_lockd_etcd_queue;

struct sl_lockd_etcd_queue *sl_lockd_etcd_queue_new(void);
void sl_lockd_etcd_queue_free(struct sl_lockd_etcd_queue *queue);

/* A new waiter, with a name. */
struct sl_lockd_etcd_waiter *
sl_lockd_etcd_queue_add(struct sl_lockd_etcd_queue *queue);
/* For a run of its op.  NULL: no waiter has this ticket. */
struct sl_lockd_etcd_waiter *
sl_lockd_etcd_queue_find(struct sl_lockd_etcd_queue *queue, int64_t ticket);
/* The run is over; the next one begins within ms, or never. */
void sl_lockd_etcd_queue_park(struct sl_lockd_etcd_queue *queue,
                              struct sl_lockd_etcd_waiter *waiter, int64_t ms);
/* Start over with another name and without a lease. */
void sl_lockd_etcd_queue_reset(struct sl_lockd_etcd_queue *queue,
                               struct sl_lockd_etcd_waiter *waiter);
void sl_lockd_etcd_queue_remove(struct sl_lockd_etcd_queue *queue,
                                struct sl_lockd_etcd_waiter *waiter);

/* Wait for the deletion of this key, which existed in that revision. */
void sl_lockd_etcd_queue_wait(struct sl_lockd_etcd_queue *queue,
                              struct sl_lockd_etcd_waiter *waiter,
                              struct sl_bytes key, int64_t revision);
bool sl_lockd_etcd_queue_is_due(struct sl_lockd_etcd_queue *queue,
                                const struct sl_lockd_etcd_waiter *waiter);

/* The key was deleted in that revision (0: unknown).  Whether a waiter waits
 * for it. */
bool sl_lockd_etcd_queue_on_deleted(struct sl_lockd_etcd_queue *queue,
                                    struct sl_bytes key, int64_t revision);
/* Events may have been missed: every waiter checks the queue. */
void sl_lockd_etcd_queue_wake_all(struct sl_lockd_etcd_queue *queue);
/* Whether a waiter has become due since the last call. */
bool sl_lockd_etcd_queue_take_woken(struct sl_lockd_etcd_queue *queue);
/* The first revision that the queue has not seen yet; 0: there is no waiter. */
int64_t sl_lockd_etcd_queue_first_unseen(struct sl_lockd_etcd_queue *queue);

/* --- Leases to revoke --------------------------------------------------- */

/* Revoke the lease later; if that does not happen, it expires. */
void sl_lockd_etcd_queue_defer_revoke(struct sl_lockd_etcd_queue *queue,
                                      int64_t lease);
/* The next lease to revoke, or 0; includes waiters whose op has ended. */
int64_t sl_lockd_etcd_queue_next_revoke(struct sl_lockd_etcd_queue *queue);

#endif
