/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of mq.redis and their replies.
 *
 * A receipt is the number of the message, the number of the delivery, and the
 * group.
 */
#include "mq/redis/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "service/attributes.h"
#include "service/notice.h"

enum {
    UNFINISHED = -2,        /* of a receive: continue with another run */
    RECEIVE_POLL_MS = 1000, /* a waiting receive runs at least so often */
    RECEIPT_MAX = 2 * 24 + SL_MQ_GROUP_MAX,
};

static const char *const verbs[] = {
    [SL_MQ_SEND] = "send",
    [SL_MQ_RECEIVE] = "receive",
    [SL_MQ_COMPLETE] = "complete",
    [SL_MQ_ABANDON] = "abandon",
    [SL_MQ_EXTEND] = "extend",
    [SL_MQ_DEAD_LETTER] = "dead-letter",
    [SL_MQ_DEPTH] = "depth",
    [SL_MQ_DEAD_LIST] = "dead-list",
    [SL_MQ_DEAD_REPLAY] = "dead-replay",
    [SL_MQ_DEAD_DROP] = "dead-drop",
};

/* --- Receipts ----------------------------------------------------------- */

struct receipt {
    struct sl_bytes id;
    struct sl_bytes delivery;
    struct sl_bytes group; /* empty: none */
};

/* The text before the first colon; removes both from text. */
static bool take_receipt_word(struct sl_bytes *text, struct sl_bytes *word)
{
    const uint8_t *colon =
        text->len == 0 ? NULL : memchr(text->ptr, ':', text->len);

    if (colon == NULL)
        return false;
    *word = SL_BYTES(text->ptr, (size_t)(colon - text->ptr));
    *text = SL_BYTES(colon + 1, text->len - word->len - 1);
    return true;
}

static bool read_redis_receipt(struct sl_bytes text, struct receipt *out)
{
    int64_t number;

    if (!take_receipt_word(&text, &out->id) ||
        !take_receipt_word(&text, &out->delivery))
        return false;
    out->group = text;
    return sl_bytes_to_integer(out->id, &number) && number > 0 &&
           sl_bytes_to_integer(out->delivery, &number) && number > 0;
}

/* --- Commands ----------------------------------------------------------- */

static enum sl_status
begin_queue_call(struct sl_redis_script_call *call,
                 struct sl_redis_script_connection *connection,
                 const char *verb, struct sl_bytes duplicate,
                 struct sl_error *err)
{
    static const char *const keys[] = {"log",   "ready", "delayed", "flight",
                                       "count", "order", "later",   "dead",
                                       "seq",   NULL};
    static const char *const more[] = {"id:", NULL};

    sl_redis_script_begin(call, connection);
    enum sl_status status =
        sl_redis_script_keys(call, connection, keys, (struct sl_bytes){0}, err);
    if (status == SL_OK && duplicate.ptr != NULL)
        status = sl_redis_script_keys(call, connection, more, duplicate, err);
    sl_redis_script_add(call, sl_bytes_of(verb));
    return status;
}

static enum sl_status add_send(struct sl_redis_script_call *call,
                               const struct sl_mq_request *request,
                               struct sl_buf *packed, struct sl_error *err)
{
    enum sl_status status = sl_attributes_pack(
        request->attributes, request->attribute_count, packed, err);

    sl_redis_script_add(call, request->payload);
    sl_redis_script_add(call, sl_buf_bytes(packed));
    sl_redis_script_add(call, request->group);
    sl_redis_script_add_number(call, (int64_t)request->delay_ms);
    sl_redis_script_add_number(call, SL_MQ_DEDUPLICATION_MS);
    return status;
}

static void add_receive(struct sl_redis_script_call *call,
                        const struct sl_op *op)
{
    const struct sl_mq_request *request = op->request;
    const struct sl_mq_config *config = sl_mq_config_of(op);

    sl_redis_script_add_number(call, request->limit);
    sl_redis_script_add_number(call, request->has_visibility
                                         ? (int64_t)request->visibility_ms
                                         : config->visibility_ms);
    sl_redis_script_add_number(call, config->max_deliveries);
    sl_redis_script_add_number(call, SL_DELIVERIES_BYTES_MAX);
}

