/* SPDX-License-Identifier: Apache-2.0 */
/* [[trigger]]: what calls a component.  The type decides which settings there
 * are. */
#include <string.h>

#include "base/alloc.h"
#include "base/route.h"
#include "manifest/excerpt.h"
#include "manifest/listen.h"
#include "manifest/section.h"
#include "manifest/tables.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"

#define AT(member) offsetof(struct sl_manifest_trigger, member)

const struct sl_manifest_key sl_manifest_trigger_keys[] = {
    {"type", "string, required", "\"http\", \"mq\" or \"pubsub\""},
    {0},
};

const struct sl_option sl_manifest_any_trigger_options[] = {
    {.name = "component",
     .type = SL_OPTION_STRING,
     .offset = AT(component_name),
     .help = "the [[component]] to call; required with several components"},
    {0},
};

static enum sl_status check_route(const void *field, struct sl_error *err)
{
    const char *route = *(const char *const *)field;

    if (route[0] == '/' && strpbrk(route, "?# ") == NULL)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a route must begin with \"/\" and not contain \"?\", \"#\" "
                   "or a space");
}

static enum sl_status check_start(const void *field, struct sl_error *err)
{
    const char *start = *(const char *const *)field;

    if (strcmp(start, "earliest") == 0 || strcmp(start, "latest") == 0)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "expected \"earliest\" or \"latest\"");
}

static const struct sl_option http_options[] = {
    {.name = "listen",
     .type = SL_OPTION_STRING,
     .offset = AT(listen),
     .fallback = "127.0.0.1:8080",
     .help = "address and port; triggers may share them; port 0: the system "
             "chooses one",
     .check = sl_manifest_check_listen},
    {.name = "route",
     .type = SL_OPTION_STRING,
     .offset = AT(route),
     .fallback = "/",
     .help = "handles the paths that begin with these segments; the longest "
             "matching route wins",
     .check = check_route},
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(timeout_ms),
     .min = 1,
     .max = 86400000,
     .fallback = "30s",
     .help =
         "maximum time from the last received byte of the request until the "
         "response begins; then 504"},
    {.name = "between-bytes-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(between_bytes_timeout_ms),
     .max = 86400000,
     .fallback = "0s",
     .help = "maximum time between two pieces of a body, in either direction; "
             "then the connection is closed; 0s: the same as timeout"},
    {.name = "total-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(total_timeout_ms),
     .max = INT64_C(86400000) * 30,
     .fallback = "0s",
     .help = "maximum duration of a request and its response; 0s: no limit"},
    {.name = "min-rate",
     .type = SL_OPTION_SIZE,
     .offset = AT(min_rate),
     .max = INT64_C(1) << 30,
     .fallback = "1KiB",
     .help = "minimum average bytes per second that a client reads, once data "
             "has waited for between-bytes-timeout; 0: no minimum"},
    {.name = "idle-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(idle_timeout_ms),
     .min = 1,
     .max = 86400000,
     .fallback = "60s",
     .help =
         "maximum time that a connection waits for the header of a request"},
    {.name = "max-header",
     .type = SL_OPTION_SIZE,
     .offset = AT(max_header),
     .min = 8192,
     .max = 1 << 20,
     .fallback = "64KiB",
     .help = "maximum size of the header of a request; 431 beyond"},
    {.name = "max-body",
     .type = SL_OPTION_SIZE,
     .offset = AT(max_body),
     .max = INT64_C(1) << 40,
     .fallback = "8MiB",
     .help = "maximum size of the body of a request; 413 beyond"},
    {.name = "max-connections",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_connections),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "maximum open connections; further ones wait"},
    {.name = "max-connections-per-peer",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_peer_connections),
     .max = 1000000,
     .fallback = "0",
     .help = "maximum open connections from one address; further ones are "
             "closed; 0: no limit, as needed behind a proxy, which is one "
             "address"},
    {.name = "concurrency",
     .type = SL_OPTION_INTEGER,
     .offset = AT(concurrency),
     .min = 1,
     .max = SL_TRIGGER_CONCURRENCY_MAX,
     .fallback = "1000",
     .help =
         "maximum concurrent requests of this route, each in an instance of "
         "its own; 503 beyond"},
    {.name = "reuse",
     .type = SL_OPTION_INTEGER,
     .offset = AT(reuse),
     .min = 1,
     .max = 1000000,
     .fallback = "1",
     .help = "requests that one instance handles, one after another; 1: a new "
             "instance for each"},
    {0},
};

