/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of pubsub.redis and their replies.
 *
 * A receipt is the id of the event and the number of the delivery.
 */
#include "pubsub/redis/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/attributes.h"

enum {
    RECEIVE_POLL_MS = 1000, /* a waiting receive runs at least so often */
    ID_LEN = 26,            /* milliseconds (15 digits), "-", a number (10) */
    RECEIPT_MAX = ID_LEN + 24,
};

static const char *const verbs[] = {
    [SL_PUBSUB_PUBLISH] = "publish", [SL_PUBSUB_SUBSCRIBE] = "subscribe",
    [SL_PUBSUB_RECEIVE] = "receive", [SL_PUBSUB_ACKNOWLEDGE] = "acknowledge",
    [SL_PUBSUB_RETURN] = "return",   [SL_PUBSUB_RENEW] = "renew",
    [SL_PUBSUB_LEAVE] = "leave",
};

/* --- Commands ----------------------------------------------------------- */

static enum sl_status
begin_topic_call(struct sl_redis_script_call *call,
                 struct sl_redis_script_connection *connection,
                 const struct sl_pubsub_request *request, struct sl_error *err)
{
    static const char *const of_topic[] = {"topic:", SL_REDIS_CHANGES, "topics",
                                           NULL};
    static const char *const of_topic_groups[] = {"groups:", NULL};
    static const char *const of_group[] = {
        "group:", "members:", "state:", "keys:",
        "ready:", "hidden:",  "owned:", NULL};
    char name[2 * SL_PUBSUB_NAME_MAX + 2];

    sl_redis_script_begin(call, connection);
    enum sl_status status =
        sl_redis_script_keys(call, connection, of_topic, request->topic, err);
    if (status == SL_OK && request->verb != SL_PUBSUB_PUBLISH) {
        int len =
            snprintf(name, sizeof(name), "%.*s:%.*s", (int)request->topic.len,
                     (const char *)request->topic.ptr, (int)request->group.len,
                     (const char *)request->group.ptr);
        status = sl_redis_script_keys(call, connection, of_group,
                                      SL_BYTES(name, (size_t)len), err);
    }
    if (status == SL_OK && request->verb == SL_PUBSUB_SUBSCRIBE)
        status = sl_redis_script_keys(call, connection, of_topic_groups,
                                      request->topic, err);
    sl_redis_script_add(call, sl_bytes_of(verbs[request->verb]));
    if (request->verb != SL_PUBSUB_PUBLISH)
        sl_redis_script_add(call, request->member);
    return status;
}

static enum sl_status add_publish(struct sl_redis_script_call *call,
                                  const struct sl_op *op,
                                  const struct sl_pubsub_redis_options *options,
                                  struct sl_buf *packed, struct sl_error *err)
{
    const struct sl_pubsub_request *request = op->request;
    enum sl_status status = sl_attributes_pack(
        request->attributes, request->attribute_count, packed, err);

    sl_redis_script_add(call, request->payload);
    sl_redis_script_add(call, sl_buf_bytes(packed));
    sl_redis_script_add_number(call, sl_pubsub_config_of(op)->retention_ms);
    sl_redis_script_add_number(call, options->max_length);
    sl_redis_script_add_number(call, options->max_topics);
    if (request->key.ptr != NULL)
        sl_redis_script_add(call, request->key);
    return status;
}

/* An invalid receipt names event 0, which does not exist. */
static void add_receipt(struct sl_redis_script_call *call,
                        struct sl_bytes receipt)
{
    const uint8_t *colon = receipt.len <= ID_LEN ? NULL : receipt.ptr + ID_LEN;

    if (colon == NULL || *colon != ':') {
        sl_redis_script_add(call, SL_LITERAL("0"));
        sl_redis_script_add(call, SL_LITERAL("-"));
        return;
    }
    sl_redis_script_add(call, SL_BYTES(receipt.ptr, ID_LEN));
    sl_redis_script_add(call, SL_BYTES(colon + 1, receipt.len - ID_LEN - 1));
}

static void add_for_member(struct sl_redis_script_call *call,
                           const struct sl_op *op,
                           const struct sl_pubsub_redis_options *options)
{
    const struct sl_pubsub_request *request = op->request;
    const struct sl_pubsub_config *config = sl_pubsub_config_of(op);

    switch ((enum sl_pubsub_verb)request->verb) {
    case SL_PUBSUB_SUBSCRIBE:
        sl_redis_script_add_number(call, config->lease_ms);
        sl_redis_script_add_number(call, config->retention_ms);
        sl_redis_script_add_number(call, request->from_earliest);
        sl_redis_script_add_number(call, options->max_topics);
        sl_redis_script_add_number(call, options->max_groups);
        break;
    case SL_PUBSUB_RENEW:
        sl_redis_script_add_number(call, config->lease_ms);
        break;
    case SL_PUBSUB_RECEIVE:
        sl_redis_script_add_number(call, request->limit);
        sl_redis_script_add_number(call, SL_DELIVERIES_BYTES_MAX);
        break;
    case SL_PUBSUB_ACKNOWLEDGE:
    case SL_PUBSUB_RETURN:
        add_receipt(call, request->receipt);
        sl_redis_script_add_number(call, (int64_t)request->delay_ms);
        break;
    case SL_PUBSUB_PUBLISH:
    case SL_PUBSUB_LEAVE:
        break;
    }
}

