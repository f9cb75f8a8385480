/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host.c, load.c and run.c share.
 */
#ifndef SL_HOST_INTERNAL_H
#define SL_HOST_INTERNAL_H

#include "host/host.h"
#include "host/instance.h"
#include "host/output.h"
#include "slight_bridge.h"

/* One of the manifest's. */
struct sl_host_component {
    const struct sl_manifest_component *manifest;
    struct sl_grants grants;
    struct sl_host_instances instances;
    struct sl_metric **metrics; /* of grants */
    struct sl_host_output output;
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
    size_t loaded;                        /* of them */

    /* The run, which may outlast sl_host_run and so lives here. */
    int done; /* an eventfd, written when the run is over */
    enum sl_bridge_end end;
    int exit_code;
    char *message;
    char *backtrace;
};

#endif
