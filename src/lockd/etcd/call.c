/* SPDX-License-Identifier: Apache-2.0 */
#include "lockd/etcd/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 64 * 1024 };

/*
 * The JSON of a request.  It is short, whatever the key.  The first failure is
 * kept, and then nothing is sent.
 */
struct body {
    struct sl_buf json;
    enum sl_status status;
    struct sl_error err;
};

#define BODY {.json = SL_BUF(BODY_MAX)}

static void free_body(struct body *body)
{
    sl_buf_done(&body->json);
}

SL_PRINTF(2, 3) static void append_json(struct body *body, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (body->status == SL_OK)
        body->status =
            sl_buf_append(&body->json, SL_BYTES(text, (size_t)len), &body->err);
}

/* `"key":…` of prefix and name. */
static void append_lock_key(struct body *body, struct sl_bytes prefix,
                            const char *name)
{
    if (body->status == SL_OK)
        body->status = sl_etcd_bytes(&body->json, "key", prefix,
                                     sl_bytes_of(name), &body->err);
}

static void append_range(struct body *body, struct sl_bytes prefix)
{
    const struct sl_bytes none = {0};

    if (body->status == SL_OK)
        body->status =
            sl_etcd_range(&body->json, prefix, none, none, &body->err);
}

static void append_own_range(struct body *body, struct sl_bytes prefix,
                             const char *name)
{
    append_json(body, "{\"request_range\":{\"keys_only\":true,");
    append_lock_key(body, prefix, name);
    append_json(body, "}}");
}

static void append_put(struct body *body, struct sl_bytes prefix,
                       const char *name, int64_t lease)
{
    append_json(body, "{\"request_put\":{");
    append_lock_key(body, prefix, name);
    append_json(body, ",\"lease\":\"%" PRId64 "\"}}", lease);
}

static enum sl_status post_request(struct sl_lockd_etcd_call *call,
                                   const char *path, const struct body *body,
                                   struct sl_json **answer,
                                   struct sl_error *err)
{
    const struct sl_etcd_call request = {.path = path,
                                         .body = sl_buf_bytes(&body->json),
                                         .deadline = call->deadline};

    call->unchanged = true;
    if (body->status != SL_OK)
        return sl_fail(err, body->status, "%s", body->err.message);
    return sl_etcd_call(call->conn, &request, answer, &call->unchanged, err);
}

enum sl_status sl_lockd_etcd_queue_prefix(struct sl_buf *out,
                                          struct sl_bytes prefix,
                                          struct sl_bytes lock,
                                          struct sl_error *err)
{
    enum sl_status status = sl_buf_append(out, prefix, err);

    /* Escaped, or the queue of "a" would contain that of "a/b". */
    for (size_t i = 0; i < lock.len && status == SL_OK; i++)
        status = lock.ptr[i] == '/' || lock.ptr[i] == '%'
                     ? sl_buf_printf(out, err, "%%%02X", lock.ptr[i])
                     : sl_buf_append(out, SL_BYTES(lock.ptr + i, 1), err);
    return status == SL_OK ? sl_buf_append(out, SL_LITERAL("/"), err) : status;
}

/* --- Leases --------------------------------------------------------------- */

enum sl_status sl_lockd_etcd_lease_grant(struct sl_lockd_etcd_call *call,
                                         int64_t *lease, int64_t *lease_ms,
                                         struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"TTL\":\"%" PRId64 "\"}", (*lease_ms + 999) / 1000);
    enum sl_status status =
        post_request(call, "lease/grant", &body, &answer, err);
    if (status != SL_OK)
        return status;
    int64_t id = sl_json_integer(answer, "ID");
    int64_t seconds = sl_json_integer(answer, "TTL");
    if (id == 0 || seconds < *lease_ms / 1000 || seconds > INT32_MAX)
        return sl_fail(err, SL_UNAVAILABLE,
                       "etcd: the server granted another lease than requested");
    *lease = id;
    *lease_ms = seconds * 1000;
    return SL_OK;
}

enum sl_status sl_lockd_etcd_lease_keep_alive(struct sl_lockd_etcd_call *call,
                                              int64_t lease,
                                              struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"ID\":\"%" PRId64 "\"}", lease);
    enum sl_status status =
        post_request(call, "lease/keepalive", &body, &answer, err);
    if (status == SL_OK &&
        sl_json_integer(sl_json_get(answer, "result"), "TTL") < 1)
        status = sl_fail(err, SL_NOT_FOUND, "the lease has expired");
    return status;
}

enum sl_status sl_lockd_etcd_lease_revoke(struct sl_lockd_etcd_call *call,
                                          int64_t lease, struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"ID\":\"%" PRId64 "\"}", lease);
    return post_request(call, "lease/revoke", &body, &answer, err);
}

/* --- The queue ---------------------------------------------------------- */

