/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the resources. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "management/exposition.h"

/* An operation of a resource, called by a component; "": by slight itself. */
struct operation {
    const struct sl_manifest_resource *resource;
    const char *component;
    const char *verb;
    const char *code; /* NULL: no label */
};

typedef void write_operation_fn(FILE *out, struct operation *operation,
                                const struct sl_metric *metric);

static void write_resource_labels(FILE *out, const void *context)
{
    const struct sl_manifest_resource *resource = context;

    sl_metric_label_write(out, "resource", resource->name);
    fputc(',', out);
    sl_metric_label_write(out, "type", sl_driver_info(resource->driver).name);
}

static void write_operation_labels(FILE *out, const void *context)
{
    const struct operation *operation = context;

    write_resource_labels(out, operation->resource);
    fputc(',', out);
    sl_metric_label_write(out, "component", operation->component);
    fputc(',', out);
    sl_metric_label_write(out, "operation", operation->verb);
    if (operation->code == NULL)
        return;
    fputc(',', out);
    sl_metric_label_write(out, "code", operation->code);
}

/* Call write for each operation that was ever called.  metrics: one per verb;
 * or NULL. */
static void visit_verbs(FILE *out, const struct sl_manifest_resource *resource,
                        const char *component, const struct sl_metric *metrics,
                        write_operation_fn *write)
{
    const struct sl_capability_info info =
        sl_capability_info(resource->capability);

    for (unsigned verb = 0; metrics != NULL && verb < info.verb_count; verb++) {
        struct operation operation = {resource, component, info.verbs[verb],
                                      NULL};
        if (sl_metric_count(&metrics[verb]) > 0)
            write(out, &operation, &metrics[verb]);
    }
}

static void visit_operations(const struct sl_exposition *exposition,
                             write_operation_fn *write)
{
    const struct sl_manifest *manifest = exposition->manifest;
    struct sl_host *host = exposition->host;

    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        visit_verbs(exposition->out, resource, "",
                    sl_service_metrics(sl_host_service(host, resource)), write);
        for (size_t j = 0; j < manifest->component_count; j++)
            visit_verbs(
                exposition->out, resource, manifest->components[j].name,
                sl_host_metrics(host, &manifest->components[j], resource),
                write);
    }
}

static const struct sl_metric_family calls = {
    "slight_resource_calls_total", "counter",
    "Calls of the resource, by their result."};

static const struct sl_metric_family durations = {
    "slight_resource_call_duration_seconds", "histogram",
    "How long calls took, with waiting and retries."};

static void write_calls(FILE *out, struct operation *operation,
                        const struct sl_metric *metric)
{
    for (int status = 0; status < SL_STATUS_COUNT; status++) {
        uint64_t count = sl_counted(&metric->by_status[status]);
        operation->code = sl_status_text((enum sl_status)status);
        if (count > 0)
            sl_metric_sample_write(out, calls.name, write_operation_labels,
                                   operation, count);
    }
}

static void write_durations(FILE *out, struct operation *operation,
                            const struct sl_metric *metric)
{
    sl_metric_histogram_write(out, durations.name, write_operation_labels,
                              operation, &metric->duration);
}

/* --- Connections --------------------------------------------------------- */

static uint64_t count_states(const struct sl_queue_load *load)
{
    return load->connections;
}

static uint64_t count_running(const struct sl_queue_load *load)
{
    return load->running;
}

static uint64_t count_queued(const struct sl_queue_load *load)
{
    return load->queued;
}

static uint64_t count_delayed(const struct sl_queue_load *load)
{
    return load->delayed;
}

static uint64_t count_stuck(const struct sl_queue_load *load)
{
    return load->stuck;
}

static uint64_t count_given_up(const struct sl_queue_load *load)
{
    return load->given_up;
}