/* An invalid receipt names message 0, which does not exist. */
static void add_settle(struct sl_redis_script_call *call,
                       const struct sl_mq_request *request)
{
    struct receipt receipt;

    if (!read_redis_receipt(request->receipt, &receipt))
        receipt =
            (struct receipt){SL_LITERAL("0"), SL_LITERAL("0"), SL_LITERAL("")};
    sl_redis_script_add(call, receipt.id);
    sl_redis_script_add(call, receipt.delivery);
    sl_redis_script_add(call, receipt.group);
    if (request->verb == SL_MQ_DEAD_LETTER)
        sl_redis_script_add(call, request->reason);
    else
        sl_redis_script_add_number(call, (int64_t)(request->verb == SL_MQ_EXTEND
                                                       ? request->visibility_ms
                                                       : request->delay_ms));
}

/* The stream id of a dead letter; "0-0": the receipt is invalid. */
static struct sl_bytes dead_letter_id(struct sl_bytes receipt)
{
    struct sl_mq_burial burial;

    if (!sl_mq_read_burial(receipt, &burial) || burial.place.len == 0 ||
        burial.place.len > SL_MQ_PLACE_MAX)
        return SL_LITERAL("0-0");
    return burial.place;
}

static void add_dead(struct sl_redis_script_call *call,
                     const struct sl_mq_request *request)
{
    sl_redis_script_add(call, dead_letter_id(request->receipt));
    if (request->verb != SL_MQ_DEAD_LIST)
        return;
    sl_redis_script_add_number(call, request->limit);
    sl_redis_script_add_number(call, SL_DELIVERIES_BYTES_MAX);
}

enum sl_status sl_mq_redis_append(void *context, const struct sl_op *op,
                                  struct sl_buf *out, struct sl_error *err)
{
    const struct sl_mq_request *request = op->request;
    SL_CLEANUP(sl_buf_done)
    struct sl_buf packed = SL_BUF(2 * SL_ATTRIBUTE_BYTES_MAX);
    struct sl_redis_script_call call;
    enum sl_status status = begin_queue_call(
        &call, context, verbs[request->verb], request->deduplication_id, err);

    if (status != SL_OK)
        return status;
    switch ((enum sl_mq_verb)request->verb) {
    case SL_MQ_SEND:
        status = add_send(&call, request, &packed, err);
        break;
    case SL_MQ_RECEIVE:
        add_receive(&call, op);
        break;
    case SL_MQ_DEPTH:
        break;
    case SL_MQ_DEAD_LIST:
    case SL_MQ_DEAD_REPLAY:
    case SL_MQ_DEAD_DROP:
        add_dead(&call, request);
        break;
    default:
        add_settle(&call, request);
        break;
    }
    return status == SL_OK ? sl_redis_script_append(&call, out, err) : status;
}

bool sl_mq_redis_peek(struct sl_redis_script_connection *connection)
{
    struct sl_redis_script_call call;
    struct sl_error err;
    int64_t found;

    return begin_queue_call(&call, connection, "peek", (struct sl_bytes){0},
                            &err) != SL_OK ||
           !sl_redis_script_ask(connection, &call, &found) || found != 0;
}

/* --- Replies ------------------------------------------------------------ */

static bool answer_send(struct sl_op *op, const redisReply *reply)
{
    struct sl_mq_answer *answer = op->answer;
    struct sl_bytes id;

    if (!sl_redis_text_at(reply, 0, &id) || id.len == 0 ||
        id.len > SL_MQ_ID_MAX)
        return false;
    memcpy(answer->id, id.ptr, id.len);
    answer->id[id.len] = '\0';
    op->changed = true;
    return true;
}

/* {number, delivery, sent, group, attributes, payload}; *more is false if the
 * answer is full. */
static bool add_queue_message(struct sl_op *op, const redisReply *item,
                              bool *more)
{
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    struct sl_delivery message = {.attributes = attributes};
    char receipt[RECEIPT_MAX];
    struct sl_bytes sent, packed;
    int64_t delivery, sent_at;

    if (!sl_redis_text_at(item, 0, &message.id) || message.id.len > 20 ||
        !sl_redis_number_at(item, 1, &delivery) || delivery < 1 ||
        delivery > UINT32_MAX || !sl_redis_text_at(item, 2, &sent) ||
        !sl_bytes_to_integer(sent, &sent_at) ||
        !sl_redis_text_at(item, 3, &message.key) ||
        message.key.len > SL_MQ_GROUP_MAX ||
        !sl_redis_text_at(item, 4, &packed) ||
        !sl_attributes_unpack(packed, attributes, &message.attribute_count) ||
        !sl_redis_text_at(item, 5, &message.payload))
        return false;
    int len =
        snprintf(receipt, sizeof(receipt), "%.*s:%" PRId64 ":%.*s",
                 (int)message.id.len, (const char *)message.id.ptr, delivery,
                 (int)message.key.len, (const char *)message.key.ptr);
    message.receipt = SL_BYTES(receipt, (size_t)len);
    message.delivery_count = (uint32_t)delivery;
    message.sent_at_ms = (uint64_t)sent_at;
    if (message.key.len == 0)
        message.key = (struct sl_bytes){0};
    *more = sl_mq_answer_add(op, &message);
    return true;
}

