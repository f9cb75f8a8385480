/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and ranges of etcd, as JSON. */
#include "kv/etcd/message.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/etcd/etcd.h"
#include "net/base64.h"

static const struct sl_bytes none;

static const char mark = 'k'; /* of a cursor */

static enum sl_status append_text(struct sl_buf *out, const char *text,
                                  enum sl_status status, struct sl_error *err)
{
    return status == SL_OK ? sl_buf_append(out, sl_bytes_of(text), err)
                           : status;
}

static enum sl_status append_key(struct sl_buf *out,
                                 const struct sl_kv_request *request,
                                 struct sl_bytes prefix, enum sl_status status,
                                 struct sl_error *err)
{
    return status == SL_OK
               ? sl_etcd_bytes(out, "key", prefix, request->key, err)
               : status;
}

/* --- Operations ----------------------------------------------------------- */

enum sl_status sl_kv_etcd_append_op(struct sl_buf *out,
                                    const struct sl_kv_request *request,
                                    struct sl_bytes prefix,
                                    struct sl_error *err)
{
    static const char *const begins[] = {
        [SL_KV_GET] = "{\"request_range\":{",
        [SL_KV_EXISTS] = "{\"request_range\":{\"count_only\":true,",
        [SL_KV_SET] = "{\"request_put\":{",
        [SL_KV_DELETE] = "{\"request_delete_range\":{",
    };
    enum sl_status status = append_text(out, begins[request->verb], SL_OK, err);

    status = append_key(out, request, prefix, status, err);
    if (request->verb == SL_KV_SET) {
        status = append_text(out, ",", status, err);
        if (status == SL_OK)
            status = sl_etcd_bytes(out, "value", none, request->value, err);
    }
    return append_text(out, "}}", status, err);
}

/* "MOD": the key's revision; of no key it is 0. */
static enum sl_status append_compare(struct sl_buf *out,
                                     const struct sl_kv_request *request,
                                     struct sl_bytes prefix, int64_t revision,
                                     struct sl_error *err)
{
    enum sl_status status = append_text(
        out, "{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",", SL_OK,
        err);

    status = append_key(out, request, prefix, status, err);
    return status == SL_OK ? sl_buf_printf(out, err,
                                           ",\"mod_revision\":\"%" PRId64
                                           "\"}],\"success\":[",
                                           revision)
                           : status;
}

enum sl_status
sl_kv_etcd_append_conditional(struct sl_buf *out,
                              const struct sl_kv_request *request,
                              struct sl_bytes prefix, struct sl_error *err)
{
    int64_t revision = 0;

    if (request->condition == SL_KV_VERSION &&
        (!sl_bytes_to_integer(request->version, &revision) || revision < 1))
        return sl_fail(err, SL_CONFLICT, "the key is not in this version");
    enum sl_status status = append_compare(out, request, prefix, revision, err);
    if (status == SL_OK)
        status = sl_kv_etcd_append_op(out, request, prefix, err);
    return append_text(out, "]}", status, err);
}

/* --- Answers -------------------------------------------------------------- */

static bool answer_range(struct sl_op *op, const struct sl_json *range)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    const struct sl_json *kv = sl_json_at(sl_json_get(range, "kvs"), 0);
    size_t len = sl_json_text(kv, "value").len / 4 * 3;
    SL_CLEANUP(sl_buf_done) struct sl_buf value = SL_BUF(len + 1);

    if (range == NULL)
        return false;
    if (request->verb == SL_KV_EXISTS) {
        answer->found = sl_json_integer(range, "count") > 0;
        return true;
    }
    if (kv == NULL)
        return true;
    if (sl_json_base64(kv, "value", &value, NULL) != SL_OK)
        return false;
    if (!sl_kv_op_take_budget(op, value.len))
        return true;
    if (request->want_version)
        snprintf(answer->version, sizeof(answer->version), "%" PRId64,
                 sl_json_integer(kv, "mod_revision"));
    answer->found = true;
    sl_held_take_buf(&answer->value, &value);
    return true;
}

bool sl_kv_etcd_answer(struct sl_op *op, const struct sl_json *txn,
                       size_t index)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    const struct sl_json *response =
        sl_json_at(sl_json_get(txn, "responses"), index);
    const struct sl_json *part;

    if (request->condition != SL_KV_ALWAYS && !sl_json_true(txn, "succeeded")) {
        if (request->condition == SL_KV_ABSENT)
            sl_fail(&answer->err, SL_ALREADY_EXISTS, "the key exists");
        else
            sl_fail(&answer->err, SL_CONFLICT,
                    "the key is not in this version");
        return true;
    }
    switch (request->verb) {
    case SL_KV_GET:
    case SL_KV_EXISTS:
        return answer_range(op, sl_json_get(response, "response_range"));
    case SL_KV_SET:
        snprintf(answer->version, sizeof(answer->version), "%" PRId64,
                 sl_etcd_revision(txn));
        return sl_json_get(response, "response_put") != NULL;
    case SL_KV_DELETE:
        part = sl_json_get(response, "response_delete_range");
        answer->found = sl_json_integer(part, "deleted") > 0;
        return part != NULL;
    default:
        return false;
    }
}

/* --- Numbers -------------------------------------------------------------- */