/* Of "mq" and "pubsub". */
#define DELIVERY_OPTIONS                                                       \
    {.name = "resource",                                                       \
     .type = SL_OPTION_STRING,                                                 \
     .offset = AT(resource_name),                                              \
     .required = true,                                                         \
     .help = "the [[resource]] to consume from"},                              \
        {.name = "concurrency",                                                \
         .type = SL_OPTION_INTEGER,                                            \
         .offset = AT(concurrency),                                            \
         .min = 1,                                                             \
         .max = SL_TRIGGER_CONCURRENCY_MAX,                                    \
         .fallback = "16",                                                     \
         .help =                                                               \
             "maximum concurrent deliveries, each in an instance of its own"}, \
        {.name = "timeout",                                                    \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(timeout_ms),                                             \
         .min = 1,                                                             \
         .max = 3600000,                                                       \
         .fallback = "30s",                                                    \
         .help = "maximum time to handle a delivery; then it is redelivered"}, \
        {.name = "backoff",                                                    \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(backoff_ms),                                             \
         .max = 900000,                                                        \
         .fallback = "1s",                                                     \
         .help = "delay before the first retry; doubles with each further "    \
                 "one, up to max-backoff"},                                    \
        {.name = "max-backoff",                                                \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(max_backoff_ms),                                         \
         .max = 900000,                                                        \
         .fallback = "5m",                                                     \
         .help = "maximum delay before a retry"}

static const struct sl_option mq_options[] = {DELIVERY_OPTIONS, {0}};

static const struct sl_option pubsub_options[] = {
    DELIVERY_OPTIONS,
    {.name = "topic",
     .type = SL_OPTION_STRING,
     .offset = AT(topic),
     .required = true,
     .help = "the topic to subscribe to"},
    {.name = "group",
     .type = SL_OPTION_STRING,
     .offset = AT(group),
     .required = true,
     .help = "the consumer group, whose members share the events"},
    {.name = "start",
     .type = SL_OPTION_STRING,
     .offset = AT(start),
     .fallback = "earliest",
     .help = "where a new group begins: \"earliest\" or \"latest\"",
     .check = check_start},
    {.name = "dead-letter",
     .type = SL_OPTION_STRING,
     .offset = AT(dead_letter),
     .help = "the topic for events that were rejected, or delivered "
             "max-deliveries times; without it they stay and are retried after "
             "max-backoff"},
    {.name = "max-deliveries",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_deliveries),
     .max = 1000,
     .fallback = "0",
     .help = "deliveries of an event before it is a dead letter; 0: no limit"},
    {0},
};

