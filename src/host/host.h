/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The components of a manifest with everything that it gives them: the engine,
 * the services, the compiled code, and runs.
 *
 * The order is new, read, (imports, exports,) load, link, run.  One thread uses a host.
 */
#ifndef SL_HOST_HOST_H
#define SL_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "host/instances.h"
#include "manifest/manifest.h"

struct sl_host;

/* How components are compiled that are not in the cache. */
struct sl_host_compiling {
    /* Each in a process of its own, within limits, one after the other; the
     * program's main calls sl_compile_child for them (compile.h).  Otherwise in
     * this process, without limits: the other members are ignored. */
    bool apart;
    int64_t timeout_ms; /* each; 0: no limit; -1: the manifest's */
    int64_t memory;     /* bytes, each; -1: the manifest's */
    int interrupt;      /* give up as soon as it is readable; -1: none */
};

struct sl_host_config {
    uint32_t max_instances; /* at once; 0: 1 */
    struct sl_host_compiling compiling;
    /* Tell standard error about a compilation that takes its time: a terminal
     * each second; the log (where it is none or the log is JSON, and compiling
     * is apart) after two seconds and at the end. */
    bool progress;
};

/*
 * Open what the manifest names, which is borrowed until sl_host_free.  No
 * service is contacted yet.  A failure sets *where to the part of the manifest
 * that it is about, or to zero.
 */
SL_MUST_CHECK enum sl_status sl_host_new(const struct sl_manifest *manifest,
                                         const struct sl_host_config *config,
                                         struct sl_host **out,
                                         struct sl_toml_place *where,
                                         struct sl_error *err);

/*
 * End what still runs, close the stores, free.  NULL is fine.  Takes about a
 * second where a component will not end, and longer only where a service keeps
 * a call that it has already been sent, up to a second behind its deadline.
 *
 * False: such a call has not come back even then, and its thread may look at
 * the manifest and at all that the host has, so that none of it was freed.  The
 * process is to end by _exit.
 */
bool sl_host_free(struct sl_host *host);

/*
 * Read the manifest's components, and which imports and exports they have.  The
 * message of a failure names the file and says what to do; sl_host_at is the
 * index of the component, then.
 */
SL_MUST_CHECK enum sl_status sl_host_read(struct sl_host *host,
                                          struct sl_error *err);

/*
 * Compile the components, or take them from the cache; they are read first
 * where they were not.  Fails as sl_host_read does.  SL_TIMEOUT and
 * SL_UNAVAILABLE: a limit of compiling was met; SL_CONFLICT: interrupted.  Other
 * programs are started here only, and in none of the functions that come after
 * it.
 */
SL_MUST_CHECK enum sl_status sl_host_load(struct sl_host *host,
                                          struct sl_error *err);
size_t sl_host_at(const struct sl_host *host);

enum sl_host_answer {
    SL_HOST_PROVIDED,
    SL_HOST_MISSING,
    SL_HOST_TRAPS, /* missing, and a call of it traps: unanswered = "trap" */
};

/* One import of the component. */
struct sl_host_import {
    const char *name;
    enum sl_host_answer answer;
    const char *hint; /* why it is missing, or what would be near; or "" */
};

typedef void sl_host_import_fn(void *context,
                               const struct sl_host_import *import);

/* Visit every import of the component with this index in the manifest, once it
 * was read; returns how many are missing. */
size_t sl_host_imports(const struct sl_host *host, size_t index,
                       sl_host_import_fn *visit, void *context);

/* The same for its exports. */
typedef void sl_host_export_fn(void *context, const char *name);
void sl_host_exports(const struct sl_host *host, size_t index,
                     sl_host_export_fn *visit, void *context);

/*
 * Make the components ready to be run.  SL_NOT_FOUND where an import is
 * missing, of which sl_host_imports names all; SL_INVALID_ARGUMENT where it
 * does not export what the manifest's triggers call, or without them
 * wasi:cli/run.
 */
SL_MUST_CHECK enum sl_status sl_host_link(struct sl_host *host,
                                          struct sl_error *err);

/* What a run gets beside what the manifest says. */
struct sl_host_run {
    const char *const *args; /* NULL: the manifest's */
    size_t arg_count;
    const struct sl_manifest_variable *env; /* over the manifest's */
    size_t env_count;
    const struct sl_manifest_directory *directories; /* beside the manifest's */
    size_t directory_count;
    int64_t timeout_ms; /* -1: the manifest's; 0: no limit */
    bool raw_output;    /* what is not printable goes to terminals as it is */
    /* A descriptor that becomes readable when the run shall be given up; -1:
     * none. */
    int interrupt;
};

enum sl_host_end {
    SL_HOST_EXITED, /* exit_code */
    SL_HOST_TRAPPED,
    SL_HOST_TIMED_OUT,
    SL_HOST_INTERRUPTED, /* it may still run, until sl_host_free */
};

/* The texts belong to the host, and live as long as it, or until a next run. */
struct sl_host_outcome {
    enum sl_host_end end;
    int exit_code;
    const char *message;   /* of a trap: why */
    const char *backtrace; /* of a trap: where in the component; may be "" */
};

/* Run the first component once, with this process's standard streams: what it
 * writes to a terminal is escaped (base/escape.h).  Fails if it cannot start.
 */
SL_MUST_CHECK enum sl_status sl_host_run(struct sl_host *host,
                                         const struct sl_host_run *run,
                                         struct sl_host_outcome *outcome,
                                         struct sl_error *err);

/* --- For triggers, which call the component ------------------------------ */

/*
 * What the instances get that triggers start, once; before them, after
 * sl_host_link.  Their lines go to the standard streams, with the name of the
 * component before them, escaped, within the manifest's output-rate.
 */
SL_MUST_CHECK enum sl_status sl_host_prepare(struct sl_host *host,
                                             const struct sl_host_run *run,
                                             struct sl_error *err);

const struct sl_host_instances *
sl_host_instances(const struct sl_host *host,
                  const struct sl_manifest_component *component);

/* Lines of a component that were dropped. */
struct sl_output_lost;
const struct sl_output_lost *
sl_host_output_lost(const struct sl_host *host,
                    const struct sl_manifest_component *component);

/*
 * Calls of a resource by a component, one per verb of the capability; NULL
 * where it is not granted.  Calls made by slight itself, for its triggers, are
 * in sl_service_metrics.
 */
struct sl_metric;
const struct sl_metric *
sl_host_metrics(const struct sl_host *host,
                const struct sl_manifest_component *component,
                const struct sl_manifest_resource *resource);

struct sl_bridge_engine;
struct sl_bridge_program;
struct sl_bridge_engine *sl_host_engine(struct sl_host *host);
struct sl_bridge_program *
sl_host_program(struct sl_host *host,
                const struct sl_manifest_component *component);
/* Check every resource now, and log from now on which fail and which work
 * again.  Once, before guests run. */
void sl_host_watch(struct sl_host *host);
/* What stands behind a resource of the manifest. */
struct sl_service *sl_host_service(struct sl_host *host,
                                   const struct sl_manifest_resource *resource);

/* For SL_CLEANUP. */
static inline void sl_host_freep(struct sl_host **host)
{
    (void)sl_host_free(*host);
}

#endif
