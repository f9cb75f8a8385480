/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: a batch is handed to librdkafka, which sends it in as few
 * requests as it can, and then awaited.  Delivery reports arrive on its
 * background thread.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/producer.h"

/* The delivery report of one event. */
struct report {
    struct sl_pubsub_kafka_batch *batch;
    struct sl_op *op;
    int32_t partition;
    rd_kafka_resp_err_t code;
    rd_kafka_msg_status_t how;
    bool reported;
};

/* Owned by the caller that waits and by each event that was sent. */
struct sl_pubsub_kafka_batch {
    struct sl_pubsub_kafka_producer *producer;
    int64_t start;
    pthread_mutex_t lock;
    pthread_cond_t reported;
    size_t waiting; /* events without a report */
    size_t owners;
    size_t count;
    struct report reports[];
};

static void batch_unref(struct sl_pubsub_kafka_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool last = --batch->owners == 0;
    pthread_mutex_unlock(&batch->lock);
    if (!last)
        return;
    pthread_cond_destroy(&batch->reported);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

/* --- On librdkafka's background thread ---------------------------------- */

void sl_pubsub_kafka_on_delivery_report(
    struct sl_pubsub_kafka_producer *producer,
    const rd_kafka_message_t *message)
{
    struct report *report = message->_private;
    struct sl_pubsub_kafka_batch *batch = report->batch;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        sl_pubsub_kafka_failure_clear(&producer->failure);
    pthread_mutex_lock(&batch->lock);
    report->reported = true;
    report->partition = message->partition;
    report->code = message->err;
    report->how = rd_kafka_message_status(message);
    if (--batch->waiting == 0)
        pthread_cond_signal(&batch->reported);
    pthread_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

/* --- Sending ------------------------------------------------------------ */

static void refuse_publish(struct sl_op *op, const struct sl_error *err)
{
    op->unsent = true;
    sl_op_fail(op, err);
}

/* Kafka distinguishes a NULL value from an empty one. */
static struct sl_bytes not_null(struct sl_bytes bytes)
{
    return bytes.len > 0 ? bytes : SL_LITERAL("");
}

static rd_kafka_resp_err_t
produce_event(struct sl_pubsub_kafka_producer *producer,
              const struct sl_pubsub_kafka_topic *topic, struct report *report,
              rd_kafka_headers_t *headers)
{
    const struct sl_pubsub_request *request = report->op->request;
    const struct sl_bytes payload = not_null(request->payload);
    const struct sl_bytes key =
        request->key.ptr != NULL ? not_null(request->key) : request->key;
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)payload.ptr, payload.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = report},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(
        producer->client, parts,
        sizeof(parts) / sizeof(parts[0]) - (headers == NULL));
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);

    if (error != NULL)
        rd_kafka_error_destroy(error);
    return code;
}