/* In the order of enum sl_manifest_trigger_type. */
static const struct {
    const char *name;
    const struct sl_option *options;
    const struct sl_capability *capability; /* of its resource */
} types[] = {
    {"http", http_options, NULL},
    {"mq", mq_options, &sl_mq},
    {"pubsub", pubsub_options, &sl_pubsub},
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

const struct sl_option *
sl_manifest_trigger_options(enum sl_manifest_trigger_type type)
{
    return types[type].options;
}

const char *sl_manifest_trigger_name(enum sl_manifest_trigger_type type)
{
    return types[type].name;
}

/* False after a problem. */
static bool read_trigger_type(struct sl_manifest_reader *reader,
                              const struct sl_toml *table,
                              enum sl_manifest_trigger_type *type)
{
    const struct sl_toml *node = sl_manifest_get(table, "type");

    if (node == NULL) {
        if (reader->syntax_count == 0)
            sl_manifest_add_problem(
                reader, table->place,
                "[[trigger]] needs \"type\": \"http\", \"mq\" or "
                "\"pubsub\"");
        return false;
    }
    const char *name = sl_manifest_string(reader, node, "type", NULL);
    if (name == NULL)
        return false;
    for (int i = 0; i < TYPES; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *type = (enum sl_manifest_trigger_type)i;
            return true;
        }
    }
    sl_manifest_add_problem(
        reader, node->place,
        "unknown type \"%s\" of [[trigger]]; expected \"http\", "
        "\"mq\" or \"pubsub\"",
        sl_manifest_excerpt(name).text);
    return false;
}

static void link_component(struct sl_manifest_reader *reader,
                           const struct sl_toml *table,
                           struct sl_manifest_trigger *trigger)
{
    const struct sl_manifest *manifest = reader->manifest;
    const char *name = trigger->component_name;

    if (name == NULL) {
        if (manifest->component_count > 1)
            sl_manifest_add_problem(
                reader, table->place,
                "with several components, [[trigger]] needs "
                "\"component\": the name of the one to call");
        trigger->component = manifest->components;
        return;
    }
    for (size_t i = 0; i < manifest->component_count; i++)
        if (manifest->components[i].name != NULL &&
            strcmp(manifest->components[i].name, name) == 0)
            trigger->component = &manifest->components[i];
    if (trigger->component == NULL)
        sl_manifest_add_problem(
            reader, sl_manifest_get(table, "component")->place,
            "there is no component \"%s\"", sl_manifest_excerpt(name).text);
}

static void link_resource(struct sl_manifest_reader *reader,
                          const struct sl_toml *table,
                          struct sl_manifest_trigger *trigger)
{
    const struct sl_capability *wanted = types[trigger->type].capability;

    if (wanted == NULL || trigger->resource_name == NULL)
        return;
    struct sl_toml_place place = sl_manifest_get(table, "resource")->place;
    trigger->resource = sl_manifest_resource(
        reader->manifest, sl_bytes_of(trigger->resource_name));
    if (trigger->resource == NULL)
        sl_manifest_add_problem(
            reader, place, "there is no [[resource]] \"%s\"",
            sl_manifest_excerpt(trigger->resource_name).text);
    else if (trigger->resource->capability != wanted)
        sl_manifest_add_problem(
            reader, place,
            "the resource \"%s\" has the type %s.*; this "
            "trigger needs one of the type %s.*",
            trigger->resource->name,
            sl_capability_info(trigger->resource->capability).name,
            types[trigger->type].name);
}

static int64_t max_timeout(enum sl_manifest_trigger_type type)
{
    const struct sl_option *option = types[type].options;

    while (strcmp(option->name, "timeout") != 0)
        option++;
    return option->max;
}

/* A trigger without a timeout has that of its component. */
static void inherit_timeout(struct sl_manifest_reader *reader,
                            const struct sl_toml *table,
                            struct sl_manifest_trigger *trigger)
{
    const struct sl_manifest_component *component = trigger->component;

    if (component == NULL || component->timeout_ms == 0 ||
        sl_manifest_get(table, "timeout") != NULL)
        return;
    if (component->timeout_ms > max_timeout(trigger->type))
        sl_manifest_add_problem(
            reader, table->place,
            "the component's \"timeout\" exceeds the maximum of "
            "this trigger; give [[trigger]] its own \"timeout\" of at "
            "most %lld hours",
            (long long)(max_timeout(trigger->type) / 3600000));
    trigger->timeout_ms = component->timeout_ms;
}

