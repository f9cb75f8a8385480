/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partitions of a consumer, and the positions of its group in them.
 *
 * Each partition has its own queue, from which the in-flight table takes as
 * much as it wants; librdkafka stops fetching a partition whose queue is full.
 *
 * A new group gets a position in every partition before its first member is
 * answered: the process that has partition 0 commits all of them at once, the
 * others wait for that.
 *
 * A partition that moves to another process delivers no more events, and is
 * given up when the events that members have are settled, or after a lease.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

enum {
    FETCH_BATCH = 64,
    LEAVE_MS = 3000,
    ANSWER_MS = 2000, /* of one query of the brokers */
    PAUSE_MS = 20,
};

/* --- Partitions --------------------------------------------------------- */

static void add_partition(struct sl_pubsub_kafka_consumer *consumer,
                          int32_t number, int64_t offset)
{
    struct sl_pubsub_kafka_partition *part = sl_alloc(sizeof(*part));

    part->number = number;
    part->assigned = offset;
    part->queue = rd_kafka_queue_get_partition(consumer->client,
                                               consumer->kafka_topic, number);
    rd_kafka_queue_forward(part->queue, NULL);
    rd_kafka_queue_cb_event_enable(part->queue, sl_pubsub_kafka_on_event,
                                   consumer->store);
    part->next = consumer->partitions;
    consumer->partitions = part;
    sl_pubsub_kafka_in_flight_assign(consumer->in_flight, number);
}

static void remove_partition(struct sl_pubsub_kafka_consumer *consumer,
                             int32_t number)
{
    struct sl_pubsub_kafka_partition **link = &consumer->partitions;

    while (*link != NULL && (*link)->number != number)
        link = &(*link)->next;
    struct sl_pubsub_kafka_partition *part = *link;
    if (part != NULL) {
        *link = part->next;
        rd_kafka_queue_cb_event_enable(part->queue, NULL, NULL);
        rd_kafka_queue_destroy(part->queue);
        free(part);
    }
    sl_pubsub_kafka_in_flight_revoke(consumer->in_flight, number);
}

void sl_pubsub_kafka_partition_claim(struct sl_pubsub_kafka_consumer *consumer,
                                     int32_t number)
{
    struct sl_pubsub_kafka_partition *part = consumer->partitions;

    while (part != NULL && part->number != number)
        part = part->next;
    if (part != NULL)
        rd_kafka_queue_forward(part->queue, NULL);
}

