/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lockd.zookeeper keeps from one run to the next: its sessions, and every
 * node that it has created in wait queues.
 *
 * Every node is deleted on the server in the end: other locks keep its session
 * alive, and a forgotten node would block its queue.
 */
#ifndef SL_LOCKD_ZOOKEEPER_NODES_H
#define SL_LOCKD_ZOOKEEPER_NODES_H

#include "client/zookeeper/zookeeper.h"
#include "lockd/driver.h"

#define SL_LOCKD_ZOOKEEPER_NS_PER_MS INT64_C(1000000)

enum {
    SL_LOCKD_ZOOKEEPER_SESSIONS =
        13, /* times to live of 1, 2, 4 … 4096 seconds */
    SL_LOCKD_ZOOKEEPER_ID_SIZE =
        32, /* hexadecimal digits at the start of a node's name */
    SL_LOCKD_ZOOKEEPER_NAME_SIZE = 64, /* of a node; more than enough */
    SL_LOCKD_ZOOKEEPER_BUCKETS = 1024, /* of the hash table of nodes */
    SL_LOCKD_ZOOKEEPER_PATH_MAX = 4096 /* bytes in the path of a key's queue */
};

enum sl_lockd_zookeeper_phase {
    SL_LOCKD_ZOOKEEPER_JOINING, /* the node may exist */
    SL_LOCKD_ZOOKEEPER_WAITING,
    SL_LOCKD_ZOOKEEPER_HOLDING,
    SL_LOCKD_ZOOKEEPER_LEAVING, /* the node is to be deleted */
};

struct sl_lockd_zookeeper_node {
    struct sl_lockd_zookeeper_node *next;
    int64_t ticket; /* of its op; at least 2 */
    enum sl_lockd_zookeeper_phase phase;
    unsigned session;                        /* the owner */
    char id[SL_LOCKD_ZOOKEEPER_ID_SIZE + 1]; /* the start of the name; random */
    char name[SL_LOCKD_ZOOKEEPER_NAME_SIZE]; /* of the node; "": unknown yet */
    int64_t token;
    char *queue_path; /* of the key */
    char *watched;    /* the path of its predecessor */
    bool recheck;     /* the predecessor may have been deleted */
    bool asked;       /* LEAVING: the request was sent */
    /* On sl_lock_clock: when WAITING and HOLDING expire; when LEAVING is
     * tried. */
    int64_t until;
};

struct sl_lockd_zookeeper_store {
    struct sl_zk_ensemble ensemble;
    struct sl_zk_ensemble
        initial_ensemble; /* a copy of its first state; borrows */
    char *root;           /* chroot and path */
    struct sl_zk_session sessions[SL_LOCKD_ZOOKEEPER_SESSIONS];
    int64_t least_ms, most_ms; /* bounds that servers put on timeouts */
    struct sl_lockd_zookeeper_node *nodes[SL_LOCKD_ZOOKEEPER_BUCKETS];
    size_t counts[SL_LOCKD_ZOOKEEPER_SESSIONS]; /* of nodes, by session */
    unsigned last; /* the session that was used last */
    bool changed;  /* a waiter may check its queue again */
    int64_t next_sweep[SL_LOCKD_ZOOKEEPER_SESSIONS];
};

/* Takes ownership of the contents of ensemble. */
struct sl_lockd_zookeeper_store *
sl_lockd_zookeeper_store_new(struct sl_zk_ensemble *ensemble, const char *path);
void sl_lockd_zookeeper_store_free(struct sl_lockd_zookeeper_store *store);

/* The session for locks of this time to live. */
unsigned
sl_lockd_zookeeper_session_for(const struct sl_lockd_zookeeper_store *store,
                               uint64_t ttl_ms);

/*
 * How long a lock is certain to be held after a heartbeat.  Shorter than the
 * session: a server forwards heartbeats to its leader, which expires sessions,
 * only twice a tick, and may be cut off before it does.
 */
uint64_t sl_lockd_zookeeper_guaranteed_ms(const struct sl_zk_session *session);

/* Connect if there is no connection; replaces a session that has expired. */
SL_MUST_CHECK enum sl_status
sl_lockd_zookeeper_store_connect(struct sl_lockd_zookeeper_store *store,
                                 unsigned session, sl_deadline deadline,
                                 struct sl_error *err);
/* The session has expired, and all its nodes with it. */
void sl_lockd_zookeeper_store_expire(struct sl_lockd_zookeeper_store *store,
                                     unsigned session);
/* The session has lost its connection: update its nodes. */
void sl_lockd_zookeeper_store_disconnected(
    struct sl_lockd_zookeeper_store *store, unsigned session);

/* Append the path of a key's queue to an empty buffer. */
SL_MUST_CHECK enum sl_status
sl_lockd_zookeeper_queue_path(const struct sl_lockd_zookeeper_store *store,
                              struct sl_bytes key, struct sl_buf *queue_path,
                              struct sl_error *err);

/* --- Nodes -------------------------------------------------------------- */

struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_new(struct sl_lockd_zookeeper_store *store,
                            unsigned session, struct sl_bytes queue_path);
struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_find(const struct sl_lockd_zookeeper_store *store,
                             int64_t ticket);
/* The node of this name in this queue. */
struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_find_named(const struct sl_lockd_zookeeper_store *store,
                                   struct sl_bytes name,
                                   struct sl_bytes queue_path);
void sl_lockd_zookeeper_node_free(struct sl_lockd_zookeeper_store *store,
                                  struct sl_lockd_zookeeper_node *node);
/* Delete the node at the next sweep. */
void sl_lockd_zookeeper_node_leave(struct sl_lockd_zookeeper_store *store,
                                   struct sl_lockd_zookeeper_node *node);

/* Append the path of the node to an empty buffer. */
struct sl_bytes
sl_lockd_zookeeper_node_path(const struct sl_lockd_zookeeper_node *node,
                             struct sl_buf *buf);

/*
 * The number at the end of a node's name, which orders the queue; false: the
 * node is not ours.
 */
bool sl_lockd_zookeeper_parse_sequence(struct sl_bytes name, int32_t *sequence);

/*
 * Finds the predecessor of a node: sl_lockd_zookeeper_queue_add is called for
 * each name in the queue.
 */
struct sl_lockd_zookeeper_queue {
    const char *name; /* of the node */
    int32_t sequence;
    bool found;                               /* the queue contains the node */
    char ahead[SL_LOCKD_ZOOKEEPER_NAME_SIZE]; /* the predecessor; "": none */
    int32_t ahead_sequence;
};

void sl_lockd_zookeeper_queue_add(void *queue, struct sl_bytes name);

/* --- Deleting nodes ----------------------------------------------------- */

/* Append requests that delete expired nodes of a session, at most every 100 ms.
 * Their replies go to sl_lockd_zookeeper_take_reply.  Whether there are any. */
bool sl_lockd_zookeeper_sweep(struct sl_lockd_zookeeper_store *store,
                              unsigned session);
/* Handle the reply to a request whose tag is not 0. */
void sl_lockd_zookeeper_take_reply(struct sl_lockd_zookeeper_store *store,
                                   const struct sl_zk_reply *reply);
/* Handle what a session has received, without waiting. */
void sl_lockd_zookeeper_store_poll(struct sl_lockd_zookeeper_store *store,
                                   unsigned session);

#endif
