/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.etcd: one key of etcd per key.
 *
 * Plain reads, or plain writes, that follow each other go out as one
 * transaction; what has a condition is one by itself.  A version is the
 * revision in which the key was written last, which etcd uses only once.
 */
#include "kv/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "client/etcd/etcd.h"
#include "kv/etcd/message.h"

enum {
    /* Of a transaction; etcd's own limits, where they are not set, are 128 and
     * 1.5 MiB. */
    OPS_MAX = 120,
    WRITES_MAX = 1 << 20,
    OP_EXTRA = 128, /* bytes of an operation beside key and value */

    REQUEST_MAX = 400 << 20, /* bytes: the largest value in base64, and more */
    GROUP_ANSWER = 32 << 20,
    OTHER_ANSWER = 64 * 1024, /* bytes of an answer beside the value */
    PAGE_ANSWER = 16 << 20,
    CONTENDED_MS = 8, /* the longest pause of an increment that was too late */
};

static const struct sl_option option_table[] = {
    SL_ETCD_OPTIONS(
        "", "put in front of every key on the server; guests do not see it"),
    {0},
};

struct store {
    struct sl_etcd *etcd;
    struct sl_bytes prefix;
};

/* One connection. */
struct kv_etcd_conn {
    const struct store *store;
    struct sl_etcd_conn *etcd;
    struct sl_buf body; /* of the request */
    bool broken;
};

/* --- One request ---------------------------------------------------------- */

static size_t answer_max(const struct sl_op *op)
{
    const struct sl_kv_config *config = op->config;

    return (size_t)config->max_value / 3 * 4 + OTHER_ANSWER;
}

/* Send what stands in body. */
static enum sl_status call_etcd(struct kv_etcd_conn *conn, const char *path,
                                size_t answer_bytes, sl_deadline deadline,
                                struct sl_json **answer, bool *unchanged,
                                struct sl_error *err)
{
    const struct sl_etcd_call what = {.path = path,
                                      .body = sl_buf_bytes(&conn->body),
                                      .answer_max = answer_bytes,
                                      .deadline = deadline};
    enum sl_status status =
        sl_etcd_call(conn->etcd, &what, answer, unchanged, err);

    if (status == SL_UNAVAILABLE || status == SL_TIMEOUT)
        conn->broken = true;
    return status;
}

static void fail_op(struct sl_op *op, const struct sl_error *err,
                    bool unchanged)
{
    op->unsent = unchanged;
    op->full = sl_etcd_is_full(err);
    sl_op_fail(op, err);
}

/* What comes behind the one that has said why the connection is of no use. */
static void fail_unsent(struct sl_op *const ops[], size_t count)
{
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE, "etcd: the connection broke before");
    for (size_t i = 0; i < count; i++)
        fail_op(ops[i], &err, true);
}

static void not_understood(struct kv_etcd_conn *conn, struct sl_op *op)
{
    struct sl_error err;

    conn->broken = true;
    sl_fail(&err, SL_UNAVAILABLE, "etcd: unexpected reply");
    fail_op(op, &err, false);
}

/* --- Groups: plain operations in one transaction -------------------------- */

static bool is_write(const struct sl_op *op)
{
    uint32_t verb = sl_op_verb(op);

    return verb == SL_KV_SET || verb == SL_KV_DELETE;
}

static bool is_plain(const struct sl_op *op)
{
    uint32_t verb = sl_op_verb(op);

    return verb != SL_KV_KEYS && verb != SL_KV_INCREMENT &&
           sl_kv_request_of(op)->condition == SL_KV_ALWAYS;
}

/* etcd takes one write of a key in a transaction. */
static bool writes_again(struct sl_op *const ops[], size_t count,
                         const struct sl_op *op)
{
    for (size_t i = 0; i < count; i++)
        if (sl_bytes_equal(sl_kv_request_of(ops[i])->key,
                           sl_kv_request_of(op)->key))
            return true;
    return false;
}

/* How many of the ops, from the first on, are one group. */
static size_t group_of(struct sl_op *const ops[], size_t count)
{
    size_t bytes = 0, len;

    for (len = 0; len < count && len < OPS_MAX; len++) {
        const struct sl_kv_request *request = ops[len]->request;
        if (!is_plain(ops[len]) || is_write(ops[len]) != is_write(ops[0]) ||
            (is_write(ops[0]) && writes_again(ops, len, ops[len])))
            break;
        bytes += request->key.len + request->value.len + OP_EXTRA;
        if (len > 0 && bytes > WRITES_MAX)
            break;
    }
    return len;
}

static enum sl_status write_group(struct kv_etcd_conn *conn,
                                  struct sl_op *const ops[], size_t count,
                                  struct sl_error *err)
{
    struct sl_buf *body = &conn->body;

