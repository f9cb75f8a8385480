/* SPDX-License-Identifier: Apache-2.0 */
#include "lockd/etcd/queue.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { REVOKES_MAX = 256 };

struct sl_lockd_etcd_queue {
    pthread_mutex_t mutex; /* guards the fields below, and those of waiters */
    struct sl_lockd_etcd_waiter *first;
    int64_t last_ticket;
    int64_t last_deletion; /* the last revision that deleted a key */
    bool woken;
    int64_t revokes[REVOKES_MAX];
    size_t revoke_count;
};

struct sl_lockd_etcd_queue *sl_lockd_etcd_queue_new(void)
{
    struct sl_lockd_etcd_queue *queue = sl_alloc(sizeof(*queue));

    pthread_mutex_init(&queue->mutex, NULL);
    return queue;
}

static void free_waiter(struct sl_lockd_etcd_waiter *waiter)
{
    free(waiter->before);
    free(waiter);
}

void sl_lockd_etcd_queue_free(struct sl_lockd_etcd_queue *queue)
{
    while (queue->first != NULL) {
        struct sl_lockd_etcd_waiter *next = queue->first->next;
        free_waiter(queue->first);
        queue->first = next;
    }
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

/* --- Waiters ------------------------------------------------------------ */

static void make_waiter_name(char name[SL_LOCKD_ETCD_NAME_LEN + 1])
{
    for (size_t i = 0; i < SL_LOCKD_ETCD_NAME_LEN / 8; i++)
        snprintf(name + i * 8, 9, "%08" PRIx32, arc4random());
}

struct sl_lockd_etcd_waiter *
sl_lockd_etcd_queue_add(struct sl_lockd_etcd_queue *queue)
{
    struct sl_lockd_etcd_waiter *waiter = sl_alloc(sizeof(*waiter));

    make_waiter_name(waiter->name);
    waiter->abandoned_at = SL_NEVER;
    pthread_mutex_lock(&queue->mutex);
    waiter->ticket = ++queue->last_ticket;
    waiter->next = queue->first;
    queue->first = waiter;
    pthread_mutex_unlock(&queue->mutex);
    return waiter;
}

struct sl_lockd_etcd_waiter *
sl_lockd_etcd_queue_find(struct sl_lockd_etcd_queue *queue, int64_t ticket)
{
    pthread_mutex_lock(&queue->mutex);
    struct sl_lockd_etcd_waiter *waiter = queue->first;
    while (waiter != NULL && waiter->ticket != ticket)
        waiter = waiter->next;
    if (waiter != NULL)
        waiter->abandoned_at = SL_NEVER;
    pthread_mutex_unlock(&queue->mutex);
    return waiter;
}

void sl_lockd_etcd_queue_park(struct sl_lockd_etcd_queue *queue,
                              struct sl_lockd_etcd_waiter *waiter, int64_t ms)
{
    pthread_mutex_lock(&queue->mutex);
    waiter->abandoned_at = sl_deadline_in_ms(ms);
    pthread_mutex_unlock(&queue->mutex);
}

/* The mutex is held. */
static void set_predecessor(struct sl_lockd_etcd_waiter *waiter,
                            struct sl_bytes key)
{
    free(waiter->before);
    waiter->before = key.len == 0 ? NULL : sl_strndup(key.ptr, key.len);
    waiter->before_len = key.len;
    waiter->due = false;
}

void sl_lockd_etcd_queue_reset(struct sl_lockd_etcd_queue *queue,
                               struct sl_lockd_etcd_waiter *waiter)
{
    pthread_mutex_lock(&queue->mutex);
    set_predecessor(waiter, SL_BYTES(NULL, 0));
    waiter->lease = waiter->revision = 0;
    waiter->check_at = 0;
    pthread_mutex_unlock(&queue->mutex);
    make_waiter_name(waiter->name);
}

void sl_lockd_etcd_queue_remove(struct sl_lockd_etcd_queue *queue,
                                struct sl_lockd_etcd_waiter *waiter)
{
    pthread_mutex_lock(&queue->mutex);
    struct sl_lockd_etcd_waiter **link = &queue->first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    pthread_mutex_unlock(&queue->mutex);
    free_waiter(waiter);
}

/* --- Waiting -------------------------------------------------------------- */

void sl_lockd_etcd_queue_wait(struct sl_lockd_etcd_queue *queue,
                              struct sl_lockd_etcd_waiter *waiter,
                              struct sl_bytes key, int64_t revision)
{
    pthread_mutex_lock(&queue->mutex);
    set_predecessor(waiter, key);
    waiter->seen = revision;
    /* Deletions since that revision may include this key. */
    waiter->due = queue->last_deletion > revision;
    queue->woken = queue->woken || waiter->due;
    pthread_mutex_unlock(&queue->mutex);
}

bool sl_lockd_etcd_queue_is_due(struct sl_lockd_etcd_queue *queue,
                                const struct sl_lockd_etcd_waiter *waiter)
{
    pthread_mutex_lock(&queue->mutex);
    bool due = waiter->due;
    pthread_mutex_unlock(&queue->mutex);
    return due;
}

bool sl_lockd_etcd_queue_on_deleted(struct sl_lockd_etcd_queue *queue,
                                    struct sl_bytes key, int64_t revision)
{
    bool awaited = false;

    pthread_mutex_lock(&queue->mutex);
    if (revision > queue->last_deletion)
        queue->last_deletion = revision;
    for (struct sl_lockd_etcd_waiter *c = queue->first; c != NULL;
         c = c->next) {
        if (c->before == NULL || c->before_len != key.len ||
            memcmp(c->before, key.ptr, key.len) != 0)
            continue;
        c->due = true;
        awaited = true;
    }
    queue->woken = queue->woken || awaited;
    pthread_mutex_unlock(&queue->mutex);
    return awaited;
}

void sl_lockd_etcd_queue_wake_all(struct sl_lockd_etcd_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    for (struct sl_lockd_etcd_waiter *c = queue->first; c != NULL; c = c->next)
        if (c->before != NULL)
            c->due = queue->woken = true;
    pthread_mutex_unlock(&queue->mutex);
}

bool sl_lockd_etcd_queue_take_woken(struct sl_lockd_etcd_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool woken = queue->woken;
    queue->woken = false;
    pthread_mutex_unlock(&queue->mutex);
    return woken;
}

int64_t sl_lockd_etcd_queue_first_unseen(struct sl_lockd_etcd_queue *queue)
{
    int64_t first = 0;

    pthread_mutex_lock(&queue->mutex);
    for (struct sl_lockd_etcd_waiter *c = queue->first; c != NULL; c = c->next)
        if (c->before != NULL && (first == 0 || c->seen + 1 < first))
            first = c->seen + 1;
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

/* --- Leases to revoke --------------------------------------------------- */

/* The mutex is held. */
static void add_revoke(struct sl_lockd_etcd_queue *queue, int64_t lease)
{
    if (lease != 0 && queue->revoke_count < REVOKES_MAX)
        queue->revokes[queue->revoke_count++] = lease;
}

void sl_lockd_etcd_queue_defer_revoke(struct sl_lockd_etcd_queue *queue,
                                      int64_t lease)
{
    pthread_mutex_lock(&queue->mutex);
    add_revoke(queue, lease);
    pthread_mutex_unlock(&queue->mutex);
}

int64_t sl_lockd_etcd_queue_next_revoke(struct sl_lockd_etcd_queue *queue)
{
    int64_t lease = 0;

    pthread_mutex_lock(&queue->mutex);
    struct sl_lockd_etcd_waiter **link = &queue->first;
    while (*link != NULL) {
        struct sl_lockd_etcd_waiter *waiter = *link;
        if (!sl_deadline_passed(waiter->abandoned_at)) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        add_revoke(queue, waiter->lease);
        free_waiter(waiter);
    }
    if (queue->revoke_count > 0)
        lease = queue->revokes[--queue->revoke_count];
    pthread_mutex_unlock(&queue->mutex);
    return lease;
}
