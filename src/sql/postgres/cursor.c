/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors, which the server keeps (DECLARE).  A batch is one FETCH, whose rows
 * are read one by one.  When the answer is full, the rest stays in the network
 * until the next batch.  Only when another statement comes first are the rows
 * buffered here, up to a limit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/postgres/connection.h"

enum { BUFFERED_MAX = 64 << 20 }; /* bytes of rows that a cursor buffers */

static void drop_buffered(struct sl_sql_postgres_cursor *cursor)
{
    while (cursor->first < cursor->count)
        PQclear(cursor->buffered[cursor->first++]);
    free(cursor->buffered);
    cursor->buffered = NULL;
    cursor->first = cursor->count = cursor->capacity = 0;
    cursor->buffered_bytes = 0;
}

static void forget_cursor(struct sl_sql_postgres_conn *conn,
                          struct sl_sql_postgres_cursor *cursor)
{
    drop_buffered(cursor);
    sl_sql_postgres_columns_done(&cursor->columns);
    if (conn->active == cursor) { /* nobody is going to read its rows */
        conn->active = NULL;
        conn->pg.broken = true;
    }
    *cursor = (struct sl_sql_postgres_cursor){0};
}

void sl_sql_postgres_cursors_forget(struct sl_sql_postgres_conn *conn)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        if (conn->cursors[i].number != 0)
            forget_cursor(conn, &conn->cursors[i]);
}

/* --- Rows --------------------------------------------------------------- */

/*
 * A function that writes runs while its row is fetched.  In a transaction that
 * may write, FETCH therefore runs in a subtransaction that may not; the server
 * lets nobody change that inside of it.
 */
static enum sl_status refuse_writes(struct sl_sql_postgres_conn *conn,
                                    sl_deadline deadline, struct sl_error *err)
{
    if (conn->own_read_only || conn->session.read_only)
        return SL_OK;
    conn->fetch_read_only = true;
    return sl_sql_postgres_exec(
        conn, "SAVEPOINT sl_fetch; SET LOCAL transaction_read_only = on",
        deadline, err);
}

static enum sl_status permit_writes(struct sl_sql_postgres_conn *conn,
                                    sl_deadline deadline, struct sl_error *err)
{
    if (!conn->fetch_read_only)
        return SL_OK;
    conn->fetch_read_only = false;
    return sl_sql_postgres_exec(conn, "RELEASE SAVEPOINT sl_fetch", deadline,
                                err);
}

static enum sl_status send_fetch(struct sl_sql_postgres_conn *conn,
                                 struct sl_sql_postgres_cursor *cursor,
                                 uint32_t count, sl_deadline deadline,
                                 struct sl_error *err)
{
    char text[80];

    snprintf(text, sizeof(text), "FETCH %" PRIu32 " FROM sl_c%" PRIu64, count,
             cursor->number);
    enum sl_status status = refuse_writes(conn, deadline, err);
    if (status == SL_OK)
        status =
            sl_pg_sent(&conn->pg,
                       PQsendQueryParams(conn->pg.handle, text, 0, NULL, NULL,
                                         NULL, NULL, cursor->columns.binary),
                       err);
    if (status != SL_OK)
        return status;
    (void)PQsetSingleRowMode(conn->pg.handle);
    cursor->requested = count;
    cursor->received = 0;
    conn->active = cursor;
    return SL_OK;
}

/* Read what follows the last row of a FETCH. */
static enum sl_status finish_fetch(struct sl_sql_postgres_conn *conn,
                                   sl_deadline deadline, struct sl_error *err)
{
    struct sl_sql_postgres_cursor *cursor = conn->active;
    struct sl_sql_postgres_reader reader = {.deadline = deadline};

    conn->active = NULL;
    cursor->exhausted = cursor->received < cursor->requested;
    cursor->requested = 0;
    enum sl_status status = sl_sql_postgres_read_results(conn, &reader, err);
    return status == SL_OK ? permit_writes(conn, deadline, err) : status;
}

/* The next row of the active cursor; NULL: the FETCH has no more. */
static enum sl_status read_postgres_row(struct sl_sql_postgres_conn *conn,
                                        sl_deadline deadline, PGresult **row,
                                        struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    enum sl_status status = sl_pg_next(&conn->pg, deadline, &result, err);

    if (status != SL_OK)
        return status;
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        conn->active->received++;
        *row = result;
        result = NULL; /* handed over */
        return SL_OK;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return finish_fetch(conn, deadline, err);
    enum sl_status failed =
        sl_sql_postgres_fail_result(conn, result, NULL, err);
    struct sl_error other;
    conn->fetch_read_only = false; /* the transaction can only be rolled back */
    if (conn->pg.broken || finish_fetch(conn, deadline, &other) != SL_OK)
        conn->pg.broken = true;
    conn->active = NULL;
    return failed;
}

