/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is counted, in Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).  Times are seconds.
 *
 * All samples of a metric stand together, so each is a loop over what has it.
 * A counter that is zero is left away where it is one of many.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "management/internal.h"

struct writer {
    FILE *out;
    struct sl_host *host;
    const struct sl_manifest *manifest;
    const struct sl_triggers *triggers;
};

static void begin(FILE *out, const char *name, const char *type,
                  const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name="value"; what is not printable in it is escaped, and then what the
 * format wants escaped. */
static void label(FILE *out, const char *name, const char *value)
{
    SL_CLEANUP(sl_freep)
    char *shown = sl_escaped(sl_bytes_of(value), SL_ESCAPE_LINE);

    fprintf(out, "%s=\"", name);
    for (const char *at = shown; *at != '\0'; at++) {
        if (*at == '\\' || *at == '"')
            fputc('\\', out);
        fputc(*at, out);
    }
    fputc('"', out);
}

/* --- The process -------------------------------------------------------- */

/* The index-th field behind the name in /proc/self/stat; 0 where there is none.
 */
static unsigned long long stat_field(int index)
{
    char text[1024];
    unsigned long long value = 0;
    FILE *file = fopen("/proc/self/stat", "re");

    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    char *at = strrchr(text, ')');
    for (int i = 0; at != NULL && i < index; i++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        value = strtoull(at + 1, NULL, 10);
    return value;
}

/* proc(5): starttime is the 20th, in clock ticks since boot; rss the 22nd, in
 * pages. */
static void write_process(FILE *out)
{
    struct rusage usage = {0};
    struct timespec boot = {0}, now = {0};

    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    double start = (double)stat_field(20) / (double)sysconf(_SC_CLK_TCK);

    begin(out, "slight_build_info", "gauge", "The version of slight.");
    fprintf(out, "slight_build_info{version=\"%s\"} 1\n", SL_VERSION);
    begin(out, "process_start_time_seconds", "gauge",
          "When the process was started, in seconds since 1970.");
    fprintf(out, "process_start_time_seconds %.2f\n",
            (double)(now.tv_sec - boot.tv_sec) +
                (double)(now.tv_nsec - boot.tv_nsec) / 1e9 + start);
    begin(out, "process_cpu_seconds_total", "counter",
          "Time of processors, of the user and the system.");
    fprintf(out, "process_cpu_seconds_total %.6f\n",
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
                    1e6);
    begin(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    fprintf(out, "process_resident_memory_bytes %llu\n",
            stat_field(22) * (unsigned long long)sysconf(_SC_PAGESIZE));
    begin(out, "process_threads", "gauge", "Threads.");
    fprintf(out, "process_threads %llu\n", stat_field(18));
}

/* --- Histograms --------------------------------------------------------- */

/* labels: written before the bucket's. */
static void write_histogram(FILE *out, const char *name,
                            void (*labels)(FILE *out, const void *context),
                            const void *context,
                            const struct sl_histogram *histogram)
{
    uint64_t count = 0;

    for (int i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
        count += sl_counted(&histogram->buckets[i]);
        fprintf(out, "%s_bucket{", name);
        labels(out, context);
        if (i < SL_HISTOGRAM_BUCKETS - 1)
            fprintf(out, ",le=\"%.9g\"} %" PRIu64 "\n",
                    (double)(UINT64_C(1) << i) / 1e6, count);
        else
            fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", count);
    }
    fprintf(out, "%s_sum{", name);
    labels(out, context);
    fprintf(out, "} %.9f\n%s_count{",
            (double)sl_counted(&histogram->total_ns) / 1e9, name);
    labels(out, context);
    fprintf(out, "} %" PRIu64 "\n", count);
}

/* --- Components --------------------------------------------------------- */

/* A sample of the i-th component. */
static void component_sample(const struct writer *writer, const char *name,
                             size_t i, const _Atomic uint64_t *value)
{
    fprintf(writer->out, "%s{", name);
    label(writer->out, "component", writer->manifest->components[i].name);
    fprintf(writer->out, "} %" PRIu64 "\n", sl_counted(value));
}

static void write_components(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;
    FILE *out = writer->out;

    begin(out, "slight_component_instances_started_total", "counter",
          "Instances of the component that were made.");
    for (size_t i = 0; i < manifest->component_count; i++) {
        fputs("slight_component_instances_started_total{", out);
        label(out, "component", manifest->components[i].name);
        fprintf(out, "} %" PRIu64 "\n",
                sl_counted(
                    &sl_host_instances(writer->host, &manifest->components[i])
                         ->begun));
    }
    begin(out, "slight_component_instances", "gauge",
          "Instances of the component that there are.");
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_host_instances *instances =
            sl_host_instances(writer->host, &manifest->components[i]);
        uint64_t ended = sl_counted(&instances->ended);
        fputs("slight_component_instances{", out);
        label(out, "component", manifest->components[i].name);
        fprintf(out, "} %" PRIu64 "\n", sl_counted(&instances->begun) - ended);
    }
    begin(out, "slight_component_host_memory_bytes", "gauge",
          "Memory of slight that the component's instances hold.");
    for (size_t i = 0; i < manifest->component_count; i++)
        component_sample(
            writer, "slight_component_host_memory_bytes", i,
            &sl_host_instances(writer->host, &manifest->components[i])->held);
    begin(out, "slight_component_host_memory_refused_total", "counter",
          "Calls that the component's host-memory was not enough for.");
    for (size_t i = 0; i < manifest->component_count; i++)
        component_sample(
            writer, "slight_component_host_memory_refused_total", i,
            &sl_host_instances(writer->host, &manifest->components[i])
                 ->refused);
}

/* --- Triggers ----------------------------------------------------------- */

/* http: where it listens; mq: the queue; pubsub: the topic and the group. */
static void trigger_labels(FILE *out, const void *context)
{
    const struct sl_manifest_trigger *trigger = context;

    label(out, "component", trigger->component->name);
    fputc(',', out);
    label(out, "type", sl_manifest_trigger_name(trigger->type));
    fputc(',', out);
    if (trigger->type == SL_TRIGGER_HTTP) {
        label(out, "listen", trigger->listen);
        fputc(',', out);
        label(out, "route", trigger->route);
        return;
    }
    label(out, "resource", trigger->resource_name);
    if (trigger->type == SL_TRIGGER_PUBSUB) {
        fputc(',', out);
        label(out, "topic", trigger->topic);
        fputc(',', out);
        label(out, "group", trigger->group);
    }
}

/* A sample of a trigger; extra is a label of its own, unless NULL. */
static void trigger_sample(FILE *out, const char *name,
                           const struct sl_manifest_trigger *trigger,
                           const char *extra, const char *value,
                           uint64_t number)
{
    fprintf(out, "%s{", name);
    trigger_labels(out, trigger);
    if (extra != NULL) {
        fputc(',', out);
        label(out, extra, value);
    }
    fprintf(out, "} %" PRIu64 "\n", number);
}

static void write_trigger_calls(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;

    begin(writer->out, "slight_trigger_calls_total", "counter",
          "Calls of the component, by how they ended.");
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_trigger_metrics *metrics =
            sl_trigger_metrics(writer->triggers, i);
        for (int end = 0; end < SL_TRIGGER_ENDS; end++) {
            uint64_t count = sl_counted(&metrics->by_end[end]);
            if (end == 0 || count > 0)
                trigger_sample(writer->out, "slight_trigger_calls_total",
                               &manifest->triggers[i], "end",
                               sl_trigger_end_names[end], count);
        }
    }
    begin(writer->out, "slight_trigger_call_duration_seconds", "histogram",
          "How long calls of the component took.");
    for (size_t i = 0; i < manifest->trigger_count; i++)
        write_histogram(writer->out, "slight_trigger_call_duration_seconds",
                        trigger_labels, &manifest->triggers[i],
                        &sl_trigger_metrics(writer->triggers, i)->duration);
}

static void write_responses(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;
    char code[8];

    begin(writer->out, "slight_http_responses_total", "counter",
          "Responses by their status; 0: the client left before.");
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_trigger_metrics *metrics =
            sl_trigger_metrics(writer->triggers, i);
        for (int n = 0; n < SL_TRIGGER_CODES; n++) {
            if (sl_counted(&metrics->by_code[n]) == 0)
                continue;
            snprintf(code, sizeof(code), "%d", n);
            trigger_sample(writer->out, "slight_http_responses_total",
                           &manifest->triggers[i], "code", code,
                           sl_counted(&metrics->by_code[n]));
        }
    }
}

