/* SPDX-License-Identifier: Apache-2.0 */
#include "lockd/etcd/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 64 * 1024 };

/*
 * A request's JSON.  What is put together here is short, whatever the key; if
 * it were not, the first failure stays and nothing is sent.
 */
struct body {
    struct sl_buf json;
    enum sl_status status;
    struct sl_error err;
};

#define BODY {.json = SL_BUF(BODY_MAX)}

static void body_done(struct body *body)
{
    sl_buf_done(&body->json);
}

SL_PRINTF(2, 3) static void say(struct body *body, const char *fmt, ...)
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

/* `"key":…` of line and name. */
static void say_key(struct body *body, struct sl_bytes line, const char *name)
{
    if (body->status == SL_OK)
        body->status = sl_etcd_bytes(&body->json, "key", line,
                                     sl_bytes_of(name), &body->err);
}

static void say_line(struct body *body, struct sl_bytes line)
{
    const struct sl_bytes none = {0};

    if (body->status == SL_OK)
        body->status = sl_etcd_range(&body->json, line, none, none, &body->err);
}

static void say_own(struct body *body, struct sl_bytes line, const char *name)
{
    say(body, "{\"request_range\":{\"keys_only\":true,");
    say_key(body, line, name);
    say(body, "}}");
}

static void say_put(struct body *body, struct sl_bytes line, const char *name,
                    int64_t lease)
{
    say(body, "{\"request_put\":{");
    say_key(body, line, name);
    say(body, ",\"lease\":\"%" PRId64 "\"}}", lease);
}

static enum sl_status ask(struct sl_etcd_lock_call *call, const char *path,
                          const struct body *body, struct sl_json **answer,
                          struct sl_error *err)
{
    const struct sl_etcd_call what = {.path = path,
                                      .body = sl_buf_bytes(&body->json),
                                      .deadline = call->deadline};

    call->unchanged = true;
    if (body->status != SL_OK)
        return sl_fail(err, body->status, "%s", body->err.message);
    return sl_etcd_call(call->conn, &what, answer, &call->unchanged, err);
}

enum sl_status sl_etcd_lock_line(struct sl_buf *out, struct sl_bytes prefix,
                                 struct sl_bytes lock, struct sl_error *err)
{
    enum sl_status status = sl_buf_append(out, prefix, err);

    /* Or else the line of "a" had that of "a/b" in it. */
    for (size_t i = 0; i < lock.len && status == SL_OK; i++)
        status = lock.ptr[i] == '/' || lock.ptr[i] == '%'
                     ? sl_buf_printf(out, err, "%%%02X", lock.ptr[i])
                     : sl_buf_append(out, SL_BYTES(lock.ptr + i, 1), err);
    return status == SL_OK ? sl_buf_append(out, SL_LITERAL("/"), err) : status;
}

/* --- Leases --------------------------------------------------------------- */

enum sl_status sl_etcd_lease_grant(struct sl_etcd_lock_call *call,
                                   int64_t *lease, int64_t *lease_ms,
                                   struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"TTL\":\"%" PRId64 "\"}", (*lease_ms + 999) / 1000);
    enum sl_status status = ask(call, "lease/grant", &body, &answer, err);
    if (status != SL_OK)
        return status;
    int64_t id = sl_json_integer(answer, "ID");
    int64_t seconds = sl_json_integer(answer, "TTL");
    if (id == 0 || seconds < *lease_ms / 1000 || seconds > INT32_MAX)
        return sl_fail(err, SL_UNAVAILABLE,
                       "etcd: not the lease that was asked for");
    *lease = id;
    *lease_ms = seconds * 1000;
    return SL_OK;
}

enum sl_status sl_etcd_lease_keep(struct sl_etcd_lock_call *call, int64_t lease,
                                  struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"ID\":\"%" PRId64 "\"}", lease);
    enum sl_status status = ask(call, "lease/keepalive", &body, &answer, err);
    if (status == SL_OK &&
        sl_json_integer(sl_json_get(answer, "result"), "TTL") < 1)
        status = sl_fail(err, SL_NOT_FOUND, "the lease is over");
    return status;
}

enum sl_status sl_etcd_lease_revoke(struct sl_etcd_lock_call *call,
                                    int64_t lease, struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"ID\":\"%" PRId64 "\"}", lease);
    return ask(call, "lease/revoke", &body, &answer, err);
}

/* --- The line ------------------------------------------------------------- */

/* The first key of the index-th response of a transaction, or NULL. */
static const struct sl_json *first_key(const struct sl_json *txn, size_t index)
{
    const struct sl_json *response =
        sl_json_at(sl_json_get(txn, "responses"), index);

    return sl_json_at(
        sl_json_get(sl_json_get(response, "response_range"), "kvs"), 0);
}