static bool grow_buffer(struct sl_sql_postgres_cursor *cursor)
{
    if (cursor->count < cursor->capacity)
        return true;
    size_t wanted = cursor->capacity == 0 ? 16 : 2 * cursor->capacity;
    PGresult **grown =
        reallocarray(cursor->buffered, wanted, sizeof(PGresult *));
    if (grown == NULL)
        return false;
    cursor->buffered = grown;
    cursor->capacity = wanted;
    return true;
}

static void buffer_row(struct sl_sql_postgres_cursor *cursor, PGresult *row)
{
    size_t bytes = PQresultMemorySize(row);

    if (cursor->too_large || cursor->buffered_bytes + bytes > BUFFERED_MAX ||
        !grow_buffer(cursor)) {
        cursor->too_large = true;
        drop_buffered(cursor);
        PQclear(row);
        return;
    }
    cursor->buffered_bytes += bytes;
    cursor->buffered[cursor->count++] = row;
}

enum sl_status sl_sql_postgres_cursor_settle(struct sl_sql_postgres_conn *conn,
                                             sl_deadline deadline,
                                             struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && conn->active != NULL) {
        struct sl_sql_postgres_cursor *cursor = conn->active;
        PGresult *row = NULL;
        status = read_postgres_row(conn, deadline, &row, err);
        if (row != NULL)
            buffer_row(cursor, row);
    }
    return status;
}

void sl_sql_postgres_cursor_cancel(struct sl_sql_postgres_conn *conn)
{
    enum { SOON_MS = 2000 };
    sl_deadline soon = sl_deadline_in_ms(SOON_MS);
    struct sl_error err;

    if (conn->active == NULL || conn->pg.broken)
        return;
    conn->active->too_large = true; /* do not buffer its rows */
    (void)sl_pg_cancel(&conn->pg, soon);
    (void)!sl_sql_postgres_cursor_settle(conn, soon, &err);
}

/* The next row of any cursor, fetching up to `count`; NULL: at the end. */
static enum sl_status next_row(struct sl_sql_postgres_conn *conn,
                               struct sl_sql_postgres_cursor *cursor,
                               uint32_t count, sl_deadline deadline,
                               PGresult **row, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && *row == NULL) {
        if (cursor->too_large)
            return sl_fail(
                err, SL_TOO_LARGE,
                "the rows of a cursor that wait for another statement "
                "exceed %d bytes; ask for fewer rows",
                BUFFERED_MAX);
        if (cursor->first < cursor->count) {
            *row = cursor->buffered[cursor->first++];
            cursor->buffered_bytes -= PQresultMemorySize(*row);
            return SL_OK;
        }
        cursor->first = cursor->count = 0;
        if (conn->active == NULL && cursor->exhausted)
            return SL_OK;
        if (conn->active == NULL)
            status = send_fetch(conn, cursor, count, deadline, err);
        if (status == SL_OK)
            status = read_postgres_row(conn, deadline, row, err);
    }
    return status;
}

/* Keep the row for the next answer. */
static void put_back(struct sl_sql_postgres_cursor *cursor, PGresult *row)
{
    if (cursor->first == 0) { /* it came from the network: none is buffered */
        buffer_row(cursor, row);
        return;
    }
    cursor->buffered[--cursor->first] = row;
    cursor->buffered_bytes += PQresultMemorySize(row);
}

