/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of groups in this process and their requests.  Members that share
 * a consumer share its events (in_flight.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

enum {
    JOIN_POLL_MS = 10, /* while a member joins */
    PROBE_MS = 1000,
};

/* In ns: a group that cannot be joined for so long reports why. librdkafka
 * retries forever and reports a failure once. */
#define REPORT_AFTER INT64_C(2500000000)

/* --- Members ------------------------------------------------------------ */

static void remove_kafka_member(struct sl_pubsub_kafka_consumer *consumer,
                                struct sl_pubsub_kafka_member **link,
                                struct sl_op *op)
{
    struct sl_pubsub_kafka_member *member = *link;

    *link = member->next;
    if (sl_pubsub_kafka_in_flight_return_all(consumer->in_flight,
                                             member->number) &&
        op != NULL)
        op->changed = true;
    free(member->name);
    free(member);
    if (consumer->members == NULL)
        consumer->unused_until = sl_deadline_in_ms(consumer->lease_ms);
}

void sl_pubsub_kafka_members_expire(struct sl_pubsub_kafka_consumer *consumer,
                                    struct sl_op *op)
{
    struct sl_pubsub_kafka_member **link = &consumer->members;

    while (*link != NULL)
        if (sl_deadline_passed((*link)->expires))
            remove_kafka_member(consumer, link, op);
        else
            link = &(*link)->next;
}

void sl_pubsub_kafka_members_free(struct sl_pubsub_kafka_consumer *consumer)
{
    while (consumer->members != NULL) {
        struct sl_pubsub_kafka_member *member = consumer->members;
        consumer->members = member->next;
        free(member->name);
        free(member);
    }
}

static struct sl_pubsub_kafka_member **
find_kafka_member(struct sl_pubsub_kafka_consumer *consumer,
                  struct sl_bytes name)
{
    struct sl_pubsub_kafka_member **link = &consumer->members;

    while (*link != NULL && !sl_bytes_equal(sl_bytes_of((*link)->name), name))
        link = &(*link)->next;
    return link;
}

static void refuse_member(struct sl_op *op)
{
    struct sl_error err;

    sl_fail(
        &err, SL_CONFLICT,
        "the subscription's lease has expired: the group does not know this "
        "member any more");
    sl_op_fail(op, &err);
}

static void refuse_event(struct sl_op *op)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT, "the event is no longer leased to this member");
    sl_op_fail(op, &err);
}

/* --- Joining ------------------------------------------------------------ */

static void add_kafka_member(struct sl_pubsub_kafka_consumer *consumer,
                             struct sl_op *op)
{
    struct sl_bytes name = sl_pubsub_request_of(op)->member;
    struct sl_pubsub_kafka_member *member = *find_kafka_member(consumer, name);

    if (member == NULL) {
        member = sl_alloc(sizeof(*member));
        member->number = ++consumer->next_member;
        member->name = sl_strndup(name.ptr, name.len);
        member->next = consumer->members;
        consumer->members = member;
    }
    member->expires = sl_deadline_in_ms(consumer->lease_ms);
}

/* Try once; *done: the member has joined. */
static enum sl_status try_to_join(struct sl_pubsub_kafka_consumer *consumer,
                                  struct sl_op *op, bool *done,
                                  struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (consumer->client == NULL) {
        consumer->earliest = sl_pubsub_request_of(op)->from_earliest;
        status = sl_pubsub_kafka_consumer_start(consumer,
                                                sl_pubsub_config_of(op), err);
    }
    if (status != SL_OK)
        return status;
    consumer->unused_until = sl_deadline_in_ms(consumer->lease_ms);
    sl_pubsub_kafka_consumer_serve(consumer);
    if (consumer->joined && !consumer->settled)
        status = sl_pubsub_kafka_consumer_settle(consumer, op->deadline, err);
    *done = status == SL_OK && consumer->settled;
    sl_pubsub_kafka_notices_deliver(consumer, op);
    if (*done) {
        sl_pubsub_kafka_members_expire(consumer, op);
        add_kafka_member(consumer, op);
    }
    return status;
}