enum sl_status sl_etcd_lock_enter(struct sl_etcd_lock_call *call,
                                  struct sl_bytes line, const char *name,
                                  int64_t lease, bool behind, int64_t *revision,
                                  bool *first, struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"compare\":[{\"target\":\"CREATE\",\"result\":\"EQUAL\","
               "\"create_revision\":\"0\",");
    say_line(&body, line);
    say(&body, "}],\"success\":[");
    say_own(&body, line, name); /* both begin with a range */
    say(&body, ",");
    say_put(&body, line, name, lease);
    say(&body, ",");
    say_own(&body, line, name);
    say(&body, "],\"failure\":[");
    say_own(&body, line, name);
    if (behind) {
        say(&body, ",");
        say_put(&body, line, name, lease);
        say(&body, ",");
        say_own(&body, line, name);
    }
    say(&body, "]}");
    enum sl_status status = ask(call, "kv/txn", &body, &answer, err);
    if (status != SL_OK)
        return status;
    /* The last is what is true now; a try before this one may have made it. */
    const struct sl_json *own = first_key(answer, 2);
    if (own == NULL)
        own = first_key(answer, 0);
    *first = sl_json_true(answer, "succeeded");
    *revision = sl_json_integer(own, "create_revision");
    if (*revision < 1 && (*first || behind))
        return sl_fail(err, SL_UNAVAILABLE,
                       "etcd: the server does not answer the question");
    return SL_OK;
}

enum sl_status sl_etcd_lock_look(struct sl_etcd_lock_call *call,
                                 struct sl_bytes line, const char *name,
                                 int64_t revision, struct sl_buf *before,
                                 int64_t *seen, struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"success\":[");
    say_own(&body, line, name);
    say(&body,
        ",{\"request_range\":{\"keys_only\":true,\"limit\":\"1\","
        "\"sort_order\":\"DESCEND\",\"sort_target\":\"CREATE\","
        "\"max_create_revision\":\"%" PRId64 "\",",
        revision - 1);
    say_line(&body, line);
    say(&body, "}}]}");
    enum sl_status status = ask(call, "kv/txn", &body, &answer, err);
    if (status != SL_OK)
        return status;
    if (sl_json_integer(first_key(answer, 0), "create_revision") != revision)
        return sl_fail(err, SL_NOT_FOUND, "the place in the line was lost");
    *seen = sl_etcd_revision(answer);
    const struct sl_json *other = first_key(answer, 1);
    sl_buf_clear(before);
    return other == NULL ? SL_OK : sl_json_base64(other, "key", before, err);
}

enum sl_status sl_etcd_lock_lease(struct sl_etcd_lock_call *call,
                                  struct sl_bytes line, const char *name,
                                  int64_t revision, int64_t lease,
                                  struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"compare\":[{\"target\":\"CREATE\",\"result\":\"EQUAL\",");
    say_key(&body, line, name);
    say(&body, ",\"create_revision\":\"%" PRId64 "\"}],\"success\":[",
        revision);
    say_put(&body, line, name, lease);
    say(&body, "]}");
    enum sl_status status = ask(call, "kv/txn", &body, &answer, err);
    if (status == SL_OK && !sl_json_true(answer, "succeeded"))
        status = sl_fail(err, SL_NOT_FOUND, "the place in the line was lost");
    return status;
}

enum sl_status sl_etcd_lock_check(struct sl_etcd_lock_call *call,
                                  struct sl_bytes line, const char *name,
                                  int64_t revision, struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"keys_only\":true,");
    say_key(&body, line, name);
    say(&body, "}");
    enum sl_status status = ask(call, "kv/range", &body, &answer, err);
    if (status == SL_OK &&
        sl_json_integer(sl_json_at(sl_json_get(answer, "kvs"), 0),
                        "create_revision") != revision)
        status = sl_fail(err, SL_NOT_FOUND, "the key is not there any more");
    return status;
}

enum sl_status sl_etcd_lock_any(struct sl_etcd_lock_call *call,
                                struct sl_bytes line, bool *any,
                                struct sl_error *err)
{
    SL_CLEANUP(body_done) struct body body = BODY;
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;

    say(&body, "{\"count_only\":true,");
    say_line(&body, line);
    say(&body, "}");
    enum sl_status status = ask(call, "kv/range", &body, &answer, err);
    if (status == SL_OK)
        *any = sl_json_integer(answer, "count") > 0;
    return status;
}
