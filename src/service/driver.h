/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capability, and a driver of it, give to a service (service.h).
 *
 * A driver is plain blocking code for one connection.  The service does the
 * rest: it checks and copies requests, queues and batches them, runs the driver
 * threads and keeps their connections, waits, retries, counts and times.  It
 * promises a driver that
 *
 *   - at most one thread uses a connection at a time, so it needs no locks (the
 *     store, which all connections share, is the driver's to protect);
 *   - requests are within the limits of their capability's header;
 *   - requests need no feature that `features` does not claim;
 *   - a connection is closed and never used again once an op answered
 *     SL_UNAVAILABLE or SL_TIMEOUT or was marked broken, so a driver does not
 *     reconnect.
 *
 * A driver promises
 *
 *   - to answer every op of a batch, each by itself;
 *   - to change nothing in a failed op's answer but its err;
 *   - to return soon after the last deadline of the batch.  Its callers are
 *     answered then in any case, and after SL_QUEUE_STUCK_MS more its
 *     connection and its thread are given up;
 *   - not to log: it puts errors into answers, and reports what operators must
 *     know by service/notice.h.
 *
 * The capability's driver.h says what each verb must do.
 */
#ifndef SL_SERVICE_DRIVER_H
#define SL_SERVICE_DRIVER_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"
#include "service/request.h"
#include "service/service.h"

/* What an op has reported, oldest first. */
struct sl_notices {
    struct sl_notice *first, *last;
};

/* One request on its way through a driver. */
struct sl_op {
    const void *config;  /* the capability's struct */
    const void *owner;   /* of struct sl_caller: compared, never followed */
    const void *request; /* the capability's; begins with its verb */
    void *answer;        /* initialised; begins as struct sl_answer */
    sl_deadline deadline;
    /* The bytes that the answers of this op's call may still hold; NULL: any
     * number. */
    size_t *answer_budget;
    /* Set by the driver beside a failure if the service certainly did not act,
     * so that any request may be repeated (a refused connection). */
    bool unsent;
    /* Where the memory of the answer counts until it is released, and whether
     * what its caller may still hold is the limit of it; NULL: nowhere. */
    _Atomic uint64_t *answers_held;
    bool caller_limits_answer;
    /* Until when the request waits for what it asks for; 0: not at all. */
    sl_deadline wait_until;
    /*
     * Set by the driver, only where sl_op_may_wait, to answer "not yet": the op
     * runs again at this time (or at wait_until), or as soon as something
     * changed.  0: the answer is final.
     */
    sl_deadline retry_at;
    /*
     * Set by the driver beside retry_at, if the service has a wait queue of its
     * own: the op's position there, lowest first.  0: ops wait in the order in
     * which they came (struct sl_capability, wait_keys).
     */
    int64_t position;
    /*
     * Set by the driver beside retry_at: when the op runs again if it is not
     * first in its wait queue by then; SL_NEVER: at wait_until.  0: at
     * retry_at.
     */
    sl_deadline retry_if_not_first_at;
    /* The part of *answer_budget that this op's answer has used. */
    size_t used_budget;
    /* Names this waiter to the service.  The driver's, kept from one run of
     * this op to the next; 0 at first. */
    int64_t waiter_id;
    /*
     * Set by the driver if it reached the limit of one run before the end.  The
     * op runs again, after others, until its deadline, even if it is not
     * willing to wait.  Only of the only op of a call.
     */
    bool unfinished;
    /*
     * Set by the driver if the op leaves something for the first op that waits
     * with the same key, which runs then.
     */
    bool changed;
    /* Set by the driver beside SL_RESOURCE_EXHAUSTED: the store is full, and
     * waiting does not help. */
    bool full;
    /* Set by the driver: its connection must be closed, whatever it answered.
     */
    bool broken;
    /* The op runs in place, on a thread that others need. */
    bool in_place;
    /* Set by the driver, only where in_place: this takes longer than a
     * millisecond and must be queued; nothing was done. */
    bool too_long;
    struct sl_notices notices;      /* service/notice.h */
    _Atomic uint64_t *dead_letters; /* the caller's; may be NULL */
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
     * Whether it connects to addresses that its service announces.  Otherwise
     * it may only connect to the ports in its options (struct sl_option), and
     * without any it uses no network.
     */
    bool connects_anywhere;

    /*
     * Verbs (1 << verb) that never wait, and either change nothing or take less
     * than a millisecond.  They run on the caller's thread, with a connection
     * that is kept for that.  0: none.
     */
    unsigned inline_verbs;

    /*
     * Whether run and close only wait with sl_wait_fd or in sl_block
     * (base/wait.h), so that they may be called on a thread that others need.
     */
    bool blocking_safe;

    /* The most connections for queued calls; 0 leaves it to the manifest. */
    unsigned max_connections;

    /* The most ops that one run takes; 1: no batches. */
    unsigned max_batch;

    /*
     * Must.  What all connections share: checked options, a TLS context, the
     * data of a store in memory.  Does no I/O that may wait.  options is the
     * struct above, filled; it outlives the store.
     */
    enum sl_status (*store_new)(const void *options, void **store,
                                struct sl_error *err);

    /*
     * May.  Report what is risky in these options: a password that would go to
     * another machine without TLS (net/peer.h).
     */
    void (*risks)(const void *options, sl_risk_fn *report, void *context);

    /*
     * May.  Called once, after store_new.  Until store_free returns, the store
     * may call changed(context) from any thread of its library: waiting ops may
     * be able to go on.  The first op of each wait queue runs.
     */
    void (*watch)(void *store, void (*changed)(void *context), void *context);

    /* Must.  All connections are closed.  Cannot fail. */
    void (*store_free)(void *store);

    /* Must.  Connect, by the deadline.  Run gets *connection. */
    enum sl_status (*open)(void *store, sl_deadline deadline, void **connection,
                           struct sl_error *err);

    /*
     * May, if open does not connect.  Whether the service can be reached and
     * accepts our credentials, by the deadline.  Any thread.
     */
    enum sl_status (*check)(void *store, sl_deadline deadline,
                            struct sl_error *err);

    /*
     * May.  What the store itself holds, on this machine.  False: that is not
     * known now.  Any thread, also while connections are used.
     */
    bool (*usage)(void *store, struct sl_usage *out);

    /*
     * Must.  Free everything that open took.  Cannot fail.  Callers have their
     * answers by then, so this may take a moment to end what the service still
     * does for the connection.
     */
    void (*close)(void *connection);

    /*
     * Must.  Answer ops[0..count), in order, each by itself.  count is 1 to
     * max_batch.  Two ops on one key take effect in their order.
     */
    void (*run)(void *connection, struct sl_op *const ops[], size_t count);

    /*
     * May.  Called about once a second by a driver thread between batches, with
     * an open connection: delete what has expired, for at most 10 ms, since
     * calls may be coming in.  True: there is more, and it is called again
     * soon.  What fails is tried again the next time.
     */
    bool (*idle)(void *connection);

    /*
     * May; must if an op sets retry_at.  Called every SL_SERVICE_POLL_MS while
     * ops wait: whether another process may have changed what they wait for,
     * since the last call or run with this connection.  The first op of each
     * wait queue runs then.  Cheap.
     */
    bool (*changed)(void *connection);

    /* May.  A waiting op with a waiter_id is given up. */
    void (*forget)(void *connection, struct sl_op *op);

    /*
     * Must if the capability has sessions.  A session with this connection is
     * over: roll back what is open.  False: close the connection instead.
     */
    bool (*reset)(void *connection);
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
     * Whether the request may be sent again although it may have reached the
     * service: it only reads, or the service recognises the repeat by an id or
     * a token.  Not a write that merely has the same effect: another client may
     * have written in between, and that write was acknowledged.
     */
    bool (*is_repeatable)(const void *config, const void *request);

    /*
     * May.  Whether the caller may send a request again that is not repeatable:
     * the service recognises the repeat, but does not answer it as the first
     * one, so that only the caller knows what the answer means.
     */
    bool (*is_harmless)(const void *request);

    /* May.  How long the request is willing to wait beyond the timeout of a
     * call, in milliseconds. */
    int64_t (*wait_ms)(const void *config, const void *request);

    /*
     * May.  Hashes of what a request waits for or changes (change_key), and of
     * the wait queue in which it waits.  Without, all requests share one.
     */
    void (*wait_keys)(const void *request, uint64_t *change_key,
                      uint64_t *wait_queue);

    /* May.  After the last run of an op: refuse an answer that is beyond the
     * limits. */
    void (*finish)(const void *config, void *answer);

    /*
     * May.  Nobody will read this answer: give back what the request took from
     * the service (a lock, messages).  Any thread; may submit calls.
     */
    void (*discard)(struct sl_service *service, const void *request,
                    void *answer);

    /* May.  The bytes that the answers of a call of count requests may hold
     * together.  Without, any number. */
    size_t (*answer_budget)(const void *config, size_t count);

    /* May.  What holds the memory of an answer, and its bytes: at most the
     * budget above, which such a capability must have. */
    struct sl_held *(*answer_memory)(void *answer, size_t *bytes);
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

/* Before op runs again: undo what its last run set, except waiter_id and
 * notices. */
void sl_op_reset(const struct sl_capability *capability, struct sl_op *op);

#endif
