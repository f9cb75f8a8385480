/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a service, shared by service.c (what is done at once), call.c
 * (what is queued), lane.c (how it is run) and session.c.
 */
#ifndef SL_SERVICE_INTERNAL_H
#define SL_SERVICE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "base/queue.h"
#include "service/driver.h"

/* States kept for inline calls: about as many as threads that run guests. */
enum { SL_SERVICE_INLINE_SLOTS = 16 };

/* Where calls are queued: the service's own, or a session's. */
struct sl_work_queue {
    struct sl_service *service;
    struct sl_queue *queue;
};

struct sl_session {
    struct sl_work_queue
        work_queue;          /* first: a session's lane is its session */
    struct sl_task end;      /* the last task of each use */
    struct sl_session *next; /* idle ones */
    struct sl_session *all;  /* all of the service */
    bool stuck;              /* its thread was given up, and is not back */
};

/* Whether the service works, as the log says (health.c). */
struct sl_health {
    _Atomic bool failed; /* was logged */
    pthread_t thread;
    bool has_thread;
    /* With the service's lock: */
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    bool watched;        /* anything is logged at all; set once */
    bool watching;       /* its thread runs */
    bool ending;
    bool suspected; /* a call was late */
    bool by_check;  /* it cannot be reached, or lets nobody in */
    sl_deadline quiet_until;
};

struct sl_service {
    char *name;
    const struct sl_capability *capability;
    const struct sl_driver *driver;
    const struct sl_service_config *config;
    void *store; /* the driver's */
    struct sl_work_queue work_queue;
    _Atomic(void *) slots[SL_SERVICE_INLINE_SLOTS];
    struct sl_metric *metrics;
    _Atomic uint64_t dead_letters; /* that were made here */

    /* Itself, until it is freed, and every call: a guest that does not end may
     * keep a call longer than that.  The last one frees the memory. */
    _Atomic size_t owners;
    _Atomic uint64_t held; /* bytes of guests' calls that are not over */

    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t unposted; /* `posted`, or `checking`, is 0, or nobody watches
                              */
    size_t posted;           /* calls that nobody waits for */
    size_t checking;         /* sl_service_check is with the driver */
    sl_deadline check_until; /* its deadline */
    struct sl_session *idle; /* nobody uses them */
    struct sl_session *sessions;
    int64_t session_count;
    int64_t stuck_sessions;
    struct sl_health health;
};

/* The index-th of an array of the capability's requests or answers. */
static inline const void *sl_request_at(const struct sl_capability *capability,
                                        const void *requests, size_t index)
{
    return (const char *)requests + index * capability->request_size;
}

static inline struct sl_answer *
sl_answer_at(const struct sl_capability *capability, void *answers,
             size_t index)
{
    return (void *)((char *)answers + index * capability->answer_size);
}

static inline uint32_t sl_verb_at(const struct sl_capability *capability,
                                  const void *requests, size_t index)
{
    return sl_request_verb(sl_request_at(capability, requests, index));
}

/* --- answer.c --- */

/*
 * Initialise the answers and check the requests into them; SL_TIMEOUT for what
 * is not checked by the deadline of a call that begins at `start`.  True: nothing is
 * left to do, since all of them failed or there are none.
 */
SL_MUST_CHECK bool sl_service_check_requests(const struct sl_service *service,
                                             const void *requests, size_t count,
                                             void *answers, int64_t start);

/* Refuse a call as a whole: fill its answers, which need not be initialised. */
void sl_answers_refuse(const struct sl_service *service, void *answers,
                       size_t count, const struct sl_error *err);

/* The bytes that the answers of a call may hold together.  *of_caller: it is
 * the caller that limits them.  Only of capabilities that limit answers. */
size_t sl_service_answer_budget(const struct sl_service *service,
                                size_t answers_max, size_t count,
                                bool *of_caller);

/*
 * After the last run of an op: let the capability look at the answer; say
 * whether a repeat may help, and of which resource a failure of the service is.
 */
void sl_service_finish_op(struct sl_service *service, struct sl_op *op);

/* Whether a failed op may be repeated: it may help, and can do no harm. */
/* Whether the caller may send the request again, whatever became of it. */
bool sl_service_is_harmless(const struct sl_service *service,
                            const void *request);
bool sl_service_may_repeat(const struct sl_service *service,
                           const struct sl_op *op);

/* Log and count what the driver told in an op that has run, and forget it. */
void sl_service_report_notices(struct sl_service *service, struct sl_op *op);

