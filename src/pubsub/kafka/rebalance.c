/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions a consumer of librdkafka has, and where the group is in
 * them.
 *
 * Each partition has a queue of its own, of which as much is taken as the
 * ledger wants; librdkafka stops to fetch a partition whose queue is full.
 *
 * A group that is new gets a position in every partition before the first
 * member has its answer: the process that has partition 0 commits all of them
 * at once, the others wait until that is done.
 *
 * A partition that is to go to another process is handed out no more, and given
 * up when what members have of it is settled, or a lease has passed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

enum {
    TAKE_AT_ONCE = 64,
    LEAVE_MS = 3000,
    ANSWER_MS = 2000, /* of one question to the brokers */
    PAUSE_MS = 20,
};

/* --- Partitions --------------------------------------------------------- */

static void add_part(struct sl_kafka_consumer *consumer, int32_t number)
{
    struct sl_kafka_part *part = sl_alloc(sizeof(*part));

    part->number = number;
    part->queue = rd_kafka_queue_get_partition(consumer->client,
                                               consumer->kafka_topic, number);
    rd_kafka_queue_forward(part->queue, NULL);
    rd_kafka_queue_cb_event_enable(part->queue, sl_kafka_something_came,
                                   consumer->store);
    part->next = consumer->parts;
    consumer->parts = part;
    sl_kafka_ledger_assign(consumer->ledger, number);
}

static void remove_part(struct sl_kafka_consumer *consumer, int32_t number)
{
    struct sl_kafka_part **place = &consumer->parts;

    while (*place != NULL && (*place)->number != number)
        place = &(*place)->next;
    struct sl_kafka_part *part = *place;
    if (part != NULL) {
        *place = part->next;
        rd_kafka_queue_cb_event_enable(part->queue, NULL, NULL);
        rd_kafka_queue_destroy(part->queue);
        free(part);
    }
    sl_kafka_ledger_revoke(consumer->ledger, number);
}

void sl_kafka_part_renew(struct sl_kafka_consumer *consumer, int32_t number)
{
    struct sl_kafka_part *part = consumer->parts;

    while (part != NULL && part->number != number)
        part = part->next;
    if (part != NULL)
        rd_kafka_queue_forward(part->queue, NULL);
}

