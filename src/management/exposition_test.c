/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus would refuse, and what the samples say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/output.h"
#include "management/exposition.h"
#include "mq/driver.h"
#include "service/fake_test.h"
#include "slight_bridge.h"

/* --- A host with two components, three triggers and a queue --------------- */

static bool read_usage(void *store, struct sl_usage *out)
{
    (void)store;
    *out = (struct sl_usage){.used = 10, .limit = 100, .files = 20};
    return true;
}

static const struct sl_driver driver = {
    .name = "mq.fake", FAKE_DRIVER, .usage = read_usage};
static struct fake fake;

static const struct sl_mq_config config = {
    .service = {.timeout_ms = 1000, .connections = 1, .max_queued = 10}};

static struct sl_manifest_component components[] = {
    {.name = "orders"}, {.name = "odd \"name\" \\ of\nit"}};

static struct sl_manifest_resource resources[] = {
    {.name = "jobs", .capability = &sl_mq, .driver = &driver}};

static struct sl_manifest_trigger triggers[] = {
    {.type = SL_TRIGGER_HTTP,
     .component = &components[0],
     .listen = "127.0.0.1:8080",
     .route = "/"},
    {.type = SL_TRIGGER_MQ,
     .component = &components[0],
     .resource_name = "jobs"},
    {.type = SL_TRIGGER_PUBSUB,
     .component = &components[1],
     .resource_name = "events",
     .topic = "orders",
     .group = "billing"},
};

static const struct sl_manifest manifest = {
    .components = components,
    .component_count = 2,
    .resources = resources,
    .resource_count = 1,
    .triggers = triggers,
    .trigger_count = 3,
};

static struct sl_service *service;
static struct sl_host_instances instances;
static struct sl_output_lost lost;
static struct sl_trigger_metrics metrics[3];
static struct sl_metric calls[SL_MQ_VERB_COUNT]; /* of the first component */

struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource);
struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource)
{
    (void)host;
    (void)resource;
    return service;
}

const struct sl_host_instances *
__wrap_sl_host_instances(const struct sl_host *host,
                         const struct sl_manifest_component *component);
const struct sl_host_instances *
__wrap_sl_host_instances(const struct sl_host *host,
                         const struct sl_manifest_component *component)
{
    (void)host;
    (void)component;
    return &instances;
}

const struct sl_output_lost *
__wrap_sl_host_output_lost(const struct sl_host *host,
                           const struct sl_manifest_component *component);
const struct sl_output_lost *
__wrap_sl_host_output_lost(const struct sl_host *host,
                           const struct sl_manifest_component *component)
{
    (void)host;
    (void)component;
    return &lost;
}

const struct sl_metric *
__wrap_sl_host_metrics(const struct sl_host *host,
                       const struct sl_manifest_component *component,
                       const struct sl_manifest_resource *resource);
const struct sl_metric *
__wrap_sl_host_metrics(const struct sl_host *host,
                       const struct sl_manifest_component *component,
                       const struct sl_manifest_resource *resource)
{
    (void)host;
    (void)resource;
    return component == &components[0] ? calls : NULL;
}

const struct sl_trigger_metrics *
__wrap_sl_trigger_metrics(const struct sl_triggers *all, size_t index);
const struct sl_trigger_metrics *
__wrap_sl_trigger_metrics(const struct sl_triggers *all, size_t index)
{
    (void)all;
    return &metrics[index];
}

bool __wrap_sl_trigger_listener(const struct sl_triggers *all, size_t index,
                                struct sl_trigger_listener *out);
bool __wrap_sl_trigger_listener(const struct sl_triggers *all, size_t index,
                                struct sl_trigger_listener *out)
{
    (void)all;
    *out = (struct sl_trigger_listener){.address = "http://127.0.0.1:8080",
                                        .connections = 3,
                                        .requests = 2,
                                        .unmatched = 1};
    return index == 0;
}

