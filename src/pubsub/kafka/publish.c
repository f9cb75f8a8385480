/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: all of a batch is given to librdkafka, which sends it in as few
 * requests as it can, and then waited for.  Its background thread tells what
 * became of each event.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/producer.h"

/* What becomes of one event. */
struct report {
    struct sl_kafka_batch *batch;
    struct sl_op *op;
    int32_t partition;
    rd_kafka_resp_err_t code;
    rd_kafka_msg_status_t how;
    bool told;
};

/* Who waits has it, and each event on its way. */
struct sl_kafka_batch {
    struct sl_kafka_producer *producer;
    int64_t start;
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t waiting; /* events on their way */
    size_t owners;
    size_t count;
    struct report reports[];
};

static void batch_unref(struct sl_kafka_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool last = --batch->owners == 0;
    pthread_mutex_unlock(&batch->lock);
    if (!last)
        return;
    pthread_cond_destroy(&batch->told);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

/* --- On librdkafka's background thread ---------------------------------- */

void sl_kafka_report(struct sl_kafka_producer *producer,
                     const rd_kafka_message_t *message)
{
    struct report *report = message->_private;
    struct sl_kafka_batch *batch = report->batch;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        sl_kafka_trouble_over(&producer->trouble);
    pthread_mutex_lock(&batch->lock);
    report->told = true;
    report->partition = message->partition;
    report->code = message->err;
    report->how = rd_kafka_message_status(message);
    if (--batch->waiting == 0)
        pthread_cond_signal(&batch->told);
    pthread_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

/* --- Sending ------------------------------------------------------------ */

static void refuse(struct sl_op *op, const struct sl_error *err)
{
    op->not_sent = true;
    sl_op_fail(op, err);
}

/* To Kafka nothing is not the same as empty. */
static struct sl_bytes not_null(struct sl_bytes bytes)
{
    return bytes.len > 0 ? bytes : SL_LITERAL("");
}

static rd_kafka_resp_err_t produce(struct sl_kafka_producer *producer,
                                   const struct sl_kafka_topic *topic,
                                   struct report *report,
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

/* On its way; false: answered. */
static bool send_one(struct sl_kafka_store *store,
                     struct sl_kafka_producer *producer, struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct sl_kafka_topic *topic =
        sl_kafka_topic_get(store, producer, request->topic);
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    struct sl_error err;
    int partitions;

    if (sl_kafka_headers(request, &headers, &err) != SL_OK) {
        refuse(report->op, &err);
        return false;
    }
    /* A topic that was deleted is looked for once more: it may be there anew.
     */
    for (int tries = 0; tries < 2 && sl_kafka_status(code) == SL_NOT_FOUND;
         tries++) {
        if (tries > 0)
            sl_kafka_topic_set_partitions(store, topic, 0);
        if (sl_kafka_topic_partitions(store, topic) == 0 &&
            sl_kafka_topic_find(store, producer, topic, report->op->deadline,
                                &partitions, &err) != SL_OK)
            break;
        code = produce(producer, topic, report, headers);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        sl_kafka_fail(store, topic->name, code, &err);
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    refuse(report->op, &err);
    return false;
}

static struct sl_kafka_batch *batch_new(struct sl_kafka_producer *producer,
                                        size_t most)
{
    pthread_condattr_t attributes;
    struct sl_kafka_batch *batch =
        sl_alloc(sizeof(*batch) + most * sizeof(batch->reports[0]));

    batch->producer = producer;
    batch->owners = 1;
    batch->start = sl_now_ns();
    pthread_mutex_init(&batch->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&batch->told, &attributes);
    pthread_condattr_destroy(&attributes);
    return batch;
}

static void send_or_answer(struct sl_kafka_store *store,
                           struct sl_kafka_batch *batch, struct sl_op *op)
{
    struct report *report = &batch->reports[batch->count];

    report->batch = batch;
    report->op = op;
    pthread_mutex_lock(&batch->lock); /* it may be told at once */
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

struct sl_kafka_batch *sl_kafka_publish(struct sl_kafka_store *store,
                                        struct sl_op *const ops[], size_t count)
{
    struct sl_kafka_batch *batch = NULL;
    struct sl_kafka_producer *producer = NULL;
    struct sl_error err;

    for (size_t i = 0; i < count; i++) {
        if (sl_op_verb(ops[i]) != SL_PUBSUB_PUBLISH)
            continue;
        if (batch == NULL) {
            if (sl_kafka_producer_get(store, sl_pubsub_config_of(ops[i]),
                                      &producer, &err) != SL_OK) {
                refuse(ops[i], &err);
                continue;
            }
            batch = batch_new(producer, count);
        }
        send_or_answer(store, batch, ops[i]);
    }
    return batch;
}

/* Until all are told, or the last deadline; with the lock held. */
static void wait_for_all(struct sl_kafka_batch *batch)
{
    struct sl_kafka_trouble *trouble = &batch->producer->trouble;
    sl_deadline last = 0;
    bool purged = false;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->reports[i].op->deadline > last)
            last = batch->reports[i].op->deadline;
    while (batch->waiting > 0 && !sl_deadline_passed(last)) {
        sl_deadline look =
            sl_deadline_in_ms(sl_kafka_slice(last, SL_KAFKA_SLICE_MS));
        const struct timespec at = {.tv_sec = look / 1000000000,
                                    .tv_nsec = look % 1000000000};
        pthread_cond_timedwait(&batch->told, &batch->lock, &at);
        /* Where no broker lets us in, nothing of anybody will be sent. */
        if (batch->waiting == 0 || purged ||
            !sl_kafka_trouble_is_final(trouble, batch->start))
            continue;
        purged = true;
        pthread_mutex_unlock(&batch->lock);
        rd_kafka_purge(batch->producer->client, RD_KAFKA_PURGE_F_QUEUE);
        pthread_mutex_lock(&batch->lock);
    }
}

/* --- One by one --------------------------------------------------------- */

/*
 * What is sent at once is refused as a whole where it is more than
 * max.message.bytes of the topic.  Then each is sent by itself, but for those
 * of a key before one that was published.
 */
static bool was_refused(const struct report *report)
{
    return report->told && report->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

static bool is_overtaken(const struct sl_kafka_batch *batch, size_t index)
{
    const struct report *report = &batch->reports[index];
    const struct sl_pubsub_request *request = report->op->request;

    for (size_t i = index + 1; request->key.ptr != NULL && i < batch->count;
         i++) {
        const struct report *later = &batch->reports[i];
        if (later->told && later->code == RD_KAFKA_RESP_ERR_NO_ERROR &&
            later->partition == report->partition &&
            sl_bytes_equal(sl_pubsub_request_of(later->op)->topic,
                           request->topic))
            return true;
    }
    return false;
}

/* With the lock held. */
static void send_again(struct sl_kafka_store *store,
                       struct sl_kafka_batch *batch, struct report *report)
{
    report->told = false;
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
    report->told = true;
    report->code = RD_KAFKA_RESP_ERR__QUEUE_FULL;
}

static void send_singly(struct sl_kafka_store *store,
                        struct sl_kafka_batch *batch)
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

static void answer(struct sl_kafka_store *store, struct sl_kafka_batch *batch,
                   struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct sl_kafka_trouble *trouble = &batch->producer->trouble;
    rd_kafka_resp_err_t code = report->code;
    struct sl_error err;
    char name[SL_PUBSUB_NAME_MAX + 1] = "";

    if (report->told && code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    memcpy(name, request->topic.ptr, request->topic.len);
    report->op->not_sent =
        report->told && report->how == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    if (!report->told || code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        sl_kafka_fail_with(
            store, trouble, name,
            report->told ? code : RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, &err);
    else
        sl_kafka_fail(store, name, code, &err);
    if (!report->op->not_sent &&
        (err.status == SL_UNAVAILABLE || err.status == SL_UNAUTHENTICATED) &&
        (!report->told || sl_kafka_status(code) == SL_TIMEOUT))
        err.status = SL_TIMEOUT; /* it may have been published */
    /* It was there, and somebody has removed it, or our right to it. */
    enum sl_status said = sl_kafka_status(code);
    if (report->told &&
        (said == SL_NOT_FOUND || said == SL_PERMISSION_DENIED)) {
        sl_kafka_topic_set_partitions(
            store, sl_kafka_topic_get(store, batch->producer, request->topic),
            0);
        if (said == SL_NOT_FOUND && store->options->create_topics)
            err.status = SL_UNAVAILABLE;
    }
    sl_op_fail(report->op, &err);
}

/*
 * An event that failed is not repeated once a later one was published, which
 * may be of its key.
 */
static void keep_order(struct sl_kafka_batch *batch)
{
    bool published = false;

    for (size_t i = batch->count; i-- > 0;) {
        struct sl_op *op = batch->reports[i].op;
        if (sl_op_answer(op)->err.status == SL_OK)
            published = true;
        else if (published)
            op->not_sent = false;
    }
}

void sl_kafka_publish_end(struct sl_kafka_store *store,
                          struct sl_kafka_batch *batch)
{
    if (batch == NULL)
        return;
    struct sl_kafka_producer *producer = batch->producer;
    pthread_mutex_lock(&batch->lock);
    wait_for_all(batch);
    send_singly(store, batch);
    for (size_t i = 0; i < batch->count; i++)
        answer(store, batch, &batch->reports[i]);
    pthread_mutex_unlock(&batch->lock);
    keep_order(batch);
    batch_unref(batch);
    sl_kafka_producer_unref(store, producer);
}
