/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start position of a partition that has no valid position: the partition
 * is new, the topic was recreated, or the next events were deleted.  With
 * auto.offset.reset librdkafka would silently start at the beginning; here it
 * reports an error, and operators are told what may be lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"
#include "service/notice.h"

enum { ANSWER_MS = 1000, NOTICES_MAX = 100 };

/* --- Notices for operators ---------------------------------------------- */

struct sl_pubsub_kafka_notice {
    const char *event;
    char *subject, *reason;
    struct sl_pubsub_kafka_notice *next;
};

static void add_notice(struct sl_pubsub_kafka_consumer *consumer,
                       const char *event, int32_t partition, char *reason)
{
    struct sl_pubsub_kafka_notice **last = &consumer->notices;
    size_t count = 0;

    for (; *last != NULL; last = &(*last)->next)
        count++;
    if (count >= NOTICES_MAX) { /* no op has taken them for long */
        free(reason);
        return;
    }
    struct sl_pubsub_kafka_notice *notice = sl_alloc(sizeof(*notice));
    notice->event = event;
    notice->reason = reason;
    notice->subject =
        partition < 0
            ? sl_asprintf("topic %s, group %s", consumer->topic,
                          consumer->group)
            : sl_asprintf("topic %s, group %s, partition %" PRId32,
                          consumer->topic, consumer->group, partition);
    *last = notice;
}

void sl_pubsub_kafka_notices_deliver(struct sl_pubsub_kafka_consumer *consumer,
                                     struct sl_op *op)
{
    while (consumer->notices != NULL) {
        struct sl_pubsub_kafka_notice *notice = consumer->notices;
        consumer->notices = notice->next;
        if (op != NULL)
            sl_op_report(op, notice->event, sl_bytes_of(notice->subject),
                         notice->reason);
        free(notice->subject);
        free(notice->reason);
        free(notice);
    }
}

void sl_pubsub_kafka_notify_topic_recreated(
    struct sl_pubsub_kafka_consumer *consumer, const char *start)
{
    add_notice(
        consumer, "topic-made-anew", -1,
        sl_asprintf(
            "the topic was deleted and created again: the group starts at "
            "its %s; unacknowledged events of the old topic are lost",
            start));
}

/* --- Another position --------------------------------------------------- */

static bool is_to_be_given_up(const struct sl_pubsub_kafka_consumer *consumer,
                              int32_t number)
{
    for (int i = 0; consumer->going != NULL && i < consumer->going->cnt; i++)
        if (consumer->going->elems[i].partition == number)
            return true;
    return false;
}

/* Fetch a partition from another offset: unassign it and assign it again. */
static void fetch_from(struct sl_pubsub_kafka_consumer *consumer,
                       struct sl_pubsub_kafka_partition *part, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);

    part->assigned = offset;
    rd_kafka_topic_partition_list_add(list, consumer->kafka_topic, part->number)
        ->offset = offset;
    sl_pubsub_kafka_note_error(
        consumer, rd_kafka_incremental_unassign(consumer->client, list));
    sl_pubsub_kafka_note_error(
        consumer, rd_kafka_incremental_assign(consumer->client, list));
    rd_kafka_topic_partition_list_destroy(list);
    sl_pubsub_kafka_partition_claim(consumer, part->number);
}

/* The topic was recreated: read all partitions from their beginning. */
static void restart_topic(struct sl_pubsub_kafka_consumer *consumer)
{
    for (struct sl_pubsub_kafka_partition *part = consumer->partitions;
         part != NULL; part = part->next) {
        if (is_to_be_given_up(consumer, part->number)) {
            sl_pubsub_kafka_in_flight_revoke(consumer->in_flight, part->number);
            continue;
        }
        part->is_lost = false;
        sl_pubsub_kafka_in_flight_assign(consumer->in_flight, part->number);
        fetch_from(consumer, part, RD_KAFKA_OFFSET_BEGINNING);
    }
    sl_pubsub_kafka_in_flight_new_topic(consumer->in_flight);
    sl_pubsub_kafka_notify_topic_recreated(consumer, "beginning");
}

