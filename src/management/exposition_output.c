/* SPDX-License-Identifier: Apache-2.0 */
/* What was to be written to the standard streams, and was not. */
#include <inttypes.h>

#include "base/metrics.h"
#include "base/output.h"
#include "management/internal.h"

/* What the samples of a stream, and a reason, have in common. */
struct labels {
    int stream;
    enum sl_output_loss loss;
};

/* The names of components have nothing that would have to be escaped. */
static void write_lost(FILE *out, const struct labels *labels, const char *kind,
                       const char *component, uint64_t count)
{
    static const char *const reasons[] = {
        [SL_OUTPUT_FULL] = "full",
        [SL_OUTPUT_RATE] = "rate",
        [SL_OUTPUT_FAILED] = "failed",
    };

    if (count > 0)
        fprintf(out,
                "slight_log_dropped_total{stream=\"%s\",kind=\"%s\","
                "component=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
                labels->stream == 1 ? "stdout" : "stderr", kind, component,
                reasons[labels->loss], count);
}

static void write_all_lost(FILE *out, const struct labels *labels,
                           const struct sl_host *host,
                           const struct sl_manifest *manifest)
{
    write_lost(
        out, labels, "log", "",
        sl_output_lost_count(labels->stream, SL_OUTPUT_LOG, labels->loss));
    write_lost(
        out, labels, "output", "",
        sl_output_lost_count(labels->stream, SL_OUTPUT_GUEST, labels->loss));
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_manifest_component *component =
            &manifest->components[i];
        const struct sl_output_lost *lost =
            sl_host_output_lost(host, component);
        write_lost(out, labels, "output", component->name,
                   sl_counted(&lost->count[labels->stream - 1][labels->loss]));
    }
}

void sl_exposition_write_lost(FILE *out, const struct sl_host *host,
                              const struct sl_manifest *manifest)
{
    fputs("# HELP slight_log_dropped_total Entries of the log, and lines of "
          "components, that were not written.\n"
          "# TYPE slight_log_dropped_total counter\n",
          out);
    for (int stream = 1; stream <= 2; stream++)
        for (int loss = 0; loss < SL_OUTPUT_LOSSES; loss++)
            write_all_lost(out,
                           &(struct labels){stream, (enum sl_output_loss)loss},
                           host, manifest);
}