void sl_kafka_note_error(struct sl_kafka_consumer *consumer,
                         rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    sl_kafka_trouble_note(&consumer->trouble, rd_kafka_error_code(error),
                          rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

/* Take what was assigned, once the group has its positions; or, find: false, as
 * it is. */
static void take_coming(struct sl_kafka_consumer *consumer, bool find)
{
    rd_kafka_topic_partition_list_t *coming = consumer->coming;

    if (coming == NULL || !consumer->settled ||
        (find &&
         sl_kafka_find_positions(consumer, coming) == SL_KAFKA_NOT_FOUND_YET))
        return;
    consumer->coming = NULL;
    sl_kafka_note_error(consumer,
                        rd_kafka_incremental_assign(consumer->client, coming));
    for (int i = 0; i < coming->cnt; i++)
        add_part(consumer, coming->elems[i].partition);
    rd_kafka_topic_partition_list_destroy(coming);
}

/* What was acknowledged is told librdkafka, which commits it as the partitions
 * go. */
static void store_positions(struct sl_kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(8);
    int64_t offset;

    for (struct sl_kafka_part *part = consumer->parts; part != NULL;
         part = part->next)
        if (sl_kafka_ledger_position(consumer->ledger, part->number, &offset)) {
            rd_kafka_topic_partition_t *position =
                rd_kafka_topic_partition_list_add(list, consumer->kafka_topic,
                                                  part->number);
            position->offset = offset;
            sl_kafka_topic_id_sign(consumer, position);
        }
    if (list->cnt > 0)
        (void)rd_kafka_offsets_store(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void let_go(struct sl_kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *going = consumer->going;
    size_t busy = 0;

    if (going == NULL)
        return;
    for (int i = 0; i < going->cnt; i++)
        busy += sl_kafka_ledger_in_flight(consumer->ledger,
                                          going->elems[i].partition);
    if (busy > 0 && !sl_deadline_passed(consumer->going_until) &&
        !rd_kafka_assignment_lost(consumer->client))
        return;
    consumer->going = NULL;
    store_positions(consumer);
    for (int i = 0; i < going->cnt; i++)
        remove_part(consumer, going->elems[i].partition);
    sl_kafka_note_error(consumer,
                        rd_kafka_incremental_unassign(consumer->client, going));
    rd_kafka_topic_partition_list_destroy(going);
}

static void rebalance(struct sl_kafka_consumer *consumer,
                      rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_event_topic_partition_list(event);
    rd_kafka_topic_partition_list_t **place =
        rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            ? &consumer->coming
            : &consumer->going;

    sl_kafka_trouble_over(&consumer->trouble);
    if (*place != NULL) /* never: one at a time */
        rd_kafka_topic_partition_list_destroy(*place);
    *place = rd_kafka_topic_partition_list_copy(list);
    if (place == &consumer->coming) {
        consumer->joined = true;
        return;
    }
    consumer->going_until = sl_deadline_in_ms(consumer->lease_ms);
    for (int i = 0; i < list->cnt; i++)
        sl_kafka_ledger_hold(consumer->ledger, list->elems[i].partition);
}

/* It is not fetched any more, until kafka_begin.c says from where. */
static void note_lost(struct sl_kafka_consumer *consumer,
                      const rd_kafka_message_t *message)
{
    struct sl_kafka_part *part = consumer->parts;

    while (part != NULL && part->number != message->partition)
        part = part->next;
    if (part == NULL)
        return;
    part->is_lost = true;
    part->lost_at = message->offset;
}

static void add_message(struct sl_kafka_consumer *consumer,
                        const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        note_lost(consumer, message);
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        sl_kafka_trouble_note(&consumer->trouble, message->err,
                              rd_kafka_message_errstr(message));
        return;
    }
    sl_kafka_trouble_over(&consumer->trouble);
    struct sl_delivery *event = sl_kafka_event(consumer->topic, message);
    if (event != NULL)
        sl_kafka_ledger_add(consumer->ledger, message->partition,
                            message->offset, event);
}

/* It connects anew by itself. */
static void note_problem(struct sl_kafka_consumer *consumer,
                         rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);

    if (sl_kafka_code(code, text) != RD_KAFKA_RESP_ERR__TRANSPORT)
        sl_kafka_trouble_note(&consumer->trouble, code, text);
}

void sl_kafka_consumer_serve(struct sl_kafka_consumer *consumer)
{
    rd_kafka_event_t *event;
    const rd_kafka_message_t *message;

    while ((event = rd_kafka_queue_poll(consumer->queue, 0)) != NULL) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            rebalance(consumer, event);
            break;
        case RD_KAFKA_EVENT_FETCH: /* before the partition had its own queue */
            while ((message = rd_kafka_event_message_next(event)) != NULL)
                add_message(consumer, message);
            break;
        case RD_KAFKA_EVENT_ERROR:
            note_problem(consumer, event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
        take_coming(consumer, true);
        let_go(consumer);
    }
    take_coming(consumer, true);
    let_go(consumer);
    sl_kafka_mend(consumer);
}

bool sl_kafka_consumer_fetch(struct sl_kafka_consumer *consumer)
{
    rd_kafka_message_t *messages[TAKE_AT_ONCE];
    bool some = false;

    for (struct sl_kafka_part *part = consumer->parts; part != NULL;
         part = part->next) {
        if (!sl_kafka_ledger_wants(consumer->ledger, part->number,
                                   consumer->prefetch))
            continue;
        ssize_t count = rd_kafka_consume_batch_queue(part->queue, 0, messages,
                                                     TAKE_AT_ONCE);
        for (ssize_t i = 0; i < count; i++) {
            add_message(consumer, messages[i]);
            rd_kafka_message_destroy(messages[i]);
        }
        some = some || count > 0;
    }
    return some;
}

/* --- Where the group is ------------------------------------------------- */

/* Commit these offsets, or what was stored; wait for the answer. */
static rd_kafka_resp_err_t
commit(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *offsets,
       int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(client, offsets, queue, NULL, NULL);
    rd_kafka_event_t *event = NULL;

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        event = rd_kafka_queue_poll(queue, timeout_ms);
        code = event != NULL ? rd_kafka_event_error(event)
                             : RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (code == RD_KAFKA_RESP_ERR__NO_OFFSET) /* it is committed already */
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (event != NULL) {
        rd_kafka_topic_partition_list_t *list =
            rd_kafka_event_topic_partition_list(event);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && list != NULL &&
                        i < list->cnt;
             i++)
            code = list->elems[i].err;
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return code;
}

static bool is_ours(const rd_kafka_topic_partition_list_t *list, int32_t number)
{
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].partition == number)
            return true;
    return false;
}

/* The group's position in every partition; *known: it has one somewhere, in
 * this topic.  Those in one that had the name before are none. */
static rd_kafka_resp_err_t committed(struct sl_kafka_consumer *consumer,
                                     rd_kafka_topic_partition_list_t *list,
                                     int timeout_ms, bool *known, bool *other)
{
    rd_kafka_resp_err_t code =
        rd_kafka_committed(consumer->client, list, timeout_ms);

    *known = *other = false;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        if (sl_kafka_topic_id_is_other(consumer, &list->elems[i])) {
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
            *other = true;
        }
        *known = *known || list->elems[i].offset >= 0;
    }
    return code;
}

/* Its first position everywhere, in one request. */
static rd_kafka_resp_err_t begin(struct sl_kafka_consumer *consumer,
                                 rd_kafka_topic_partition_list_t *list,
                                 int timeout_ms)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = consumer->earliest ? RD_KAFKA_OFFSET_BEGINNING
                                                   : RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(consumer->client, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0)
            code = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
        sl_kafka_topic_id_sign(consumer, &list->elems[i]);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? commit(consumer->client, list, timeout_ms)
               : code;
}