/* Whether one of the ops says that the connection must be closed. */
bool sl_connection_is_over(struct sl_op *const ops[], size_t count);

void sl_service_unref(struct sl_service *service);

/* --- inline.c --- */

/*
 * Run checked requests on this thread, if the driver can do all of them without
 * waiting.  False: they are to be queued, and their answers are as the checks
 * left them.
 */
SL_MUST_CHECK bool sl_service_run_inline(struct sl_service *service,
                                         const struct sl_caller *caller,
                                         size_t answers_max,
                                         const void *requests, size_t count,
                                         void *answers, int64_t start);

/* --- health.c --- */

/* Open a connection; whether that works is noted. */
SL_MUST_CHECK enum sl_status sl_service_connect(struct sl_service *service,
                                                sl_deadline deadline,
                                                void **connection,
                                                struct sl_error *err);
/* Note what the last run of an op was answered. */
void sl_health_see(struct sl_service *service, const struct sl_op *op);
/* Have the thread end; `unposted` tells that it has. */
void sl_health_end(struct sl_service *service);
/* Wait for its end, which a library's state of the thread needs, once it is
 * back; otherwise it is left. */
void sl_health_join(struct sl_service *service, bool is_back);

/* --- call.c --- */

/*
 * Who may finish the call.  A worker takes it from PENDING to SETTLING before
 * it finishes or queues it again.  The watch takes a late call from PENDING to
 * EXPIRED and completes it: its caller gets a failure in place of what a driver
 * may still be writing.
 */
enum sl_call_phase {
    SL_PHASE_PENDING,
    SL_PHASE_SETTLING,
    SL_PHASE_EXPIRED,
};

struct sl_call {
    struct sl_task task; /* first: a task is its call */
    struct sl_work_queue *work_queue;
    sl_call_done_fn *done; /* NULL: nobody waits */
    void *context;
    _Atomic unsigned owners;
    _Atomic bool cancelled;
    _Atomic int phase;
    bool expired_running; /* it was with a driver then */
    bool collected;
    bool delayed; /* submitted for later */
    struct sl_metric *metrics;
    size_t bytes;           /* of its copied requests */
    _Atomic uint64_t *held; /* where they count as well; NULL: nobody's */
    int64_t start;
    sl_deadline wait_until; /* of a request that is willing to wait; or 0 */
    sl_deadline deadline;
    int64_t tries;
    size_t answer_budget;
    size_t count;
    /* count of each; of an expired call the answers that are not finished are
     * the driver's until it comes back: */
    void *answers;
    void *requests;
    struct sl_op *ops;
    bool *finished;
};

/* What becomes a call. */
struct sl_submission {
    struct sl_work_queue *work_queue;
    const struct sl_caller *caller;
    int64_t delay_ms;
    size_t answers_max; /* limited.h */
    const void *requests;
    void *answers; /* as the checks left them */
    size_t count;
    size_t bytes; /* to be copied of the requests that passed */
};

/* A copy, with two owners: its caller and the queue. */
struct sl_call *sl_call_new(const struct sl_submission *submission);
void sl_call_unref(struct sl_call *call);

/* Queue it, or run it on this thread where the caller allows that. */
void sl_call_start(struct sl_call *call, const struct sl_caller *caller);

/* Nothing of what is left was sent, and nothing will be. */
void sl_call_finish_unsent(struct sl_call *call, const struct sl_error *err);
/* After a run: queue again what may be repeated, or waits, or complete. */
void sl_call_settle(struct sl_call *call);
/* Keep it until sl_call_late, which answers it with SL_TIMEOUT unless it is
 * answered already. */
void sl_call_hold(struct sl_call *call);
void sl_call_late(struct sl_call *call, bool running);

/* --- lane.c --- */

/* A queue for connections of the service; max_stuck of its workers are replaced. */
struct sl_queue *sl_work_queue_open(struct sl_work_queue *work_queue,
                                    unsigned workers, unsigned max_stuck);

/* --- session.c --- */

/* What a queue's task is: a call, or the end of a session's use. */
enum { SL_TASK_CALL, SL_TASK_END };

/* Run the end of a session's use: reset the connection for the next one. */
void sl_session_run_end(struct sl_work_queue *work_queue, void **connection);
/* Its thread was given up, or is back. */
void sl_session_set_stuck(struct sl_work_queue *work_queue, bool is_stuck);
/* False: a thread was left (sl_queue_end). */
bool sl_sessions_end(struct sl_service *service);
void sl_sessions_free(struct sl_service *service);

#endif
