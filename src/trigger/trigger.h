/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls components: the [[trigger]]s of a manifest.
 */
#ifndef SL_TRIGGER_TRIGGER_H
#define SL_TRIGGER_TRIGGER_H

#include "base/metrics.h"
#include "host/host.h"

struct sl_triggers;

/*
 * Start all triggers of the manifest: from now on the component is called.  The
 * host is prepared (sl_host_prepare) and outlives them.  SL_UNAVAILABLE where
 * an address is taken, and *where is its place in the manifest; what was
 * started then must be stopped and freed.
 */
SL_MUST_CHECK enum sl_status
sl_triggers_start(struct sl_host *host, const struct sl_manifest *manifest,
                  struct sl_triggers **out, struct sl_toml_place *where,
                  struct sl_error *err);

/* Called once, on any thread, when nothing runs any more. */
typedef void sl_trigger_drained_fn(void *context);

/* Told of each trigger: "http://127.0.0.1:8080/", "queue jobs", ... */
typedef void sl_triggers_visit_fn(void *context, const char *text);
void sl_triggers_visit(const struct sl_triggers *triggers,
                       sl_triggers_visit_fn *visit, void *context);

enum {
    SL_TRIGGER_ENDS = 7,    /* enum sl_bridge_end has so many */
    SL_TRIGGER_CODES = 600, /* of HTTP, 0: there was none */
};

/* What a trigger has done since it was started. */
struct sl_trigger_metrics {
    _Atomic uint64_t by_end[SL_TRIGGER_ENDS];   /* calls, as they ended */
    struct sl_histogram duration;               /* of calls */
    _Atomic uint64_t by_code[SL_TRIGGER_CODES]; /* http: responses */
    _Atomic uint64_t bytes_in;                  /* http: of bodies */
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t dead_letters; /* mq, pubsub */
    _Atomic uint64_t discarded;    /* pubsub: rejected, with no dead-letter */
    _Atomic uint64_t running;      /* mq, pubsub: being handled now */
};

/* "returned", "trapped", ...: how calls end, by the index in by_end. */
extern const char *const sl_trigger_end_names[SL_TRIGGER_ENDS];

/* Of the trigger with this index in the manifest. */
const struct sl_trigger_metrics *
sl_trigger_metrics(const struct sl_triggers *triggers, size_t index);

/* "http://127.0.0.1:8080" of a `listen` and the port that it got; the caller's
 * to free. */
char *sl_trigger_address(const char *listen, uint16_t port);

/* An address at which one or more triggers listen. */
struct sl_trigger_listener {
    const char *address; /* "http://127.0.0.1:8080" */
    uint32_t connections;
    uint32_t requests;  /* that are being answered */
    uint64_t unmatched; /* requests so far that no route matched */
};

/* False where there are not so many; counted from 0. */
SL_MUST_CHECK bool sl_trigger_listener(const struct sl_triggers *triggers,
                                       size_t index,
                                       struct sl_trigger_listener *out);

/*
 * Take nothing new, and let what runs finish.  The descriptor becomes readable
 * when it has; it belongs to triggers.  Once.
 */
int sl_triggers_drain(struct sl_triggers *triggers);

/*
 * Cut what still runs, and give back to its services what is not handled yet.
 * NULL is fine.
 */
void sl_triggers_stop(struct sl_triggers *triggers);

/* After the host was freed, which still told of what runs.  NULL is fine. */
void sl_triggers_free(struct sl_triggers *triggers);

#endif
