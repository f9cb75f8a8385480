/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the triggers, and of the addresses at which they listen. */
#include "base/metrics.h"
#include "management/exposition.h"

/* A trigger, and one more label, unless its name is NULL. */
struct trigger_labels {
    const struct sl_manifest_trigger *trigger;
    const char *name;
    const char *value;
};

static void write_next_label(FILE *out, const char *name, const char *value)
{
    fputc(',', out);
    sl_metric_label_write(out, name, value);
}

/* http: where it listens; mq: the queue; pubsub: the topic and the group. */
static void write_trigger_labels(FILE *out, const void *context)
{
    const struct trigger_labels *labels = context;
    const struct sl_manifest_trigger *trigger = labels->trigger;

    sl_metric_label_write(out, "component", trigger->component->name);
    write_next_label(out, "type", sl_manifest_trigger_name(trigger->type));
    if (trigger->type == SL_TRIGGER_HTTP) {
        write_next_label(out, "listen", trigger->listen);
        write_next_label(out, "route", trigger->route);
    } else {
        write_next_label(out, "resource", trigger->resource_name);
    }
    if (trigger->type == SL_TRIGGER_PUBSUB) {
        write_next_label(out, "topic", trigger->topic);
        write_next_label(out, "group", trigger->group);
    }
    if (labels->name != NULL)
        write_next_label(out, labels->name, labels->value);
}

static void write_calls(const struct sl_exposition *exposition)
{
    static const struct sl_metric_family family = {
        "slight_trigger_calls_total", "counter",
        "Calls of the component, by how they ended."};
    const struct sl_manifest *manifest = exposition->manifest;

    sl_metric_family_write(exposition->out, &family);
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_trigger_metrics *metrics =
            sl_trigger_metrics(exposition->triggers, i);
        for (int end = 0; end < SL_TRIGGER_ENDS; end++) {
            const struct trigger_labels labels = {&manifest->triggers[i], "end",
                                                  sl_trigger_end_names[end]};
            uint64_t count = sl_counted(&metrics->by_end[end]);
            if (end == 0 || count > 0)
                sl_metric_sample_write(exposition->out, family.name,
                                       write_trigger_labels, &labels, count);
        }
    }
}

static void write_durations(const struct sl_exposition *exposition)
{
    static const struct sl_metric_family family = {
        "slight_trigger_call_duration_seconds", "histogram",
        "How long calls of the component took."};
    const struct sl_manifest *manifest = exposition->manifest;

    sl_metric_family_write(exposition->out, &family);
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct trigger_labels labels = {.trigger =
                                                  &manifest->triggers[i]};
        sl_metric_histogram_write(
            exposition->out, family.name, write_trigger_labels, &labels,
            &sl_trigger_metrics(exposition->triggers, i)->duration);
    }
}

static void write_responses(const struct sl_exposition *exposition)
{
    static const struct sl_metric_family family = {
        "slight_http_responses_total", "counter",
        "Responses by status; 0: the client left before there was one."};
    const struct sl_manifest *manifest = exposition->manifest;
    char code[12];

    sl_metric_family_write(exposition->out, &family);
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_trigger_metrics *metrics =
            sl_trigger_metrics(exposition->triggers, i);
        for (int n = 0; n < SL_TRIGGER_CODES; n++) {
            const struct trigger_labels labels = {&manifest->triggers[i],
                                                  "code", code};
            uint64_t count = sl_counted(&metrics->by_code[n]);
            snprintf(code, sizeof(code), "%d", n);
            if (count > 0)
                sl_metric_sample_write(exposition->out, family.name,
                                       write_trigger_labels, &labels, count);
        }
    }
}

/* Numbers of each trigger of HTTP, or of each other one. */
static const struct {
    struct sl_metric_family family;
    bool is_http;
    size_t offset; /* in struct sl_trigger_metrics */
} numbers[] = {
    {{"slight_http_request_bytes_total", "counter", "Bytes of request bodies."},
     true,
     offsetof(struct sl_trigger_metrics, bytes_in)},
    {{"slight_http_response_bytes_total", "counter",
      "Bytes of response bodies."},
     true,
     offsetof(struct sl_trigger_metrics, bytes_out)},
    {{"slight_trigger_handling", "gauge", "Deliveries that are being handled."},
     false,
     offsetof(struct sl_trigger_metrics, running)},
    {{"slight_trigger_dead_letters_total", "counter",
      "Deliveries that became dead letters."},
     false,
     offsetof(struct sl_trigger_metrics, dead_letters)},
    {{"slight_trigger_discarded_total", "counter",
      "Events that were rejected and discarded, as the trigger has no "
      "dead-letter topic."},
     false,
     offsetof(struct sl_trigger_metrics, discarded)},
};

static void write_numbers(const struct sl_exposition *exposition)
{
    const struct sl_manifest *manifest = exposition->manifest;

    for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
        sl_metric_family_write(exposition->out, &numbers[n].family);
        for (size_t i = 0; i < manifest->trigger_count; i++) {
            const struct trigger_labels labels = {.trigger =
                                                      &manifest->triggers[i]};
            const void *value =
                (const char *)sl_trigger_metrics(exposition->triggers, i) +
                numbers[n].offset;
            bool is_http = labels.trigger->type == SL_TRIGGER_HTTP;
            if (is_http == numbers[n].is_http)
                sl_metric_sample_write(
                    exposition->out, numbers[n].family.name,
                    write_trigger_labels, &labels,
                    sl_counted((const _Atomic uint64_t *)value));
        }
    }
}

static void write_address(FILE *out, const void *context)
{
    const struct sl_trigger_listener *listener = context;

    sl_metric_label_write(out, "address", listener->address);
}

static uint64_t listener_value(const struct sl_trigger_listener *listener,
                               size_t family)
{
    const uint64_t values[] = {listener->connections, listener->requests,
                               listener->unmatched};

    return values[family];
}

static void write_listeners(const struct sl_exposition *exposition)
{
    static const struct sl_metric_family families[] = {
        {"slight_http_connections", "gauge", "Open connections."},
        {"slight_http_requests", "gauge", "Requests in progress."},
        {"slight_http_unmatched_total", "counter",
         "Requests that no route matched, or that were refused before."},
    };
    struct sl_trigger_listener listener;

    for (size_t n = 0; n < sizeof(families) / sizeof(families[0]); n++) {
        sl_metric_family_write(exposition->out, &families[n]);
        for (size_t i = 0;
             sl_trigger_listener(exposition->triggers, i, &listener); i++)
            sl_metric_sample_write(exposition->out, families[n].name,
                                   write_address, &listener,
                                   listener_value(&listener, n));
    }
}

void sl_exposition_write_triggers(const struct sl_exposition *exposition)
{
    write_calls(exposition);
    write_durations(exposition);
    write_responses(exposition);
    write_numbers(exposition);
    write_listeners(exposition);
}