/* A number of each trigger of HTTP, or of each other one. */
static void write_each(const struct writer *writer, bool is_http,
                       const char *name, const char *type, const char *help,
                       size_t offset)
{
    const struct sl_manifest *manifest = writer->manifest;

    begin(writer->out, name, type, help);
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const char *metrics =
            (const char *)sl_trigger_metrics(writer->triggers, i);
        if ((manifest->triggers[i].type == SL_TRIGGER_HTTP) == is_http)
            trigger_sample(
                writer->out, name, &manifest->triggers[i], NULL, NULL,
                sl_counted((const _Atomic uint64_t *)(const void *)(metrics +
                                                                    offset)));
    }
}

static void write_listeners(const struct writer *writer)
{
    static const char *const names[][3] = {
        {"slight_http_connections", "gauge", "Connections that are open."},
        {"slight_http_requests", "gauge", "Requests that are being answered."},
        {"slight_http_unmatched_total", "counter",
         "Requests that no route matched, or that were refused before."},
    };
    struct sl_trigger_listener listener;

    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        begin(writer->out, names[n][0], names[n][1], names[n][2]);
        for (size_t i = 0; sl_trigger_listener(writer->triggers, i, &listener);
             i++) {
            fprintf(writer->out, "%s{", names[n][0]);
            label(writer->out, "address", listener.address);
            fprintf(writer->out, "} %" PRIu64 "\n",
                    n == 0   ? listener.connections
                    : n == 1 ? listener.requests
                             : listener.unmatched);
        }
    }
}