/* Everything that is counted, as text; the caller's to free. */
static char *exposition_text(void)
{
    char any; /* is not looked at */
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    const struct sl_exposition exposition = {out, NULL, &manifest,
                                             (struct sl_triggers *)&any};

    assert_non_null(out);
    sl_exposition_write(&exposition);
    assert_int_equal(fclose(out), 0);
    return text;
}

static int set_up(void **state)
{
    struct sl_error err;

    (void)state;
    memset(&instances, 0, sizeof(instances));
    memset(&lost, 0, sizeof(lost));
    memset(metrics, 0, sizeof(metrics));
    memset(calls, 0, sizeof(calls));
    fake_init(&fake);
    return sl_service_open(&sl_mq, "jobs", &driver, &config.service, &fake,
                           &service, &err) == SL_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return sl_service_free(service) ? 0 : -1;
}

/* --- The format ----------------------------------------------------------- */

/* The end of a metric's or a label's name. */
static const char *skip_name(const char *at)
{
    assert_true(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    return at;
}

/* The end of a quoted value, in which \\, \" and \n are the only escapes. */
static const char *skip_value(const char *at)
{
    assert_int_equal(*at, '"');
    for (at++; *at != '"'; at++) {
        assert_true(*at != '\0' && *at != '\n');
        if (*at == '\\') {
            at++;
            assert_non_null(strchr("\\\"n", *at));
        }
    }
    return at + 1;
}

static const char *skip_labels(const char *at)
{
    if (*at != '{')
        return at;
    do {
        at = skip_name(at + 1);
        assert_int_equal(*at, '=');
        at = skip_value(at + 1);
    } while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

/* A sample of the family: its name, or with a histogram's suffix. */
static void check_sample(const char *line, const char *family, const char *type)
{
    const char *end = skip_name(line);
    size_t len = strlen(family);
    char *rest;

    assert_true((size_t)(end - line) >= len);
    assert_memory_equal(line, family, len);
    if (strcmp(type, "histogram") == 0)
        assert_true(strncmp(line + len, "_bucket", 7) == 0 ||
                    strncmp(line + len, "_sum", 4) == 0 ||
                    strncmp(line + len, "_count", 6) == 0);
    else
        assert_ptr_equal(line + len, end);
    end = skip_labels(end);
    assert_int_equal(*end, ' ');
    (void)strtod(end + 1, &rest);
    assert_true(rest > end + 1 && *rest == '\0');
}

enum { FAMILIES_MAX = 64 };

/* Each family has a HELP and a TYPE, once, and all its samples behind them. */
static void test_prometheus_can_read_it(void **state)
{
    char families[FAMILIES_MAX][80];
    char type[16] = "", name[80] = "", again[80];
    size_t count = 0;
    char *rest = NULL;

    (void)state;
    sl_count(&metrics[0].by_code[200]);
    sl_count(&metrics[2].by_end[SL_BRIDGE_TRAPPED]);
    sl_count(&lost.count[1][SL_OUTPUT_RATE]);
    sl_count(&calls[SL_MQ_SEND].by_status[SL_OK]);
    sl_histogram_record(&calls[SL_MQ_SEND].duration, 1000);
    char *text = exposition_text();
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] != '#') {
            check_sample(line, name, type);
            continue;
        }
        assert_int_equal(sscanf(line, "# HELP %79s %*c", name), 1);
        assert_true(strlen(line) > strlen("# HELP  ") + strlen(name));
        line = strtok_r(NULL, "\n", &rest);
        assert_non_null(line);
        assert_int_equal(sscanf(line, "# TYPE %79s %15s", again, type), 2);
        assert_string_equal(again, name);
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(families[i], name);
        assert_true(count < FAMILIES_MAX);
        strcpy(families[count++], name);
        size_t len = strlen(name);
        bool is_total = len > 6 && strcmp(name + len - 6, "_total") == 0;
        assert_int_equal(is_total, strcmp(type, "counter") == 0);
    }
    assert_true(count > 20);
    free(text);
}