void sl_pubsub_kafka_note_error(struct sl_pubsub_kafka_consumer *consumer,
                                rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    sl_pubsub_kafka_failure_set(&consumer->failure, rd_kafka_error_code(error),
                                rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

/* Take the assigned partitions once the group has its positions. find false:
 * without looking for start positions. */
static void take_assigned(struct sl_pubsub_kafka_consumer *consumer, bool find)
{
    rd_kafka_topic_partition_list_t *coming = consumer->coming;

    if (coming == NULL || !consumer->settled ||
        (find && sl_pubsub_kafka_find_positions(consumer, coming) ==
                     SL_PUBSUB_KAFKA_NOT_FOUND_YET))
        return;
    consumer->coming = NULL;
    sl_pubsub_kafka_note_error(
        consumer, rd_kafka_incremental_assign(consumer->client, coming));
    for (int i = 0; i < coming->cnt; i++)
        add_partition(consumer, coming->elems[i].partition,
                      coming->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(coming);
}

/* Store the positions in librdkafka, which commits them when partitions are
 * revoked. */
static void store_positions(struct sl_pubsub_kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(8);
    int64_t offset;

    for (struct sl_pubsub_kafka_partition *part = consumer->partitions;
         part != NULL; part = part->next)
        if (sl_pubsub_kafka_in_flight_position(consumer->in_flight,
                                               part->number, &offset)) {
            rd_kafka_topic_partition_t *position =
                rd_kafka_topic_partition_list_add(list, consumer->kafka_topic,
                                                  part->number);
            position->offset = offset;
            sl_pubsub_kafka_topic_id_tag(consumer, position);
        }
    if (list->cnt > 0)
        (void)rd_kafka_offsets_store(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void give_up_partitions(struct sl_pubsub_kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *going = consumer->going;
    size_t busy = 0;

    if (going == NULL)
        return;
    for (int i = 0; i < going->cnt; i++)
        busy += sl_pubsub_kafka_in_flight_count(consumer->in_flight,
                                                going->elems[i].partition);
    if (busy > 0 && !sl_deadline_passed(consumer->going_until) &&
        !rd_kafka_assignment_lost(consumer->client))
        return;
    consumer->going = NULL;
    store_positions(consumer);
    for (int i = 0; i < going->cnt; i++)
        remove_partition(consumer, going->elems[i].partition);
    sl_pubsub_kafka_note_error(
        consumer, rd_kafka_incremental_unassign(consumer->client, going));
    rd_kafka_topic_partition_list_destroy(going);
}

static void note_rebalance(struct sl_pubsub_kafka_consumer *consumer,
                           rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_event_topic_partition_list(event);
    rd_kafka_topic_partition_list_t **link =
        rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            ? &consumer->coming
            : &consumer->going;

    sl_pubsub_kafka_failure_clear(&consumer->failure);
    if (*link != NULL) /* never: librdkafka sends one at a time */
        rd_kafka_topic_partition_list_destroy(*link);
    *link = rd_kafka_topic_partition_list_copy(list);
    if (link == &consumer->coming) {
        consumer->joined = true;
        return;
    }
    consumer->going_until = sl_deadline_in_ms(consumer->lease_ms);
    for (int i = 0; i < list->cnt; i++)
        sl_pubsub_kafka_in_flight_pause(consumer->in_flight,
                                        list->elems[i].partition);
}

/* The partition is not fetched until position.c has found a new position. */
static void note_lost_position(struct sl_pubsub_kafka_consumer *consumer,
                               const rd_kafka_message_t *message)
{
    struct sl_pubsub_kafka_partition *part = consumer->partitions;

    while (part != NULL && part->number != message->partition)
        part = part->next;
    if (part == NULL)
        return;
    part->is_lost = true;
    part->lost_offset = message->offset;
}

static void add_kafka_message(struct sl_pubsub_kafka_consumer *consumer,
                              const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        note_lost_position(consumer, message);
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        sl_pubsub_kafka_failure_set(&consumer->failure, message->err,
                                    rd_kafka_message_errstr(message));
        return;
    }
    sl_pubsub_kafka_failure_clear(&consumer->failure);
    struct sl_delivery *event =
        sl_pubsub_kafka_make_event(consumer->topic, message);
    if (event != NULL)
        sl_pubsub_kafka_in_flight_add(consumer->in_flight, message->partition,
                                      message->offset, event);
}

/* Lost connections are not recorded: librdkafka reconnects. */
static void note_problem(struct sl_pubsub_kafka_consumer *consumer,
                         rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);

    if (sl_pubsub_kafka_classify(code, text) != RD_KAFKA_RESP_ERR__TRANSPORT)
        sl_pubsub_kafka_failure_set(&consumer->failure, code, text);
}

void sl_pubsub_kafka_consumer_serve(struct sl_pubsub_kafka_consumer *consumer)
{
    rd_kafka_event_t *event;
    const rd_kafka_message_t *message;

    while ((event = rd_kafka_queue_poll(consumer->queue, 0)) != NULL) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            note_rebalance(consumer, event);
            break;
        case RD_KAFKA_EVENT_FETCH: /* until the partition has its queue */
            while ((message = rd_kafka_event_message_next(event)) != NULL)
                add_kafka_message(consumer, message);
            break;
        case RD_KAFKA_EVENT_ERROR:
            note_problem(consumer, event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
        take_assigned(consumer, true);
        give_up_partitions(consumer);
    }
    take_assigned(consumer, true);
    give_up_partitions(consumer);
    sl_pubsub_kafka_repair_positions(consumer);
}

bool sl_pubsub_kafka_consumer_fetch(struct sl_pubsub_kafka_consumer *consumer)
{
    rd_kafka_message_t *messages[FETCH_BATCH];
    bool some = false;

    for (struct sl_pubsub_kafka_partition *part = consumer->partitions;
         part != NULL; part = part->next) {
        if (!sl_pubsub_kafka_in_flight_wants(consumer->in_flight, part->number,
                                             consumer->prefetch))
            continue;
        ssize_t count =
            rd_kafka_consume_batch_queue(part->queue, 0, messages, FETCH_BATCH);
        for (ssize_t i = 0; i < count; i++) {
            add_kafka_message(consumer, messages[i]);
            rd_kafka_message_destroy(messages[i]);
        }
        some = some || count > 0;
    }
    return some;
}

/* --- Positions ---------------------------------------------------------- */

/* Commit these offsets, or the stored ones, and wait. */
static rd_kafka_resp_err_t
commit_offsets(rd_kafka_t *client,
               const rd_kafka_topic_partition_list_t *offsets, int timeout_ms)
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
    if (code == RD_KAFKA_RESP_ERR__NO_OFFSET) /* committed already */
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

static bool contains_partition(const rd_kafka_topic_partition_list_t *list,
                               int32_t number)
{
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].partition == number)
            return true;
    return false;
}

/* Read the group's position in every partition; *known: it has one in this
 * topic.  Positions in a deleted topic of the same name do not count. */
static rd_kafka_resp_err_t
read_positions(struct sl_pubsub_kafka_consumer *consumer,
               rd_kafka_topic_partition_list_t *list, int timeout_ms,
               bool *known, bool *other)
{
    rd_kafka_resp_err_t code =
        rd_kafka_committed(consumer->client, list, timeout_ms);

    *known = *other = false;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        if (sl_pubsub_kafka_topic_id_differs(consumer, &list->elems[i])) {
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
            *other = true;
        }
        *known = *known || list->elems[i].offset >= 0;
    }
    return code;
}

