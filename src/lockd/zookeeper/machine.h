/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock state machine of one op of lockd.zookeeper: its next request, and
 * what the reply means.  The ops of a group share a session; each round sends
 * the next request of all of them as one pipeline.
 */
#ifndef SL_LOCKD_ZOOKEEPER_MACHINE_H
#define SL_LOCKD_ZOOKEEPER_MACHINE_H

#include "lockd/zookeeper/nodes.h"

enum {
    SL_LOCKD_ZOOKEEPER_BATCH_MAX = 64,
    SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS =
        1000, /* of sessions with nodes, and of waiters */
};

/* The next action of an op. */
enum sl_lockd_zookeeper_state {
    SL_LOCKD_ZOOKEEPER_DONE,
    SL_LOCKD_ZOOKEEPER_ENQUEUE,        /* create a node and list the queue */
    SL_LOCKD_ZOOKEEPER_RECHECK,        /* confirm the session, list again */
    SL_LOCKD_ZOOKEEPER_WATCH,          /* watch the predecessor */
    SL_LOCKD_ZOOKEEPER_CREATE_QUEUE,   /* create the queue's node */
    SL_LOCKD_ZOOKEEPER_CREATE_PARENTS, /* create it and all nodes above it */
    SL_LOCKD_ZOOKEEPER_DEQUEUE,        /* leave the queue without the lock */
    SL_LOCKD_ZOOKEEPER_RENEW,
    SL_LOCKD_ZOOKEEPER_RELEASE,
    SL_LOCKD_ZOOKEEPER_QUERY, /* whether the queue is empty */
};

struct sl_lockd_zookeeper_machine {
    struct sl_op *op;
    struct sl_lockd_zookeeper_node *node; /* of an ACQUIRE, RENEW or RELEASE */
    enum sl_lockd_zookeeper_state state;
    int tries;
    struct sl_buf queue_path; /* of the key */
};

/* Ops that share a session. */
struct sl_lockd_zookeeper_group {
    struct sl_lockd_zookeeper_store *store;
    unsigned index;
    struct sl_zk_session *session;
    struct sl_lockd_zookeeper_machine machines[SL_LOCKD_ZOOKEEPER_BATCH_MAX];
    size_t count;
    int64_t asked_at; /* when the round began */
    struct sl_buf path;
};

void sl_lockd_zookeeper_refuse(struct sl_op *op, enum sl_status status,
                               const char *why);
/* The op is answered. */
void sl_lockd_zookeeper_finish(struct sl_lockd_zookeeper_machine *machine);
/* The op keeps its node and waits; it is run again after ms. */
void sl_lockd_zookeeper_keep_waiting(struct sl_lockd_zookeeper_machine *machine,
                                     int64_t ms);
/* The connection has failed: fail the unfinished ops, or let them wait. */
void sl_lockd_zookeeper_interrupt_all(struct sl_lockd_zookeeper_group *group,
                                      const struct sl_error *err, bool unsent);

/* Append the op's next request to those of the session. */
void sl_lockd_zookeeper_append_request(
    struct sl_lockd_zookeeper_group *group,
    struct sl_lockd_zookeeper_machine *machine);
/* Read the reply to it.  A failure has closed the session's connection. */
SL_MUST_CHECK enum sl_status
sl_lockd_zookeeper_read_reply(struct sl_lockd_zookeeper_group *group,
                              struct sl_lockd_zookeeper_machine *machine,
                              sl_deadline deadline, struct sl_error *err);

/* Answer ops of any session (group.c). */
void sl_lockd_zookeeper_run(struct sl_lockd_zookeeper_store *store,
                            struct sl_op *const ops[], size_t count);

#endif
