/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address at which components answer.  The server is the bridge's; here is
 * what the manifest says of it, and what is told of its requests.
 */
#include "trigger/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/route.h"
#include "base/tsan_boundary.h"
#include "host/limits.h"
#include "trigger/end.h"

/* One of the manifest's triggers. */
struct route {
    const struct sl_manifest_component *component;
    struct sl_trigger_metrics *metrics;
};

struct sl_http_trigger {
    struct route *routes;
    struct sl_routes *paths;
    struct sl_bridge_http *server;
    _Atomic uint64_t unmatched;
    char *address;
    char *text;
};

static void count_request(const struct sl_http_trigger *trigger,
                          const struct sl_bridge_http_end *end)
{
    struct sl_trigger_metrics *metrics = trigger->routes[end->route].metrics;

    sl_count(&metrics->by_end[end->end]);
    sl_count(
        &metrics->by_code[end->status < SL_TRIGGER_CODES ? end->status : 0]);
    sl_histogram_record(&metrics->duration, (int64_t)end->ns);
    atomic_fetch_add_explicit(&metrics->bytes_in, end->bytes_in,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&metrics->bytes_out, end->bytes_out,
                              memory_order_relaxed);
}

static void on_request_end(void *context, const struct sl_bridge_http_end *end)
{
    SL_CALLED_BY_BRIDGE;
    struct sl_http_trigger *trigger = context;
    bool is_wrong = end->end != SL_BRIDGE_RETURNED && end->route != SIZE_MAX;
    const struct sl_log_field name[SL_TRIGGER_FIELDS] = {
        SL_FIELD("method", end->method),
        SL_FIELD("path", end->path),
        SL_FIELD("request", end->request_id),
        SL_FIELD_STRING(end->is_cut ? "response" : NULL, "cut"),
    };

    if (end->route == SIZE_MAX)
        sl_count(&trigger->unmatched);
    else
        count_request(trigger, end);
    sl_log(SL_LOG_INFO, "request", name[0], name[1], name[2], name[3],
           SL_FIELD_NUMBER("status", end->status), SL_FIELD_TIME("ms", end->ns),
           SL_FIELD_NUMBER("in", end->bytes_in),
           SL_FIELD_NUMBER("out", end->bytes_out));
    if (is_wrong)
        sl_trigger_log_end(trigger->routes[end->route].component, name,
                           end->end, end->message, end->backtrace);
}

static size_t find_route(void *context, struct sl_bytes path)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_http_trigger *trigger = context;

    return sl_routes_find(trigger->paths, path);
}

char *sl_trigger_address(const char *listen, uint16_t port)
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon != NULL ? (size_t)(colon - listen) : strlen(listen);

    return sl_asprintf("http://%.*s:%" PRIu16, (int)len, listen, port);
}

static struct sl_bridge_http_route
make_route(struct sl_host *host, const struct sl_manifest_trigger *of)
{
    return (struct sl_bridge_http_route){
        .program = sl_host_program(host, of->component),
        .reuse = (uint32_t)of->reuse,
        .max_requests = (uint32_t)of->concurrency,
    };
}

/* "http://127.0.0.1:8080/, http://127.0.0.1:8080/api"; the caller's to free. */
static char *list_urls(const char *address, const struct sl_bytes *prefixes,
                       size_t count)
{
    char *text = sl_strdup(address);

    for (size_t i = 0; i < count; i++) {
        char *longer =
            sl_asprintf("%s%s%s%s", text, i > 0 ? ", " : "",
                        i > 0 ? address : "", (const char *)prefixes[i].ptr);
        free(text);
        text = longer;
    }
    return text;
}

enum sl_status
sl_http_trigger_start(struct sl_host *host, const struct sl_manifest *manifest,
                      size_t first, struct sl_trigger_metrics *metrics,
                      struct sl_http_trigger **out, struct sl_error *err)
{
    const struct sl_manifest_trigger *settings = &manifest->triggers[first];
    struct sl_http_trigger *trigger = sl_alloc(sizeof(*trigger));
    SL_CLEANUP(sl_freep)
    struct sl_bridge_http_route *routes =
        sl_alloc_array(manifest->trigger_count, sizeof(*routes));
    SL_CLEANUP(sl_freep)
    struct sl_bytes *prefixes =
        sl_alloc_array(manifest->trigger_count, sizeof(*prefixes));
    size_t route_count = 0;

    trigger->routes =
        sl_alloc_array(manifest->trigger_count, sizeof(*trigger->routes));
    for (size_t i = first; i < manifest->trigger_count; i++) {
        const struct sl_manifest_trigger *of = &manifest->triggers[i];
        if (of->type != SL_TRIGGER_HTTP ||
            strcmp(of->listen, settings->listen) != 0)
            continue;
        trigger->routes[route_count] =
            (struct route){of->component, &metrics[i]};
        prefixes[route_count] = sl_bytes_of(of->route);
        routes[route_count++] = make_route(host, of);
    }
    trigger->paths = sl_routes_new(prefixes, route_count);
    const struct sl_bridge_http_config config = {
        .listen = sl_bytes_of(settings->listen),
        .routes = routes,
        .route_count = route_count,
        .max_header_bytes = (uint64_t)settings->max_header,
        .max_body_bytes = (uint64_t)settings->max_body,
        .idle_timeout_ms = (uint64_t)settings->idle_timeout_ms,
        .request_timeout_ms = (uint64_t)settings->timeout_ms,
        .between_bytes_timeout_ms =
            (uint64_t)settings->between_bytes_timeout_ms,
        .total_timeout_ms = (uint64_t)settings->total_timeout_ms,
        .min_rate = (uint64_t)settings->min_rate,
        .max_connections = (uint32_t)settings->max_connections,
        .max_peer_connections = (uint32_t)settings->max_peer_connections,
        .max_requests = (uint32_t)settings->concurrency,
        .find = find_route,
        .ended = on_request_end,
        .context = trigger,
        .limits = &sl_http_limits,
    };
    sl_tsan_boundary_leave();
    enum sl_status status = sl_bridge_http_start(sl_host_engine(host), &config,
                                                 &trigger->server, err);
    if (status != SL_OK) {
        sl_http_trigger_free(trigger);
        return status;
    }
    trigger->address = sl_trigger_address(settings->listen,
                                          sl_bridge_http_port(trigger->server));
    trigger->text = list_urls(trigger->address, prefixes, route_count);
    *out = trigger;
    return SL_OK;
}

const char *sl_http_trigger_text(const struct sl_http_trigger *trigger)
{
    return trigger->text;
}

struct sl_trigger_listener
sl_http_trigger_listener(const struct sl_http_trigger *trigger)
{
    struct sl_trigger_listener listener = {
        .address = trigger->address,
        .unmatched = sl_counted(&trigger->unmatched),
    };

    sl_bridge_http_load(trigger->server, &listener.connections,
                        &listener.requests);
    return listener;
}

void sl_http_trigger_drain(struct sl_http_trigger *trigger,
                           sl_trigger_drained_fn *drained, void *context)
{
    sl_tsan_boundary_leave();
    sl_bridge_http_drain(trigger->server, drained, context);
}

void sl_http_trigger_stop(struct sl_http_trigger *trigger)
{
    sl_bridge_http_free(trigger->server);
    trigger->server = NULL;
}

void sl_http_trigger_free(struct sl_http_trigger *trigger)
{
    sl_tsan_boundary_enter(); /* its requests were told by Rust's threads */
    free(trigger->routes);
    sl_routes_free(trigger->paths);
    free(trigger->address);
    free(trigger->text);
    free(trigger);
}
