/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors, which the server keeps (DECLARE).  A batch is one FETCH, whose rows
 * are read one by one; where the answer is full, the rest stays in the network
 * until it is asked for, or until something else is to be asked: only then are
 * rows kept here, and no more than a limit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/postgres/state.h"

enum { SAVED_MAX = 64 << 20 }; /* bytes of rows that a cursor keeps here */

static void drop_saved(struct sl_sql_pg_cursor *cursor)
{
    while (cursor->first < cursor->count)
        PQclear(cursor->saved[cursor->first++]);
    free(cursor->saved);
    cursor->saved = NULL;
    cursor->first = cursor->count = cursor->space = 0;
    cursor->saved_bytes = 0;
}

static void forget(struct sl_sql_pg *sql, struct sl_sql_pg_cursor *cursor)
{
    drop_saved(cursor);
    sl_sql_pg_columns_done(&cursor->columns);
    if (sql->active == cursor) { /* nobody is going to read its rows */
        sql->active = NULL;
        sql->pg.lost = true;
    }
    *cursor = (struct sl_sql_pg_cursor){0};
}

void sl_sql_pg_forget_cursors(struct sl_sql_pg *sql)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        if (sql->cursors[i].number != 0)
            forget(sql, &sql->cursors[i]);
}

/* --- Rows --------------------------------------------------------------- */

static enum sl_status ask_rows(struct sl_sql_pg *sql,
                               struct sl_sql_pg_cursor *cursor, uint32_t count,
                               struct sl_error *err)
{
    char text[80];

    snprintf(text, sizeof(text), "FETCH %" PRIu32 " FROM sl_c%" PRIu64, count,
             cursor->number);
    enum sl_status status =
        sl_pg_sent(&sql->pg,
                   PQsendQueryParams(sql->pg.handle, text, 0, NULL, NULL, NULL,
                                     NULL, cursor->columns.binary),
                   err);
    if (status != SL_OK)
        return status;
    (void)PQsetSingleRowMode(sql->pg.handle);
    cursor->asked = count;
    cursor->came = 0;
    sql->active = cursor;
    return SL_OK;
}

/* What follows the last row that was under way. */
static enum sl_status end_rows(struct sl_sql_pg *sql, sl_deadline deadline,
                               struct sl_error *err)
{
    struct sl_sql_pg_cursor *cursor = sql->active;
    struct sl_sql_pg_reading reading = {.deadline = deadline};

    sql->active = NULL;
    cursor->over = cursor->came < cursor->asked;
    cursor->asked = 0;
    return sl_sql_pg_read(sql, &reading, err);
}

/* The next row of the active cursor; NULL: there are none under way any more.
 */
static enum sl_status read_row(struct sl_sql_pg *sql, sl_deadline deadline,
                               PGresult **row, struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    enum sl_status status = sl_pg_next(&sql->pg, deadline, &result, err);

    if (status != SL_OK)
        return status;
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        sql->active->came++;
        *row = result;
        result = NULL; /* handed over */
        return SL_OK;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return end_rows(sql, deadline, err);
    enum sl_status failed = sl_sql_pg_failed(sql, result, NULL, err);
    struct sl_error other;
    if (sql->pg.lost || end_rows(sql, deadline, &other) != SL_OK)
        sql->pg.lost = true;
    sql->active = NULL;
    return failed;
}

static bool make_space(struct sl_sql_pg_cursor *cursor)
{
    if (cursor->count < cursor->space)
        return true;
    size_t wanted = cursor->space == 0 ? 16 : 2 * cursor->space;
    PGresult **grown = reallocarray(cursor->saved, wanted, sizeof(PGresult *));
    if (grown == NULL)
        return false;
    cursor->saved = grown;
    cursor->space = wanted;
    return true;
}

