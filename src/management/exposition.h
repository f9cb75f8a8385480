/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All metrics in Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).  Times are seconds.
 *
 * All samples of a metric must be written together, so each metric is a loop
 * over the components, triggers or resources that have it.  Of metrics with
 * many labels, samples that are zero are left out.
 */
#ifndef SL_MANAGEMENT_EXPOSITION_H
#define SL_MANAGEMENT_EXPOSITION_H

#include <stdio.h>

#include "host/host.h"
#include "trigger/trigger.h"

/* What is written, and where to.  triggers is NULL where there are none. */
struct sl_exposition {
    FILE *out;
    struct sl_host *host;
    const struct sl_manifest *manifest;
    const struct sl_triggers *triggers;
};

void sl_exposition_write(const struct sl_exposition *exposition);

/* The parts of the above, each in a file of its own. */
void sl_exposition_write_process(const struct sl_exposition *exposition);
void sl_exposition_write_components(const struct sl_exposition *exposition);
void sl_exposition_write_triggers(const struct sl_exposition *exposition);
void sl_exposition_write_resources(const struct sl_exposition *exposition);
void sl_exposition_write_output(const struct sl_exposition *exposition);

/* --- exposition_text.c: the format --------------------------------------- */

/* What a metric is.  type: "counter", "gauge", "histogram". */
struct sl_metric_family {
    const char *name;
    const char *type;
    const char *help;
};

/* Before the samples of a metric, once. */
void sl_metric_family_write(FILE *out, const struct sl_metric_family *family);

/* name="value", escaped. */
void sl_metric_label_write(FILE *out, const char *name, const char *value);

/* Write labels, with "," between them. */
typedef void sl_metric_labels_fn(FILE *out, const void *context);

/* One sample. */
void sl_metric_sample_write(FILE *out, const char *name,
                            sl_metric_labels_fn *labels, const void *context,
                            uint64_t value);

/* The buckets, the sum and the count of a histogram. */
void sl_metric_histogram_write(FILE *out, const char *name,
                               sl_metric_labels_fn *labels, const void *context,
                               const struct sl_histogram *histogram);

#endif
