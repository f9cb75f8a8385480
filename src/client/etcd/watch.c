/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch: one request with an endless answer, whose lines of JSON have one or
 * more events each.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/etcd/internal.h"

enum {
    LINE_MAX_BYTES = 8 << 20, /* etcd splits larger messages */
    BODY_MAX = 8192,
    KEY_MAX = 64 * 1024,
};

struct sl_etcd_watch {
    struct sl_http_stream *stream;
    struct sl_etcd_post post;
    struct sl_buf body;
    struct sl_buf line; /* the part of the last line that has arrived */
    sl_etcd_deleted_fn *deleted;
    void *context;
};

static void report_event(const struct sl_json *event,
                         sl_etcd_deleted_fn *deleted, void *context)
{
    const struct sl_json *kv = sl_json_get(event, "kv");
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(KEY_MAX);

    if (sl_bytes_equal(sl_json_text(event, "type"), SL_LITERAL("DELETE")) &&
        sl_json_base64(kv, "key", &key, NULL) == SL_OK)
        deleted(context, sl_buf_bytes(&key),
                sl_json_integer(kv, "mod_revision"));
}

bool sl_etcd_watch_line(struct sl_bytes line, sl_etcd_deleted_fn *deleted,
                        void *context)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *json = NULL;

    if (sl_json_parse(line, &json, NULL) != SL_OK)
        return false;
    const struct sl_json *result = sl_json_get(json, "result");
    const struct sl_json *events = sl_json_get(result, "events");
    if (result == NULL || sl_json_true(result, "canceled"))
        return false;
    for (size_t i = 0; i < sl_json_count(events); i++)
        report_event(sl_json_at(events, i), deleted, context);
    return true;
}

static enum sl_status append_part(void *context, struct sl_bytes part,
                                  struct sl_error *err)
{
    struct sl_etcd_watch *watch = context;

    while (part.len > 0) {
        const uint8_t *end = memchr(part.ptr, '\n', part.len);
        size_t len = end == NULL ? part.len : (size_t)(end - part.ptr) + 1;
        enum sl_status status =
            sl_buf_append(&watch->line, SL_BYTES(part.ptr, len), err);
        if (status != SL_OK)
            return status;
        part = SL_BYTES(part.ptr + len, part.len - len);
        if (end == NULL)
            break;
        if (!sl_etcd_watch_line(sl_buf_bytes(&watch->line), watch->deleted,
                                watch->context))
            return sl_fail(err, SL_UNAVAILABLE, "etcd: the watch has ended");
        sl_buf_clear(&watch->line);
    }
    return SL_OK;
}

static enum sl_status write_request(struct sl_buf *body, struct sl_bytes prefix,
                                    int64_t revision)
{
    const struct sl_bytes none = {0};
    enum sl_status status =
        sl_buf_append(body, SL_LITERAL("{\"create_request\":{"), NULL);

    if (status == SL_OK)
        status = sl_etcd_range(body, prefix, none, none, NULL);
    return status == SL_OK
               ? sl_buf_printf(body, NULL,
                               ",\"filters\":[\"NOPUT\"],\"start_revision\":"
                               "\"%" PRId64 "\"}}",
                               revision)
               : status;
}

struct sl_etcd_watch *
sl_etcd_watch_new(struct sl_etcd_conn *conn, struct sl_bytes prefix,
                  int64_t revision, sl_etcd_deleted_fn *deleted, void *context)
{
    struct sl_etcd_watch *watch = sl_alloc(sizeof(*watch));
    SL_CLEANUP(sl_freep) char *token = sl_etcd_token(conn);

    watch->deleted = deleted;
    watch->context = context;
    watch->line = (struct sl_buf)SL_BUF(LINE_MAX_BYTES);
    watch->body = (struct sl_buf)SL_BUF(BODY_MAX);
    watch->post = sl_etcd_post_new(conn, "watch", token);
    /* A prefix is short (sl_etcd_check_prefix). */
    if (write_request(&watch->body, prefix, revision) != SL_OK)
        sl_buf_clear(&watch->body);
    const struct sl_http_request request = sl_etcd_post_request(
        &watch->post, sl_buf_bytes(&watch->body), SL_NEVER);
    watch->stream = sl_http_stream_new(sl_etcd_http_config(conn), &request,
                                       append_part, watch);
    return watch;
}

enum sl_status sl_etcd_watch_poll(struct sl_etcd_watch *watch,
                                  struct sl_error *err)
{
    int code = 0;
    enum sl_status status = sl_http_stream_poll(watch->stream, &code, err);

    if (status == SL_OK && code != 0 && code != 200)
        return sl_fail(err, SL_UNAVAILABLE, "etcd: the watch failed: HTTP %d",
                       code);
    return status;
}

void sl_etcd_watch_free(struct sl_etcd_watch *watch)
{
    if (watch == NULL)
        return;
    sl_http_stream_free(watch->stream);
    sl_etcd_post_done(&watch->post);
    sl_buf_done(&watch->body);
    sl_buf_done(&watch->line);
    free(watch);
}