static int slice(sl_deadline deadline)
{
    int left = sl_deadline_left_ms(deadline);

    return left < ANSWER_MS ? left : ANSWER_MS;
}

enum sl_status sl_kafka_consumer_settle(struct sl_kafka_consumer *consumer,
                                        sl_deadline deadline,
                                        struct sl_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(consumer->partition_count);
    rd_kafka_resp_err_t code;
    bool known, other;

    if (consumer->topic_id[0] == '\0')
        (void)sl_kafka_topic_id_look(consumer, slice(deadline));
    for (int i = 0; i < consumer->partition_count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->kafka_topic, i);
    code = committed(consumer, list, slice(deadline), &known, &other);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !known &&
        is_ours(consumer->coming, 0)) {
        code = begin(consumer, list, slice(deadline));
        known = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (known && other)
            sl_kafka_tell_of_new_topic(consumer, consumer->earliest
                                                     ? "beginning"
                                                     : "end (start = latest)");
    }
    rd_kafka_topic_partition_list_destroy(list);
    consumer->settled = code == RD_KAFKA_RESP_ERR_NO_ERROR && known;
    if (consumer->settled)
        take_coming(consumer, true);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? SL_OK
               : sl_kafka_fail_with(consumer->store, &consumer->trouble,
                                    consumer->kafka_group, code, err);
}

/* --- Acknowledging ------------------------------------------------------ */

/* A rebalance is on its way, or the group's broker has just moved. */
static bool is_passing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           sl_kafka_status(code) == SL_UNAVAILABLE;
}

enum sl_status sl_kafka_consumer_commit(struct sl_kafka_consumer *consumer,
                                        sl_deadline deadline,
                                        struct sl_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int64_t start = sl_now_ns();

    for (bool first = true; first || !sl_deadline_passed(deadline);
         first = false) {
        pthread_mutex_lock(&consumer->lock);
        if (!first)
            sl_kafka_consumer_serve(consumer);
        store_positions(consumer);
        pthread_mutex_unlock(&consumer->lock);
        if (consumer->store->options->commit_interval_ms > 0)
            return SL_OK;
        code = commit(consumer->client, NULL, sl_deadline_left_ms(deadline));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            sl_kafka_trouble_over(&consumer->trouble);
            return SL_OK;
        }
        if (!is_passing(code) ||
            sl_kafka_trouble_is_final(&consumer->trouble, start))
            break;
        nanosleep(&pause, NULL);
    }
    return sl_kafka_fail_with(consumer->store, &consumer->trouble,
                              consumer->kafka_group, code, err);
}

/* --- Leaving ------------------------------------------------------------ */

static void drop_lists(struct sl_kafka_consumer *consumer)
{
    if (consumer->coming != NULL)
        rd_kafka_topic_partition_list_destroy(consumer->coming);
    if (consumer->going != NULL)
        rd_kafka_topic_partition_list_destroy(consumer->going);
    consumer->coming = consumer->going = NULL;
}

/* Whatever it asks for on its way out is given. */
static void leave(struct sl_kafka_consumer *consumer)
{
    sl_deadline deadline = sl_deadline_in_ms(LEAVE_MS);
    rd_kafka_error_t *error =
        rd_kafka_consumer_close_queue(consumer->client, consumer->queue);

    if (error != NULL) {
        rd_kafka_error_destroy(error);
        return;
    }
    while (!rd_kafka_consumer_closed(consumer->client) &&
           !sl_deadline_passed(deadline)) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, 10);
        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            sl_kafka_note_error(
                consumer,
                rd_kafka_event_error(event) ==
                        RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
                    ? rd_kafka_incremental_assign(
                          consumer->client,
                          rd_kafka_event_topic_partition_list(event))
                    : rd_kafka_incremental_unassign(
                          consumer->client,
                          rd_kafka_event_topic_partition_list(event)));
        rd_kafka_event_destroy(event);
    }
}

void sl_kafka_consumer_leave(struct sl_kafka_consumer *consumer)
{
    if (consumer->queue != NULL) {
        rd_kafka_queue_cb_event_enable(consumer->queue, NULL, NULL);
        store_positions(consumer);
        /* What it waits for an answer to comes first. */
        consumer->settled = true;
        take_coming(consumer, false);
        consumer->going_until = 0;
        let_go(consumer);
    }
    sl_kafka_topic_id_done(consumer);
    sl_kafka_notices_give(consumer, NULL);
    while (consumer->parts != NULL)
        remove_part(consumer, consumer->parts->number);
    if (consumer->queue != NULL) {
        if (consumer->joined)
            leave(consumer);
        rd_kafka_queue_destroy(consumer->queue);
    }
    drop_lists(consumer);
}
