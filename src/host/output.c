/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of components that are called, on threads that must not wait: the line
 * is queued (base/output.h), within what the component may write in a second.
 */
#include "host/output.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/tsan_boundary.h"

enum { REPORT_MS = 1000 }; /* between two lines about the rate */

void sl_host_output_init(struct sl_host_output *output, const char *component,
                         int64_t rate)
{
    output->component = component;
    sl_rate_init(&output->rate, rate, sl_now_ns());
}

void sl_host_output_done(struct sl_host_output *output)
{
    sl_rate_done(&output->rate);
}

/* Whose line it is, since many instances write.  NULL: no memory. */
static char *line_text(const char *component, int stream, struct sl_bytes line,
                       size_t *len)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("component", component),
        SL_FIELD_STRING("stream", stream == 1 ? "stdout" : "stderr"),
        SL_FIELD("line", line),
    };
    char *text = NULL;

    if (sl_log_format() == SL_LOG_JSON)
        return sl_log_text(SL_LOG_INFO, "output", fields, 3, len);
    FILE *out = open_memstream(&text, len);
    if (out == NULL)
        return NULL;
    fprintf(out, "[%s] ", component);
    sl_escape(out, line, SL_ESCAPE_LINE);
    fputc('\n', out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* At most one line a second, about all that was lost since the last. */
static void report_limited(struct sl_host_output *output, int64_t now)
{
    int64_t next =
        atomic_load_explicit(&output->next_report, memory_order_relaxed);

    if (now < next ||
        !atomic_compare_exchange_strong(&output->next_report, &next,
                                        now + (int64_t)REPORT_MS * 1000000))
        return;
    uint64_t lines = atomic_exchange(&output->unreported, 0);
    if (lines > 0)
        sl_log(SL_LOG_WARN, "output-limited",
               SL_FIELD_STRING("component", output->component),
               SL_FIELD_NUMBER("lines", lines),
               SL_FIELD_STRING("reason",
                               "it writes more than its output-rate allows"));
}

void sl_host_output_line(void *context, int stream, struct sl_bytes line)
{
    SL_CALLED_BY_BRIDGE;
    struct sl_host_output *output = context;
    int64_t now = sl_now_ns();
    size_t len = 0;

    if (!sl_rate_allows(&output->rate, now)) {
        sl_count(&output->lost.count[stream - 1][SL_OUTPUT_RATE]);
        sl_count(&output->unreported);
        report_limited(output, now);
    } else {
        SL_CLEANUP(sl_freep)
        char *text = line_text(output->component, stream, line, &len);
        sl_rate_take(&output->rate, (int64_t)len);
        if (text != NULL)
            sl_output_write(stream, SL_OUTPUT_GUEST, SL_BYTES(text, len),
                            &output->lost);
        if (sl_counted(&output->unreported) > 0)
            report_limited(output, now);
    }
}
