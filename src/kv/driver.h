/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key-value provider implements.
 *
 * A driver is plain blocking code for one connection.  kv.c does the rest: it
 * checks arguments, queues and batches calls, keeps the driver threads and
 * their states, retries, counts and times.  In return it promises a driver that
 *
 *   - at most one thread uses a state at a time, so a state needs no locks
 *     (the store, which all states share, is the driver's to protect);
 *   - keys are 1 to SL_KV_KEY_MAX bytes of UTF-8 without NUL, values are within
 *     the manifest's limit, page limits are 1 to SL_KV_PAGE_MAX;
 *   - it only asks what `features` claims;
 *   - a state of which one op answered SL_UNAVAILABLE or SL_TIMEOUT is closed
 *     and never used again, so a driver does not reconnect.
 *
 * A driver promises to answer every op of a batch, each by itself, to leave
 * the rest of a failed op's answer as it was, to be back soon after the last
 * deadline of the batch, and that it logs nothing: it says what went wrong in
 * the answer.
 */
#ifndef SL_KV_DRIVER_H
#define SL_KV_DRIVER_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"
#include "kv/kv.h"

/* What not every service can do; what is missing is SL_UNSUPPORTED. */
enum sl_kv_feature {
    SL_KV_FEATURE_TTL = 1 << 0,       /* SET with a time to live */
    SL_KV_FEATURE_VERSION = 1 << 1,   /* versions, and conditions on them */
    SL_KV_FEATURE_ABSENT = 1 << 2,    /* SET if absent */
    SL_KV_FEATURE_INCREMENT = 1 << 3, /* INCREMENT */
    SL_KV_FEATURE_KEYS = 1 << 4,      /* KEYS */
    SL_KV_FEATURE_DURABLE = 1 << 5,   /* an answered write survives a crash */
    SL_KV_FEATURE_SHARED = 1 << 6,    /* other processes see the same data */
    SL_KV_FEATURE_LINEARIZABLE = 1 << 7, /* others' writes are read at once */
};

/* One request on its way through a driver. */
struct sl_kv_op {
    const struct sl_kv_request *request;
    struct sl_kv_answer *answer; /* initialised; err.status SL_OK */
    sl_deadline deadline;
    /* GET: bytes of values that the call of this op may still hold. */
    size_t *room;
    /*
     * Set by the driver beside a failure when the service certainly did not
     * act, so that any request may be repeated (a refused connection).
     */
    bool not_sent;
};

struct sl_kv_driver {
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

    unsigned features; /* of enum sl_kv_feature */

    /*
     * Verbs (1 << enum sl_kv_verb) that never wait, so that kv.c runs them on
     * the caller's thread, with a state that it keeps for that.  0: none.
     */
    unsigned inline_verbs;

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

    /* Must.  All states are closed.  Cannot fail. */
    void (*store_free)(void *store);

    /* Must.  Connect, by the deadline.  *state is what run gets. */
    enum sl_status (*open)(void *store, sl_deadline deadline, void **state,
                           struct sl_error *err);

    /* Must.  Let go of everything open took.  Cannot fail. */
    void (*close)(void *state);

    /*
     * Must.  Answer ops[0..count), in order, each by itself.  count is 1 to
     * max_batch.  Two ops on one key take effect in their order.
     */
    void (*run)(void *state, struct sl_kv_op *const ops[], size_t count);

    /*
     * May.  Called about once a second by a driver thread that has nothing to
     * do, with an open state: sweep what has expired.  What fails is tried
     * again the next time.
     */
    void (*idle)(void *state);
};

/* Every driver in this build, ended by NULL (see drivers.c). */
extern const struct sl_kv_driver *const sl_kv_drivers[];

/* For drivers: fill op's answer with a failure. */
void sl_kv_op_fail(struct sl_kv_op *op, const struct sl_error *err);

/*
 * For drivers: before a GET holds a value of len bytes.  False, and op is
 * answered with SL_TOO_LARGE, where its call holds too much already.
 */
SL_MUST_CHECK bool sl_kv_op_make_room(struct sl_kv_op *op, size_t len);

#endif
