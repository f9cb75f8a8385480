/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [[trigger]]: what calls the component.  Which settings there are depends on
 * its type.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/route.h"
#include "manifest/reader.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"

#define AT(member) offsetof(struct sl_manifest_trigger, member)

static const struct sl_option any_options[] = {
    {.name = "component",
     .type = SL_OPTION_STRING,
     .offset = AT(component_name),
     .help =
         "the [[component]] that is called; needed where there are several"},
    {0},
};

static enum sl_status check_route(const void *field, struct sl_error *err)
{
    const char *route = *(const char *const *)field;

    if (route[0] == '/' && strpbrk(route, "?# ") == NULL)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a route begins with \"/\", and has no \"?\", \"#\" or "
                   "space");
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
     .help = "the address and port; triggers may share one; port 0: the system "
             "chooses one",
     .check = sl_manifest_check_listen},
    {.name = "route",
     .type = SL_OPTION_STRING,
     .offset = AT(route),
     .fallback = "/",
     .help = "the paths that begin with these segments; the longest route "
             "counts",
     .check = check_route},
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(timeout_ms),
     .min = 1,
     .max = 86400000,
     .fallback = "30s",
     .help = "the longest until a response begins, from the last byte of the "
             "request that came: then 504"},
    {.name = "between-bytes-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(between_bytes_timeout_ms),
     .max = 86400000,
     .fallback = "0s",
     .help = "the longest between two pieces of a body, either way: then the "
             "connection is cut; 0s: as long as timeout"},
    {.name = "total-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(total_timeout_ms),
     .max = INT64_C(86400000) * 30,
     .fallback = "0s",
     .help = "the longest that a request and its response may take in all; "
             "0s: no limit"},
    {.name = "min-rate",
     .type = SL_OPTION_SIZE,
     .offset = AT(min_rate),
     .max = INT64_C(1) << 30,
     .fallback = "1KiB",
     .help = "bytes a second that a client takes on average, once it has let "
             "some wait for between-bytes-timeout; 0: any"},
    {.name = "idle-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = AT(idle_timeout_ms),
     .min = 1,
     .max = 86400000,
     .fallback = "60s",
     .help = "the longest that a connection waits for the header of a request"},
    {.name = "max-header",
     .type = SL_OPTION_SIZE,
     .offset = AT(max_header),
     .min = 8192,
     .max = 1 << 20,
     .fallback = "64KiB",
     .help = "the largest header of a request; 431 beyond"},
    {.name = "max-body",
     .type = SL_OPTION_SIZE,
     .offset = AT(max_body),
     .max = INT64_C(1) << 40,
     .fallback = "8MiB",
     .help = "the largest body of a request; 413 beyond"},
    {.name = "max-connections",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_connections),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "connections at once; more wait"},
    {.name = "max-connections-per-peer",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_peer_connections),
     .max = 1000000,
     .fallback = "0",
     .help = "connections of one address at once, more are closed; 0: no limit "
             "of its own, as behind a proxy, which is one address"},
    {.name = "concurrency",
     .type = SL_OPTION_INTEGER,
     .offset = AT(concurrency),
     .min = 1,
     .max = SL_TRIGGER_CONCURRENCY_MAX,
     .fallback = "1000",
     .help = "requests of this route at once, an instance each; 503 beyond"},
    {.name = "reuse",
     .type = SL_OPTION_INTEGER,
     .offset = AT(reuse),
     .min = 1,
     .max = 1000000,
     .fallback = "1",
     .help = "the requests that an instance answers, one after the other; 1 is "
             "a fresh one for each"},
    {0},
};

/* Of both types that deliver. */
#define DELIVERY_OPTIONS                                                       \
    {.name = "resource",                                                       \
     .type = SL_OPTION_STRING,                                                 \
     .offset = AT(resource_name),                                              \
     .required = true,                                                         \
     .help = "the [[resource]] that delivers"},                                \
        {.name = "concurrency",                                                \
         .type = SL_OPTION_INTEGER,                                            \
         .offset = AT(concurrency),                                            \
         .min = 1,                                                             \
         .max = SL_TRIGGER_CONCURRENCY_MAX,                                    \
         .fallback = "16",                                                     \
         .help = "deliveries that are handled at once, an instance each"},     \
        {.name = "timeout",                                                    \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(timeout_ms),                                             \
         .min = 1,                                                             \
         .max = 3600000,                                                       \
         .fallback = "30s",                                                    \
         .help = "the longest that one may take to be handled; then it comes " \
                 "back"},                                                      \
        {.name = "backoff",                                                    \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(backoff_ms),                                             \
         .max = 900000,                                                        \
         .fallback = "1s",                                                     \
         .help = "the wait before a second try; doubles with each, up to "     \
                 "max-backoff"},                                               \
        {.name = "max-backoff",                                                \
         .type = SL_OPTION_DURATION_MS,                                        \
         .offset = AT(max_backoff_ms),                                         \
         .max = 900000,                                                        \
         .fallback = "5m",                                                     \
         .help = "the longest wait before another try"}

static const struct sl_option mq_options[] = {DELIVERY_OPTIONS, {0}};

