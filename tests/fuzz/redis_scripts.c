/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a server answers to the scripts of lockd.redis, mq.redis and
 * pubsub.redis: the first byte says which request it answers, the rest are its
 * replies.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lockd/redis/protocol.h"
#include "mq/redis/protocol.h"
#include "pubsub/redis/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_lockd(uint32_t verb, redisReply *reply)
{
    const struct sl_lockd_request request = {.verb = verb,
                                             .key = SL_LITERAL("k")};
    struct sl_lockd_answer answer;
    struct sl_op op = {
        .request = &request, .answer = &answer, .wait_until = SL_NEVER};

    sl_lockd_answer_init(&answer);
    if (sl_lockd_redis_answer(NULL, &op, reply) && answer.err.status == SL_OK &&
        verb == SL_LOCKD_ACQUIRE &&
        (answer.fencing_token == 0 || answer.holder[0] == '\0'))
        abort();
}

static void answer_mq(uint32_t verb, redisReply *reply)
{
    const struct sl_mq_request request = {.verb = verb, .limit = 3};
    struct sl_mq_answer answer;
    struct sl_op op = {
        .request = &request, .answer = &answer, .wait_until = SL_NEVER};

    sl_mq_answer_init(&answer);
    (void)!sl_mq_redis_answer(NULL, &op, reply);
    for (size_t i = 0; i < answer.deliveries.count; i++)
        if (answer.deliveries.items[i]->delivery_count == 0 ||
            answer.deliveries.items[i]->key.len > SL_MQ_GROUP_MAX)
            abort();
    sl_mq_answer_done(&answer);
}

static void answer_pubsub(uint32_t verb, redisReply *reply)
{
    const struct sl_pubsub_request request = {
        .verb = verb, .limit = 3, .topic = SL_LITERAL("t")};
    struct sl_pubsub_answer answer;
    struct sl_op op = {
        .request = &request, .answer = &answer, .wait_until = SL_NEVER};

    sl_pubsub_answer_init(&answer);
    (void)!sl_pubsub_redis_answer(NULL, &op, reply);
    for (size_t i = 0; i < answer.deliveries.count; i++)
        if (answer.deliveries.items[i]->delivery_count == 0)
            abort();
    sl_pubsub_answer_done(&answer);
}

static void answer(uint8_t choice, redisReply *reply)
{
    uint32_t verb = choice / 3;

    if (choice % 3 == 0)
        answer_lockd(verb % SL_LOCKD_VERB_COUNT, reply);
    else if (choice % 3 == 1)
        answer_mq(verb % SL_MQ_VERB_COUNT, reply);
    else
        answer_pubsub(verb % SL_PUBSUB_VERB_COUNT, reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReader *reader = sl_redis_reader_new();
    void *reply = NULL;

    if (size > 1 && reader != NULL) {
        redisReaderFeed(reader, (const char *)data + 1, size - 1);
        while (redisReaderGetReply(reader, &reply) == REDIS_OK &&
               reply != NULL) {
            answer(data[0], reply);
            freeReplyObject(reply);
        }
    }
    redisReaderFree(reader);
    return 0;
}