static void write_triggers(const struct writer *writer)
{
    write_trigger_calls(writer);
    write_responses(writer);
    write_each(writer, true, "slight_http_request_bytes_total", "counter",
               "Bytes of the bodies of requests.",
               offsetof(struct sl_trigger_metrics, bytes_in));
    write_each(writer, true, "slight_http_response_bytes_total", "counter",
               "Bytes of the bodies of responses.",
               offsetof(struct sl_trigger_metrics, bytes_out));
    write_each(writer, false, "slight_trigger_handling", "gauge",
               "Deliveries that are being handled.",
               offsetof(struct sl_trigger_metrics, running));
    write_each(writer, false, "slight_trigger_dead_letters_total", "counter",
               "Deliveries that became dead letters.",
               offsetof(struct sl_trigger_metrics, dead_letters));
    write_each(writer, false, "slight_trigger_discarded_total", "counter",
               "Events that were rejected, and have no topic of dead letters.",
               offsetof(struct sl_trigger_metrics, discarded));
    write_listeners(writer);
}

/* --- Resources ---------------------------------------------------------- */

/* An operation of a resource, by a component; or by slight itself: "". */
struct operation {
    const struct sl_manifest_resource *resource;
    const char *component;
    const char *verb;
};

typedef void write_operation_fn(FILE *out, const struct operation *operation,
                                const struct sl_metric *metric);

static void resource_labels(FILE *out,
                            const struct sl_manifest_resource *resource)
{
    label(out, "resource", resource->name);
    fputc(',', out);
    label(out, "type", sl_driver_info(resource->driver).name);
}

static void operation_labels(FILE *out, const void *context)
{
    const struct operation *operation = context;

    resource_labels(out, operation->resource);
    fputc(',', out);
    label(out, "component", operation->component);
    fputc(',', out);
    label(out, "operation", operation->verb);
}

/* Call write for each operation that was ever called. */
static void each_verb(FILE *out, const struct sl_manifest_resource *resource,
                      const char *component, const struct sl_metric *metrics,
                      write_operation_fn *write)
{
    const struct sl_capability_info info =
        sl_capability_info(resource->capability);

    for (unsigned verb = 0; metrics != NULL && verb < info.verb_count; verb++) {
        const struct operation operation = {resource, component,
                                            info.verbs[verb]};
        if (sl_metric_count(&metrics[verb]) > 0)
            write(out, &operation, &metrics[verb]);
    }
}

static void each_operation(const struct writer *writer,
                           write_operation_fn *write)
{
    const struct sl_manifest *manifest = writer->manifest;

    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        each_verb(writer->out, resource, "",
                  sl_service_metrics(sl_host_service(writer->host, resource)),
                  write);
        for (size_t j = 0; j < manifest->component_count; j++)
            each_verb(writer->out, resource, manifest->components[j].name,
                      sl_host_metrics(writer->host, &manifest->components[j],
                                      resource),
                      write);
    }
}

static void write_calls(FILE *out, const struct operation *operation,
                        const struct sl_metric *metric)
{
    for (int status = 0; status < SL_STATUS_COUNT; status++) {
        uint64_t count = sl_counted(&metric->by_status[status]);
        if (count == 0)
            continue;
        fputs("slight_resource_calls_total{", out);
        operation_labels(out, operation);
        fputc(',', out);
        label(out, "code", sl_status_text((enum sl_status)status));
        fprintf(out, "} %" PRIu64 "\n", count);
    }
}

static void write_durations(FILE *out, const struct operation *operation,
                            const struct sl_metric *metric)
{
    write_histogram(out, "slight_resource_call_duration_seconds",
                    operation_labels, operation, &metric->duration);
}