    sl_buf_clear(body);
    enum sl_status status =
        sl_buf_append(body, SL_LITERAL("{\"success\":["), err);
    for (size_t i = 0; i < count && status == SL_OK; i++) {
        if (i > 0)
            status = sl_buf_append(body, SL_LITERAL(","), err);
        if (status == SL_OK)
            status = sl_kv_etcd_append_op(body, ops[i]->request,
                                          conn->store->prefix, err);
    }
    return status == SL_OK ? sl_buf_append(body, SL_LITERAL("]}"), err)
                           : status;
}

/* Each is answered by itself where etcd refused the group, or its values are
 * more than one answer may hold: one may be to blame for all. */
static bool is_of_one(enum sl_status status, struct sl_op *const ops[],
                      bool unchanged)
{
    return status != SL_OK && status != SL_UNAVAILABLE &&
           status != SL_TIMEOUT && status != SL_UNAUTHENTICATED &&
           (unchanged || !is_write(ops[0]));
}

static void run_group(struct kv_etcd_conn *conn, struct sl_op *const ops[],
                      size_t count)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    size_t bytes = answer_max(ops[0]);
    struct sl_error err;
    bool unchanged = true;
    enum sl_status status = write_group(conn, ops, count, &err);

    if (count > 1 && bytes < GROUP_ANSWER)
        bytes = GROUP_ANSWER;
    if (status == SL_OK)
        status = call_etcd(conn, "kv/txn", bytes, ops[0]->deadline, &answer,
                           &unchanged, &err);
    if (count > 1 && is_of_one(status, ops, unchanged)) {
        size_t i = 0;
        while (i < count && !conn->broken)
            run_group(conn, ops + i++, 1);
        fail_unsent(ops + i, count - i);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (status != SL_OK)
            fail_op(ops[i], &err, unchanged);
        else if (!sl_kv_etcd_answer(ops[i], answer, i))
            not_understood(conn, ops[i]);
    }
}

/* --- By themselves -------------------------------------------------------- */

static void run_conditional(struct kv_etcd_conn *conn, struct sl_op *op)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    struct sl_error err;
    bool unchanged = true;

    sl_buf_clear(&conn->body);
    enum sl_status status = sl_kv_etcd_append_conditional(
        &conn->body, op->request, conn->store->prefix, &err);
    if (status == SL_OK)
        status = call_etcd(conn, "kv/txn", 0, op->deadline, &answer, &unchanged,
                           &err);
    if (status != SL_OK)
        fail_op(op, &err, unchanged);
    else if (!sl_kv_etcd_answer(op, answer, 0))
        not_understood(conn, op);
}

/* So that those who were all too late do not come all at once again. */
static void pause_a_little(void)
{
    struct timespec pause = {.tv_nsec =
                                 arc4random_uniform(CONTENDED_MS * 1000000)};

    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}

/* Write the sum where the key is as it was read.  *number is what it is
 * otherwise, and *done false. */
static enum sl_status replace_value(struct kv_etcd_conn *conn, struct sl_op *op,
                                    struct sl_kv_etcd_number *number,
                                    bool *done, struct sl_error *err)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    int64_t sum;

    op->unsent = true;
    if (__builtin_add_overflow(number->value, sl_kv_request_of(op)->delta,
                               &sum))
        return sl_fail(err, SL_INVALID_ARGUMENT, "the sum leaves the range");
    sl_buf_clear(&conn->body);
    enum sl_status status =
        sl_kv_etcd_append_replace(&conn->body, op->request, conn->store->prefix,
                                  number->revision, sum, err);
    if (status == SL_OK)
        status = call_etcd(conn, "kv/txn", answer_max(op), op->deadline,
                           &answer, &op->unsent, err);
    if (status != SL_OK)
        return status;
    *done = sl_json_true(answer, "succeeded");
    sl_kv_answer_of(op)->number = sum;
    const struct sl_json *response =
        sl_json_at(sl_json_get(answer, "responses"), 0);
    return *done ? SL_OK
                 : sl_kv_etcd_read_number(
                       sl_json_get(response, "response_range"), number, err);
}

static enum sl_status read_number(struct kv_etcd_conn *conn, struct sl_op *op,
                                  struct sl_kv_etcd_number *number,
                                  struct sl_error *err)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    bool unchanged;

    op->unsent = true; /* whatever happens to a read */
    enum sl_status status = sl_buf_append(&conn->body, SL_LITERAL("{"), err);
    if (status == SL_OK)
        status = sl_etcd_bytes(&conn->body, "key", conn->store->prefix,
                               sl_kv_request_of(op)->key, err);
    if (status == SL_OK)
        status = sl_buf_append(&conn->body, SL_LITERAL("}"), err);
    if (status == SL_OK)
        status = call_etcd(conn, "kv/range", answer_max(op), op->deadline,
                           &answer, &unchanged, err);
    return status == SL_OK ? sl_kv_etcd_read_number(answer, number, err)
                           : status;
}

