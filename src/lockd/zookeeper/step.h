/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops of lockd.zookeeper on their way, step by step: what to ask the server
 * next, and what its answer means.  The ops of a group are in one session; each
 * round asks for all of them what is next, as one pipeline.
 */
#ifndef SL_LOCKD_ZOOKEEPER_STEP_H
#define SL_LOCKD_ZOOKEEPER_STEP_H

#include "lockd/zookeeper/places.h"

enum {
    SL_ZK_BATCH_MAX = 64,
    SL_ZK_SEEN_EVERY_MS = 1000, /* signs of life, and looks at who waits */
};

/* What is to be done next for an op. */
enum sl_zk_todo {
    SL_ZK_DONE,
    SL_ZK_JOIN,         /* make a place in the line, and look who is in it */
    SL_ZK_LOOK,         /* look again, as a holder that the leader confirms */
    SL_ZK_WATCH,        /* who stands before */
    SL_ZK_MAKE,         /* the line */
    SL_ZK_MAKE_PARENTS, /* and all that is above it */
    SL_ZK_LEAVE,        /* the line, without having had the lock */
    SL_ZK_RENEW,
    SL_ZK_RELEASE,
    SL_ZK_ASK, /* whether anyone is in the line */
};

struct sl_zk_step {
    struct sl_op *op;
    struct sl_zk_place *place; /* of ACQUIRE, SL_ZK_RENEW, SL_ZK_RELEASE */
    enum sl_zk_todo todo;
    int tries;
    struct sl_buf folder; /* the path of the key's line */
};

/* Ops in one session, on their way. */
struct sl_zk_group {
    struct sl_zk_store *store;
    unsigned index;
    struct sl_zk_session *session;
    struct sl_zk_step steps[SL_ZK_BATCH_MAX];
    size_t count;
    int64_t asked_at; /* this round */
    struct sl_buf path;
};

void sl_zk_refuse(struct sl_op *op, enum sl_status status, const char *why);
/* Its op is answered. */
void sl_zk_finish(struct sl_zk_step *step);
/* It goes on waiting, in its place: run it again in a while. */
void sl_zk_wait_on(struct sl_zk_step *step, int64_t ms);
/* The connection is of no use: fail what is not done, or have it wait. */
void sl_zk_interrupt_all(struct sl_zk_group *group, const struct sl_error *err,
                         bool not_sent);

/* Put what is next for it behind the session's requests. */
void sl_zk_ask(struct sl_zk_group *group, struct sl_zk_step *step);
/* Hear what is answered to that.  After a failure the session has no connection
 * any more. */
SL_MUST_CHECK enum sl_status sl_zk_hear(struct sl_zk_group *group,
                                        struct sl_zk_step *step,
                                        sl_deadline deadline,
                                        struct sl_error *err);

/* Answer ops, whatever their sessions (zookeeper_group.c). */
void sl_zk_run(struct sl_zk_store *store, struct sl_op *const ops[],
               size_t count);

#endif