/* True: the event was sent; false: the op was answered. */
static bool send_one(struct sl_pubsub_kafka_store *store,
                     struct sl_pubsub_kafka_producer *producer,
                     struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct sl_pubsub_kafka_topic *topic =
        sl_pubsub_kafka_topic_get(store, producer, request->topic);
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    struct sl_error err;
    int partitions;

    if (sl_pubsub_kafka_make_headers(request, &headers, &err) != SL_OK) {
        refuse_publish(report->op, &err);
        return false;
    }
    /* A deleted topic is looked up once more: it may have been recreated. */
    for (int tries = 0;
         tries < 2 && sl_pubsub_kafka_status(code) == SL_NOT_FOUND; tries++) {
        if (tries > 0)
            sl_pubsub_kafka_topic_set_partitions(store, topic, 0);
        if (sl_pubsub_kafka_topic_partitions(store, topic) == 0 &&
            sl_pubsub_kafka_topic_find(store, producer, topic,
                                       report->op->deadline, &partitions,
                                       &err) != SL_OK)
            break;
        code = produce_event(producer, topic, report, headers);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        sl_pubsub_kafka_fail(store, topic->name, code, &err);
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    refuse_publish(report->op, &err);
    return false;
}

static struct sl_pubsub_kafka_batch *
batch_new(struct sl_pubsub_kafka_producer *producer, size_t most)
{
    pthread_condattr_t attributes;
    struct sl_pubsub_kafka_batch *batch =
        sl_alloc(sizeof(*batch) + most * sizeof(batch->reports[0]));

    batch->producer = producer;
    batch->owners = 1;
    batch->start = sl_now_ns();
    pthread_mutex_init(&batch->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&batch->reported, &attributes);
    pthread_condattr_destroy(&attributes);
    return batch;
}

static void send_or_answer(struct sl_pubsub_kafka_store *store,
                           struct sl_pubsub_kafka_batch *batch,
                           struct sl_op *op)
{
    struct report *report = &batch->reports[batch->count];

    report->batch = batch;
    report->op = op;
    pthread_mutex_lock(&batch->lock); /* its report may arrive at once */
    batch->waiting++;
    batch->owners++;
    pthread_mutex_unlock(&batch->lock);
    if (send_one(store, batch->producer, report)) {
        batch->count++;
        return;
    }
    pthread_mutex_lock(&batch->lock);
    batch->waiting--;
    batch->owners--;
    pthread_mutex_unlock(&batch->lock);
}

struct sl_pubsub_kafka_batch *
sl_pubsub_kafka_publish(struct sl_pubsub_kafka_store *store,
                        struct sl_op *const ops[], size_t count)
{
    struct sl_pubsub_kafka_batch *batch = NULL;
    struct sl_pubsub_kafka_producer *producer = NULL;
    struct sl_error err;

    for (size_t i = 0; i < count; i++) {
        if (sl_op_verb(ops[i]) != SL_PUBSUB_PUBLISH)
            continue;
        if (batch == NULL) {
            if (sl_pubsub_kafka_producer_get(store, sl_pubsub_config_of(ops[i]),
                                             &producer, &err) != SL_OK) {
                refuse_publish(ops[i], &err);
                continue;
            }
            batch = batch_new(producer, count);
        }
        send_or_answer(store, batch, ops[i]);
    }
    return batch;
}

/* Wait for all reports, or until the last deadline.  The lock is held. */
static void wait_for_all(struct sl_pubsub_kafka_batch *batch)
{
    struct sl_pubsub_kafka_failure *failure = &batch->producer->failure;
    sl_deadline last = 0;
    bool purged = false;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->reports[i].op->deadline > last)
            last = batch->reports[i].op->deadline;
    while (batch->waiting > 0 && !sl_deadline_passed(last)) {
        sl_deadline look = sl_deadline_in_ms(
            sl_pubsub_kafka_wait_ms(last, SL_PUBSUB_KAFKA_POLL_MS));
        const struct timespec at = {.tv_sec = look / 1000000000,
                                    .tv_nsec = look % 1000000000};
        pthread_cond_timedwait(&batch->reported, &batch->lock, &at);
        /* If all brokers refuse the credentials, nothing will be sent. */
        if (batch->waiting == 0 || purged ||
            !sl_pubsub_kafka_failure_is_final(failure, batch->start))
            continue;
        purged = true;
        pthread_mutex_unlock(&batch->lock);
        rd_kafka_purge(batch->producer->client, RD_KAFKA_PURGE_F_QUEUE);
        pthread_mutex_lock(&batch->lock);
    }
}

/* --- One by one --------------------------------------------------------- */

/*
 * A broker refuses a whole request that is larger than the topic's
 * max.message.bytes.  Then each event is sent alone, except those that a
 * published event of the same key would overtake.
 */