/* Commit the start position of every partition in one request. */
static rd_kafka_resp_err_t
commit_start_positions(struct sl_pubsub_kafka_consumer *consumer,
                       rd_kafka_topic_partition_list_t *list, int timeout_ms)
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
        sl_pubsub_kafka_topic_id_tag(consumer, &list->elems[i]);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? commit_offsets(consumer->client, list, timeout_ms)
               : code;
}

static int answer_timeout(sl_deadline deadline)
{
    int left = sl_deadline_left_ms(deadline);

    return left < ANSWER_MS ? left : ANSWER_MS;
}

enum sl_status
sl_pubsub_kafka_consumer_settle(struct sl_pubsub_kafka_consumer *consumer,
                                sl_deadline deadline, struct sl_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(consumer->partition_count);
    rd_kafka_resp_err_t code;
    bool known, other;

    if (consumer->topic_id[0] == '\0')
        (void)sl_pubsub_kafka_topic_id_query(consumer,
                                             answer_timeout(deadline));
    for (int i = 0; i < consumer->partition_count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->kafka_topic, i);
    code = read_positions(consumer, list, answer_timeout(deadline), &known,
                          &other);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !known &&
        contains_partition(consumer->coming, 0)) {
        code = commit_start_positions(consumer, list, answer_timeout(deadline));
        known = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (known && other)
            sl_pubsub_kafka_notify_topic_recreated(
                consumer,
                consumer->earliest ? "beginning" : "end (start = latest)");
    }
    rd_kafka_topic_partition_list_destroy(list);
    consumer->settled = code == RD_KAFKA_RESP_ERR_NO_ERROR && known;
    if (consumer->settled)
        take_assigned(consumer, true);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? SL_OK
               : sl_pubsub_kafka_fail_with(consumer->store, &consumer->failure,
                                           consumer->kafka_group, code, err);
}

/* --- Acknowledging ------------------------------------------------------ */

/* A rebalance is in progress, or the group's coordinator has moved. */
static bool is_passing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           sl_pubsub_kafka_status(code) == SL_UNAVAILABLE ||
           sl_pubsub_kafka_status(code) == SL_RESOURCE_EXHAUSTED;
}

enum sl_status
sl_pubsub_kafka_consumer_commit(struct sl_pubsub_kafka_consumer *consumer,
                                sl_deadline deadline, struct sl_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int64_t start = sl_now_ns();

    for (bool first = true; first || !sl_deadline_passed(deadline);
         first = false) {
        pthread_mutex_lock(&consumer->lock);
        if (!first)
            sl_pubsub_kafka_consumer_serve(consumer);
        store_positions(consumer);
        pthread_mutex_unlock(&consumer->lock);
        if (consumer->store->options->commit_interval_ms > 0)
            return SL_OK;
        code = commit_offsets(consumer->client, NULL,
                              sl_deadline_left_ms(deadline));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            sl_pubsub_kafka_failure_clear(&consumer->failure);
            return SL_OK;
        }
        if (!is_passing(code) ||
            sl_pubsub_kafka_failure_is_final(&consumer->failure, start))
            break;
        nanosleep(&pause, NULL);
    }
    return sl_pubsub_kafka_fail_with(consumer->store, &consumer->failure,
                                     consumer->kafka_group, code, err);
}

/* --- Leaving ------------------------------------------------------------ */

static void free_pending_lists(struct sl_pubsub_kafka_consumer *consumer)
{
    if (consumer->coming != NULL)
        rd_kafka_topic_partition_list_destroy(consumer->coming);
    if (consumer->going != NULL)
        rd_kafka_topic_partition_list_destroy(consumer->going);
    consumer->coming = consumer->going = NULL;
}

/* Close the consumer and serve the rebalances that this causes. */
static void close_consumer(struct sl_pubsub_kafka_consumer *consumer)
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
            sl_pubsub_kafka_note_error(
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

void sl_pubsub_kafka_consumer_leave(struct sl_pubsub_kafka_consumer *consumer)
{
    if (consumer->queue != NULL) {
        rd_kafka_queue_cb_event_enable(consumer->queue, NULL, NULL);
        store_positions(consumer);
        /* librdkafka waits for the answer to a pending assignment. */
        consumer->settled = true;
        take_assigned(consumer, false);
        consumer->going_until = 0;
        give_up_partitions(consumer);
    }
    sl_pubsub_kafka_topic_id_close(consumer);
    sl_pubsub_kafka_notices_deliver(consumer, NULL);
    while (consumer->partitions != NULL)
        remove_partition(consumer, consumer->partitions->number);
    if (consumer->queue != NULL) {
        if (consumer->joined)
            close_consumer(consumer);
        rd_kafka_queue_destroy(consumer->queue);
    }
    free_pending_lists(consumer);
}
