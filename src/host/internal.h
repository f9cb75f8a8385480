/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host.c, load.c and run.c share.
 */
#ifndef SL_HOST_INTERNAL_H
#define SL_HOST_INTERNAL_H

#include "host/externs.h"
#include "host/host.h"
#include "host/instance.h"
#include "host/output.h"
#include "slight_bridge.h"

/*
 * The bytes of a component: a copy that nobody changes between what is looked
 * at and what is compiled.
 */
struct sl_host_source {
    int fd; /* a memfd */
    struct sl_bytes bytes;
};

/* Also of one that was let go before. */
void sl_host_source_done(struct sl_host_source *source);

/* One of the manifest's. */
struct sl_host_component {
    const struct sl_manifest_component *manifest;
    struct sl_grants grants;
    struct sl_host_instances instances;
    struct sl_metric **metrics; /* of grants */
    struct sl_host_output output;
    struct sl_host_source source; /* until it is compiled */
    struct sl_externs imports;
    struct sl_externs exports;
    struct sl_bridge_component *component;
    struct sl_bridge_program *program;
};

struct sl_host {
    const struct sl_manifest *manifest;
    bool progress;
    struct sl_service **services;     /* one a resource */
    const struct sl_object_ops **ops; /* of services */
    struct sl_host_compiling compiling;
    struct sl_bridge_engine_config engine_config;
    struct sl_bridge_engine *engine;
    struct sl_host_component *components; /* as many as the manifest has */
    size_t read;                          /* of them */
    size_t loaded;

    /* The run, which may outlast sl_host_run and so lives here. */
    int done; /* an eventfd, written when the run is over */
    enum sl_bridge_end end;
    int exit_code;
    char *message;
    char *backtrace;
};

#endif