/* The first key of the index-th response of a transaction, or NULL. */
static const struct sl_json *first_key(const struct sl_json *txn, size_t index)
{
    const struct sl_json *response =
        sl_json_at(sl_json_get(txn, "responses"), index);

    return sl_json_at(
        sl_json_get(sl_json_get(response, "response_range"), "kvs"), 0);
}

enum sl_status sl_lockd_etcd_enqueue(struct sl_lockd_etcd_call *call,
                                     struct sl_bytes prefix, const char *name,
                                     int64_t lease, bool behind,
                                     int64_t *revision, bool *first,
                                     struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body,
                "{\"compare\":[{\"target\":\"CREATE\",\"result\":\"EQUAL\","
                "\"create_revision\":\"0\",");
    append_range(&body, prefix);
    append_json(&body, "}],\"success\":[");
    append_own_range(&body, prefix,
                     name); /* both branches begin with a range */
    append_json(&body, ",");
    append_put(&body, prefix, name, lease);
    append_json(&body, ",");
    append_own_range(&body, prefix, name);
    append_json(&body, "],\"failure\":[");
    append_own_range(&body, prefix, name);
    if (behind) {
        append_json(&body, ",");
        append_put(&body, prefix, name, lease);
        append_json(&body, ",");
        append_own_range(&body, prefix, name);
    }
    append_json(&body, "]}");
    enum sl_status status = post_request(call, "kv/txn", &body, &answer, err);
    if (status != SL_OK)
        return status;
    /* The last response is the current state; an earlier attempt may have
     * created the key. */
    const struct sl_json *own = first_key(answer, 2);
    if (own == NULL)
        own = first_key(answer, 0);
    *first = sl_json_true(answer, "succeeded");
    *revision = sl_json_integer(own, "create_revision");
    if (*revision < 1 && (*first || behind))
        return sl_fail(err, SL_UNAVAILABLE, "etcd: unexpected response");
    return SL_OK;
}

enum sl_status
sl_lockd_etcd_find_predecessor(struct sl_lockd_etcd_call *call,
                               struct sl_bytes prefix, const char *name,
                               int64_t revision, struct sl_buf *before,
                               int64_t *seen, struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"success\":[");
    append_own_range(&body, prefix, name);
    append_json(&body,
                ",{\"request_range\":{\"keys_only\":true,\"limit\":\"1\","
                "\"sort_order\":\"DESCEND\",\"sort_target\":\"CREATE\","
                "\"max_create_revision\":\"%" PRId64 "\",",
                revision - 1);
    append_range(&body, prefix);
    append_json(&body, "}}]}");
    enum sl_status status = post_request(call, "kv/txn", &body, &answer, err);
    if (status != SL_OK)
        return status;
    if (sl_json_integer(first_key(answer, 0), "create_revision") != revision)
        return sl_fail(err, SL_NOT_FOUND,
                       "the waiter's key does not exist any more");
    *seen = sl_etcd_revision(answer);
    const struct sl_json *other = first_key(answer, 1);
    sl_buf_clear(before);
    return other == NULL ? SL_OK : sl_json_base64(other, "key", before, err);
}

enum sl_status sl_lockd_etcd_set_lease(struct sl_lockd_etcd_call *call,
                                       struct sl_bytes prefix, const char *name,
                                       int64_t revision, int64_t lease,
                                       struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body,
                "{\"compare\":[{\"target\":\"CREATE\",\"result\":\"EQUAL\",");
    append_lock_key(&body, prefix, name);
    append_json(&body, ",\"create_revision\":\"%" PRId64 "\"}],\"success\":[",
                revision);
    append_put(&body, prefix, name, lease);
    append_json(&body, "]}");
    enum sl_status status = post_request(call, "kv/txn", &body, &answer, err);
    if (status == SL_OK && !sl_json_true(answer, "succeeded"))
        status = sl_fail(err, SL_NOT_FOUND,
                         "the waiter's key does not exist any more");
    return status;
}

enum sl_status sl_lockd_etcd_check_key(struct sl_lockd_etcd_call *call,
                                       struct sl_bytes prefix, const char *name,
                                       int64_t revision, struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"keys_only\":true,");
    append_lock_key(&body, prefix, name);
    append_json(&body, "}");
    enum sl_status status = post_request(call, "kv/range", &body, &answer, err);
    if (status == SL_OK &&
        sl_json_integer(sl_json_at(sl_json_get(answer, "kvs"), 0),
                        "create_revision") != revision)
        status = sl_fail(err, SL_NOT_FOUND, "the key does not exist any more");
    return status;
}

enum sl_status sl_lockd_etcd_is_locked(struct sl_lockd_etcd_call *call,
                                       struct sl_bytes prefix, bool *any,
                                       struct sl_error *err)
{
    SL_CLEANUP(free_body) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    append_json(&body, "{\"count_only\":true,");
    append_range(&body, prefix);
    append_json(&body, "}");
    enum sl_status status = post_request(call, "kv/range", &body, &answer, err);
    if (status == SL_OK)
        *any = sl_json_integer(answer, "count") > 0;
    return status;
}
