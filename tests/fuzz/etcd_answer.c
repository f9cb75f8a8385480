/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever an etcd sends: the first byte says to which request, the rest is the
 * body of its answer, the line of a watch, or an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/etcd/internal.h"
#include "kv/etcd/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(uint8_t choice, const struct sl_json *json)
{
    const struct sl_kv_request request = {
        .verb = (enum sl_kv_verb)(choice % SL_KV_VERB_COUNT),
        .condition = (enum sl_kv_condition)(choice / SL_KV_VERB_COUNT % 3),
        .key = SL_LITERAL("k"),
        .want_version = true,
        .limit = 3,
    };
    struct sl_kv_answer filled;
    struct sl_kv_etcd_number number;
    size_t budget = 1024;
    struct sl_op op = {
        .request = &request, .answer = &filled, .answer_budget = &budget};

    sl_kv_answer_init(&filled);
    if (request.verb == SL_KV_INCREMENT)
        (void)!sl_kv_etcd_read_number(json, &number, &filled.err);
    else if (request.verb != SL_KV_KEYS)
        (void)!sl_kv_etcd_answer(&op, json, 0);
    else if (sl_kv_etcd_answer_page(&op, json, SL_LITERAL("p")) &&
             filled.key_count > request.limit)
        abort();
    sl_kv_answer_done(&filled);
}

static void read_cursor(struct sl_bytes text)
{
    const struct sl_kv_request request = {
        .verb = SL_KV_KEYS, .cursor = text, .limit = 1};
    struct sl_buf out = SL_BUF(4 << 20);
    struct sl_error err;

    (void)!sl_kv_etcd_append_page(&out, &request, SL_LITERAL("p"), &err);
    sl_buf_done(&out);
}

static void deleted(void *context, struct sl_bytes key, int64_t revision)
{
    size_t *bytes = context;

    (void)revision;
    *bytes += key.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_json *json = NULL;
    struct sl_error err;
    bool unchanged, stale;
    size_t bytes = 0;

    if (size < 1)
        return 0;
    struct sl_bytes text = SL_BYTES(data + 1, size - 1);
    sl_etcd_explain(data[0] * 3, text, &unchanged, &stale, &err);
    if (memchr(err.message, '\n', strlen(err.message)) != NULL)
        abort();
    (void)!sl_etcd_watch_line(text, deleted, &bytes);
    read_cursor(text);
    if (sl_json_parse(text, &json, &err) == SL_OK)
        answer(data[0], json);
    sl_json_free(json);
    return 0;
}