enum sl_status sl_kv_etcd_append_replace(struct sl_buf *out,
                                         const struct sl_kv_request *request,
                                         struct sl_bytes prefix,
                                         int64_t revision, int64_t sum,
                                         struct sl_error *err)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, sum);
    enum sl_status status = append_compare(out, request, prefix, revision, err);

    status = append_text(out, "{\"request_put\":{", status, err);
    status = append_key(out, request, prefix, status, err);
    status = append_text(out, ",", status, err);
    if (status == SL_OK)
        status = sl_etcd_bytes(out, "value", none,
                               SL_BYTES(digits, (size_t)len), err);
    /* A time to live that it has, from wherever, stays. */
    if (revision != 0)
        status = append_text(out, ",\"ignore_lease\":true", status, err);
    status =
        append_text(out, "}}],\"failure\":[{\"request_range\":{", status, err);
    status = append_key(out, request, prefix, status, err);
    return append_text(out, "}}]}", status, err);
}

enum sl_status sl_kv_etcd_read_number(const struct sl_json *range,
                                      struct sl_kv_etcd_number *out,
                                      struct sl_error *err)
{
    enum { DIGITS_MAX = 24 };
    const struct sl_json *kv = sl_json_at(sl_json_get(range, "kvs"), 0);
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(DIGITS_MAX);
    int64_t value = 0;

    if (kv != NULL && (sl_json_base64(kv, "value", &text, NULL) != SL_OK ||
                       !sl_bytes_to_integer(sl_buf_bytes(&text), &value)))
        return sl_fail(err, SL_INVALID_ARGUMENT, "the value is no integer");
    out->value = value;
    out->revision = sl_json_integer(kv, "mod_revision");
    return SL_OK;
}

/* --- Pages ---------------------------------------------------------------- */

/* The page's last key behind the prefix, which may be one that no guest can
 * name: mark and base64. */
static enum sl_status write_cursor(struct sl_buf *out, struct sl_bytes last,
                                   struct sl_error *err)
{
    enum sl_status status = sl_buf_append(out, SL_BYTES(&mark, 1), err);

    return status == SL_OK ? sl_base64_append(out, last, err) : status;
}

static enum sl_status read_cursor(const struct sl_kv_request *request,
                                  struct sl_buf *last, struct sl_error *err)
{
    struct sl_bytes text = request->cursor;

    if (text.len < 2 || text.ptr[0] != (uint8_t)mark ||
        sl_base64_decode(SL_BYTES(text.ptr + 1, text.len - 1), last, NULL) !=
            SL_OK ||
        !sl_bytes_start_with(sl_buf_bytes(last), request->key))
        return sl_fail(err, SL_INVALID_ARGUMENT, "invalid cursor");
    return SL_OK;
}

enum sl_status sl_kv_etcd_append_page(struct sl_buf *out,
                                      const struct sl_kv_request *request,
                                      struct sl_bytes prefix,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf last = SL_BUF(SL_KV_CURSOR_MAX);
    SL_CLEANUP(sl_buf_done)
    struct sl_buf after = SL_BUF(prefix.len + SL_KV_CURSOR_MAX);
    enum sl_status status = append_text(out, "{", SL_OK, err);

    if (status == SL_OK && request->cursor.len > 0) {
        status = read_cursor(request, &last, err);
        if (status == SL_OK)
            status = sl_buf_append(&after, prefix, err);
        if (status == SL_OK)
            status = sl_buf_append(&after, sl_buf_bytes(&last), err);
    }
    if (status == SL_OK)
        status =
            sl_etcd_range(out, prefix, request->key, sl_buf_bytes(&after), err);
    return status == SL_OK
               ? sl_buf_printf(out, err,
                               ",\"keys_only\":true,\"limit\":\"%" PRIu32 "\"}",
                               request->limit)
               : status;
}

/* Others may have written keys that no guest can name. */
static enum sl_status add_key(struct sl_kv_answer *answer, struct sl_bytes key)
{
    if (key.len == 0 || key.len > SL_KV_KEY_MAX || !sl_bytes_are_text(key))
        return SL_OK;
    enum sl_status status = sl_buf_append(&answer->keys, key, &answer->err);
    if (status == SL_OK)
        status = sl_buf_append(&answer->keys, SL_BYTES("", 1), &answer->err);
    if (status == SL_OK)
        answer->key_count++;
    return status;
}

bool sl_kv_etcd_answer_page(struct sl_op *op, const struct sl_json *range,
                            struct sl_bytes prefix)
{
    struct sl_kv_answer *answer = op->answer;
    const struct sl_json *kvs = sl_json_get(range, "kvs");
    SL_CLEANUP(sl_buf_done)
    struct sl_buf key = SL_BUF(prefix.len + SL_KV_CURSOR_MAX / 2);
    struct sl_bytes own = {0};

    if (sl_json_count(kvs) > sl_kv_request_of(op)->limit)
        return false;
    for (size_t i = 0; i < sl_json_count(kvs); i++) {
        sl_buf_clear(&key);
        if (sl_json_base64(sl_json_at(kvs, i), "key", &key, NULL) != SL_OK ||
            !sl_bytes_start_with(sl_buf_bytes(&key), prefix))
            return false;
        own = SL_BYTES(key.ptr + prefix.len, key.len - prefix.len);
        if (add_key(answer, own) != SL_OK)
            return true;
    }
    if (sl_json_true(range, "more") && own.len > 0)
        (void)!write_cursor(&answer->next, own, &answer->err);
    return true;
}
