/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slightfile.toml, read and checked: docs/manifest.md in C.
 */
#ifndef SL_MANIFEST_MANIFEST_H
#define SL_MANIFEST_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/option.h"
#include "manifest/allowed_host.h"
#include "service/service.h"
#include "slight_toml.h"

enum {
    SL_MANIFEST_FORMAT = 1,             /* of `slight = 1` */
    SL_MANIFEST_SIZE_MAX = 1024 * 1024, /* bytes in a file */
    SL_MANIFEST_SECRET_MAX = 64 * 1024, /* bytes from ${env:} or ${file:} */
    SL_MANIFEST_TEXT_MAX = 1024 * 1024, /* bytes in a value, replaced */
    SL_MANIFEST_NAME_MAX = 128,         /* characters in a name */
    SL_MANIFEST_PROBLEMS_MAX = 100,     /* that are reported at once */
};

/* The name of the file that stands for its folder. */
#define SL_MANIFEST_FILE "slightfile.toml"

/* A variable in the component's environment. */
struct sl_manifest_variable {
    const char *name;
    const char *value; /* may be a secret */
};

/* A folder that the component sees. */
struct sl_manifest_directory {
    const char *host; /* can be opened from the working directory */
    const char *guest;
    bool writable;
};

/* A [[resource]]: what the component may open, and the service behind it. */
struct sl_manifest_resource {
    const char *name;
    struct sl_toml_place place;
    const struct sl_capability *capability;
    const struct sl_driver *driver;
    const struct sl_service_config *config; /* the capability's struct */
    const void *options;                    /* the driver's struct, filled */
};

/* A [[component]], or the [component]. */
struct sl_manifest_component {
    const char *name;
    struct sl_toml_place place;
    const char *source;                /* path of the component */
    struct sl_toml_place source_place; /* zero where no file named it */
    int64_t memory;                    /* bytes of linear memory */
    int64_t table_elements;            /* of each table */
    int64_t host_memory; /* bytes of the host that an instance may hold */
    int64_t timeout_ms;  /* 0: no limit */
    int64_t max_size;    /* bytes of the file */
    int64_t compile_timeout_ms; /* 0: no limit */
    int64_t compile_memory;     /* bytes, of the compiler */
    int64_t output_rate;        /* bytes per second; 0: no limit */
    int64_t max_response_fields;
    const char *unanswered; /* "refuse", "trap" */
    bool unanswered_traps;
    const char **args;
    size_t arg_count;
    struct sl_manifest_variable *env;
    size_t env_count;
    struct sl_manifest_directory *directories;
    size_t directory_count;
    bool *granted; /* by the index of a resource; NULL: all */
    struct sl_allowed_host *allowed_hosts;
    size_t allowed_host_count;
    struct sl_allowed_host *allowed_sockets;
    size_t allowed_socket_count;
};

enum sl_manifest_trigger_type {
    SL_TRIGGER_HTTP,
    SL_TRIGGER_MQ,
    SL_TRIGGER_PUBSUB,
};

enum { SL_TRIGGER_CONCURRENCY_MAX = 100000 };

/* A [[trigger]]: what calls the component. */
struct sl_manifest_trigger {
    enum sl_manifest_trigger_type type;
    struct sl_toml_place place;
    const char *component_name; /* NULL: there is one */
    const struct sl_manifest_component *component;
    int64_t concurrency;
    struct sl_toml_place concurrency_place; /* line 0: the default */
    int64_t timeout_ms; /* of one call; http: until the response begins */

    /* http */
    const char *listen; /* "HOST:PORT" */
    struct sl_toml_place listen_place;
    const char *route;
    int64_t reuse; /* requests that one instance handles */
    int64_t idle_timeout_ms;
    int64_t between_bytes_timeout_ms; /* 0: timeout_ms */
    int64_t total_timeout_ms;         /* 0: no limit */
    int64_t min_rate;                 /* bytes per second; 0: no minimum */
    int64_t max_header;
    int64_t max_body;
    int64_t max_connections;
    int64_t max_peer_connections; /* 0: max_connections is the limit */

