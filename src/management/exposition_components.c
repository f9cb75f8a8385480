/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the components. */
#include "base/metrics.h"
#include "management/exposition.h"

static uint64_t count_started(const struct sl_host_instances *instances)
{
    return sl_counted(&instances->begun);
}

/* What has ended is read first, so that it is not more than what began. */
static uint64_t count_live(const struct sl_host_instances *instances)
{
    uint64_t ended = sl_counted(&instances->ended);

    return sl_counted(&instances->begun) - ended;
}

static uint64_t count_held(const struct sl_host_instances *instances)
{
    return sl_counted(&instances->held);
}

static uint64_t count_refused(const struct sl_host_instances *instances)
{
    return sl_counted(&instances->refused);
}

static const struct {
    struct sl_metric_family family;
    uint64_t (*value)(const struct sl_host_instances *instances);
} families[] = {
    {{"slight_component_instances_started_total", "counter",
      "Instances of the component that were started."},
     count_started},
    {{"slight_component_instances", "gauge",
      "Live instances of the component."},
     count_live},
    {{"slight_component_host_memory_bytes", "gauge",
      "Memory of slight that the component's instances hold."},
     count_held},
    {{"slight_component_host_memory_refused_total", "counter",
      "Calls refused because they would exceed the component's host-memory."},
     count_refused},
};

static void write_labels(FILE *out, const void *context)
{
    const struct sl_manifest_component *component = context;

    sl_metric_label_write(out, "component", component->name);
}

void sl_exposition_write_components(const struct sl_exposition *exposition)
{
    const struct sl_manifest *manifest = exposition->manifest;

    for (size_t n = 0; n < sizeof(families) / sizeof(families[0]); n++) {
        sl_metric_family_write(exposition->out, &families[n].family);
        for (size_t i = 0; i < manifest->component_count; i++) {
            const struct sl_manifest_component *component =
                &manifest->components[i];
            sl_metric_sample_write(exposition->out, families[n].family.name,
                                   write_labels, component,
                                   families[n].value(sl_host_instances(
                                       exposition->host, component)));
        }
    }
}