static const struct sl_option pubsub_options[] = {
    DELIVERY_OPTIONS,
    {.name = "topic",
     .type = SL_OPTION_STRING,
     .offset = AT(topic),
     .required = true,
     .help = "whose events"},
    {.name = "group",
     .type = SL_OPTION_STRING,
     .offset = AT(group),
     .required = true,
     .help = "members of a group share the events"},
    {.name = "start",
     .type = SL_OPTION_STRING,
     .offset = AT(start),
     .fallback = "earliest",
     .help = "where a group that is new begins: \"earliest\" or \"latest\"",
     .check = check_start},
    {.name = "dead-letter",
     .type = SL_OPTION_STRING,
     .offset = AT(dead_letter),
     .help = "the topic to which an event goes that is rejected, or was "
             "delivered max-deliveries times; without it such an event stays, "
             "and is tried again after max-backoff"},
    {.name = "max-deliveries",
     .type = SL_OPTION_INTEGER,
     .offset = AT(max_deliveries),
     .max = 1000,
     .fallback = "0",
     .help = "how often an event is tried before it is a dead letter; 0: for "
             "ever"},
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
static bool read_type(struct sl_manifest_reader *reader,
                      const struct sl_toml *table,
                      enum sl_manifest_trigger_type *type)
{
    const struct sl_toml *node = sl_manifest_get(table, "type");

    if (node == NULL) {
        if (reader->syntax_count == 0)
            sl_manifest_wrong(reader, table->place,
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
    sl_manifest_wrong(reader, node->place,
                      "there is no trigger \"%s\"; expected \"http\", \"mq\" "
                      "or \"pubsub\"",
                      sl_manifest_word(name).text);
    return false;
}

static void find_component(struct sl_manifest_reader *reader,
                           const struct sl_toml *table,
                           struct sl_manifest_trigger *trigger)
{
    const struct sl_manifest *manifest = reader->manifest;
    const char *name = trigger->component_name;

    if (name == NULL) {
        if (manifest->component_count > 1)
            sl_manifest_wrong(reader, table->place,
                              "there are several components: [[trigger]] needs "
                              "\"component\", the name of the one to call");
        trigger->component = manifest->components;
        return;
    }
    for (size_t i = 0; i < manifest->component_count; i++)
        if (manifest->components[i].name != NULL &&
            strcmp(manifest->components[i].name, name) == 0)
            trigger->component = &manifest->components[i];
    if (trigger->component == NULL)
        sl_manifest_wrong(reader, sl_manifest_get(table, "component")->place,
                          "there is no component \"%s\"",
                          sl_manifest_word(name).text);
}

static void find_resource(struct sl_manifest_reader *reader,
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
        sl_manifest_wrong(reader, place, "there is no [[resource]] \"%s\"",
                          sl_manifest_word(trigger->resource_name).text);
    else if (trigger->resource->capability != wanted)
        sl_manifest_wrong(
            reader, place,
            "the resource \"%s\" is of the kind %s; this "
            "trigger needs one of the kind %s",
            trigger->resource->name,
            sl_capability_info(trigger->resource->capability).name,
            types[trigger->type].name);
}

static int64_t longest_timeout(enum sl_manifest_trigger_type type)
{
    const struct sl_option *option = types[type].options;

    while (strcmp(option->name, "timeout") != 0)
        option++;
    return option->max;
}

/* The component's is that of its triggers which have none of their own. */
static void inherit_timeout(struct sl_manifest_reader *reader,
                            const struct sl_toml *table,
                            struct sl_manifest_trigger *trigger)
{
    const struct sl_manifest_component *component = trigger->component;

    if (component == NULL || component->timeout_ms == 0 ||
        sl_manifest_get(table, "timeout") != NULL)
        return;
    if (component->timeout_ms > longest_timeout(trigger->type))
        sl_manifest_wrong(
            reader, table->place,
            "the component's \"timeout\" is longer than one of "
            "this type may be; give [[trigger]] its own, of at "
            "most %lld hours",
            (long long)(longest_timeout(trigger->type) / 3600000));
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

/* Triggers that share an address share its server, and its settings.  One
 * problem is told of each trigger: the first. */
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
            sl_manifest_wrong(reader, table->place,
                              "the trigger in line %u has this route at this "
                              "address already",
                              other->place.line);
        else if (!has_same_limits(other, trigger))
            sl_manifest_wrong(reader, table->place,
                              "the trigger in line %u listens there too, with "
                              "other limits; give both the same",
                              other->place.line);
    }
}

static void check_dead_letter(struct sl_manifest_reader *reader,
                              const struct sl_toml *table,
                              const struct sl_manifest_trigger *trigger)
{
    if (trigger->type == SL_TRIGGER_PUBSUB && trigger->max_deliveries > 0 &&
        trigger->dead_letter == NULL)
        sl_manifest_wrong(reader,
                          sl_manifest_get(table, "max-deliveries")->place,
                          "\"max-deliveries\" needs \"dead-letter\": the topic "
                          "to which the event goes then");
}

static void read_trigger(struct sl_manifest_reader *reader,
                         const struct sl_toml *table)
{
    struct sl_manifest *manifest = reader->manifest;
    struct sl_manifest_trigger trigger = {
        .place = table->place,
        .listen_place = sl_manifest_place(table, "listen"),
    };
    const char *const others[] = {"type", NULL};
    size_t problems = reader->problem_count;

    if (!read_type(reader, table, &trigger.type))
        return;
    if (sl_manifest_get(table, "concurrency") != NULL)
        trigger.concurrency_place = sl_manifest_place(table, "concurrency");
    const struct sl_manifest_section sections[] = {
        {any_options, &trigger},
        {types[trigger.type].options, &trigger},
        {NULL, NULL},
    };
    sl_manifest_read_section(reader, table, "[[trigger]]", sections, others);
    find_component(reader, table, &trigger);
    find_resource(reader, table, &trigger);
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
        sl_manifest_wrong(reader, node->place,
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
            sl_manifest_wrong(reader, node->children[i].place,
                              "\"trigger\": expected a table, found %s",
                              sl_manifest_type_text(node->children[i].type));
    }
}