/* The next offset does not exist: report which events are missing. */
static void notify_gap(struct sl_pubsub_kafka_consumer *consumer,
                       const struct sl_pubsub_kafka_partition *part,
                       int64_t low, int64_t high)
{
    if (part->lost_offset < low)
        add_notice(
            consumer, "events-lost", part->number,
            sl_asprintf("the group was at offset %" PRId64
                        ", and the partition begins at %" PRId64
                        ": the events between were deleted (retention.ms, "
                        "retention.bytes) before they were received",
                        part->lost_offset, low));
    else
        add_notice(
            consumer, "position-lost", part->number,
            sl_asprintf(
                "the group was at offset %" PRId64
                ", and the partition ends at %" PRId64
                ": the topic was created again, or its brokers have lost "
                "events; the group reads it from its beginning",
                part->lost_offset, high));
}

int64_t sl_pubsub_kafka_position_after(int64_t refused, int64_t low,
                                       int64_t high, int64_t next)
{
    bool is_outdated = refused >= low && refused <= high;

    return is_outdated && next >= low && next <= high ? next : low;
}

/* False: try again later. */
static bool reset_position(struct sl_pubsub_kafka_consumer *consumer,
                           struct sl_pubsub_kafka_partition *part)
{
    int64_t low, high;

    if (rd_kafka_query_watermark_offsets(
            consumer->client, consumer->kafka_topic, part->number, &low, &high,
            ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    part->is_lost = false;
    if (part->lost_offset >= 0 &&
        (part->lost_offset < low || part->lost_offset > high))
        notify_gap(consumer, part, low, high);
    if (part->lost_offset > high)
        sl_pubsub_kafka_in_flight_assign(consumer->in_flight, part->number);
    int64_t next =
        sl_pubsub_kafka_in_flight_end(consumer->in_flight, part->number);
    if (next < 0)
        next = part->assigned;
    fetch_from(
        consumer, part,
        sl_pubsub_kafka_position_after(part->lost_offset, low, high, next));
    return true;
}

void sl_pubsub_kafka_repair_positions(struct sl_pubsub_kafka_consumer *consumer)
{
    bool any = false;

    if (sl_pubsub_kafka_topic_id_poll(consumer)) {
        restart_topic(consumer);
        return;
    }
    for (const struct sl_pubsub_kafka_partition *part = consumer->partitions;
         part != NULL; part = part->next)
        any = any || part->is_lost;
    if (!any || !sl_deadline_passed(consumer->repair_at))
        return;
    consumer->repair_at = sl_deadline_in_ms(ANSWER_MS);
    if (sl_pubsub_kafka_topic_id_query(consumer, ANSWER_MS)) {
        restart_topic(consumer);
        return;
    }
    for (struct sl_pubsub_kafka_partition *part = consumer->partitions;
         part != NULL; part = part->next)
        if (part->is_lost && !is_to_be_given_up(consumer, part->number) &&
            !reset_position(consumer, part))
            return;
}

/* --- New partitions ----------------------------------------------------- */

enum sl_pubsub_kafka_found
sl_pubsub_kafka_find_positions(struct sl_pubsub_kafka_consumer *consumer,
                               rd_kafka_topic_partition_list_t *coming)
{
    bool other = false;

    if (!sl_deadline_passed(consumer->repair_at))
        return SL_PUBSUB_KAFKA_NOT_FOUND_YET;
    rd_kafka_resp_err_t code =
        coming->cnt == 0
            ? RD_KAFKA_RESP_ERR_NO_ERROR
            : rd_kafka_committed(consumer->client, coming, ANSWER_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < coming->cnt; i++)
        code = coming->elems[i].err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->repair_at = sl_deadline_in_ms(ANSWER_MS / 4);
        return SL_PUBSUB_KAFKA_NOT_FOUND_YET;
    }
    for (int i = 0; i < coming->cnt; i++) {
        rd_kafka_topic_partition_t *position = &coming->elems[i];
        bool is_other = sl_pubsub_kafka_topic_id_differs(consumer, position);
        /* A partition without a position was added, or its topic was recreated,
         * after the group started: all its events are new to the group. */
        if (is_other)
            sl_pubsub_kafka_in_flight_forget(consumer->in_flight,
                                             position->partition);
        if (is_other || position->offset < 0)
            position->offset = RD_KAFKA_OFFSET_BEGINNING;
        free(position->metadata);
        position->metadata = NULL;
        position->metadata_size = 0;
        other = other || is_other;
    }
    if (other)
        sl_pubsub_kafka_notify_topic_recreated(consumer, "beginning");
    return SL_PUBSUB_KAFKA_FOUND;
}
