/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a server sends: the first byte says which request it answers, the
 * rest are its replies, as the reader gets them in two pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kv/redis/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_kv_request request_of(uint8_t choice)
{
    struct sl_kv_request request = {
        .verb = (enum sl_kv_verb)(choice % SL_KV_VERB_COUNT),
        .condition = (enum sl_kv_condition)(choice / SL_KV_VERB_COUNT % 3),
        .key = SL_LITERAL("key"),
        .value = SL_LITERAL("value"),
        .want_version = choice / (SL_KV_VERB_COUNT * 3) % 2 == 0,
        .limit = 2,
    };
    return request;
}

static void answer(const struct sl_kv_request *request, redisReply *reply)
{
    struct sl_kv_answer answer;
    size_t budget = 1024;
    struct sl_op op = {
        .request = request, .answer = &answer, .answer_budget = &budget};
    struct sl_buf rest = SL_BUF(SL_KV_CURSOR_MAX);
    struct sl_kv_redis_cursor cursor;
    char scan[24];
    bool unchanged;

    sl_kv_answer_init(&answer);
    if (request->verb != SL_KV_KEYS)
        (void)!sl_kv_redis_answer(&op, reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        sl_redis_fail(reply, "", &unchanged, &answer.err);
    else if (sl_kv_redis_answer_scan(reply, 1, request->limit, &answer, &rest,
                                     scan))
        (void)!sl_kv_redis_read_cursor(sl_buf_bytes(&rest), &cursor);
    sl_kv_answer_done(&answer);
    sl_buf_done(&rest);
}

static void read_cursor(struct sl_bytes text)
{
    struct sl_kv_redis_cursor cursor;
    struct sl_bytes key;

    if (sl_kv_redis_read_cursor(text, &cursor))
        while (sl_kv_redis_next_rest(&cursor, &key))
            if (key.len == 0 || key.len > SL_KV_KEY_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReader *reader = sl_redis_reader_new();
    void *reply = NULL;

    if (size < 2 || reader == NULL) {
        redisReaderFree(reader);
        return 0;
    }
    const struct sl_kv_request request = request_of(data[0]);
    const char *bytes = (const char *)data + 1;
    size_t half = (size - 1) / 2;
    read_cursor(SL_BYTES(bytes, size - 1));
    for (int i = 0; i < 2; i++) {
        redisReaderFeed(reader, i == 0 ? bytes : bytes + half,
                        i == 0 ? half : size - 1 - half);
        while (redisReaderGetReply(reader, &reply) == REDIS_OK &&
               reply != NULL) {
            answer(&request, reply);
            freeReplyObject(reply);
        }
    }
    redisReaderFree(reader);
    return 0;
}
