/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a host: what is opened, and in which order it is closed.
 */
#include "host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "host/functions.h"
#include "host/handles.h"
#include "host/imports.h"
#include "host/internal.h"
#include "host/limits.h"

/* What the component may open, and where its calls are counted. */
static void grant_resources(const struct sl_host *host,
                            struct sl_host_component *component,
                            const struct sl_manifest_component *of)
{
    const struct sl_manifest *manifest = host->manifest;

    component->metrics = sl_alloc_array(manifest->resource_count + 1,
                                        sizeof(*component->metrics));
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (sl_manifest_grants(manifest, of, &manifest->resources[i]))
            component->metrics[i] = sl_alloc_array(
                sl_capability_info(manifest->resources[i].capability)
                    .verb_count,
                sizeof(struct sl_metric));
    component->grants = (struct sl_grants){
        manifest,          of, host->services, host->ops, &component->instances,
        component->metrics};
}

static enum sl_status open_services(struct sl_host *host,
                                    struct sl_toml_place *where,
                                    struct sl_error *err)
{
    const struct sl_manifest *manifest = host->manifest;

    host->services =
        sl_alloc_array(manifest->resource_count + 1, sizeof(*host->services));
    host->ops =
        sl_alloc_array(manifest->resource_count + 1, sizeof(*host->ops));
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        host->ops[i] = sl_object_ops_of(resource->capability);
        enum sl_status status = sl_service_open(
            resource->capability, resource->name, resource->driver,
            resource->config, resource->options, &host->services[i], err);
        if (status != SL_OK) {
            *where = resource->place;
            return sl_fail_in(err, "resource \"%s\"", resource->name);
        }
        sl_log(SL_LOG_DEBUG, "open",
               SL_FIELD_STRING("resource", resource->name),
               SL_FIELD_NUMBER("line", resource->place.line));
    }
    for (size_t i = 0; i < manifest->component_count; i++)
        grant_resources(host, &host->components[i], &manifest->components[i]);
    return SL_OK;
}

/* As many as all triggers may have at once. */
static uint32_t instances_of(const struct sl_manifest *manifest,
                             const struct sl_host_config *config)
{
    int64_t count = config->max_instances;

    for (size_t i = 0; i < manifest->trigger_count; i++)
        count += manifest->triggers[i].concurrency;
    if (count < 1)
        return 1;
    return count < SL_TRIGGER_CONCURRENCY_MAX
               ? (uint32_t)count
               : (uint32_t)SL_TRIGGER_CONCURRENCY_MAX;
}

/* The largest of all components; each has its own limit. */
static uint64_t memory_of(const struct sl_manifest *manifest)
{
    int64_t most = 0;

    for (size_t i = 0; i < manifest->component_count; i++)
        if (manifest->components[i].memory > most)
            most = manifest->components[i].memory;
    return (uint64_t)most;
}

static uint64_t table_elements_of(const struct sl_manifest *manifest)
{
    int64_t most = 0;

    for (size_t i = 0; i < manifest->component_count; i++)
        if (manifest->components[i].table_elements > most)
            most = manifest->components[i].table_elements;
    return (uint64_t)most;
}

enum sl_status sl_host_new(const struct sl_manifest *manifest,
                           const struct sl_host_config *config,
                           struct sl_host **out, struct sl_toml_place *where,
                           struct sl_error *err)
{
    SL_CLEANUP(sl_host_freep) struct sl_host *host = sl_alloc(sizeof(*host));
    uint32_t instances = instances_of(manifest, config);

    *where = (struct sl_toml_place){0};
    host->manifest = manifest;
    host->progress = config->progress;
    host->compiling = config->compiling;
    host->engine_config = (struct sl_bridge_engine_config){
        .max_instances = instances,
        .warm_instances = instances,
        .max_memory = memory_of(manifest),
        .max_table_elements = table_elements_of(manifest),
    };
    host->components =
        sl_alloc_array(manifest->component_count, sizeof(*host->components));
    for (size_t i = 0; i < manifest->component_count; i++) {
        host->components[i].manifest = &manifest->components[i];
        host->components[i].source.fd = -1;
        sl_host_output_init(&host->components[i].output,
                            manifest->components[i].name,
                            manifest->components[i].output_rate);
    }
    host->done = eventfd(0, EFD_CLOEXEC);
    if (host->done < 0)
        return sl_fail(err, SL_UNAVAILABLE, "eventfd: %s", strerror(errno));