static void write_loads(const struct writer *writer)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } loads[] = {
        {"slight_resource_connections", "Connections that are open.",
         offsetof(struct sl_queue_load, states)},
        {"slight_resource_running", "Calls that the service is asked now.",
         offsetof(struct sl_queue_load, running)},
        {"slight_resource_queued", "Calls that wait for a connection.",
         offsetof(struct sl_queue_load, queued)},
        {"slight_resource_waiting",
         "Calls that wait for a lock, a message, or another try.",
         offsetof(struct sl_queue_load, delayed)},
        {"slight_resource_stuck",
         "Connections that were given up and have not come back.",
         offsetof(struct sl_queue_load, stuck)},
    };
    const struct sl_manifest *manifest = writer->manifest;

    for (size_t n = 0; n < sizeof(loads) / sizeof(loads[0]); n++) {
        begin(writer->out, loads[n].name, "gauge", loads[n].help);
        for (size_t i = 0; i < manifest->resource_count; i++) {
            struct sl_queue_load load;
            sl_service_load(
                sl_host_service(writer->host, &manifest->resources[i]), &load);
            fprintf(writer->out, "%s{", loads[n].name);
            resource_labels(writer->out, &manifest->resources[i]);
            fprintf(writer->out, "} %zu\n",
                    *(const size_t *)(const void *)((const char *)&load +
                                                    loads[n].offset));
        }
    }
}

static void write_given_up(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;
    struct sl_queue_load load;

    begin(writer->out, "slight_resource_given_up_total", "counter",
          "Connections that were given up, as a call did not end.");
    for (size_t i = 0; i < manifest->resource_count; i++) {
        sl_service_load(sl_host_service(writer->host, &manifest->resources[i]),
                        &load);
        fputs("slight_resource_given_up_total{", writer->out);
        resource_labels(writer->out, &manifest->resources[i]);
        fprintf(writer->out, "} %" PRIu64 "\n", load.given_up);
    }
}

static void write_dead_letters(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;

    begin(writer->out, "slight_resource_dead_letters_total", "counter",
          "Messages that calls of this process made dead letters.");
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        if (strcmp(sl_capability_info(resource->capability).name, "mq") != 0)
            continue;
        fputs("slight_resource_dead_letters_total{", writer->out);
        resource_labels(writer->out, resource);
        fprintf(
            writer->out, "} %" PRIu64 "\n",
            sl_service_dead_letters(sl_host_service(writer->host, resource)));
    }
}

/* A number of each resource that holds something itself. */
static void write_usage(const struct writer *writer,
                        const struct sl_usage *usages, const char *name,
                        const char *help, size_t offset)
{
    const struct sl_manifest *manifest = writer->manifest;

    begin(writer->out, name, "gauge", help);
    for (size_t i = 0; i < manifest->resource_count; i++) {
        if (usages[i].limit == 0)
            continue;
        fprintf(writer->out, "%s{", name);
        resource_labels(writer->out, &manifest->resources[i]);
        fprintf(writer->out, "} %" PRId64 "\n",
                *(const int64_t *)(const void *)((const char *)&usages[i] +
                                                 offset));
    }
}

static void write_usages(const struct writer *writer)
{
    const struct sl_manifest *manifest = writer->manifest;
    struct sl_usage *usages =
        sl_alloc_array(manifest->resource_count + 1, sizeof(*usages));

    for (size_t i = 0; i < manifest->resource_count; i++)
        if (!sl_service_usage(
                sl_host_service(writer->host, &manifest->resources[i]),
                &usages[i]))
            usages[i] = (struct sl_usage){0};
    write_usage(writer, usages, "slight_resource_used_bytes",
                "What an embedded resource holds, without what was deleted.",
                offsetof(struct sl_usage, used));
    write_usage(writer, usages, "slight_resource_limit_bytes",
                "The most that it may hold.", offsetof(struct sl_usage, limit));
    write_usage(writer, usages, "slight_resource_file_bytes",
                "What its files take on the disk.",
                offsetof(struct sl_usage, files));
    free(usages);
}

static void write_resources(const struct writer *writer)
{
    begin(writer->out, "slight_resource_calls_total", "counter",
          "Calls of the resource, by what came of them.");
    each_operation(writer, write_calls);
    begin(writer->out, "slight_resource_call_duration_seconds", "histogram",
          "How long calls took, waiting and repeats included.");
    each_operation(writer, write_durations);
    write_loads(writer);
    write_given_up(writer);
    write_dead_letters(writer);
    write_usages(writer);
}

void sl_exposition_write(FILE *out, struct sl_host *host,
                         const struct sl_manifest *manifest,
                         const struct sl_triggers *triggers)
{
    const struct writer writer = {out, host, manifest, triggers};

    write_process(out);
    write_components(&writer);
    if (triggers != NULL)
        write_triggers(&writer);
    write_resources(&writer);
    sl_exposition_write_lost(out, host, manifest);
}
