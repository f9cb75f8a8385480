/* SPDX-License-Identifier: Apache-2.0 */
/* Notices of drivers to operators: kept in an op, logged once it has run. */
#include "service/notice.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "service/internal.h"

struct sl_notice {
    struct sl_notice *next;
    const char *event; /* constant; NULL: a dead letter */
    int64_t number;
    struct sl_bytes id;
    struct sl_bytes reason; /* both behind this */
};

static void add_notice(struct sl_op *op, const char *event, struct sl_bytes id,
                       int64_t number, struct sl_bytes reason)
{
    struct sl_notice *notice = sl_alloc(sizeof(*notice) + id.len + reason.len);
    uint8_t *tail = (uint8_t *)(notice + 1);

    notice->event = event;
    notice->number = number;
    notice->id = sl_copy_bytes(&tail, id);
    notice->reason = sl_copy_bytes(&tail, reason);
    if (op->notices.first == NULL)
        op->notices.first = notice;
    else
        op->notices.last->next = notice;
    op->notices.last = notice;
}

void sl_op_report_dead_letter(struct sl_op *op, struct sl_bytes id,
                              int64_t deliveries, struct sl_bytes reason)
{
    add_notice(op, NULL, id, deliveries, reason);
}

void sl_op_report(struct sl_op *op, const char *event, struct sl_bytes subject,
                  const char *reason)
{
    add_notice(op, event, subject, 0, sl_bytes_of(reason));
}

void sl_op_retract_reports(struct sl_op *op)
{
    while (op->notices.first != NULL) {
        struct sl_notice *notice = op->notices.first;
        op->notices.first = notice->next;
        free(notice);
    }
}

static void log_notice(const struct sl_service *service,
                       const struct sl_notice *notice)
{
    const struct sl_log_field resource =
        SL_FIELD_STRING("resource", service->name);
    const struct sl_log_field type =
        SL_FIELD_STRING("type", service->driver->name);

    if (notice->event == NULL)
        sl_log(SL_LOG_WARN, "dead-letter", resource, type,
               SL_FIELD("id", notice->id),
               SL_FIELD_NUMBER("delivery", notice->number),
               SL_FIELD("reason", notice->reason));
    else
        sl_log(SL_LOG_WARN, notice->event, resource, type,
               SL_FIELD("of", notice->id), SL_FIELD("reason", notice->reason));
}

void sl_service_report_notices(struct sl_service *service, struct sl_op *op)
{
    for (const struct sl_notice *notice = op->notices.first; notice != NULL;
         notice = notice->next) {
        log_notice(service, notice);
        if (notice->event != NULL)
            continue;
        sl_count(&service->dead_letters);
        if (op->dead_letters != NULL)
            sl_count(op->dead_letters);
    }
    sl_op_retract_reports(op);
}

uint64_t sl_service_dead_letters(const struct sl_service *service)
{
    return sl_counted(&service->dead_letters);
}
