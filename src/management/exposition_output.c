/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of what was to be written to the standard streams, and was not. */
#include "base/metrics.h"
#include "base/output.h"
#include "management/exposition.h"

/* kind: "log", or "output" of components; component: "" where it is not of
 * one. */
struct loss_labels {
    int stream;
    enum sl_output_loss loss;
    const char *kind;
    const char *component;
};

static const struct sl_metric_family family = {
    "slight_log_dropped_total", "counter",
    "Log entries, and lines of components, that were not written."};

static void write_labels(FILE *out, const void *context)
{
    static const char *const reasons[] = {
        [SL_OUTPUT_FULL] = "full",
        [SL_OUTPUT_RATE] = "rate",
        [SL_OUTPUT_FAILED] = "failed",
    };
    const struct loss_labels *labels = context;

    sl_metric_label_write(out, "stream",
                          labels->stream == 1 ? "stdout" : "stderr");
    fputc(',', out);
    sl_metric_label_write(out, "kind", labels->kind);
    fputc(',', out);
    sl_metric_label_write(out, "component", labels->component);
    fputc(',', out);
    sl_metric_label_write(out, "reason", reasons[labels->loss]);
}

static void write_loss(const struct sl_exposition *exposition, int stream,
                       enum sl_output_loss loss, const char *kind,
                       const char *component, uint64_t count)
{
    const struct loss_labels labels = {stream, loss, kind, component};

    if (count > 0)
        sl_metric_sample_write(exposition->out, family.name, write_labels,
                               &labels, count);
}

static void write_losses(const struct sl_exposition *exposition, int stream,
                         enum sl_output_loss loss)
{
    const struct sl_manifest *manifest = exposition->manifest;

    write_loss(exposition, stream, loss, "log", "",
               sl_output_lost_count(stream, SL_OUTPUT_LOG, loss));
    write_loss(exposition, stream, loss, "output", "",
               sl_output_lost_count(stream, SL_OUTPUT_GUEST, loss));
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_manifest_component *component =
            &manifest->components[i];
        const struct sl_output_lost *lost =
            sl_host_output_lost(exposition->host, component);
        write_loss(exposition, stream, loss, "output", component->name,
                   sl_counted(&lost->count[stream - 1][loss]));
    }
}

void sl_exposition_write_output(const struct sl_exposition *exposition)
{
    sl_metric_family_write(exposition->out, &family);
    for (int stream = 1; stream <= 2; stream++)
        for (int loss = 0; loss < SL_OUTPUT_LOSSES; loss++)
            write_losses(exposition, stream, (enum sl_output_loss)loss);
}
