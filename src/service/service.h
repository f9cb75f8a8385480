/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service: what stands behind one [[resource]] of the manifest, whatever its
 * capability.  It may be used from any number of threads at once.
 *
 * A call is one or more requests, each answered by itself.  sl_service_call
 * answers at once what cannot wait; everything else is queued, and completed by
 * one of the service's driver threads.  Requests and answers are arrays of the
 * structs that the capability's header has (kv/kv.h ...).
 */
#ifndef SL_SERVICE_SERVICE_H
#define SL_SERVICE_SERVICE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/option.h"
#include "base/wait.h"

enum {
    SL_SERVICE_POLL_MS = 25 /* how often another process's changes are seen */
};

/* The first member of every request says which of its capability's verbs it is.
 */
static inline uint32_t sl_request_verb(const void *request)
{
    return *(const uint32_t *)request;
}

/* Every answer begins with these members, in this order. */
struct sl_answer {
    struct sl_error err; /* err.status says whether the request succeeded */
    /* After a failure: a repeat may succeed and does no harm.  A driver sets it
     * where only the driver knows. */
    bool retryable;
    /* The whole call was refused before anything was tried: each of its answers
     * says so, with the same err. */
    bool refused;
};

/* Holds the above. */
#define SL_ASSERT_IS_ANSWER(type)                                              \
    static_assert(offsetof(type, err) == offsetof(struct sl_answer, err) &&    \
                      offsetof(type, retryable) ==                             \
                          offsetof(struct sl_answer, retryable) &&             \
                      offsetof(type, refused) ==                               \
                          offsetof(struct sl_answer, refused),                 \
                  #type " must begin with the members of struct sl_answer")

/* The settings of every resource; the capability's follow in its own struct. */
struct sl_hidden;
struct sl_service_config {
    int64_t timeout_ms;  /* the deadline of a call */
    int64_t connections; /* driver threads, each with a connection */
    int64_t max_queued;  /* calls waiting; one more is SL_RESOURCE_EXHAUSTED */
    int64_t max_queued_bytes; /* of guests' calls that are not over; the same */
    int64_t retry_attempts;   /* tries in all; 1: no retry */
    int64_t retry_backoff_ms; /* before the second try; doubles, with jitter */
    bool required;            /* slight is not ready without it */
    int64_t max_stuck;        /* connections that are given up and replaced */
    int64_t max_sessions;     /* of capabilities that have them */
    /* By no option: what came from outside, and is in no message (base/hide.h).
     */
    const struct sl_hidden *hidden;
};

/* The table of the above but max_sessions, ended by a zeroed entry. */
extern const struct sl_option sl_service_options[];

/* --- What can be opened ------------------------------------------------- */

struct sl_capability;
struct sl_driver;

/* Something that not every driver of a capability can do. */
struct sl_feature {
    unsigned bit;     /* in the features of a driver */
    const char *name; /* "if-absent" */
    const char *help; /* a few words */
};

/* What is known of a capability without opening anything. */
struct sl_capability_info {
    const char *name; /* "kv" */
    const struct sl_feature *features;
    const struct sl_option *options; /* beside sl_service_options */
    size_t config_size;              /* of the struct that both fill */
    const char *const *verbs;
    unsigned verb_count;
};

struct sl_driver_info {
    const char *name;    /* "kv.redis" */
    const char *service; /* "Redis" */
    const char *summary; /* one sentence */
    const struct sl_option *options;
    size_t options_size; /* of the struct that they fill */
    unsigned features;
    bool connects_anywhere; /* also where no option names it */
};

struct sl_capability_info
sl_capability_info(const struct sl_capability *capability);
/* The drivers of this build, counted from 0; NULL behind the last. */
const struct sl_driver *
sl_capability_driver(const struct sl_capability *capability, size_t index);
/*
 * The names of the drivers that this build left out ("kv.redis"), counted from
 * 0; NULL behind the last.  (-DSLIGHT_DRIVERS chooses.)
 */
const char *sl_capability_left_out(const struct sl_capability *capability,
                                   size_t index);
struct sl_driver_info sl_driver_info(const struct sl_driver *driver);

/* One sentence on what an operator should know; it holds no secret. */
typedef void sl_risk_fn(void *context, const char *text);

/* Tell what is risky in a driver's options, which are checked.  Asks nobody. */
void sl_driver_risks(const struct sl_driver *driver, const void *options,
                     sl_risk_fn *report, void *context);

/* --- Opening ------------------------------------------------------------ */

struct sl_service;

/*
 * name is what the manifest calls the resource, for messages and metrics.
 * config is the capability's struct and driver_options the driver's, filled;
 * both are borrowed until sl_service_free.  No service is contacted: the first
 * call does that.
 */
SL_MUST_CHECK enum sl_status sl_service_open(
    const struct sl_capability *capability, const char *name,
    const struct sl_driver *driver, const struct sl_service_config *config,
    const void *driver_options, struct sl_service **out, struct sl_error *err);

/*
 * Let what was posted and running calls finish, answer queued ones with
 * SL_UNAVAILABLE, and free.
 * NULL is fine.  Nobody may use the service any more; calls that were submitted
 * and not released stay valid.
 *
 * Waits until what runs is back, or given up: about a second behind its
 * deadline.  False: a thread was left in the driver.  Nothing that it may use
 * was freed, config and driver_options must not be either, and the process is
 * to end by _exit.
 */
bool sl_service_free(struct sl_service *service);

const struct sl_capability *
sl_service_capability(const struct sl_service *service);
/* The capability's struct. */
const void *sl_service_config(const struct sl_service *service);

struct sl_metric;
/* One per verb of the capability: the calls that were counted nowhere else,
 * since sl_service_open. */
const struct sl_metric *sl_service_metrics(const struct sl_service *service);

/* Messages that calls of this process made dead letters, since
 * sl_service_open.  Any thread. */
uint64_t sl_service_dead_letters(const struct sl_service *service);

/* What a resource holds itself, in this machine.  All are bytes. */
struct sl_usage {
    int64_t used;  /* of what may hold data */
    int64_t limit; /* the most that `used` may be */
    int64_t files; /* on the disk, all together; 0: it has none */
};

/* False: it holds nothing itself, or that cannot be told now.  May read a
 * disk.  Any thread. */
SL_MUST_CHECK bool sl_service_usage(const struct sl_service *service,
                                    struct sl_usage *out);

struct sl_queue_load; /* base/queue.h */
/* How many calls and connections there are, including those of sessions and of
 * calls that are answered in place. */
void sl_service_load(struct sl_service *service, struct sl_queue_load *out);

/*
 * Whether the service can be reached and accepts our credentials: a connection
 * is opened and closed.  Blocks until the deadline at most.
 */
SL_MUST_CHECK enum sl_status sl_service_check(struct sl_service *service,
                                              int64_t deadline,
                                              struct sl_error *err);

/*
 * From now on log once when the service fails (event=resource-failed) and once
 * when it works again (event=resource-again), and ask it now, by a thread of
 * its own.  Once, before the first call.
 */
void sl_service_watch(struct sl_service *service);

/* --- Calls -------------------------------------------------------------- */

struct sl_call;
struct sl_session;

/* Runs exactly once, on any thread, perhaps before the call returns. */
typedef void sl_call_done_fn(void *context);

/* Who calls, and how it learns that the call is over. */
struct sl_caller {
    /* NULL where the call needs no connection of its own. */
    struct sl_session *session;
    sl_call_done_fn *done; /* of a call that was pending */
    void *context;
    /*
     * May.  The call has to wait, and will hold so many bytes: other than SL_OK
     * refuses it.  What is only needed of a call that waits may be set here:
     * context, free_until, block.
     */
    enum sl_status (*admit)(struct sl_caller *caller, size_t bytes,
                            struct sl_error *err);
    /* One per verb, to count in, which outlive the service; NULL: the
     * service's own. */
    struct sl_metric *metrics;
    /* Counts the dead letters that its calls make, beside the service's own
     * count; may be NULL. */
    _Atomic uint64_t *dead_letters;
    /*
     * Whose call it is, such as a component's: compared, never followed.  A
     * driver leaves nothing of one owner's calls where another owner's find
     * it.  NULL: the owner of all calls that name none.
     */
    const void *owner;
    /*
     * Until when its thread may be kept for the call, which saves the way to a
     * driver thread and back.  SIGPIPE is blocked or ignored there.  0: not at
     * all.
     */
    sl_deadline free_until;
    sl_block_fn *block; /* how that thread waits for long (base/wait.h) */
    /*
     * Counts the bytes of its calls until they are over and released, and those
     * of answers until they are released; outlives the service.  Set for
     * guests: their calls are SL_UNAVAILABLE where such calls hold
     * max-queued-bytes already.  May be NULL.
     */
    _Atomic uint64_t *held;
};

enum sl_call_result {
    SL_CALL_ANSWERED, /* the answers are filled */
    SL_CALL_PENDING,  /* done will run, or has run */
};

/*
 * The way into a service.
 *
 * ANSWERED: the driver did it in place, without waiting, or all of it was
 * refused.  answers[0..count), which need not be initialised, are the caller's
 * to finish (sl_answers_done); done does not run, and *call is not set.
 *
 * PENDING: the requests were copied, and nothing is in answers.  *call is set
 * before done runs; the caller must sl_call_release it exactly once, before or
 * after that.  The call is answered by its deadline and a little more
 * (SL_QUEUE_LATE_MS), with SL_TIMEOUT where the driver has not come back by
 * then; what that answers later is thrown away.
 */
SL_MUST_CHECK enum sl_call_result sl_service_call(struct sl_service *service,
                                                  struct sl_caller *caller,
                                                  const void *requests,
                                                  size_t count, void *answers,
                                                  struct sl_call **call);

/* The same, begun after delay_ms, from which its deadline counts.  Always
 * pending; caller->admit is not called. */
void sl_service_call_later(struct sl_service *service,
                           const struct sl_caller *caller, int64_t delay_ms,
                           const void *requests, size_t count,
                           struct sl_call **call);

/* The same, begun now, for a caller of which nothing else is known. */
void sl_service_submit(struct sl_service *service, struct sl_session *session,
                       const void *requests, size_t count,
                       sl_call_done_fn *done, void *context,
                       struct sl_call **call);

/* Start a call whose answer is thrown away.  sl_service_free waits for it. */
void sl_service_post(struct sl_service *service, struct sl_session *session,
                     const void *requests, size_t count);

/* Once done ran: move the answers out, in the order of the requests. */
void sl_call_collect(struct sl_call *call, void *answers);

/*
 * Not interested any more.  Before done ran this cancels: what has not been
 * sent to the service is not sent, what has been is let run and its answer
 * discarded.  done still runs.
 */
void sl_call_release(struct sl_call *call);

/* Call, and wait.  Returns the status of the first answer. */
enum sl_status sl_service_do(struct sl_service *service,
                             struct sl_session *session, const void *requests,
                             size_t count, void *answers);

/* Fill an answer, which need not be initialised, with a failure. */
void sl_answer_fail(const struct sl_service *service, void *answer,
                    const struct sl_error *err);

/* Free what answers hold. */
void sl_answers_done(const struct sl_service *service, void *answers,
                     size_t count);

/* --- Sessions ----------------------------------------------------------- */

/*
 * A connection for calls that belong together (a transaction).  They run one
 * after the other, in the order submitted, on the session's thread.
 * SL_UNAVAILABLE if config's max_sessions are open.  Nothing is contacted yet.
 */
SL_MUST_CHECK enum sl_status sl_session_open(struct sl_service *service,
                                             struct sl_session **out,
                                             struct sl_error *err);

/*
 * The session is over, once the calls that were submitted are: the driver rolls
 * back what is open.  Does not wait.  NULL is fine.
 */
void sl_session_close(struct sl_session *session);

#endif
