/* SPDX-License-Identifier: Apache-2.0 */
/* The dead letters of mq.redis, for operators. */
#include <string.h>

#include "mq/redis/protocol.h"
#include "service/attributes.h"

/* The time of death is the first half of the stream id: the server's time. */
static bool read_stream_id(const redisReply *item, struct sl_mq_burial *burial)
{
    int64_t died_at;

    if (!sl_redis_text_at(item, 0, &burial->place) || burial->place.len == 0 ||
        burial->place.len > SL_MQ_PLACE_MAX)
        return false;
    const uint8_t *dash = memchr(burial->place.ptr, '-', burial->place.len);
    if (dash == NULL ||
        !sl_bytes_to_integer(
            SL_BYTES(burial->place.ptr, (size_t)(dash - burial->place.ptr)),
            &died_at) ||
        died_at < 0)
        return false;
    burial->died_at_ms = (uint64_t)died_at;
    return sl_redis_text_at(item, 7, &burial->reason);
}

/* {place, number, deliveries, sent, group, attributes, payload, reason}; *more
 * is false if the answer is full. */
static bool add_dead_letter(struct sl_op *op, const redisReply *item,
                            bool *more)
{
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    struct sl_delivery message = {.attributes = attributes};
    struct sl_mq_burial burial;
    struct sl_bytes sent, packed;
    int64_t deliveries, sent_at;

    if (!read_stream_id(item, &burial) ||
        !sl_redis_text_at(item, 1, &message.id) ||
        message.id.len > SL_MQ_ID_MAX ||
        !sl_redis_number_at(item, 2, &deliveries) || deliveries < 0 ||
        deliveries > UINT32_MAX || !sl_redis_text_at(item, 3, &sent) ||
        !sl_bytes_to_integer(sent, &sent_at) ||
        !sl_redis_text_at(item, 4, &message.key) ||
        !sl_redis_text_at(item, 5, &packed) ||
        !sl_attributes_unpack(packed, attributes, &message.attribute_count) ||
        !sl_redis_text_at(item, 6, &message.payload))
        return false;
    message.delivery_count = (uint32_t)deliveries;
    message.sent_at_ms = (uint64_t)sent_at;
    if (message.key.len == 0)
        message.key = (struct sl_bytes){0};
    *more = sl_mq_answer_add_dead(op, &message, &burial);
    return true;
}

bool sl_mq_redis_answer_dead_list(struct sl_op *op, const redisReply *reply)
{
    int64_t count;
    bool more = true;

    if (!sl_redis_number_at(reply, 0, &count) || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        reply->element[1]->elements > sl_mq_request_of(op)->limit)
        return false;
    for (size_t i = 0; more && i < reply->element[1]->elements; i++)
        if (!add_dead_letter(op, reply->element[1]->element[i], &more))
            return false;
    return true;
}