/*
 * etcd adds nothing itself: read, and write where nobody has written since, as
 * one step of etcd's.  Whenever one is too late, another has gone on.
 */
static void run_increment(struct kv_etcd_conn *conn, struct sl_op *op)
{
    struct sl_kv_etcd_number number;
    struct sl_error err;
    bool done = false;

    sl_buf_clear(&conn->body);
    enum sl_status status = read_number(conn, op, &number, &err);
    while (status == SL_OK && !done) {
        status = replace_value(conn, op, &number, &done, &err);
        if (status == SL_OK && !done && sl_deadline_passed(op->deadline)) {
            status = sl_fail(&err, SL_TIMEOUT,
                             "etcd: others change the key all the time");
            op->unsent = true;
        } else if (!done && status == SL_OK) {
            pause_a_little();
        }
    }
    if (status != SL_OK)
        fail_op(op, &err, op->unsent);
}

static void run_keys(struct kv_etcd_conn *conn, struct sl_op *op)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    struct sl_error err;
    bool unchanged = true;

    sl_buf_clear(&conn->body);
    enum sl_status status = sl_kv_etcd_append_page(&conn->body, op->request,
                                                   conn->store->prefix, &err);
    if (status == SL_OK)
        status = call_etcd(conn, "kv/range", PAGE_ANSWER, op->deadline, &answer,
                           &unchanged, &err);
    if (status != SL_OK)
        fail_op(op, &err, unchanged);
    else if (!sl_kv_etcd_answer_page(op, answer, conn->store->prefix))
        not_understood(conn, op);
}

/* --- The driver ----------------------------------------------------------- */

static void run_one(struct kv_etcd_conn *conn, struct sl_op *op)
{
    if (sl_op_verb(op) == SL_KV_KEYS)
        run_keys(conn, op);
    else if (sl_op_verb(op) == SL_KV_INCREMENT)
        run_increment(conn, op);
    else
        run_conditional(conn, op);
}

static void etcd_run(void *data, struct sl_op *const ops[], size_t count)
{
    struct kv_etcd_conn *conn = data;
    size_t i = 0;

    while (i < count && !conn->broken) {
        size_t group = group_of(ops + i, count - i);
        if (group > 0)
            run_group(conn, ops + i, group);
        else
            run_one(conn, ops[i]);
        i += group > 0 ? group : 1;
    }
    fail_unsent(ops + i, count - i);
}

static enum sl_status etcd_open(void *data, sl_deadline deadline, void **out,
                                struct sl_error *err)
{
    const struct store *store = data;
    struct kv_etcd_conn *conn = sl_alloc(sizeof(*conn));

    conn->store = store;
    conn->body = (struct sl_buf)SL_BUF(REQUEST_MAX);
    enum sl_status status =
        sl_etcd_open(store->etcd, deadline, &conn->etcd, err);
    if (status != SL_OK) {
        free(conn);
        return status;
    }
    *out = conn;
    return SL_OK;
}

static void etcd_close(void *data)
{
    struct kv_etcd_conn *conn = data;

    sl_etcd_close(conn->etcd);
    sl_buf_done(&conn->body);
    free(conn);
}

static enum sl_status etcd_store_new(const void *data, void **out,
                                     struct sl_error *err)
{
    const struct sl_etcd_options *options = data;
    struct store *store = sl_alloc(sizeof(*store));
    enum sl_status status = sl_etcd_new(options, &store->etcd, err);

    if (status != SL_OK) {
        free(store);
        return status;
    }
    store->prefix = sl_bytes_of(options->prefix);
    *out = store;
    return SL_OK;
}

static void etcd_store_free(void *data)
{
    struct store *store = data;

    sl_etcd_free(store->etcd);
    free(store);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_kv_etcd = {
    .name = "kv.etcd",
    .service = "etcd 3.4 or newer",
    .summary = "keys of an etcd cluster, shared with every other client of it",
    .options = option_table,
    .options_size = sizeof(struct sl_etcd_options),
    .features = SL_KV_FEATURE_VERSION | SL_KV_FEATURE_ABSENT |
                SL_KV_FEATURE_INCREMENT | SL_KV_FEATURE_KEYS |
                SL_KV_FEATURE_DURABLE | SL_KV_FEATURE_SHARED |
                SL_KV_FEATURE_LINEARIZABLE,
    .max_batch = 1000,
    .risks = sl_etcd_risks,
    .store_new = etcd_store_new,
    .store_free = etcd_store_free,
    .open = etcd_open,
    .close = etcd_close,
    .run = etcd_run,
};