static bool has_same_limits(const struct sl_manifest_trigger *a,
                            const struct sl_manifest_trigger *b)
{
    return a->timeout_ms == b->timeout_ms &&
           a->idle_timeout_ms == b->idle_timeout_ms &&
           a->between_bytes_timeout_ms == b->between_bytes_timeout_ms &&
           a->total_timeout_ms == b->total_timeout_ms &&
           a->min_rate == b->min_rate && a->max_header == b->max_header &&
           a->max_body == b->max_body &&
           a->max_connections == b->max_connections &&
           a->max_peer_connections == b->max_peer_connections;
}

/* Triggers with the same address share the server and its settings.  Only the
 * first problem of a trigger is reported. */
static void check_shared(struct sl_manifest_reader *reader,
                         const struct sl_toml *table,
                         const struct sl_manifest_trigger *trigger)
{
    const struct sl_manifest *manifest = reader->manifest;
    size_t problems = reader->problem_count;

    if (trigger->type != SL_TRIGGER_HTTP)
        return;
    for (size_t i = 0;
         i < manifest->trigger_count && reader->problem_count == problems;
         i++) {
        const struct sl_manifest_trigger *other = &manifest->triggers[i];
        if (other->type != SL_TRIGGER_HTTP ||
            strcmp(other->listen, trigger->listen) != 0)
            continue;
        if (sl_route_equal(sl_bytes_of(other->route),
                           sl_bytes_of(trigger->route)))
            sl_manifest_add_problem(
                reader, table->place,
                "the trigger in line %u already has this route at "
                "this address",
                other->place.line);
        else if (!has_same_limits(other, trigger))
            sl_manifest_add_problem(
                reader, table->place,
                "the trigger in line %u listens at the same address "
                "with other limits; give both the same limits",
                other->place.line);
    }
}

static void check_dead_letter(struct sl_manifest_reader *reader,
                              const struct sl_toml *table,
                              const struct sl_manifest_trigger *trigger)
{
    if (trigger->type == SL_TRIGGER_PUBSUB && trigger->max_deliveries > 0 &&
        trigger->dead_letter == NULL)
        sl_manifest_add_problem(
            reader, sl_manifest_get(table, "max-deliveries")->place,
            "\"max-deliveries\" needs \"dead-letter\": the topic "
            "for events that exceed it");
}

static void read_trigger(struct sl_manifest_reader *reader,
                         const struct sl_toml *table)
{
    struct sl_manifest *manifest = reader->manifest;
    struct sl_manifest_trigger trigger = {
        .place = table->place,
        .listen_place = sl_manifest_place(table, "listen"),
    };
    size_t problems = reader->problem_count;

    if (!read_trigger_type(reader, table, &trigger.type))
        return;
    if (sl_manifest_get(table, "concurrency") != NULL)
        trigger.concurrency_place = sl_manifest_place(table, "concurrency");
    const struct sl_manifest_section sections[] = {
        {sl_manifest_any_trigger_options, &trigger},
        {types[trigger.type].options, &trigger},
        {NULL, NULL},
    };
    sl_manifest_read_section(reader, table, "[[trigger]]", sections,
                             sl_manifest_trigger_keys);
    link_component(reader, table, &trigger);
    link_resource(reader, table, &trigger);
    inherit_timeout(reader, table, &trigger);
    if (reader->problem_count > problems)
        return;
    check_shared(reader, table, &trigger);
    check_dead_letter(reader, table, &trigger);
    manifest->triggers[manifest->trigger_count++] = trigger;
}

void sl_manifest_read_triggers(struct sl_manifest_reader *reader,
                               const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;

    if (node->type != SL_TOML_ARRAY) {
        sl_manifest_add_problem(
            reader, node->place,
            "triggers are a list: write [[trigger]], with two "
            "brackets");
        return;
    }
    manifest->triggers =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*manifest->triggers)));
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i].type == SL_TOML_TABLE)
            read_trigger(reader, &node->children[i]);
        else
            sl_manifest_add_problem(
                reader, node->children[i].place,
                "\"trigger\": expected a table, found %s",
                sl_manifest_type_text(node->children[i].type));
    }
}