static void test_labels_are_escaped(void **state)
{
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"", "x=\"\""},
        {"plain", "x=\"plain\""},
        {"a\"b", "x=\"a\\\"b\""},
        {"a\\b", "x=\"a\\\\b\""},
        {"a\nb", "x=\"a\\\\nb\""},
        {"a\033b", "x=\"a\\\\u001bb\""},
        {"gr\xc3\xbc\xc3\x9f", "x=\"gr\xc3\xbc\xc3\x9f\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        assert_non_null(out);
        sl_metric_label_write(out, "x", cases[i].value);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, cases[i].shown);
        free(text);
    }
}

static void write_no_label(FILE *out, const void *context)
{
    fputs(context, out);
}

/* Buckets are cumulative; the last one is the count. */
static void test_histograms_are_cumulative(void **state)
{
    struct sl_histogram histogram = {0};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    unsigned long long before = 0, value = 0;
    char bound[32] = "", *rest = NULL;
    int buckets = 0;

    (void)state;
    assert_non_null(out);
    sl_histogram_record(&histogram, 500);
    sl_histogram_record(&histogram, 3000000);
    sl_histogram_record(&histogram, INT64_C(1000000000) * 1000000);
    sl_metric_histogram_write(out, "h", write_no_label, "a=\"1\"", &histogram);
    assert_int_equal(fclose(out), 0);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "h_bucket{a=\"1\",le=\"%31[^\"]\"} %llu", bound,
                   &value) == 2) {
            assert_true(value >= before);
            before = value;
            buckets++;
        } else if (strncmp(line, "h_count", 7) == 0) {
            assert_string_equal(line, "h_count{a=\"1\"} 3");
        } else {
            assert_memory_equal(line, "h_sum{a=\"1\"} ", 13);
        }
    }
    assert_int_equal(buckets, SL_HISTOGRAM_BUCKETS);
    assert_string_equal(bound, "+Inf");
    assert_int_equal(value, 3);
    free(text);
}

static void expect(const char *text, const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, text);
}

static void test_samples_say_what_was_counted(void **state)
{
    (void)state;
    instances = (struct sl_host_instances){.begun = 5, .ended = 3, .held = 7};
    sl_count(&metrics[0].by_code[404]);
    sl_count(&metrics[1].by_end[SL_BRIDGE_REJECTED]);
    sl_count(&metrics[2].discarded);
    sl_count(&calls[SL_MQ_SEND].by_status[SL_TIMEOUT]);
    sl_histogram_record(&calls[SL_MQ_SEND].duration, 1000);
    char *text = exposition_text();
    expect(text, "slight_component_instances{component=\"orders\"} 2\n");
    expect(text, "slight_component_instances_started_total"
                 "{component=\"odd \\\"name\\\" \\\\ of\\\\nit\"} 5\n");
    expect(text, "slight_http_responses_total{component=\"orders\","
                 "type=\"http\",listen=\"127.0.0.1:8080\",route=\"/\","
                 "code=\"404\"} 1\n");
    expect(text, "slight_trigger_calls_total{component=\"orders\",type=\"mq\","
                 "resource=\"jobs\",end=\"rejected\"} 1\n");
    expect(text, "type=\"pubsub\",resource=\"events\",topic=\"orders\","
                 "group=\"billing\"} 1\n");
    expect(text, "slight_http_unmatched_total{address=\"http://127.0.0.1:8080\""
                 "} 1\n");
    expect(text, "slight_resource_calls_total{resource=\"jobs\","
                 "type=\"mq.fake\",component=\"orders\",operation=\"send\","
                 "code=\"");
    expect(text, "slight_resource_used_bytes{resource=\"jobs\","
                 "type=\"mq.fake\"} 10\n");
    /* Zeros of many are left out, and those of few are not. */
    assert_null(strstr(text, "code=\"200\""));
    expect(text, "end=\"returned\"} 0\n");
    free(text);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_prometheus_can_read_it),
        CASE(test_samples_say_what_was_counted),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_histograms_are_cumulative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