static bool may_pass(enum sl_status status)
{
    return status == SL_OK || status == SL_UNAVAILABLE ||
           status == SL_RESOURCE_EXHAUSTED || status == SL_TIMEOUT ||
           status == SL_CONFLICT;
}

static bool is_refused(struct sl_pubsub_kafka_consumer *consumer, int64_t start,
                       struct sl_error *err)
{
    if (sl_pubsub_kafka_failure_is_final(&consumer->failure, start))
        return true;
    if (!sl_pubsub_kafka_failure_is_set(&consumer->failure) ||
        sl_now_ns() - start < REPORT_AFTER)
        return false;
    return !may_pass(sl_pubsub_kafka_fail_with(
        consumer->store, &consumer->failure, consumer->group,
        RD_KAFKA_RESP_ERR__TIMED_OUT, err));
}

static void join_kafka_group(struct sl_pubsub_kafka_consumer *consumer,
                             struct sl_op *op)
{
    const struct timespec pause = {.tv_nsec = JOIN_POLL_MS * 1000000L};
    int64_t start = sl_now_ns();
    enum sl_status status = SL_OK;
    struct sl_error err;
    bool done = false;

    while (!done && may_pass(status) && !sl_deadline_passed(op->deadline)) {
        pthread_mutex_lock(&consumer->lock);
        status = try_to_join(consumer, op, &done, &err);
        bool refused = !done && is_refused(consumer, start, &err);
        pthread_mutex_unlock(&consumer->lock);
        if (refused)
            break;
        if (!done)
            nanosleep(&pause, NULL);
    }
    if (done)
        return;
    if (status == SL_OK || may_pass(status))
        sl_pubsub_kafka_fail_with(consumer->store, &consumer->failure,
                                  consumer->group, RD_KAFKA_RESP_ERR__TIMED_OUT,
                                  &err);
    sl_op_fail(op, &err);
}

void sl_pubsub_kafka_subscribe(struct sl_pubsub_kafka_store *store,
                               struct sl_op *op)
{
    struct sl_pubsub_kafka_consumer *consumer =
        sl_pubsub_kafka_consumer_acquire(store, op->request, true);
    struct sl_error err;
    int partitions;

    pthread_mutex_lock(&consumer->lock);
    bool knows = consumer->client != NULL;
    pthread_mutex_unlock(&consumer->lock);
    if (!knows &&
        sl_pubsub_kafka_ensure_topic(store, op, &partitions, &err) != SL_OK) {
        sl_op_fail(op, &err);
    } else {
        pthread_mutex_lock(&consumer->lock);
        if (consumer->client == NULL)
            consumer->partition_count = partitions;
        pthread_mutex_unlock(&consumer->lock);
        join_kafka_group(consumer, op);
    }
    pthread_mutex_lock(&consumer->lock);
    bool unused = consumer->client == NULL;
    pthread_mutex_unlock(&consumer->lock);
    sl_pubsub_kafka_consumer_release(consumer, unused);
}

/* --- Receiving ---------------------------------------------------------- */

static bool wants_more_events(const struct sl_op *op)
{
    const struct sl_pubsub_answer *answer = op->answer;

    return answer->deliveries.count < sl_pubsub_request_of(op)->limit;
}

static void deliver_events(struct sl_pubsub_kafka_consumer *consumer,
                           const struct sl_pubsub_kafka_member *member,
                           struct sl_op *op)
{
    char receipt[SL_PUBSUB_KAFKA_RECEIPT_MAX];
    const struct sl_delivery *event;

    sl_pubsub_kafka_in_flight_show_due(consumer->in_flight);
    while (wants_more_events(op)) {
        struct sl_pubsub_kafka_entry *entry = sl_pubsub_kafka_in_flight_next(
            consumer->in_flight, receipt, &event);
        if (entry == NULL) {
            if (!sl_pubsub_kafka_consumer_fetch(consumer))
                break;
            continue;
        }
        if (!sl_pubsub_answer_add(op, event))
            break;
        sl_pubsub_kafka_in_flight_deliver(consumer->in_flight, entry,
                                          member->number);
    }
}

/*
 * No event arrived and librdkafka has reported a failure.  It does not report
 * recovery, so query the brokers.
 */