static void save(struct sl_sql_pg_cursor *cursor, PGresult *row)
{
    size_t bytes = PQresultMemorySize(row);

    if (cursor->too_large || cursor->saved_bytes + bytes > SAVED_MAX ||
        !make_space(cursor)) {
        cursor->too_large = true;
        drop_saved(cursor);
        PQclear(row);
        return;
    }
    cursor->saved_bytes += bytes;
    cursor->saved[cursor->count++] = row;
}

enum sl_status sl_sql_pg_settle(struct sl_sql_pg *sql, sl_deadline deadline,
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && sql->active != NULL) {
        struct sl_sql_pg_cursor *cursor = sql->active;
        PGresult *row = NULL;
        status = read_row(sql, deadline, &row, err);
        if (row != NULL)
            save(cursor, row);
    }
    return status;
}

void sl_sql_pg_abandon(struct sl_sql_pg *sql)
{
    enum { SOON_MS = 2000 };
    sl_deadline soon = sl_deadline_in_ms(SOON_MS);
    struct sl_error err;

    if (sql->active == NULL || sql->pg.lost)
        return;
    sql->active->too_large = true; /* none is to be saved */
    (void)sl_pg_cancel(&sql->pg, soon);
    (void)!sl_sql_pg_settle(sql, soon, &err);
}

/* The next row of any cursor, asking for up to `count`; NULL: it is over. */
static enum sl_status next_row(struct sl_sql_pg *sql,
                               struct sl_sql_pg_cursor *cursor, uint32_t count,
                               sl_deadline deadline, PGresult **row,
                               struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && *row == NULL) {
        if (cursor->too_large)
            return sl_fail(err, SL_TOO_LARGE,
                           "the rows of a cursor that had to wait for another "
                           "statement are over %d bytes; ask for fewer",
                           SAVED_MAX);
        if (cursor->first < cursor->count) {
            *row = cursor->saved[cursor->first++];
            cursor->saved_bytes -= PQresultMemorySize(*row);
            return SL_OK;
        }
        cursor->first = cursor->count = 0;
        if (sql->active == NULL && cursor->over)
            return SL_OK;
        if (sql->active == NULL)
            status = ask_rows(sql, cursor, count, err);
        if (status == SL_OK)
            status = read_row(sql, deadline, row, err);
    }
    return status;
}

/* For the answer that comes next. */
static void put_back(struct sl_sql_pg_cursor *cursor, PGresult *row)
{
    if (cursor->first == 0) { /* it came from the network: none is saved */
        save(cursor, row);
        return;
    }
    cursor->saved[--cursor->first] = row;
    cursor->saved_bytes += PQresultMemorySize(row);
}

