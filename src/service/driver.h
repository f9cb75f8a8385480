/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capability, and a driver of it, give to a service (service.h).
 *
 * A driver is plain blocking code for one state (a connection).  The service
 * does the rest: it checks and copies requests, queues and batches them, keeps
 * the driver threads and their states, waits, retries, counts and times.  In
 * return it promises a driver that
 *
 *   - at most one thread uses a state at a time, so a state needs no locks
 *     (the store, which all states share, is the driver's to protect);
 *   - requests are within the limits of their capability's header;
 *   - it only asks what `features` claims;
 *   - a state of which one op answered SL_UNAVAILABLE or SL_TIMEOUT, or is
 *     marked as lost, is closed and never used again, so a driver does not
 *     reconnect.
 *
 * A driver promises to answer every op of a batch, each by itself, to leave
 * the rest of a failed op's answer as it was, to be back soon after the last
 * deadline of the batch (its callers are answered then all the same, and after
 * SL_QUEUE_STUCK_MS more its state and its thread are given up), and that it
 * logs nothing: it says what went wrong in the answer, and whatever else
 * operators must know by service/notice.h.  What each verb must do
 * stands in its capability's driver.h.
 */
#ifndef SL_SERVICE_DRIVER_H
#define SL_SERVICE_DRIVER_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"
#include "service/request.h"
#include "service/service.h"

/* One request on its way through a driver. */
struct sl_op {
    const void *config;  /* the capability's struct */
    const void *owner;   /* of struct sl_caller; to be compared, no more */
    const void *request; /* of the capability; begins with its verb */
    void *answer;        /* initialised; begins with SL_ANSWER_HEAD */
    sl_deadline deadline;
    /* The bytes that the answers of this op's call may still hold; NULL: any
     * number. */
    size_t *answer_budget;
    /* Set by the driver beside a failure when the service certainly did not
     * act, so that any request may be repeated (a refused connection). */
    bool not_sent;
    /* Until when the request waits for what it asks for; 0: not at all. */
    sl_deadline wait_until;
    /*
     * Set by the driver, only where sl_op_may_wait, to answer "not yet": the op
     * is run anew at this time (or at wait_until), or as soon as something
     * changed.  0: the answer is final.
     */
    sl_deadline again_at;
    /*
     * Set by the driver beside again_at, where who waits stands in a line of
     * the service's: its place there, the smallest first.  0: who waits for the
     * same (struct sl_capability) stands as it has asked.
     */
    int64_t place;
    /*
     * Set by the driver beside again_at: when the op is run anew where it is
     * not first in line, unless it becomes so; SL_NEVER: at wait_until.  0: at
     * again_at as well.
     */
    sl_deadline others_at;
    /* The driver's, from one run of this op to the next; 0 at first. */
    int64_t ticket;
    /*
     * Set by the driver: it has looked at as much as one run may, and at not
     * all that there is.  The op is run anew, behind others, until its
     * deadline, whatever it is willing to wait.  Only of the only op of a call.
     */
    bool unfinished;
    /*
     * Set by the driver: of those that wait for what this op is about, the
     * first in line may be able to go on now.  So it sets it where the op
     * leaves something for the next one.
     */
    bool changed;
    /* Set by the driver beside SL_TOO_LARGE: the resource has no room left. */
    bool full;
    /* Set by the driver: its state is of no use any more, whatever it answered.
     */
    bool lost;
    /* It is run in place, on a thread that others need. */
    bool in_place;
    /* Set by the driver, only where in_place: this takes longer than a
     * millisecond, and is to be submitted; nothing was done. */
    bool too_long;
    struct sl_notice *notices;      /* service/notice.h */
    _Atomic uint64_t *dead_letters; /* the caller's; or NULL */
};

struct sl_driver {
    /* What the manifest calls it, for example "kv.redis". */
    const char *name;

    /* For `slight providers`: the service, and one sentence on it. */
    const char *service;
    const char *summary;

    /*
     * The settings it takes, ended by a zeroed entry, and the size of the
     * struct they fill.  Parsing, defaults, "unknown setting" errors,
     * `slight providers` and docs/providers/ all come from this table.
     */
    const struct sl_option *options;
    size_t options_size;

    unsigned features; /* of the capability's driver.h */

    /*
     * Whether it connects to addresses that its service tells it.  Otherwise
     * the ports in its options (struct sl_option) are all that it may connect
     * to; where there are none, it uses no network.
     */
    bool connects_anywhere;

    /*
     * Verbs (1 << verb) that never wait, and change nothing or are done within
     * a millisecond, so that they are run on the caller's thread, with a state
     * that is kept for that.  0: none.
     */
    unsigned inline_verbs;

    /*
     * Whatever run, and close, wait for, they wait with sl_wait_fd, or in
     * sl_block (base/wait.h): they may be called on a thread that others need.
     */
    bool waits_aside;

    /* The most states for submitted calls; 0 leaves it to the manifest. */
    unsigned max_states;

    /* The most ops that one run takes; 1: no batches. */
    unsigned max_batch;

    /*
     * Must.  What all states share: checked options, a TLS context, the data
     * of a store in memory.  Does no I/O that may wait.  options is the struct
     * above, filled; it outlives the store.
     */
    enum sl_status (*store_new)(const void *options, void **store,
                                struct sl_error *err);

    /*
     * May.  Tell what is risky in these options: a password that would go to
     * another machine without TLS (net/peer.h).
     */
    void (*risks)(const void *options, sl_risk_fn *tell, void *context);

    /*
     * May.  Called once, behind store_new.  What the store may call, from any
     * thread that a library of its own has and until store_free returns, to say
     * that ops that wait may be able to go on: changed(context).  The first in
     * each line is run.
     */
    void (*watch)(void *store, void (*changed)(void *context), void *context);

    /* Must.  All states are closed.  Cannot fail. */
    void (*store_free)(void *store);

    /* Must.  Connect, by the deadline.  *state is what run gets. */
    enum sl_status (*open)(void *store, sl_deadline deadline, void **state,
                           struct sl_error *err);

    /*
     * May, where open does not connect.  Whether the service can be reached and
     * lets us in, by the deadline.  Any thread.
     */
    enum sl_status (*check)(void *store, sl_deadline deadline,
                            struct sl_error *err);

    /*
     * May.  What the store holds itself, in this machine.  False: it cannot be
     * told now.  Any thread, also while states are used.
     */
    bool (*usage)(void *store, struct sl_usage *out);

    /*
     * Must.  Let go of everything open took.  Cannot fail.  Callers have their
     * answers by then, so this may take a moment to end what a service still
     * does for the state.
     */
    void (*close)(void *state);

    /*
     * Must.  Answer ops[0..count), in order, each by itself.  count is 1 to
     * max_batch.  Two ops on one key take effect in their order.
     */
    void (*run)(void *state, struct sl_op *const ops[], size_t count);

    /*
     * May.  Called about once a second by a driver thread between batches, with
     * an open state: sweep what has expired, for 10 ms at most, since calls may
     * be coming in.  True: there is more, and it is called again soon.  What
     * fails is tried again the next time.
     */
    bool (*idle)(void *state);

    /*
     * May; must where an op sets again_at.  Called every SL_SERVICE_POLL_MS
     * while ops wait: whether another process may have changed what they wait
     * for, since the last call or run with this state.  The first in each line
     * is run then.  Cheap.
     */
    bool (*changed)(void *state);

    /* May.  An op that was told to wait, and has a ticket, is given up. */
    void (*forget)(void *state, struct sl_op *op);

    /*
     * Must where the capability has sessions.  A session with this state is
     * over: roll back what is open.  False: close the state instead.
     */
    bool (*reset)(void *state);
};

/* A capability, as the service sees it.  Its functions are pure. */
struct sl_capability {
    const char *name; /* "kv" */

    const struct sl_driver *const *drivers; /* ended by NULL */
    /* Full names of the drivers that this build left out; ended by NULL. */
    const char *const *left_out;
    const struct sl_feature *features; /* ended by a zeroed entry */

    /* Settings beside sl_service_options.  They fill a struct that begins with
     * struct sl_service_config. */
    const struct sl_option *options;
    size_t config_size;

    const char *const *verbs; /* "get", ...: for metrics and messages */
    unsigned verb_count;

    size_t request_size;
    size_t answer_size;
    void (*answer_init)(void *answer);
    void (*answer_done)(void *answer); /* free what it holds */

    /* What a request points to, which a queued call copies; ended by a zeroed
     * entry. */
    const struct sl_request_field *request_fields;

    /* May.  The limits of a call as a whole, of 2 or more requests. */
    enum sl_status (*check_call)(const void *requests, size_t count,
                                 struct sl_error *err);

    /* The limits of one request, and that the driver has what it asks for. */
    enum sl_status (*check)(const struct sl_driver *driver, const void *config,
                            const void *request, struct sl_error *err);

    /*
     * Whether the request may be sent again where it may have reached the
     * service: it only reads, or the service itself can tell that it is the
     * same one, by an id or a token in it.  Not a write that would do the same
     * once more: another client may have written in between, and was told so.
     */
    bool (*is_repeatable)(const void *config, const void *request);

    /* May.  How long the request is willing to wait for its answer, beyond the
     * timeout of a call, in milliseconds. */
    int64_t (*wait_ms)(const void *config, const void *request);

    /*
     * May.  What a request is about, as a hash: whom it may let go on (about),
     * and with whom it waits in one line (line).  Without, all are about the
     * same.
     */
    void (*lines)(const void *request, uint64_t *about, uint64_t *line);

    /* May.  After the last run of an op: refuse what a service should not have
     * answered. */
    void (*finish)(const void *config, void *answer);

    /*
     * May.  Nobody will read this answer: give back what the request took of
     * the service (a lock, messages).  Any thread; may submit calls.
     */
    void (*discard)(struct sl_service *service, const void *request,
                    void *answer);

    /* May.  The bytes that the answers of a call of count requests may hold
     * together.  Without, any number. */
    size_t (*answer_budget)(const void *config, size_t count);
};

static inline struct sl_answer *sl_op_answer(const struct sl_op *op)
{
    return op->answer;
}

static inline uint32_t sl_op_verb(const struct sl_op *op)
{
    return sl_request_verb(op->request);
}

/* For drivers: whether "not yet" may be answered. */
static inline bool sl_op_may_wait(const struct sl_op *op)
{
    return op->wait_until != 0 && !sl_deadline_passed(op->wait_until);
}

/* For drivers: fill op's answer with a failure. */
void sl_op_fail(struct sl_op *op, const struct sl_error *err);

#endif
