/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key-value stores, as the rest of slight uses them: wit/kv/kv.wit in C.
 *
 * A store may be used from any number of threads at once.  A call is one or
 * more requests, each answered by itself.  What cannot wait is answered at once
 * by sl_kv_try; everything else is submitted, and completed by one of the
 * store's driver threads.
 */
#ifndef SL_KV_KV_H
#define SL_KV_KV_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"

enum {
    SL_KV_KEY_MAX = 1024,          /* bytes in a key; at least one */
    SL_KV_VERSION_MAX = 64,        /* bytes in a version */
    SL_KV_PAGE_MAX = 1000,         /* keys in a page */
    SL_KV_MANY_MAX = 1000,         /* requests in one call */
    SL_KV_CURSOR_MAX = 1024 * 1024 /* bytes in a cursor */
};

/* Bytes of all values of one call together, both ways. */
#define SL_KV_CALL_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum sl_kv_verb {
    SL_KV_GET,
    SL_KV_EXISTS,
    SL_KV_SET,
    SL_KV_DELETE,
    SL_KV_INCREMENT,
    SL_KV_KEYS,
};

enum { SL_KV_VERB_COUNT = SL_KV_KEYS + 1 };

/* "get", "exists", ...: for metrics and messages. */
const char *sl_kv_verb_text(enum sl_kv_verb verb);

/* When a SET or a DELETE may happen. */
enum sl_kv_condition {
    SL_KV_ALWAYS,
    SL_KV_ABSENT,  /* SET only; otherwise SL_ALREADY_EXISTS */
    SL_KV_VERSION, /* the key's version is `version`; otherwise SL_CONFLICT */
};

/*
 * What is asked for; the bytes are borrowed until the function they are given
 * to returns.  A zeroed request with a verb and a key is a plain one.
 * The bridge mirrors this struct: bridge/slight_bridge.h.
 */
struct sl_kv_request {
    enum sl_kv_verb verb;
    enum sl_kv_condition condition;
    struct sl_bytes key;     /* KEYS: the prefix, which may be empty */
    struct sl_bytes value;   /* SET */
    struct sl_bytes version; /* SL_KV_VERSION */
    struct sl_bytes
        cursor;      /* KEYS: as answered before; empty: from the start */
    uint64_t ttl_ms; /* SET, if has_ttl: 1 or more */
    int64_t delta;   /* INCREMENT */
    uint32_t limit;  /* KEYS: 1 to SL_KV_PAGE_MAX */
    bool has_ttl;
    bool want_version; /* GET and SET: fill answer.version */
};

/*
 * What came of it: err.status says whether it worked.  The fields that the verb
 * does not fill are as sl_kv_answer_init left them.
 * The bridge mirrors this struct: bridge/slight_bridge.h.
 */
struct sl_kv_answer {
    struct sl_error err;
    bool retryable; /* after a failure: a repeat may succeed and does no harm */
    bool found;     /* GET, EXISTS: there is one; DELETE: there was one */
    /* The call as a whole was refused before anything was tried; every answer
     * of it says so, with the same err. */
    bool refused;
    int64_t number;       /* INCREMENT: the sum */
    struct sl_held value; /* GET, if found; the reader's to release */
    /* GET and SET, if wanted; SET by a driver always may. */
    char version[SL_KV_VERSION_MAX + 1];
    uint32_t key_count; /* KEYS: how many */
    struct sl_buf keys; /* KEYS: each key followed by a NUL */
    struct sl_buf next; /* KEYS: where the next page starts; empty: the end */
};

void sl_kv_answer_init(struct sl_kv_answer *answer);
/* Free what the answer holds. */
void sl_kv_answer_done(struct sl_kv_answer *answer);

struct sl_kv;
struct sl_kv_driver;
struct sl_kv_call;

/* The driver that the manifest calls by this name ("kv.redis"), or NULL. */
const struct sl_kv_driver *sl_kv_driver_find(const char *name);

/* The settings that every kv resource has beside its driver's own. */
struct sl_kv_config {
    int64_t timeout_ms;       /* the deadline of a call */
    int64_t max_value;        /* bytes in a value */
    int64_t connections;      /* driver threads, each with a state */
    int64_t max_queued;       /* calls waiting; one more is SL_UNAVAILABLE */
    int64_t retry_attempts;   /* tries in all; 1: no retry */
    int64_t retry_backoff_ms; /* before the second try; doubles, with jitter */
};

/* The table of the above, ended by a zeroed entry. */
extern const struct sl_option sl_kv_options[];

/*
 * name is what the manifest calls the resource, for messages and metrics.
 * driver_options is the driver's own struct, filled; config and it are
 * borrowed until sl_kv_free.  No service is contacted: the first call does
 * that.
 */
SL_MUST_CHECK enum sl_status
sl_kv_open(const char *name, const struct sl_kv_driver *driver,
           const struct sl_kv_config *config, const void *driver_options,
           struct sl_kv **out, struct sl_error *err);
/*
 * Let running calls finish, answer queued ones with SL_UNAVAILABLE, and free.
 * NULL is fine.  Nobody may use the store any more; calls that were submitted
 * and not released stay valid.
 */
void sl_kv_free(struct sl_kv *kv);
const char *sl_kv_name(const struct sl_kv *kv);
const struct sl_kv_driver *sl_kv_driver_of(const struct sl_kv *kv);

/*
 * Answer the requests now if that needs no waiting: when an argument is wrong,
 * or the driver can do all of them in place.  False: nothing was done, submit
 * them.  answers[0..count) need not be initialised; after true each is filled
 * and the caller's to finish with sl_kv_answer_done.
 */
SL_MUST_CHECK bool sl_kv_try(struct sl_kv *kv,
                             const struct sl_kv_request *requests, size_t count,
                             struct sl_kv_answer *answers);

/*
 * Start a call; the requests are copied.  done(context) runs exactly once, on
 * any thread, perhaps before this returns.  *call is set before done runs; the
 * caller must sl_kv_call_release it exactly once, before or after done ran.
 */
typedef void sl_kv_done_fn(void *context);
void sl_kv_submit(struct sl_kv *kv, const struct sl_kv_request *requests,
                  size_t count, sl_kv_done_fn *done, void *context,
                  struct sl_kv_call **call);

/* Once done ran: move the answers out, in the order of the requests. */
void sl_kv_call_collect(struct sl_kv_call *call, struct sl_kv_answer *answers);

/*
 * Not interested any more.  Before done ran this cancels: what has not been
 * sent to the service is not sent, what has been is let run and its answer
 * thrown away.  done still runs.
 */
void sl_kv_call_release(struct sl_kv_call *call);

/* Try, submit, and wait. Returns answers[0].err.status. */
enum sl_status sl_kv_do(struct sl_kv *kv, const struct sl_kv_request *requests,
                        size_t count, struct sl_kv_answer *answers);

struct sl_metric;
/* One per verb, SL_KV_VERB_COUNT of them, counted since sl_kv_open. */
const struct sl_metric *sl_kv_metrics(const struct sl_kv *kv);

/* For SL_CLEANUP. */
static inline void sl_kv_freep(struct sl_kv **kv)
{
    sl_kv_free(*kv);
}

#endif