    enum sl_status status = open_services(host, where, err);
    if (status == SL_OK)
        status = sl_bridge_engine_new(&host->engine_config, &host->engine, err);
    if (status != SL_OK)
        return status;
    *out = host;
    host = NULL; /* handed over */
    return SL_OK;
}

void sl_host_watch(struct sl_host *host)
{
    for (size_t i = 0; i < host->manifest->resource_count; i++)
        sl_service_watch(host->services[i]);
}

bool sl_host_free(struct sl_host *host)
{
    bool all_back = true;

    if (host == NULL)
        return true;

    /* The engine ends the guests, and only they use what comes after it. */
    for (size_t i = 0; i < host->manifest->component_count; i++) {
        if (host->components[i].program != NULL)
            sl_bridge_program_free(host->components[i].program);
        if (host->components[i].component != NULL)
            sl_bridge_component_free(host->components[i].component);
    }
    sl_bridge_engine_free(host->engine);
    for (size_t i = 0;
         host->services != NULL && i < host->manifest->resource_count; i++)
        all_back = sl_service_free(host->services[i]) && all_back;
    if (!all_back) /* what is left may still look at the rest */
        return false;
    free(host->services);
    free(host->ops);
    for (size_t i = 0; i < host->manifest->component_count; i++) {
        struct sl_metric **metrics = host->components[i].metrics;
        for (size_t j = 0;
             metrics != NULL && j < host->manifest->resource_count; j++)
            free(metrics[j]);
        free(metrics);
        sl_host_output_done(&host->components[i].output);
        sl_host_source_done(&host->components[i].source);
        sl_externs_done(&host->components[i].imports);
        sl_externs_done(&host->components[i].exports);
    }
    free(host->components);
    sl_closep(&host->done);
    free(host->message);
    free(host->backtrace);
    free(host);
    return true;
}

size_t sl_host_imports(const struct sl_host *host, size_t index,
                       sl_host_import_fn *visit, void *context)
{
    const struct sl_host_component *component = &host->components[index];
    bool may_trap = component->manifest->unanswered_traps;
    size_t missing = 0;

    for (size_t i = 0; i < component->imports.count; i++) {
        const struct sl_extern *item = &component->imports.list[i];
        char hint[160] = "";
        struct sl_host_import import = {.name = item->name, .hint = hint};
        if (!sl_import_provided(&item->parts, hint, sizeof(hint)))
            import.answer = may_trap ? SL_HOST_TRAPS : SL_HOST_MISSING;
        missing += import.answer == SL_HOST_MISSING;
        if (visit != NULL)
            visit(context, &import);
    }
    return missing;
}

void sl_host_exports(const struct sl_host *host, size_t index,
                     sl_host_export_fn *visit, void *context)
{
    const struct sl_externs *exports = &host->components[index].exports;

    for (size_t i = 0; i < exports->count; i++)
        visit(context, exports->list[i].name);
}

const struct sl_host_instances *
sl_host_instances(const struct sl_host *host,
                  const struct sl_manifest_component *component)
{
    return &host->components[component - host->manifest->components].instances;
}

const struct sl_output_lost *
sl_host_output_lost(const struct sl_host *host,
                    const struct sl_manifest_component *component)
{
    return &host->components[component - host->manifest->components]
                .output.lost;
}

const struct sl_metric *
sl_host_metrics(const struct sl_host *host,
                const struct sl_manifest_component *component,
                const struct sl_manifest_resource *resource)
{
    return host->components[component - host->manifest->components]
        .metrics[resource - host->manifest->resources];
}

struct sl_bridge_engine *sl_host_engine(struct sl_host *host)
{
    return host->engine;
}