enum sl_status sl_pubsub_redis_append(void *context, const struct sl_op *op,
                                      struct sl_buf *out, struct sl_error *err)
{
    struct sl_redis_script_connection *connection = context;
    const struct sl_pubsub_redis_options *options =
        (const void *)connection->store->options;
    SL_CLEANUP(sl_buf_done)
    struct sl_buf packed = SL_BUF(2 * SL_ATTRIBUTE_BYTES_MAX);
    struct sl_redis_script_call call;
    enum sl_status status =
        begin_topic_call(&call, connection, op->request, err);

    if (status == SL_OK && sl_op_verb(op) == SL_PUBSUB_PUBLISH)
        status = add_publish(&call, op, options, &packed, err);
    else if (status == SL_OK)
        add_for_member(&call, op, options);
    return status == SL_OK ? sl_redis_script_append(&call, out, err) : status;
}

/* --- Replies ------------------------------------------------------------ */

static bool is_id(struct sl_bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (i == 15 ? id.ptr[i] != '-' : id.ptr[i] < '0' || id.ptr[i] > '9')
            return false;
    return id.len == ID_LEN;
}

/* {id, delivery, has a key, key, attributes, payload}; *more is false if the
 * answer is full. */
static bool add_event(struct sl_op *op, const redisReply *item, bool *more)
{
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    struct sl_delivery event = {.topic = sl_pubsub_request_of(op)->topic,
                                .attributes = attributes};
    char receipt[RECEIPT_MAX];
    struct sl_bytes packed;
    int64_t delivery, has_key;

    if (!sl_redis_text_at(item, 0, &event.id) || !is_id(event.id) ||
        !sl_redis_number_at(item, 1, &delivery) || delivery < 1 ||
        delivery > UINT32_MAX || !sl_redis_number_at(item, 2, &has_key) ||
        !sl_redis_text_at(item, 3, &event.key) ||
        !sl_redis_text_at(item, 4, &packed) ||
        !sl_attributes_unpack(packed, attributes, &event.attribute_count) ||
        !sl_redis_text_at(item, 5, &event.payload))
        return false;
    int len = snprintf(receipt, sizeof(receipt), "%.*s:%" PRId64, ID_LEN,
                       (const char *)event.id.ptr, delivery);
    event.receipt = SL_BYTES(receipt, (size_t)len);
    event.delivery_count = (uint32_t)delivery;
    event.sent_at_ms = strtoull((const char *)event.id.ptr, NULL, 10);
    if (has_key == 0)
        event.key = (struct sl_bytes){0};
    *more = sl_pubsub_answer_add(op, &event);
    return true;
}

/* An event that does not fit stays with the member until it leaves. */
static bool answer_pubsub_receive(struct sl_op *op, const redisReply *reply,
                                  int64_t wait)
{
    bool more = true;

    if (wait < 0 || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    const redisReply *items = reply->element[1];
    if (items->elements > sl_pubsub_request_of(op)->limit)
        return false;
    for (size_t i = 0; more && i < items->elements; i++)
        if (!add_event(op, items->element[i], &more))
            return false;
    op->changed = items->elements > 0 && (wait == 1 || !more);
    op->unfinished = items->elements == 0 && wait == 0;
    if (items->elements == 0 && wait > 0 && sl_op_may_wait(op)) {
        op->retry_at = sl_deadline_in_ms(
            wait < RECEIVE_POLL_MS ? wait + 1 : RECEIVE_POLL_MS);
        op->retry_if_not_first_at = SL_NEVER;
    }
    return true;
}

static void refuse_member_op(struct sl_op *op, const char *why)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT, "%s", why);
    sl_op_fail(op, &err);
}

static void refuse_as_full(struct sl_op *op, const char *why)
{
    struct sl_error err;

    sl_fail(&err, SL_RESOURCE_EXHAUSTED, "%s", why);
    sl_op_fail(op, &err);
    op->full = true;
}

bool sl_pubsub_redis_answer(void *context, struct sl_op *op, redisReply *reply)
{
    enum sl_pubsub_verb verb = (enum sl_pubsub_verb)sl_op_verb(op);
    int64_t number;

    (void)context;
    if (reply->type == REDIS_REPLY_ERROR) {
        sl_redis_script_fail(op, reply);
        return true;
    }
    if (!sl_redis_number_at(reply, 0, &number))
        return false;
    if (number == -2 &&
        (verb == SL_PUBSUB_PUBLISH || verb == SL_PUBSUB_SUBSCRIBE))
        refuse_as_full(op, "there are as many topics as max-topics allows; "
                           "publish to one of them, or raise max-topics in the "
                           "manifest");
    else if (number == -3 && verb == SL_PUBSUB_SUBSCRIBE)
        refuse_as_full(op, "the topic has as many groups as max-groups allows; "
                           "subscribe in one of them, or raise max-groups in "
                           "the manifest");
    else if (number == -1)
        refuse_member_op(
            op, "the subscription's lease has expired: the group does not "
                "know this member any more");
    else if (verb == SL_PUBSUB_RECEIVE)
        return answer_pubsub_receive(op, reply, number);
    else if (number == 0)
        refuse_member_op(op, "the event is no longer leased to this member");
    else
        op->changed = number == 2 || verb == SL_PUBSUB_PUBLISH;
    return true;
}
