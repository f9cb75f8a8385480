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
    SL_MANIFEST_TEXT_MAX = 1024 * 1024, /* bytes in a value, filled in */
    SL_MANIFEST_NAME_MAX = 128,         /* characters in a name */
    SL_MANIFEST_PROBLEMS_MAX = 100,     /* that are told at once */
};

/* The name of the file that stands for its folder. */
#define SL_MANIFEST_FILE "slightfile.toml"

/* A variable of the component's environment. */
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

/* A [[resource]]: what the component may open, and what stands behind it. */
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
    int64_t host_memory; /* bytes of the host's that an instance may hold */
    int64_t timeout_ms;  /* 0: no limit */
    int64_t max_size;    /* bytes of the file */
    int64_t compile_timeout_ms; /* 0: no limit */
    int64_t compile_memory;     /* bytes, of the compiler */
    int64_t output_rate;        /* bytes a second; 0: no limit */
    int64_t max_response_fields;
    const char **args;
    size_t arg_count;
    struct sl_manifest_variable *env;
    size_t env_count;
    struct sl_manifest_directory *directories;
    size_t directory_count;
    bool *granted; /* by the index of a resource; NULL: all are */
    struct sl_allowed_host *allowed_hosts;
    size_t allowed_host_count;
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
    struct sl_toml_place concurrency_place; /* line 0: it is the default */
    int64_t timeout_ms; /* of one call; http: until a response begins */

    /* http */
    const char *listen; /* "HOST:PORT" */
    struct sl_toml_place listen_place;
    const char *route;
    int64_t reuse; /* requests that an instance answers */
    int64_t idle_timeout_ms;
    int64_t between_bytes_timeout_ms; /* 0: timeout_ms */
    int64_t total_timeout_ms;         /* 0: no limit */
    int64_t min_rate;                 /* bytes a second; 0: any */
    int64_t max_header;
    int64_t max_body;
    int64_t max_connections;
    int64_t max_peer_connections; /* 0: no limit but that */

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
    int64_t max_deliveries;  /* 0: for ever */
};

/* [management]: what operators ask. */
struct sl_manifest_management {
    const char *listen; /* "127.0.0.1:9090" */
    struct sl_toml_place listen_place;
    int64_t max_peer_connections;
    const char **allowed_hosts; /* names, by which it may be asked, too */
    size_t allowed_host_count;
};

/* Everything in it lives until sl_manifest_free; do not change it. */
struct sl_manifest {
    const char *path; /* as it was given; NULL: the built-in default */
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
 * Told of each thing that is wrong, in the order of the file.  The message is
 * one line and holds no secret.
 */
typedef void sl_manifest_problem_fn(void *context, struct sl_toml_place place,
                                    const char *message);

/*
 * Read a file.  SL_INVALID_ARGUMENT where something is wrong with its content:
 * then every problem has been told.  SL_NOT_FOUND and the like, untold, where
 * it cannot be read.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_read(const char *path, sl_manifest_problem_fn *problem,
                 void *context, struct sl_manifest **out, struct sl_error *err);

/* The same from memory.  path, in messages, and its folder are as if read. */
SL_MUST_CHECK enum sl_status
sl_manifest_parse(const char *path, struct sl_bytes text,
                  sl_manifest_problem_fn *problem, void *context,
                  struct sl_manifest **out, struct sl_error *err);

/*
 * What holds for a component that comes without a manifest: one key-value
 * store, named "default", in .slight/default.db of the working directory.
 */
SL_MUST_CHECK enum sl_status sl_manifest_default(const char *component,
                                                 struct sl_manifest **out,
                                                 struct sl_error *err);

/* Run this component in place of the source of the first one. */
void sl_manifest_set_source(struct sl_manifest *manifest, const char *path);

/* Whether a component or a resource could have this name. */
bool sl_manifest_is_name(struct sl_bytes name);

/* The resource with this name, or NULL. */
const struct sl_manifest_resource *
sl_manifest_resource(const struct sl_manifest *manifest, struct sl_bytes name);

/* Whether the component may open the resource; both of this manifest. */
bool sl_manifest_grants(const struct sl_manifest *manifest,
                        const struct sl_manifest_component *component,
                        const struct sl_manifest_resource *resource);

void sl_manifest_free(struct sl_manifest *manifest); /* NULL is fine */

/* The plain settings of a component, for help and docs. */
extern const struct sl_option sl_manifest_component_options[];

/* The settings of [management], for help and docs. */
extern const struct sl_option sl_manifest_management_options[];

/* The settings of a [[trigger]] of this type, and what it is called. */
const struct sl_option *
sl_manifest_trigger_options(enum sl_manifest_trigger_type type);
const char *sl_manifest_trigger_name(enum sl_manifest_trigger_type type);

/* For SL_CLEANUP. */
static inline void sl_manifest_freep(struct sl_manifest **manifest)
{
    sl_manifest_free(*manifest);
}

#endif
