/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "management/exposition.h"

void sl_metric_family_write(FILE *out, const struct sl_metric_family *family)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
            family->name, family->type);
}

/* Characters that cannot be printed are escaped first, then those that the
 * format reserves. */
void sl_metric_label_write(FILE *out, const char *name, const char *value)
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

void sl_metric_sample_write(FILE *out, const char *name,
                            sl_metric_labels_fn *labels, const void *context,
                            uint64_t value)
{
    fprintf(out, "%s{", name);
    labels(out, context);
    fprintf(out, "} %" PRIu64 "\n", value);
}

void sl_metric_histogram_write(FILE *out, const char *name,
                               sl_metric_labels_fn *labels, const void *context,
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