static enum sl_status read_postgres_batch(struct sl_sql_postgres_conn *conn,
                                          struct sl_sql_postgres_cursor *cursor,
                                          struct sl_op *op,
                                          struct sl_sql_result *result,
                                          struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    for (size_t rows = 0; rows < request->limit; rows++) {
        PGresult *row = NULL;
        enum sl_status status =
            next_row(conn, cursor, request->limit - (uint32_t)rows,
                     op->deadline, &row, err);
        if (status != SL_OK || row == NULL)
            return status;
        status = sl_sql_postgres_add_row(&cursor->columns, row, 0, result, err);
        if (status == SL_TOO_LARGE && rows > 0) {
            sl_sql_result_drop_row(result);
            put_back(cursor, row);
            return SL_OK;
        }
        PQclear(row);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

enum sl_status sl_sql_postgres_cursor_next(void *data, struct sl_op *op,
                                           struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    struct sl_sql_postgres_cursor *cursor =
        sl_sql_cursor_of(conn->cursors, sizeof(conn->cursors[0]), op, err);
    enum sl_status status = SL_OK;

    if (cursor == NULL)
        return SL_NOT_FOUND;
    conn->session.reached = true;
    if (conn->active != NULL && conn->active != cursor)
        status = sl_sql_postgres_cursor_settle(conn, op->deadline, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_result *result = sl_sql_result_new(*op->answer_budget);
    status = read_postgres_batch(conn, cursor, op, result, err);
    /* After the last row, read the end of the FETCH, which arrives with it. */
    if (status == SL_OK && conn->active == cursor &&
        cursor->received == cursor->requested)
        status = sl_sql_postgres_cursor_settle(conn, op->deadline, err);
    return sl_sql_result_finish(result, status, op->answer);
}

/* --- Opening and closing ------------------------------------------------ */

/* Describe the columns of the declared cursor. */
static enum sl_status describe_cursor(struct sl_sql_postgres_conn *conn,
                                      struct sl_sql_postgres_cursor *cursor,
                                      const char *name, struct sl_op *op,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQsendDescribePortal(conn->pg.handle, name), err);

    if (status == SL_OK)
        status = sl_pg_next(&conn->pg, op->deadline, &result, err);
    if (status == SL_OK)
        status = sl_pg_drain(&conn->pg, op->deadline, err);
    if (status != SL_OK)
        return status;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return sl_sql_postgres_fail_result(conn, result, NULL, err);
    status = sl_sql_postgres_columns_describe(conn, result, op->deadline,
                                              &cursor->columns, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_result *columns = sl_sql_result_new(*op->answer_budget);
    status =
        sl_sql_postgres_add_columns(&cursor->columns, result, columns, err);
    return sl_sql_result_finish(columns, status, op->answer);
}

static enum sl_status declare_cursor(struct sl_sql_postgres_conn *conn,
                                     struct sl_sql_postgres_cursor *cursor,
                                     struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_statement *statement = NULL;
    struct sl_sql_postgres_reader reader = {.set = &request->sets[0],
                                            .deadline = op->deadline};
    char name[32];

    snprintf(name, sizeof(name), "sl_c%" PRIu64, cursor->number);
    enum sl_status status = sl_sql_postgres_statement_prepare_cursor(
        conn, request->statement, name, op->deadline, &statement, err);
    if (status != SL_OK)
        return status;
    conn->dirty = conn->dirty || statement->class.dirties;
    status = sl_sql_postgres_send(conn, statement, &request->sets[0], err);
    if (status == SL_OK)
        status = sl_sql_postgres_read_results(conn, &reader, err);
    if (status == SL_OK)
        status = describe_cursor(conn, cursor, name, op, err);
    if (status == SL_OK)
        ((struct sl_sql_answer *)op->answer)->cursor = cursor->number;
    return status;
}

enum sl_status sl_sql_postgres_cursor_open(void *data, struct sl_op *op,
                                           struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_cursor *cursor =
        sl_sql_cursor_free(conn->cursors, sizeof(conn->cursors[0]), err);
    enum sl_status status = SL_OK;

    if (cursor == NULL)
        return err->status;
    conn->session.reached = true;
    if (sl_sql_postgres_classify(request->statement).writes)
        return sl_sql_cursor_only_reads(err);
    /* The server keeps cursors only in a transaction. */
    if (PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE) {
        conn->own_read_only = true;
        status =
            sl_sql_postgres_exec(conn, "BEGIN READ ONLY", op->deadline, err);
    }
    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    status = declare_cursor(conn, cursor, op, err);
    if (status == SL_UNSUPPORTED || status == SL_PERMISSION_DENIED)
        status = sl_sql_cursor_only_reads(err);
    if (status != SL_OK && cursor->number != 0)
        forget_cursor(conn, cursor);
    return status;
}

enum sl_status sl_sql_postgres_cursor_close(void *data, struct sl_op *op,
                                            struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_cursor *cursor = sl_sql_cursor_find(
        conn->cursors, sizeof(conn->cursors[0]), request->cursor);
    enum sl_status status = SL_OK;
    char text[48];

    if (cursor == NULL)
        return SL_OK;
    conn->session.reached = true;
    if (conn->active == cursor)
        cursor->too_large = true; /* do not buffer its rows */
    if (conn->active != NULL)
        status = sl_sql_postgres_cursor_settle(conn, op->deadline, err);
    if (status != SL_OK)
        return status;
    snprintf(text, sizeof(text), "CLOSE sl_c%" PRIu64, cursor->number);
    forget_cursor(conn, cursor);
    return sl_sql_postgres_exec(conn, text, op->deadline, err);
}