static const struct {
    struct sl_metric_family family;
    uint64_t (*value)(const struct sl_queue_load *load);
} loads[] = {
    {{"slight_resource_connections", "gauge", "Open connections."},
     count_states},
    {{"slight_resource_running", "gauge",
      "Calls that the service is processing."},
     count_running},
    {{"slight_resource_queued", "gauge", "Calls that wait for a connection."},
     count_queued},
    {{"slight_resource_waiting", "gauge",
      "Calls that wait for a lock, a message, or their next try."},
     count_delayed},
    {{"slight_resource_stuck", "gauge",
      "Connections that were given up, and whose call has not come back."},
     count_stuck},
    {{"slight_resource_given_up_total", "counter",
      "Connections that were given up, as a call did not end."},
     count_given_up},
};

static void write_loads(const struct sl_exposition *exposition)
{
    const struct sl_manifest *manifest = exposition->manifest;

    for (size_t n = 0; n < sizeof(loads) / sizeof(loads[0]); n++) {
        sl_metric_family_write(exposition->out, &loads[n].family);
        for (size_t i = 0; i < manifest->resource_count; i++) {
            const struct sl_manifest_resource *resource =
                &manifest->resources[i];
            struct sl_queue_load load;
            sl_service_load(sl_host_service(exposition->host, resource), &load);
            sl_metric_sample_write(exposition->out, loads[n].family.name,
                                   write_resource_labels, resource,
                                   loads[n].value(&load));
        }
    }
}

static void write_dead_letters(const struct sl_exposition *exposition)
{
    static const struct sl_metric_family family = {
        "slight_resource_dead_letters_total", "counter",
        "Messages that became dead letters by calls of this process."};
    const struct sl_manifest *manifest = exposition->manifest;

    sl_metric_family_write(exposition->out, &family);
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        if (strcmp(sl_capability_info(resource->capability).name, "mq") == 0)
            sl_metric_sample_write(exposition->out, family.name,
                                   write_resource_labels, resource,
                                   sl_service_dead_letters(sl_host_service(
                                       exposition->host, resource)));
    }
}

/* --- Usage --------------------------------------------------------------- */

static const struct {
    struct sl_metric_family family;
    size_t offset; /* in struct sl_usage */
} usages[] = {
    {{"slight_resource_used_bytes", "gauge",
      "What an embedded resource holds, without what was deleted."},
     offsetof(struct sl_usage, used)},
    {{"slight_resource_limit_bytes", "gauge", "The most that it may hold."},
     offsetof(struct sl_usage, limit)},
    {{"slight_resource_file_bytes", "gauge", "The size of its files on disk."},
     offsetof(struct sl_usage, files)},
};

/* Each resource is asked once.  limit is 0 where it holds nothing itself. */
static struct sl_usage *read_usages(const struct sl_exposition *exposition)
{
    const struct sl_manifest *manifest = exposition->manifest;
    struct sl_usage *all =
        sl_alloc_array(manifest->resource_count + 1, sizeof(*all));

    for (size_t i = 0; i < manifest->resource_count; i++)
        if (!sl_service_usage(
                sl_host_service(exposition->host, &manifest->resources[i]),
                &all[i]))
            all[i] = (struct sl_usage){0};
    return all;
}

static void write_usages(const struct sl_exposition *exposition)
{
    const struct sl_manifest *manifest = exposition->manifest;
    SL_CLEANUP(sl_freep) struct sl_usage *all = read_usages(exposition);

    for (size_t n = 0; n < sizeof(usages) / sizeof(usages[0]); n++) {
        sl_metric_family_write(exposition->out, &usages[n].family);
        for (size_t i = 0; i < manifest->resource_count; i++) {
            const void *value = (const char *)&all[i] + usages[n].offset;
            if (all[i].limit != 0)
                sl_metric_sample_write(exposition->out, usages[n].family.name,
                                       write_resource_labels,
                                       &manifest->resources[i],
                                       (uint64_t)*(const int64_t *)value);
        }
    }
}

void sl_exposition_write_resources(const struct sl_exposition *exposition)
{
    sl_metric_family_write(exposition->out, &calls);
    visit_operations(exposition, write_calls);
    sl_metric_family_write(exposition->out, &durations);
    visit_operations(exposition, write_durations);
    write_loads(exposition);
    write_dead_letters(exposition);
    write_usages(exposition);
}
