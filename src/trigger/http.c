/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address at which components answer.  The server is the bridge's; here is
 * what the manifest says of it, and what is told of its requests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/border.h"
#include "base/log.h"
#include "trigger/internal.h"

struct sl_http_trigger {
    const struct sl_manifest_component **components; /* by the route */
    struct sl_bridge_http *server;
    char *text;
};

/* "req-7 GET /cart", cut: what a client chose is not longer than a line. */
static void name_request(const struct sl_bridge_http_end *end, char *text,
                         size_t size)
{
    size_t path = end->path.len < 200 ? end->path.len : 200;

    snprintf(text, size, "method=%.*s path=\"%.*s\" request=%.*s",
             (int)end->method.len, (const char *)end->method.ptr, (int)path,
             (const char *)end->path.ptr, (int)end->request_id.len,
             (const char *)end->request_id.ptr);
}

static void ended(void *context, const struct sl_bridge_http_end *end)
{
    const struct sl_http_trigger *trigger = context;
    bool is_wrong = end->end != SL_BRIDGE_RETURNED && end->route != SIZE_MAX;
    char name[400];

    if (!is_wrong && !sl_log_wants(SL_LOG_INFO))
        return;
    sl_border_enter();
    name_request(end, name, sizeof(name));
    sl_log(SL_LOG_INFO, "request",
           "%s status=%" PRIu32 " ms=%.3f in=%" PRIu64 " out=%" PRIu64, name,
           end->status, (double)end->ns / 1e6, end->bytes_in, end->bytes_out);
    if (is_wrong)
        sl_trigger_log_end(trigger->components[end->route], name, end->end,
                           end->message, end->backtrace);
    sl_border_leave();
}

/* "http://127.0.0.1:8080", with the port that it got. */
static char *address_of(const struct sl_manifest_trigger *trigger,
                        uint16_t port)
{
    const char *colon = strrchr(trigger->listen, ':');
    size_t len = colon != NULL ? (size_t)(colon - trigger->listen)
                               : strlen(trigger->listen);

    return sl_asprintf("http://%.*s:%" PRIu16, (int)len, trigger->listen, port);
}

enum sl_status sl_http_trigger_start(struct sl_host *host,
                                     const struct sl_manifest *manifest,
                                     size_t first, struct sl_http_trigger **out,
                                     struct sl_error *err)
{
    const struct sl_manifest_trigger *settings = &manifest->triggers[first];
    struct sl_http_trigger *trigger = sl_alloc(sizeof(*trigger));
    SL_CLEANUP(sl_freep)
    struct sl_bridge_http_route *routes =
        sl_alloc_array(manifest->trigger_count, sizeof(*routes));
    size_t count = 0;

    trigger->components =
        sl_alloc_array(manifest->trigger_count, sizeof(*trigger->components));
    for (size_t i = first; i < manifest->trigger_count; i++)
        if (manifest->triggers[i].type == SL_TRIGGER_HTTP &&
            strcmp(manifest->triggers[i].listen, settings->listen) == 0) {
            trigger->components[count] = manifest->triggers[i].component;
            routes[count++] = (struct sl_bridge_http_route){
                .prefix = sl_bytes_of(manifest->triggers[i].route),
                .program =
                    sl_host_program(host, manifest->triggers[i].component),
                .reuse = (uint32_t)manifest->triggers[i].reuse,
            };
        }
    const struct sl_bridge_http_config config = {
        .listen = sl_bytes_of(settings->listen),
        .routes = routes,
        .route_count = count,
        .max_header_bytes = (uint64_t)settings->max_header,
        .max_body_bytes = (uint64_t)settings->max_body,
        .idle_timeout_ms = (uint64_t)settings->idle_timeout_ms,
        .request_timeout_ms = (uint64_t)settings->timeout_ms,
        .max_connections = (uint32_t)settings->max_connections,
        .max_requests = (uint32_t)settings->concurrency,
        .ended = ended,
        .context = trigger,
    };
    sl_border_leave();
    enum sl_status status = sl_bridge_http_start(sl_host_engine(host), &config,
                                                 &trigger->server, err);
    if (status != SL_OK) {
        sl_http_trigger_free(trigger);
        return status;
    }
    SL_CLEANUP(sl_freep)
    char *address = address_of(settings, sl_bridge_http_port(trigger->server));
    trigger->text = sl_strdup(address);
    for (size_t i = 0; i < count; i++) {
        char *longer =
            sl_asprintf("%s%s%s%.*s", trigger->text, i > 0 ? ", " : "",
                        i > 0 ? address : "", (int)routes[i].prefix.len,
                        (const char *)routes[i].prefix.ptr);
        free(trigger->text);
        trigger->text = longer;
    }
    *out = trigger;
    return SL_OK;
}

const char *sl_http_trigger_text(const struct sl_http_trigger *trigger)
{
    return trigger->text;
}

void sl_http_trigger_drain(struct sl_http_trigger *trigger,
                           sl_trigger_drained_fn *drained, void *context)
{
    sl_border_leave();
    sl_bridge_http_drain(trigger->server, drained, context);
}

void sl_http_trigger_stop(struct sl_http_trigger *trigger)
{
    sl_bridge_http_free(trigger->server);
    trigger->server = NULL;
}

void sl_http_trigger_free(struct sl_http_trigger *trigger)
{
    sl_border_enter(); /* its requests were told by Rust's threads */
    free(trigger->components);
    free(trigger->text);
    free(trigger);
}
