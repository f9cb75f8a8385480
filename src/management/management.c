/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management listener.  The server is the bridge's; what it answers is put
 * together here.
 */
#include "management/management.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/route.h"
#include "base/tsan_boundary.h"
#include "host/limits.h"
#include "management/exposition.h"
#include "management/internal.h"
#include "slight_bridge.h"

enum {
    ROUTE_METRICS,
    ROUTE_HEALTHZ,
    ROUTE_READYZ,
    ROUTE_COUNT,

    REQUESTS_MAX = 16, /* at once */
    CONNECTIONS_MAX = 256,
    HEADER_MAX = 16 * 1024,
    TIMEOUT_MS = 10000,
    HEADER_MS = 5000, /* until the header of a request has come */
};

struct sl_management {
    struct sl_host *host;
    const struct sl_manifest *manifest;
    const struct sl_triggers *triggers;
    struct sl_readiness *readiness;
    struct sl_routes *paths;
    struct sl_bridge_http *server;
    atomic_bool draining;
    char *text;

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t unused; /* answering is 0 */
    unsigned answering;    /* requests that look at the host */
    bool stopped;
};

static uint32_t write_answer(struct sl_management *management, size_t route,
                             FILE *out)
{
    if (route == ROUTE_METRICS) {
        const struct sl_exposition exposition = {
            out, management->host, management->manifest, management->triggers};
        sl_exposition_write(&exposition);
        return 200;
    }
    if (route == ROUTE_HEALTHZ) {
        fputs("ok\n", out);
        return 200;
    }
    if (atomic_load(&management->draining)) {
        fputs("slight is ending\n", out);
        return 503;
    }
    if (!sl_readiness_check(management->readiness, out))
        return 503;
    fputs("ready\n", out);
    return 200;
}

/* False after it was stopped. */
static bool begin_answer(struct sl_management *management)
{
    pthread_mutex_lock(&management->mutex);
    bool may = !management->stopped;
    management->answering += may;
    pthread_mutex_unlock(&management->mutex);
    return may;
}

static void end_answer(struct sl_management *management)
{
    pthread_mutex_lock(&management->mutex);
    if (--management->answering == 0)
        pthread_cond_signal(&management->unused);
    pthread_mutex_unlock(&management->mutex);
}

static uint32_t answer_request(void *context, size_t route,
                               struct sl_bridge_sink body)
{
    SL_CALLED_BY_BRIDGE;
    struct sl_management *management = context;
    SL_CLEANUP(sl_freep) char *text = NULL;
    size_t len = 0;
    uint32_t code = 503;

    FILE *out = open_memstream(&text, &len);
    if (out != NULL && begin_answer(management)) {
        code = write_answer(management, route, out);
        end_answer(management);
    }
    if (out != NULL && fclose(out) == 0)
        body.write(body.context, SL_BYTES(text, len));
    return code;
}

/* Requests of operators are not logged. */
static void on_request_end(void *context, const struct sl_bridge_http_end *end)
{
    (void)context;
    (void)end;
}

/* On threads of the engine, as is may_ask. */
static size_t find_route(void *context, struct sl_bytes path)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_management *management = context;

    return sl_routes_find(management->paths, path);
}

static bool may_ask(void *context, struct sl_bytes host)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_management *management = context;

    return sl_management_allows(management->manifest->management, host);
}

static enum sl_status listen_at(struct sl_management *management,
                                struct sl_error *err)
{
    const struct sl_bytes paths[ROUTE_COUNT] = {
        [ROUTE_METRICS] = SL_LITERAL("/metrics"),
        [ROUTE_HEALTHZ] = SL_LITERAL("/healthz"),
        [ROUTE_READYZ] = SL_LITERAL("/readyz"),
    };
    struct sl_bridge_http_route routes[ROUTE_COUNT];

    for (int i = 0; i < ROUTE_COUNT; i++)
        routes[i] = (struct sl_bridge_http_route){
            .reuse = 1,
            .content_type =
                i == ROUTE_METRICS
                    ? SL_LITERAL("text/plain; version=0.0.4; charset=utf-8")
                    : SL_LITERAL("text/plain; charset=utf-8"),
        };
    management->paths = sl_routes_new(paths, ROUTE_COUNT);
    const struct sl_bridge_http_config config = {
        .listen = sl_bytes_of(management->manifest->management->listen),
        .routes = routes,
        .route_count = ROUTE_COUNT,
        .max_header_bytes = HEADER_MAX,
        .max_body_bytes = 1,
        .idle_timeout_ms = HEADER_MS,
        .request_timeout_ms = TIMEOUT_MS,
        .max_connections = CONNECTIONS_MAX,
        .max_requests = REQUESTS_MAX,
        .find = find_route,
        .ended = on_request_end,
        .context = management,
        .answer = answer_request,
        .max_peer_connections =
            (uint32_t)management->manifest->management->max_peer_connections,
        .close_idle = true,
        .may_ask = may_ask,
        .limits = &sl_http_limits,
    };
    sl_tsan_boundary_leave();
    return sl_bridge_http_start(sl_host_engine(management->host), &config,
                                &management->server, err);
}

enum sl_status sl_management_start(struct sl_host *host,
                                   const struct sl_manifest *manifest,
                                   const struct sl_triggers *triggers,
                                   struct sl_management **out,
                                   struct sl_error *err)
{
    struct sl_management *management = sl_alloc(sizeof(*management));

    management->host = host;
    management->manifest = manifest;
    management->triggers = triggers;
    management->readiness = sl_readiness_new(host, manifest);
    pthread_mutex_init(&management->mutex, NULL);
    pthread_cond_init(&management->unused, NULL);
    enum sl_status status = listen_at(management, err);
    if (status != SL_OK) {
        sl_management_free(management);
        return sl_fail_in(err, "[management]");
    }
    management->text = sl_trigger_address(
        manifest->management->listen, sl_bridge_http_port(management->server));
    *out = management;
    return SL_OK;
}

const char *sl_management_text(const struct sl_management *management)
{
    return management->text;
}

void sl_management_drain(struct sl_management *management)
{
    if (management != NULL)
        atomic_store(&management->draining, true);
}

void sl_management_stop(struct sl_management *management)
{
    if (management == NULL)
        return;
    pthread_mutex_lock(&management->mutex);
    management->stopped = true;
    while (management->answering > 0)
        pthread_cond_wait(&management->unused, &management->mutex);
    pthread_mutex_unlock(&management->mutex);
    sl_bridge_http_free(management->server);
    management->server = NULL;
}

void sl_management_free(struct sl_management *management)
{
    if (management == NULL)
        return;
    sl_readiness_free(management->readiness);
    sl_routes_free(management->paths);
    pthread_cond_destroy(&management->unused);
    pthread_mutex_destroy(&management->mutex);
    free(management->text);
    free(management);
}