struct sl_bridge_program *
sl_host_program(struct sl_host *host,
                const struct sl_manifest_component *component)
{
    return host->components[component - host->manifest->components].program;
}

struct sl_service *sl_host_service(struct sl_host *host,
                                   const struct sl_manifest_resource *resource)
{
    return host->services[resource - host->manifest->resources];
}

/* What the component must export for a trigger of this type. */
static const struct {
    unsigned bit;
    const char *name;
} exports[] = {
    [SL_TRIGGER_HTTP] = {SL_BRIDGE_EXPORTS_HTTP,
                         "wasi:http/incoming-handler@0.2 or "
                         "wasi:http/handler@0.3"},
    [SL_TRIGGER_MQ] = {SL_BRIDGE_EXPORTS_MQ, "slight:mq/handler@0.1"},
    [SL_TRIGGER_PUBSUB] = {SL_BRIDGE_EXPORTS_PUBSUB,
                           "slight:pubsub/handler@0.1"},
};

/* It exports what its triggers call; or is a program. */
static enum sl_status check_exports(const struct sl_host *host,
                                    const struct sl_host_component *component,
                                    struct sl_error *err)
{
    const struct sl_manifest *manifest = host->manifest;
    unsigned exported = sl_bridge_program_exports(component->program);

    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_manifest_trigger *trigger = &manifest->triggers[i];
        if (trigger->component == component->manifest &&
            (exported & exports[trigger->type].bit) == 0)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "the component exports no %s, which the trigger in "
                           "line %u of %s calls",
                           exports[trigger->type].name, trigger->place.line,
                           manifest->path != NULL ? manifest->path
                                                  : "the built-in manifest");
    }
    if (manifest->trigger_count > 0 || (exported & SL_BRIDGE_EXPORTS_RUN) != 0)
        return SL_OK;
    for (int i = SL_TRIGGER_HTTP; i <= SL_TRIGGER_PUBSUB; i++)
        if ((exported & exports[i].bit) != 0)
            return sl_fail(
                err, SL_INVALID_ARGUMENT,
                "the component exports %s, to be called: give it a "
                "manifest with [[trigger]] type = \"%s\" "
                "(docs/triggers.md)",
                exports[i].name,
                sl_manifest_trigger_name((enum sl_manifest_trigger_type)i));
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "the component exports no wasi:cli/run, so it is no program "
                   "that can be run");
}

static const char *reason_of(enum sl_bridge_short short_of)
{
    static const char *const reasons[] = {
        [SL_BRIDGE_SHORT_NOTHING] = "",
        [SL_BRIDGE_SHORT_ADDRESS_SPACE] =
            ("the address space (ulimit -v) has no more room; raise its limit, "
             "or lower \"concurrency\" in [[trigger]] or \"memory\" in "
             "[component]"),
        [SL_BRIDGE_SHORT_MAPS] =
            ("the system's vm.max_map_count allows no more; raise it, or "
             "lower \"concurrency\" in [[trigger]]"),
        [SL_BRIDGE_SHORT_MEMORY] =
            ("there is no memory for more, not even for small ones; give it "
             "more, or lower \"concurrency\" in [[trigger]]"),
    };

    return reasons[short_of];
}

static bool shares_listener(const struct sl_manifest_trigger *a,
                            const struct sl_manifest_trigger *b)
{
    return a->type == SL_TRIGGER_HTTP && b->type == SL_TRIGGER_HTTP &&
           strcmp(a->listen, b->listen) == 0;
}

/* The number in the manifest; 0: there is none, or another route of its listener
 * has a larger one. */
static int64_t number_of(const struct sl_manifest *manifest, size_t index)
{
    const struct sl_manifest_trigger *trigger = &manifest->triggers[index];

    if (trigger->concurrency_place.line == 0)
        return 0;
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_manifest_trigger *other = &manifest->triggers[i];
        if (i == index || other->concurrency_place.line == 0 ||
            !shares_listener(trigger, other))
            continue;
        if (other->concurrency > trigger->concurrency ||
            (other->concurrency == trigger->concurrency && i < index))
            return 0;
    }
    return trigger->concurrency;
}

