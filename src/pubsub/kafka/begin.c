/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a partition is read from when it is not where it was left: it is new,
 * or the topic was made anew, or what comes next was deleted meanwhile.
 * librdkafka would go to the beginning without a word (auto.offset.reset); here
 * it is told to say so, and what may be lost is logged.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"
#include "service/notice.h"

enum { ANSWER_MS = 1000, NOTICES_MAX = 100 };

/* --- What operators are told -------------------------------------------- */

struct sl_kafka_notice {
    const char *event;
    char *subject, *reason;
    struct sl_kafka_notice *next;
};

static void tell(struct sl_kafka_consumer *consumer, const char *event,
                 int32_t partition, char *reason)
{
    struct sl_kafka_notice **last = &consumer->notices;
    size_t count = 0;

    for (; *last != NULL; last = &(*last)->next)
        count++;
    if (count >= NOTICES_MAX) { /* nobody asks any more */
        free(reason);
        return;
    }
    struct sl_kafka_notice *notice = sl_alloc(sizeof(*notice));
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

void sl_kafka_notices_give(struct sl_kafka_consumer *consumer, struct sl_op *op)
{
    while (consumer->notices != NULL) {
        struct sl_kafka_notice *notice = consumer->notices;
        consumer->notices = notice->next;
        if (op != NULL)
            sl_op_tell(op, notice->event, sl_bytes_of(notice->subject),
                       notice->reason);
        free(notice->subject);
        free(notice->reason);
        free(notice);
    }
}

void sl_kafka_tell_of_new_topic(struct sl_kafka_consumer *consumer,
                                const char *start)
{
    tell(consumer, "topic-made-anew", -1,
         sl_asprintf("the topic was deleted and made anew: the group begins at "
                     "its %s; what the old one had and was not acknowledged "
                     "is lost",
                     start));
}

/* --- Another position --------------------------------------------------- */

static bool is_going(const struct sl_kafka_consumer *consumer, int32_t number)
{
    for (int i = 0; consumer->going != NULL && i < consumer->going->cnt; i++)
        if (consumer->going->elems[i].partition == number)
            return true;
    return false;
}

/* A partition that is fetched from another offset: given up, and taken anew. */
static void fetch_from(struct sl_kafka_consumer *consumer, int32_t number,
                       int64_t offset)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, consumer->kafka_topic, number)
        ->offset = offset;
    sl_kafka_note_error(consumer,
                        rd_kafka_incremental_unassign(consumer->client, list));
    sl_kafka_note_error(consumer,
                        rd_kafka_incremental_assign(consumer->client, list));
    rd_kafka_topic_partition_list_destroy(list);
    sl_kafka_part_renew(consumer, number);
}

/* All from its beginning: nothing of it was received yet. */
static void begin_anew(struct sl_kafka_consumer *consumer)
{
    for (struct sl_kafka_part *part = consumer->parts; part != NULL;
         part = part->next) {
        if (is_going(consumer, part->number)) {
            sl_kafka_ledger_revoke(consumer->ledger, part->number);
            continue;
        }
        part->is_lost = false;
        sl_kafka_ledger_assign(consumer->ledger, part->number);
        fetch_from(consumer, part->number, RD_KAFKA_OFFSET_BEGINNING);
    }
    sl_kafka_ledger_begin_anew(consumer->ledger);
    sl_kafka_tell_of_new_topic(consumer, "beginning");
}

/* What was next is not there: say which events that is. */
static void tell_of_gap(struct sl_kafka_consumer *consumer,
                        const struct sl_kafka_part *part, int64_t low,
                        int64_t high)
{
    if (part->lost_at < low)
        tell(consumer, "events-lost", part->number,
             sl_asprintf("the group was at offset %" PRId64
                         ", and the partition begins at %" PRId64
                         ": what was between was deleted (retention.ms, "
                         "retention.bytes) before it was received",
                         part->lost_at, low));
    else
        tell(consumer, "position-lost", part->number,
             sl_asprintf("the group was at offset %" PRId64
                         ", and the partition ends at %" PRId64
                         ": the topic was made anew, or its brokers have lost "
                         "events; it is read from its beginning",
                         part->lost_at, high));
}

/* False: ask again later. */
static bool find_anew(struct sl_kafka_consumer *consumer,
                      struct sl_kafka_part *part)
{
    int64_t low, high;

    if (rd_kafka_query_watermark_offsets(
            consumer->client, consumer->kafka_topic, part->number, &low, &high,
            ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    part->is_lost = false;
    if (part->lost_at >= 0 && (part->lost_at < low || part->lost_at > high))
        tell_of_gap(consumer, part, low, high);
    if (part->lost_at > high)
        sl_kafka_ledger_assign(consumer->ledger, part->number);
    fetch_from(consumer, part->number,
               part->lost_at >= low && part->lost_at <= high ? part->lost_at
                                                             : low);
    return true;
}

void sl_kafka_mend(struct sl_kafka_consumer *consumer)
{
    bool any = false;

    if (sl_kafka_topic_id_watch(consumer)) {
        begin_anew(consumer);
        return;
    }
    for (const struct sl_kafka_part *part = consumer->parts; part != NULL;
         part = part->next)
        any = any || part->is_lost;
    if (!any || !sl_deadline_passed(consumer->mend_at))
        return;
    consumer->mend_at = sl_deadline_in_ms(ANSWER_MS);
    if (sl_kafka_topic_id_look(consumer, ANSWER_MS)) {
        begin_anew(consumer);
        return;
    }
    for (struct sl_kafka_part *part = consumer->parts; part != NULL;
         part = part->next)
        if (part->is_lost && !is_going(consumer, part->number) &&
            !find_anew(consumer, part))
            return;
}

/* --- Partitions that come ----------------------------------------------- */

enum sl_kafka_found
sl_kafka_find_positions(struct sl_kafka_consumer *consumer,
                        rd_kafka_topic_partition_list_t *coming)
{
    bool other = false;

    if (!sl_deadline_passed(consumer->mend_at))
        return SL_KAFKA_NOT_FOUND_YET;
    rd_kafka_resp_err_t code =
        coming->cnt == 0
            ? RD_KAFKA_RESP_ERR_NO_ERROR
            : rd_kafka_committed(consumer->client, coming, ANSWER_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < coming->cnt; i++)
        code = coming->elems[i].err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->mend_at = sl_deadline_in_ms(ANSWER_MS / 4);
        return SL_KAFKA_NOT_FOUND_YET;
    }
    for (int i = 0; i < coming->cnt; i++) {
        rd_kafka_topic_partition_t *position = &coming->elems[i];
        bool is_other = sl_kafka_topic_id_is_other(consumer, position);
        /* Without a position it was added, or made anew, since the group
         * began: all of it is new to the group. */
        if (is_other)
            sl_kafka_ledger_forget(consumer->ledger, position->partition);
        if (is_other || position->offset < 0)
            position->offset = RD_KAFKA_OFFSET_BEGINNING;
        free(position->metadata);
        position->metadata = NULL;
        position->metadata_size = 0;
        other = other || is_other;
    }
    if (other)
        sl_kafka_tell_of_new_topic(consumer, "beginning");
    return SL_KAFKA_FOUND;
}
