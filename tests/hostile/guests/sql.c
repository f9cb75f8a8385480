/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that does the statement that it is sent:
 *
 *     POST /execute   200, "N rows"
 *     POST /query     200, the first value, where that is a text
 *
 * and 400 with the message where it fails.  The resource is "ledger".
 */
#include <stdio.h>

#include "http_reply.h"

enum { STATEMENT_MAX = 10000 };

typedef wasi_http_types_own_response_outparam_t response_t;

static slight_sql_database_borrow_connection_t database;

static void reply_error(response_t out, slight_types_errors_error_t *error)
{
    http_reply(out, 400, "text/plain", error->message.ptr, error->message.len);
}

static void execute(response_t out, http_string_t *statement)
{
    slight_sql_database_list_value_t none = {0};
    slight_sql_database_done_t done;
    slight_types_errors_error_t error;
    char text[40];

    if (!slight_sql_database_method_connection_execute(database, statement,
                                                       &none, &done, &error)) {
        reply_error(out, &error);
        return;
    }
    snprintf(text, sizeof(text), "%llu rows\n",
             (unsigned long long)done.affected);
    http_reply_text(out, 200, text);
}

static void query(response_t out, http_string_t *statement)
{
    slight_sql_database_list_value_t none = {0};
    slight_sql_database_rows_t rows;
    slight_types_errors_error_t error;

    if (!slight_sql_database_method_connection_query(database, statement, &none,
                                                     &rows, &error)) {
        reply_error(out, &error);
        return;
    }
    if (rows.rows.len == 0 ||
        rows.rows.ptr[0].ptr[0].tag != SLIGHT_SQL_DATABASE_VALUE_TEXT) {
        http_reply_text(out, 200, "no text\n");
        return;
    }
    http_reply(out, 200, "text/plain", rows.rows.ptr[0].ptr[0].val.text.ptr,
               rows.rows.ptr[0].ptr[0].val.text.len);
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    wasi_http_types_borrow_incoming_request_t request =
        wasi_http_types_borrow_incoming_request(owned);
    slight_sql_database_own_connection_t opened;
    slight_types_errors_error_t error;
    char *path = http_path(request);
    http_list_u8_t body;
    http_string_t name, statement;

    http_string_set(&name, "ledger");
    if (path == NULL || !http_body(request, STATEMENT_MAX, &body)) {
        http_reply_text(out, 413, "too long\n");
        return;
    }
    if (!slight_sql_database_static_connection_open(&name, &opened, &error)) {
        reply_error(out, &error);
        return;
    }
    database = slight_sql_database_borrow_connection(opened);
    statement = (http_string_t){body.ptr, body.len};
    if (strcmp(path, "/query") == 0)
        query(out, &statement);
    else
        execute(out, &statement);
}