static bool is_cut_off(struct sl_pubsub_kafka_consumer *consumer,
                       struct sl_op *op)
{
    const struct rd_kafka_metadata *metadata;
    struct sl_error err;
    int left = sl_deadline_left_ms(op->deadline);

    if (!sl_pubsub_kafka_failure_is_set(&consumer->failure))
        return false;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(consumer->client, 0, NULL, &metadata,
                          left < PROBE_MS ? left : PROBE_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        pthread_mutex_lock(&consumer->failure.lock);
        rd_kafka_resp_err_t why = consumer->failure.code;
        pthread_mutex_unlock(&consumer->failure.lock);
        enum sl_status status = sl_pubsub_kafka_status(why);
        if (status != SL_PERMISSION_DENIED && status != SL_NOT_FOUND) {
            sl_pubsub_kafka_failure_clear(&consumer->failure);
            return false;
        }
    }
    sl_pubsub_kafka_fail_with(consumer->store, &consumer->failure,
                              consumer->topic, code, &err);
    /* Report it once; librdkafka repeats a failure that lasts. */
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        sl_pubsub_kafka_failure_clear(&consumer->failure);
    sl_op_fail(op, &err);
    return true;
}

static sl_deadline next_check(const struct sl_pubsub_kafka_consumer *consumer)
{
    sl_deadline next = sl_pubsub_kafka_in_flight_next_due(consumer->in_flight);

    for (const struct sl_pubsub_kafka_member *member = consumer->members;
         member != NULL; member = member->next)
        if (member->expires < next)
            next = member->expires;
    if (consumer->going != NULL && consumer->going_until < next)
        next = consumer->going_until;
    return next;
}

static void receive_for_member(struct sl_pubsub_kafka_consumer *consumer,
                               const struct sl_pubsub_kafka_member *member,
                               struct sl_op *op)
{
    const struct sl_pubsub_answer *answer = op->answer;

    deliver_events(consumer, member, op);
    if (answer->deliveries.count > 0)
        op->changed = true; /* there may be more for the next receiver */
    if (answer->deliveries.count > 0 || answer->err.status != SL_OK ||
        is_cut_off(consumer, op) || !sl_op_may_wait(op))
        return;
    op->retry_at = next_check(consumer);
}

/* --- The other verbs ---------------------------------------------------- */

static void return_in_flight(struct sl_pubsub_kafka_consumer *consumer,
                             const struct sl_pubsub_kafka_member *member,
                             struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_pubsub_kafka_entry *entry = sl_pubsub_kafka_in_flight_find(
        consumer->in_flight, member->number, request->receipt);

    if (entry == NULL) {
        refuse_event(op);
        return;
    }
    sl_pubsub_kafka_in_flight_return(
        consumer->in_flight, entry,
        request->delay_ms > 0 ? sl_deadline_in_ms((int64_t)request->delay_ms)
                              : 0);
    op->changed = true;
    sl_pubsub_kafka_consumer_serve(consumer);
}

/* Whether the consumer has no members any more. */
static bool run_member_op(struct sl_pubsub_kafka_consumer *consumer,
                          struct sl_op *op)
{
    enum sl_pubsub_verb verb = (enum sl_pubsub_verb)sl_op_verb(op);

    if (consumer->client == NULL)
        return true;
    sl_pubsub_kafka_consumer_serve(consumer);
    sl_pubsub_kafka_members_expire(consumer, op);
    struct sl_pubsub_kafka_member **link =
        find_kafka_member(consumer, sl_pubsub_request_of(op)->member);
    struct sl_pubsub_kafka_member *member = *link;
    if (verb == SL_PUBSUB_LEAVE) {
        if (member != NULL)
            remove_kafka_member(consumer, link, op);
        if (consumer->members == NULL)
            consumer->unused_until = 0; /* close it at once */
        return consumer->members == NULL;
    }
    if (member == NULL) {
        refuse_member(op);
        return false;
    }
    sl_pubsub_kafka_notices_deliver(consumer, op);
    if (verb == SL_PUBSUB_RECEIVE)
        receive_for_member(consumer, member, op);
    else if (verb == SL_PUBSUB_RENEW)
        member->expires = sl_deadline_in_ms(consumer->lease_ms);
    else
        return_in_flight(consumer, member, op);
    return false;
}

