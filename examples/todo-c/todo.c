/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A to-do list in an SQL database, over HTTP.  Its statements work with every
 * database of slight:sql.  Data from clients is only passed as parameters.
 *
 *     PUT /ID         add an entry with the body as its text; 409 if ID exists
 *     POST /ID/done   mark it as done
 *     DELETE /ID      delete it
 *     GET /           list all, one per line: "ID done TEXT" or "ID open TEXT"
 */
#include <stdio.h>

#include "http_reply.h"

enum { TEXT_MAX = 1000, ID_MAX = 36 };

typedef wasi_http_types_own_response_outparam_t response_t;
typedef slight_sql_database_value_t value_t;

static slight_sql_database_borrow_connection_t database;

static value_t text_value(const void *bytes, size_t len)
{
    return (value_t){
        .tag = SLIGHT_SQL_DATABASE_VALUE_TEXT,
        .val.text = {(uint8_t *)(uintptr_t)bytes, len},
    };
}

static void reply_error(response_t out, slight_types_errors_error_t *error)
{
    uint16_t status = 500;

    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_ALREADY_EXISTS)
        status = 409;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_INVALID_ARGUMENT)
        status = 400;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_UNAVAILABLE ||
        error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_TIMEOUT)
        status = 503;
    http_reply(out, status, "text/plain; charset=utf-8", error->message.ptr,
               error->message.len);
    slight_types_errors_error_free(error);
}

/* Run a statement.  On failure, answer the request and return false. */
static bool run_statement(response_t out, const char *statement,
                          value_t *values, size_t count, uint64_t *affected)
{
    slight_sql_database_list_value_t parameters = {values, count};
    slight_sql_database_done_t done;
    slight_types_errors_error_t error;
    http_string_t text;

    http_string_set(&text, statement);
    if (!slight_sql_database_method_connection_execute(
            database, &text, &parameters, &done, &error)) {
        reply_error(out, &error);
        return false;
    }
    *affected = done.affected;
    return true;
}

static void add_entry(response_t out, const char *id,
                      wasi_http_types_borrow_incoming_request_t request)
{
    http_list_u8_t body;
    uint64_t affected;

    if (!http_body(request, TEXT_MAX, &body)) {
        http_reply_text(out, 413, "the text is too long, or was cut off\n");
        return;
    }
    value_t values[] = {text_value(id, strlen(id)),
                        text_value(body.ptr, body.len)};
    if (run_statement(out, "INSERT INTO todo (id, done, text) VALUES (?, 0, ?)",
                      values, 2, &affected))
        http_reply_text(out, 201, "added\n");
}

static void change_entry(response_t out, const char *statement, const char *id)
{
    value_t values[] = {text_value(id, strlen(id))};
    uint64_t affected;

    if (!run_statement(out, statement, values, 1, &affected))
        return;
    if (affected == 0)
        http_reply_text(out, 404, "no such entry\n");
    else
        http_reply_text(out, 200, "ok\n");
}

static void list_entries(response_t out)
{
    slight_sql_database_list_value_t none = {0};
    slight_sql_database_rows_t rows;
    slight_types_errors_error_t error;
    http_string_t text;
    size_t len = 0;

    http_string_set(&text, "SELECT id, done, text FROM todo ORDER BY id");
    if (!slight_sql_database_method_connection_query(database, &text, &none,
                                                     &rows, &error)) {
        reply_error(out, &error);
        return;
    }
    size_t line = ID_MAX + TEXT_MAX + 16;
    char *all = malloc(rows.rows.len * line + 1);
    for (size_t i = 0; all != NULL && i < rows.rows.len; i++) {
        const value_t *row = rows.rows.ptr[i].ptr;
        len += (size_t)snprintf(
            all + len, line, "%.*s %s %.*s\n", (int)row[0].val.text.len,
            (const char *)row[0].val.text.ptr,
            row[1].val.int64 != 0 ? "done" : "open", (int)row[2].val.text.len,
            (const char *)row[2].val.text.ptr);
    }
    http_reply(out, all != NULL ? 200 : 500, "text/plain; charset=utf-8", all,
               len);
}

/* Parse "/ID" or "/ID/done"; *id is a part of path. */
static bool parse_path(char *path, char **id, bool *done)
{
    char *slash = strchr(path + 1, '/');

    *id = path + 1;
    *done = slash != NULL && strcmp(slash, "/done") == 0;
    if (slash != NULL)
        *slash = '\0';
    return (slash == NULL || *done) && strlen(*id) > 0 && strlen(*id) <= ID_MAX;
}

static void answer_request(response_t out, char *path,
                           wasi_http_types_borrow_incoming_request_t request)
{
    wasi_http_types_method_t method;
    bool done;
    char *id;

    wasi_http_types_method_incoming_request_method(request, &method);
    if (method.tag == WASI_HTTP_TYPES_METHOD_GET && strcmp(path, "/") == 0)
        list_entries(out);
    else if (!parse_path(path, &id, &done))
        http_reply_text(out, 404, "an ID has 1 to 36 characters\n");
    else if (method.tag == WASI_HTTP_TYPES_METHOD_PUT && !done)
        add_entry(out, id, request);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_POST && done)
        change_entry(out, "UPDATE todo SET done = 1 WHERE id = ?", id);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_DELETE && !done)
        change_entry(out, "DELETE FROM todo WHERE id = ?", id);
    else
        http_reply_text(out, 405, "see the top of todo.c\n");
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
    http_string_t name;
    uint64_t affected;

    http_string_set(&name, "todo");
    if (path == NULL ||
        !slight_sql_database_static_connection_open(&name, &opened, &error)) {
        http_reply_text(out, 500, "no database\n");
        return;
    }
    database = slight_sql_database_borrow_connection(opened);
    if (run_statement(
            out,
            "CREATE TABLE IF NOT EXISTS todo (id VARCHAR(36) PRIMARY KEY, "
            "done INTEGER NOT NULL, text VARCHAR(1000) NOT NULL)",
            NULL, 0, &affected))
        answer_request(out, path, request);
}