/* {number, deliveries}... */
static bool report_dead_letters(struct sl_op *op, const redisReply *items)
{
    struct sl_bytes id;
    int64_t deliveries;

    if (items->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < items->elements; i++) {
        if (!sl_redis_text_at(items->element[i], 0, &id) ||
            id.len > SL_MQ_ID_MAX ||
            !sl_redis_number_at(items->element[i], 1, &deliveries))
            return false;
        sl_op_report_dead_letter(op, id, deliveries,
                                 SL_LITERAL("max-deliveries"));
    }
    return true;
}

/* A message that does not fit comes back when its visibility ends. */
static bool answer_mq_receive(struct sl_op *op, const redisReply *reply)
{
    const redisReply *items;
    int64_t wait;
    bool more = true;

    if (!sl_redis_number_at(reply, 0, &wait) || reply->elements != 3 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        !report_dead_letters(op, reply->element[2]))
        return false;
    items = reply->element[1];
    if (items->elements > sl_mq_request_of(op)->limit)
        return false;
    for (size_t i = 0; more && i < items->elements; i++)
        if (!add_queue_message(op, items->element[i], &more))
            return false;
    op->changed = items->elements > 0 && (wait == 1 || !more);
    op->unfinished = items->elements == 0 && wait == UNFINISHED;
    if (items->elements == 0 && !op->unfinished && sl_op_may_wait(op)) {
        op->retry_at = sl_deadline_in_ms(
            wait < 0 || wait >= RECEIVE_POLL_MS ? RECEIVE_POLL_MS : wait + 1);
        op->retry_if_not_first_at = SL_NEVER;
    }
    return true;
}

static void refuse_unknown_letter(struct sl_op *op)
{
    struct sl_error err;

    sl_fail(&err, SL_NOT_FOUND, "there is no such dead letter");
    sl_op_fail(op, &err);
}

/* The new number, or "": there is no such dead letter. */
static bool answer_replay(struct sl_op *op, const redisReply *reply)
{
    struct sl_bytes id;

    if (!sl_redis_text_at(reply, 0, &id))
        return false;
    if (id.len > 0)
        return answer_send(op, reply);
    refuse_unknown_letter(op);
    return true;
}

/* Report that the message became a dead letter. */
static void report_dead_letter(struct sl_op *op)
{
    const struct sl_mq_request *request = op->request;
    struct receipt receipt;
    int64_t deliveries;

    if (request->verb == SL_MQ_DEAD_LETTER &&
        read_redis_receipt(request->receipt, &receipt) &&
        sl_bytes_to_integer(receipt.delivery, &deliveries))
        sl_op_report_dead_letter(op, receipt.id, deliveries, request->reason);
}

static void refuse_settle(struct sl_op *op)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT,
            "the message's visibility has ended: it is no longer leased to "
            "this receiver");
    sl_op_fail(op, &err);
}

bool sl_mq_redis_answer(void *context, struct sl_op *op, redisReply *reply)
{
    int64_t number;

    (void)context;
    if (reply->type == REDIS_REPLY_ERROR) {
        sl_redis_script_fail(op, reply);
        return true;
    }
    if (sl_op_verb(op) == SL_MQ_SEND)
        return answer_send(op, reply);
    if (sl_op_verb(op) == SL_MQ_RECEIVE)
        return answer_mq_receive(op, reply);
    if (sl_op_verb(op) == SL_MQ_DEAD_LIST)
        return sl_mq_redis_answer_dead_list(op, reply);
    if (sl_op_verb(op) == SL_MQ_DEAD_REPLAY)
        return answer_replay(op, reply);
    if (!sl_redis_number_at(reply, 0, &number) || number < 0)
        return false;
    if (sl_op_verb(op) == SL_MQ_DEPTH) {
        sl_mq_answer_of(op)->depth = (uint64_t)number;
        return true;
    }
    if (sl_op_verb(op) == SL_MQ_DEAD_DROP) {
        if (number == 0)
            refuse_unknown_letter(op);
        return true;
    }
    op->changed = number == 2;
    if (number == 0)
        refuse_settle(op);
    else
        report_dead_letter(op);
    return true;
}