    /* mq, pubsub */
    const char *resource_name;
    const struct sl_manifest_resource *resource;
    int64_t backoff_ms;
    int64_t max_backoff_ms;

    /* pubsub */
    const char *topic;
    const char *group;
    const char *start;       /* "earliest", "latest" */
    const char *dead_letter; /* a topic; or NULL */
    int64_t max_deliveries;  /* 0: no limit */
};

/* [management]: the server for operators. */
struct sl_manifest_management {
    const char *listen; /* "127.0.0.1:9090" */
    struct sl_toml_place listen_place;
    int64_t max_peer_connections;
    const char **allowed_hosts; /* more names that a request may address */
    size_t allowed_host_count;
};

/* Read-only.  Everything in it lives until sl_manifest_free. */
struct sl_manifest {
    const char *path; /* as given; NULL: the built-in manifest */
    const char *name;
    struct sl_manifest_component *components; /* at least one */
    size_t component_count;
    struct sl_manifest_resource *resources;
    size_t resource_count;
    struct sl_manifest_trigger *triggers;
    size_t trigger_count;
    const struct sl_manifest_management *management; /* NULL: none */
    void **owned; /* every block above, for sl_manifest_free */
    size_t owned_count;
};

/*
 * Called for each problem, in the order of the file.  The message is one line
 * and contains no secret.
 */
typedef void sl_manifest_problem_fn(void *context, struct sl_toml_place place,
                                    const char *message);

/*
 * Read a file.  SL_INVALID_ARGUMENT after problems with its content, each of
 * which was reported.  Another status when the file cannot be read; no problem
 * is reported then.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_read(const char *path, sl_manifest_problem_fn *problem,
                 void *context, struct sl_manifest **out, struct sl_error *err);

/* The same from memory.  path is for messages, and its folder for relative
 * paths. */
SL_MUST_CHECK enum sl_status
sl_manifest_parse(const char *path, struct sl_bytes text,
                  sl_manifest_problem_fn *problem, void *context,
                  struct sl_manifest **out, struct sl_error *err);

/*
 * The manifest of a component that comes without one: a single key-value store,
 * "default", in .slight/default.db of the working directory.  listen: it answers
 * HTTP requests there; NULL: it is run once.  SL_INVALID_ARGUMENT where that is
 * no such address.
 */
SL_MUST_CHECK enum sl_status sl_manifest_default(const char *component,
                                                 const char *listen,
                                                 struct sl_manifest **out,
                                                 struct sl_error *err);

/* Replace the source of the first component. */
void sl_manifest_set_source(struct sl_manifest *manifest, const char *path);

/* Whether a component or a resource may have this name. */
bool sl_manifest_is_name(struct sl_bytes name);

/* The resource with this name, or NULL. */
const struct sl_manifest_resource *
sl_manifest_resource(const struct sl_manifest *manifest, struct sl_bytes name);

/* Whether the component may open the resource; both of this manifest. */
bool sl_manifest_grants(const struct sl_manifest *manifest,
                        const struct sl_manifest_component *component,
                        const struct sl_manifest_resource *resource);

void sl_manifest_free(struct sl_manifest *manifest); /* NULL is fine */

/* --- The format, for help and docs -------------------------------------- */

/* A key that is not in a table of settings. */
struct sl_manifest_key {
    const char *name;
    const char *type;
    const char *help; /* as in struct sl_option */
};

/* A table of the manifest.  Each list may be NULL. */
struct sl_manifest_table {
    const char *title; /* "[component]"; NULL behind the last */
    const char *text;  /* one sentence; NULL: none */
    const struct sl_option *options[2];
    const struct sl_manifest_key *keys;
};

/* The tables of a manifest, counted from 0. */
struct sl_manifest_table sl_manifest_table(size_t index);

/* The settings of a [[trigger]] of this type, and the name of the type. */
const struct sl_option *
sl_manifest_trigger_options(enum sl_manifest_trigger_type type);
const char *sl_manifest_trigger_name(enum sl_manifest_trigger_type type);

/* For SL_CLEANUP. */
static inline void sl_manifest_freep(struct sl_manifest **manifest)
{
    sl_manifest_free(*manifest);
}

#endif