static enum sl_status read_batch(struct sl_sql_pg *sql,
                                 struct sl_sql_pg_cursor *cursor,
                                 struct sl_op *op, struct sl_sql_result *result,
                                 struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    for (size_t rows = 0; rows < request->limit; rows++) {
        PGresult *row = NULL;
        enum sl_status status =
            next_row(sql, cursor, request->limit - (uint32_t)rows, op->deadline,
                     &row, err);
        if (status != SL_OK || row == NULL)
            return status;
        status = sl_sql_pg_read_row(&cursor->columns, row, 0, result, err);
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

enum sl_status sl_sql_pg_cursor_next(struct sl_sql_pg *sql, struct sl_op *op,
                                     struct sl_error *err)
{
    struct sl_sql_pg_cursor *cursor =
        sl_sql_cursor_of(sql->cursors, sizeof(sql->cursors[0]), op, err);
    enum sl_status status = SL_OK;

    if (cursor == NULL)
        return SL_NOT_FOUND;
    sql->asked = true;
    if (sql->active != NULL && sql->active != cursor)
        status = sl_sql_pg_settle(sql, op->deadline, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_result *result = sl_sql_result_new(*op->room);
    status = read_batch(sql, cursor, op, result, err);
    /* Behind the last row comes the end of what was asked, at once. */
    if (status == SL_OK && sql->active == cursor &&
        cursor->came == cursor->asked)
        status = sl_sql_pg_settle(sql, op->deadline, err);
    if (status == SL_OK) {
        sl_sql_result_give(result, op->answer);
        return SL_OK;
    }
    sl_sql_result_free(result);
    return status;
}

/* --- Opening and closing ------------------------------------------------ */

/* What the declared cursor is going to give. */
static enum sl_status describe(struct sl_sql_pg *sql,
                               struct sl_sql_pg_cursor *cursor,
                               const char *name, struct sl_op *op,
                               struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQsendDescribePortal(sql->pg.handle, name), err);

    if (status == SL_OK)
        status = sl_pg_next(&sql->pg, op->deadline, &result, err);
    if (status == SL_OK)
        status = sl_pg_drain(&sql->pg, op->deadline, err);
    if (status != SL_OK)
        return status;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return sl_sql_pg_failed(sql, result, NULL, err);
    status =
        sl_sql_pg_describe(sql, result, op->deadline, &cursor->columns, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_result *columns = sl_sql_result_new(*op->room);
    status = sl_sql_pg_read_columns(&cursor->columns, result, columns, err);
    if (status == SL_OK)
        sl_sql_result_give(columns, op->answer);
    else
        sl_sql_result_free(columns);
    return status;
}

static enum sl_status declare(struct sl_sql_pg *sql,
                              struct sl_sql_pg_cursor *cursor, struct sl_op *op,
                              struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_statement *statement = NULL;
    struct sl_sql_pg_reading reading = {.set = &request->sets[0],
                                        .deadline = op->deadline};
    char name[32];

    snprintf(name, sizeof(name), "sl_c%" PRIu64, cursor->number);
    enum sl_status status = sl_sql_pg_take_cursor(
        sql, request->statement, name, op->deadline, &statement, err);
    if (status != SL_OK)
        return status;
    sql->leaves = sql->leaves || statement->words.leaves;
    status = sl_sql_pg_send(sql, statement, &request->sets[0], err);
    if (status == SL_OK)
        status = sl_sql_pg_read(sql, &reading, err);
    if (status == SL_OK)
        status = describe(sql, cursor, name, op, err);
    if (status == SL_OK)
        ((struct sl_sql_answer *)op->answer)->cursor = cursor->number;
    return status;
}

enum sl_status sl_sql_pg_cursor_open(struct sl_sql_pg *sql, struct sl_op *op,
                                     struct sl_error *err)
{
    struct sl_sql_pg_cursor *cursor =
        sl_sql_cursor_free(sql->cursors, sizeof(sql->cursors[0]), err);
    enum sl_status status = SL_OK;

    if (cursor == NULL)
        return SL_TOO_LARGE;
    /* Only in a transaction does the server keep one. */
    sql->asked = true;
    if (PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE) {
        sql->own_read_only = true;
        status = sl_sql_pg_perform(sql, "BEGIN READ ONLY", op->deadline, err);
    }
    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    status = declare(sql, cursor, op, err);
    if (status == SL_UNSUPPORTED || status == SL_PERMISSION_DENIED)
        status = sl_sql_cursor_only_reads(err);
    if (status != SL_OK && cursor->number != 0)
        forget(sql, cursor);
    return status;
}

enum sl_status sl_sql_pg_cursor_close(struct sl_sql_pg *sql, struct sl_op *op,
                                      struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_cursor *cursor = sl_sql_cursor_find(
        sql->cursors, sizeof(sql->cursors[0]), request->cursor);
    enum sl_status status = SL_OK;
    char text[48];

    if (cursor == NULL)
        return SL_OK;
    sql->asked = true;
    if (sql->active == cursor)
        cursor->too_large = true; /* nothing is to be saved */
    if (sql->active != NULL)
        status = sl_sql_pg_settle(sql, op->deadline, err);
    if (status != SL_OK)
        return status;
    snprintf(text, sizeof(text), "CLOSE sl_c%" PRIu64, cursor->number);
    forget(sql, cursor);
    return sl_sql_pg_perform(sql, text, op->deadline, err);
}
