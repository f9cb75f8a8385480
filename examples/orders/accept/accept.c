/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts orders: an HTTP handler that puts them into a queue.
 *
 *     PUT /orders/ID    order the item in the body; 202 once it is durable
 *     GET /orders/ID    "billed ITEM" or "shipped ITEM"; 404 until it is billed
 *
 * A client that gets no answer may send the order again with the same ID: it is
 * billed and shipped once.
 */
#include <stdio.h>

#include "http_reply.h"

enum { ID_MAX = 36, ITEM_MAX = 1000 };

typedef wasi_http_types_own_response_outparam_t response_t;

/* 503 tells the client that a repeat may succeed. */
static void reply_error(response_t out, slight_types_errors_error_t *error)
{
    http_reply(out, error->retryable ? 503 : 500, "text/plain; charset=utf-8",
               error->message.ptr, error->message.len);
    slight_types_errors_error_free(error);
}

static void accept_order(response_t out, const char *id,
                         wasi_http_types_borrow_incoming_request_t request)
{
    slight_mq_queue_own_queue_t queue;
    slight_types_errors_error_t error;
    http_string_t name, message_id;
    http_list_u8_t item;

    if (!http_body(request, ITEM_MAX, &item) || item.len == 0) {
        http_reply_text(out, 400,
                        "the body says what is ordered, in 1 to 1000 "
                        "bytes\n");
        return;
    }
    http_tuple2_string_string_t attribute;
    http_string_set(&attribute.f0, "order");
    http_string_set(&attribute.f1, id);
    slight_mq_types_outgoing_t order = {
        .payload = {item.ptr, item.len},
        .attributes = {&attribute, 1},
    };
    http_string_set(&name, "incoming");
    if (!slight_mq_queue_static_queue_open(&name, &queue, &error) ||
        !slight_mq_queue_method_queue_send(slight_mq_queue_borrow_queue(queue),
                                           &order, &message_id, &error))
        reply_error(out, &error);
    else
        http_reply_text(out, 202, "accepted\n");
}

/*
 * Set *shipped to whether the order has been shipped.  On failure, answer the
 * request and return false.
 */
static bool is_shipped(response_t out, const char *id, bool *shipped)
{
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    http_string_t name, key;
    char text[ID_MAX + 8];

    snprintf(text, sizeof(text), "order/%s", id);
    http_string_set(&name, "shipped");
    http_string_set(&key, text);
    if (slight_kv_store_static_bucket_open(&name, &bucket, &error) &&
        slight_kv_store_method_bucket_exists(
            slight_kv_store_borrow_bucket(bucket), &key, shipped, &error))
        return true;
    reply_error(out, &error);
    return false;
}

/* The same table as in bill/src/lib.rs. */
static const char table[] =
    "CREATE TABLE IF NOT EXISTS orders "
    "(id VARCHAR(36) PRIMARY KEY, item VARCHAR(1000) NOT NULL)";

static bool make_table(slight_sql_database_borrow_connection_t database,
                       slight_types_errors_error_t *error)
{
    slight_sql_database_list_value_t none = {0};
    slight_sql_database_done_t done;
    http_string_t statement;

    http_string_set(&statement, table);
    return slight_sql_database_method_connection_execute(database, &statement,
                                                         &none, &done, error);
}

static void show_order(response_t out, const char *id)
{
    slight_sql_database_own_connection_t database;
    slight_types_errors_error_t error;
    slight_sql_database_rows_t rows;
    http_string_t name, statement;
    slight_sql_database_value_t value = {
        .tag = SLIGHT_SQL_DATABASE_VALUE_TEXT,
        .val.text = {(uint8_t *)(uintptr_t)id, strlen(id)},
    };
    slight_sql_database_list_value_t parameters = {&value, 1};
    bool shipped;

    http_string_set(&name, "ledger");
    http_string_set(&statement, "SELECT item FROM orders WHERE id = ?");
    if (!slight_sql_database_static_connection_open(&name, &database, &error) ||
        !make_table(slight_sql_database_borrow_connection(database), &error) ||
        !slight_sql_database_method_connection_query(
            slight_sql_database_borrow_connection(database), &statement,
            &parameters, &rows, &error)) {
        reply_error(out, &error);
        return;
    }
    if (rows.rows.len == 0) {
        http_reply_text(out, 404, "no such order has been billed\n");
        return;
    }
    if (!is_shipped(out, id, &shipped))
        return;
    const http_string_t *item = &rows.rows.ptr[0].ptr[0].val.text;
    char text[ITEM_MAX + 16];
    int len = snprintf(text, sizeof(text), "%s %.*s\n",
                       shipped ? "shipped" : "billed", (int)item->len,
                       (const char *)item->ptr);
    http_reply(out, 200, "text/plain; charset=utf-8", text, (size_t)len);
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    static const char prefix[] = "/orders/";
    wasi_http_types_borrow_incoming_request_t request =
        wasi_http_types_borrow_incoming_request(owned);
    char *path = http_path(request);
    wasi_http_types_method_t method;

    wasi_http_types_method_incoming_request_method(request, &method);
    const char *id = path != NULL ? path + sizeof(prefix) - 1 : "";
    if (path == NULL || strncmp(path, prefix, sizeof(prefix) - 1) != 0 ||
        strlen(id) < 1 || strlen(id) > ID_MAX || strpbrk(id, "/?") != NULL)
        http_reply_text(out, 404, "expected /orders/ID, of 1 to 36 bytes\n");
    else if (method.tag == WASI_HTTP_TYPES_METHOD_PUT)
        accept_order(out, id, request);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_GET)
        show_order(out, id);
    else
        http_reply_text(out, 405, "expected PUT or GET\n");
    free(path);
}