static bool was_refused(const struct report *report)
{
    return report->reported &&
           report->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

static bool is_overtaken(const struct sl_pubsub_kafka_batch *batch,
                         size_t index)
{
    const struct report *report = &batch->reports[index];
    const struct sl_pubsub_request *request = report->op->request;

    for (size_t i = index + 1; request->key.ptr != NULL && i < batch->count;
         i++) {
        const struct report *later = &batch->reports[i];
        if (later->reported && later->code == RD_KAFKA_RESP_ERR_NO_ERROR &&
            later->partition == report->partition &&
            sl_bytes_equal(sl_pubsub_request_of(later->op)->topic,
                           request->topic))
            return true;
    }
    return false;
}

/* The lock is held. */
static void send_again(struct sl_pubsub_kafka_store *store,
                       struct sl_pubsub_kafka_batch *batch,
                       struct report *report)
{
    report->reported = false;
    batch->waiting++;
    batch->owners++;
    pthread_mutex_unlock(&batch->lock);
    bool sent = send_one(store, batch->producer, report);
    pthread_mutex_lock(&batch->lock);
    if (sent) {
        wait_for_all(batch);
        return;
    }
    batch->waiting--;
    batch->owners--;
    report->reported = true;
    report->code = RD_KAFKA_RESP_ERR__QUEUE_FULL;
}

static void resend_singly(struct sl_pubsub_kafka_store *store,
                          struct sl_pubsub_kafka_batch *batch)
{
    size_t refused = 0;

    for (size_t i = 0; i < batch->count; i++)
        refused += was_refused(&batch->reports[i]);
    for (size_t i = 0; refused > 1 && i < batch->count; i++) {
        struct report *report = &batch->reports[i];
        if (batch->waiting > 0 || sl_deadline_passed(report->op->deadline))
            break;
        if (was_refused(report) && !is_overtaken(batch, i))
            send_again(store, batch, report);
    }
}

static void answer_publish(struct sl_pubsub_kafka_store *store,
                           struct sl_pubsub_kafka_batch *batch,
                           struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct sl_pubsub_kafka_failure *failure = &batch->producer->failure;
    rd_kafka_resp_err_t code = report->code;
    struct sl_error err;
    char name[SL_PUBSUB_NAME_MAX + 1] = "";

    if (report->reported && code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    memcpy(name, request->topic.ptr, request->topic.len);
    report->op->unsent =
        report->reported && report->how == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    if (!report->reported || code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        sl_pubsub_kafka_fail_with(
            store, failure, name,
            report->reported ? code : RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, &err);
    else
        sl_pubsub_kafka_fail(store, name, code, &err);
    if (!report->op->unsent &&
        (err.status == SL_UNAVAILABLE || err.status == SL_UNAUTHENTICATED) &&
        (!report->reported || sl_pubsub_kafka_status(code) == SL_TIMEOUT))
        err.status = SL_TIMEOUT; /* the event may have been published */
    /* The topic was deleted, or our permission was revoked. */
    enum sl_status said = sl_pubsub_kafka_status(code);
    if (report->reported &&
        (said == SL_NOT_FOUND || said == SL_PERMISSION_DENIED)) {
        sl_pubsub_kafka_topic_set_partitions(
            store,
            sl_pubsub_kafka_topic_get(store, batch->producer, request->topic),
            0);
        if (said == SL_NOT_FOUND && store->options->create_topics)
            err.status = SL_UNAVAILABLE;
    }
    sl_op_fail(report->op, &err);
}

/*
 * A failed event is not retried once a later one was published, which may have
 * the same key.
 */
static void forbid_reordering(struct sl_pubsub_kafka_batch *batch)
{
    bool published = false;

    for (size_t i = batch->count; i-- > 0;) {
        struct sl_op *op = batch->reports[i].op;
        if (sl_op_answer(op)->err.status == SL_OK)
            published = true;
        else if (published)
            op->unsent = false;
    }
}

void sl_pubsub_kafka_publish_finish(struct sl_pubsub_kafka_store *store,
                                    struct sl_pubsub_kafka_batch *batch)
{
    if (batch == NULL)
        return;
    struct sl_pubsub_kafka_producer *producer = batch->producer;
    pthread_mutex_lock(&batch->lock);
    wait_for_all(batch);
    resend_singly(store, batch);
    for (size_t i = 0; i < batch->count; i++)
        answer_publish(store, batch, &batch->reports[i]);
    pthread_mutex_unlock(&batch->lock);
    forbid_reordering(batch);
    batch_unref(batch);
    sl_pubsub_kafka_producer_unref(store, producer);
}