void sl_pubsub_kafka_run_as_member(struct sl_pubsub_kafka_store *store,
                                   struct sl_op *op)
{
    struct sl_pubsub_kafka_consumer *consumer =
        sl_pubsub_kafka_consumer_acquire(store, op->request, false);

    if (consumer == NULL) {
        if (sl_op_verb(op) != SL_PUBSUB_LEAVE)
            refuse_member(op);
        return;
    }
    pthread_mutex_lock(&consumer->lock);
    bool unused = run_member_op(consumer, op);
    pthread_mutex_unlock(&consumer->lock);
    sl_pubsub_kafka_consumer_release(consumer, unused);
}

/* --- Acknowledging ------------------------------------------------------ */

/* Acknowledge in the in-flight table; true: commit its position. */
static bool acknowledge_event(struct sl_pubsub_kafka_consumer *consumer,
                              struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_pubsub_kafka_member *member =
        *find_kafka_member(consumer, request->member);

    if (member == NULL) {
        refuse_member(op);
        return false;
    }
    struct sl_pubsub_kafka_entry *entry = sl_pubsub_kafka_in_flight_find(
        consumer->in_flight, member->number, request->receipt);
    if (entry == NULL) {
        refuse_event(op);
        return false;
    }
    int32_t partition = sl_pubsub_kafka_entry_partition(entry);
    bool wanted = sl_pubsub_kafka_in_flight_wants(
        consumer->in_flight, partition, consumer->prefetch);
    bool frees =
        sl_pubsub_kafka_in_flight_acknowledge(consumer->in_flight, entry);
    if (frees || !wanted)
        op->changed = true;
    return true;
}

/* Acknowledge all ops of the first one's consumer, with one commit. */
static void acknowledge_all(struct sl_pubsub_kafka_consumer *consumer,
                            struct sl_op *const ops[], size_t count,
                            bool done[])
{
    const struct sl_pubsub_request *first = ops[0]->request;
    sl_deadline deadline = SL_NEVER;
    struct sl_error err;
    bool mine[SL_PUBSUB_KAFKA_BATCH] = {false};

    pthread_mutex_lock(&consumer->lock);
    if (consumer->client != NULL) {
        sl_pubsub_kafka_consumer_serve(consumer);
        sl_pubsub_kafka_members_expire(consumer, ops[0]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct sl_pubsub_request *request = ops[i]->request;
        if (done[i] || !sl_bytes_equal(request->topic, first->topic) ||
            !sl_bytes_equal(request->group, first->group))
            continue;
        done[i] = true;
        mine[i] = acknowledge_event(consumer, ops[i]);
        if (mine[i] && ops[i]->deadline < deadline)
            deadline = ops[i]->deadline;
    }
    pthread_mutex_unlock(&consumer->lock);
    if (deadline == SL_NEVER ||
        sl_pubsub_kafka_consumer_commit(consumer, deadline, &err) == SL_OK)
        return;
    /* They are acknowledged here; a later commit includes them. */
    for (size_t i = 0; i < count; i++)
        if (mine[i])
            sl_op_fail(ops[i], &err);
}

void sl_pubsub_kafka_acknowledge(struct sl_pubsub_kafka_store *store,
                                 struct sl_op *const ops[], size_t count)
{
    bool done[SL_PUBSUB_KAFKA_BATCH];

    for (size_t i = 0; i < count; i++)
        done[i] = sl_op_verb(ops[i]) != SL_PUBSUB_ACKNOWLEDGE;
    for (size_t i = 0; i < count; i++) {
        if (done[i])
            continue;
        struct sl_pubsub_kafka_consumer *consumer =
            sl_pubsub_kafka_consumer_acquire(store, ops[i]->request, false);
        if (consumer == NULL) {
            done[i] = true;
            refuse_member(ops[i]);
            continue;
        }
        acknowledge_all(consumer, &ops[i], count - i, &done[i]);
        sl_pubsub_kafka_consumer_release(consumer, false);
    }
}