/*
 * The instances that the manifest asks for must fit.  The routes of a listener
 * share theirs, so the largest number counts.  An operator learns it at the
 * start, not from 503s.
 */
static enum sl_status check_room(const struct sl_host *host,
                                 const struct sl_bridge_room *room,
                                 struct sl_error *err)
{
    const struct sl_manifest *manifest = host->manifest;
    const struct sl_manifest_trigger *largest = NULL;
    int64_t wanted = 0;

    for (size_t i = 0; i < manifest->trigger_count; i++) {
        int64_t number = number_of(manifest, i);
        wanted += number;
        if (number > 0 && (largest == NULL || number > largest->concurrency))
            largest = &manifest->triggers[i];
    }
    if (largest == NULL || wanted <= room->instances)
        return SL_OK;
    return sl_fail(
        err, SL_UNAVAILABLE,
        "%s:%u:%u: \"concurrency\": %lld instances at once are asked for, by "
        "all triggers together, and %u fit: %s",
        manifest->path, largest->concurrency_place.line,
        largest->concurrency_place.column, (long long)wanted, room->instances,
        reason_of(room->short_of));
}

/* Where the manifest gives no number, there are as many as fit. */
static enum sl_status settle_room(const struct sl_host *host,
                                  struct sl_error *err)
{
    struct sl_bridge_room room;

    if (!sl_bridge_engine_room(host->engine, &room) ||
        room.instances >= room.asked)
        return SL_OK;
    enum sl_status status = check_room(host, &room, err);
    if (status == SL_OK)
        sl_log(SL_LOG_WARN, "few-instances",
               SL_FIELD_NUMBER("wanted", room.asked),
               SL_FIELD_NUMBER("room", room.instances),
               SL_FIELD_STRING("reason", reason_of(room.short_of)));
    return status;
}

/* Where the import that does not fit is of a later version, say so in front. */
static void explain_newer(const struct sl_externs *imports,
                          struct sl_error *err)
{
    char newer[160] = "";

    for (size_t i = 0; i < imports->count; i++) {
        const struct sl_extern *item = &imports->list[i];
        SL_CLEANUP(sl_freep) char *quoted = sl_asprintf("`%s`", item->name);
        if (strstr(err->message, quoted) == NULL ||
            !sl_import_newer(&item->parts, newer, sizeof(newer)))
            continue;
        (void)sl_fail_in(err, "it needs %s", newer);
        return;
    }
}

/* The names of what traps. */
struct unanswered {
    struct sl_bytes *names;
    size_t count;
};

static void unanswered_done(struct unanswered *unanswered)
{
    free(unanswered->names);
}

static void add_unanswered(void *context, const struct sl_host_import *import)
{
    struct unanswered *unanswered = context;

    if (import->answer == SL_HOST_TRAPS)
        unanswered->names[unanswered->count++] = sl_bytes_of(import->name);
}

static enum sl_status link_component(struct sl_host *host, size_t index,
                                     struct sl_error *err)
{
    struct sl_host_component *component = &host->components[index];
    const struct sl_bridge_limits limits = sl_host_limits(component->manifest);
    SL_CLEANUP(unanswered_done)
    struct unanswered unanswered = {
        .names = sl_alloc_array(component->imports.count + 1,
                                sizeof(*unanswered.names))};

    (void)sl_host_imports(host, index, add_unanswered, &unanswered);
    enum sl_status status = sl_bridge_program_new(
        host->engine, component->component, &sl_host_functions, &limits,
        unanswered.names, unanswered.count, &component->grants,
        &component->program, err);
    if (status == SL_NOT_FOUND)
        explain_newer(&component->imports, err);
    if (status == SL_OK)
        status = check_exports(host, component, err);
    if (status != SL_OK)
        return sl_fail_in(err, "%s", component->manifest->source);
    return SL_OK;
}

enum sl_status sl_host_link(struct sl_host *host, struct sl_error *err)
{
    for (size_t i = 0; i < host->manifest->component_count; i++) {
        enum sl_status status = link_component(host, i, err);
        if (status != SL_OK)
            return status;
    }
    return settle_room(host, err);
}
