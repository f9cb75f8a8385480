/* SPDX-License-Identifier: Apache-2.0 */
/* The cases' interface over src/sql, without a guest. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "native.h"
#include "sql/sql.h"
#include "sql_cases.h"

_Static_assert((int)INTERNAL == (int)SL_INTERNAL, "not the same words");
_Static_assert((int)SQL_JSON == (int)SL_SQL_JSON, "not the same types");
_Static_assert((int)SQL_SERIALIZABLE == (int)SL_SQL_SERIALIZABLE,
               "not the same levels");
_Static_assert((int)SQL_PARAMETERS_MAX == (int)SL_SQL_PARAMETERS_MAX,
               "not the same limit");

/* --- The interface ------------------------------------------------------ */

/* Its session ends when it and its cursors are gone. */
struct sql_tx {
    struct resource *sql;
    struct sl_session *session;
    int owners;
};

/* One outside of a transaction has one of its own, in which nothing began. */
struct sql_cursor {
    struct sql_tx *tx;
    uint64_t number;
    struct sl_sql_answer opened; /* has the columns */
};

static enum status note_failure(const struct sl_error *err, bool retryable)
{
    const struct sl_answer answer = {.err = *err, .retryable = retryable};

    return status_of(&answer);
}

/* One request; after WORKED the answer is the caller's to finish with. */
static enum status call_service(struct resource *sql, const struct sql_tx *tx,
                                const struct sl_sql_request *request,
                                struct sl_sql_answer *answer)
{
    struct sl_service *service = sql->store.service;

    if (sl_service_do(service, tx != NULL ? tx->session : NULL, request, 1,
                      answer) == SL_OK)
        return WORKED;
    enum status status = note_failure(&answer->err, answer->retryable);
    sl_answers_done(service, answer, 1);
    return status;
}

static void done_with(struct resource *sql, struct sl_sql_answer *answer)
{
    sl_answers_done(sql->store.service, answer, 1);
}

static struct sl_sql_value value_in(const struct sql_value *value)
{
    struct sl_sql_value in = {.type = (uint32_t)value->type};

    if (value->type == SQL_BOOLEAN)
        in.boolean = value->boolean;
    else if (value->type == SQL_INT64)
        in.int64 = value->int64;
    else if (value->type == SQL_FLOAT64)
        in.float64 = value->float64;
    else
        in.bytes = SL_BYTES(value->ptr, value->len);
    return in;
}

/* The sets of a request, in one block that the caller frees. */
static struct sl_sql_parameters *sets_in(const struct sql_set sets[],
                                         size_t count)
{
    struct sl_sql_parameters *in = sl_alloc_array(count + 1, sizeof(*in));

    for (size_t i = 0; i < count; i++) {
        struct sl_sql_value *values =
            sl_alloc_array(sets[i].count, sizeof(*values));
        for (size_t j = 0; j < sets[i].count; j++)
            values[j] = value_in(&sets[i].values[j]);
        in[i] = (struct sl_sql_parameters){values, sets[i].count};
    }
    return in;
}

static void sets_free(struct sl_sql_parameters *sets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)sets[i].values);
    free(sets);
}

static enum status call_statement(struct resource *sql, const struct sql_tx *tx,
                                  enum sl_sql_verb verb, const char *statement,
                                  const struct sql_set sets[], size_t count,
                                  bool in_transaction,
                                  struct sl_sql_answer *answer)
{
    struct sl_sql_parameters *in = sets_in(sets, count);
    const struct sl_sql_request request = {
        .verb = verb,
        .statement = sl_bytes_of(statement),
        .sets = in,
        .set_count = count,
        .in_transaction = in_transaction,
    };

    enum status status = call_service(sql, tx, &request, answer);
    sets_free(in, count);
    return status;
}

static struct sql_value value_out(const struct sl_sql_value *value)
{
    struct sql_value out = {.type = (enum sql_type)value->type};

    if (value->type == SL_SQL_BOOLEAN) {
        out.boolean = value->boolean;
    } else if (value->type == SL_SQL_INT64) {
        out.int64 = value->int64;
    } else if (value->type == SL_SQL_FLOAT64) {
        out.float64 = value->float64;
    } else if (value->type >= SL_SQL_DECIMAL) {
        out.ptr = sl_strndup(value->bytes.ptr, value->bytes.len);
        out.len = value->bytes.len;
    }
    return out;
}

static void take_columns(const struct sl_sql_answer *answer,
                         struct sql_rows *rows)
{
    rows->column_count = answer->column_count;
    rows->names = sl_alloc_array(answer->column_count, sizeof(char *));
    rows->types = sl_alloc_array(answer->column_count, sizeof(char *));
    for (size_t i = 0; i < answer->column_count; i++) {
        const struct sl_sql_column *column = &answer->columns[i];
        rows->names[i] = sl_strndup(column->name.ptr, column->name.len);
        rows->types[i] =
            sl_strndup(column->type_name.ptr, column->type_name.len);
    }
}

static void take_rows(const struct sl_sql_answer *answer, struct sql_rows *rows)
{
    size_t count = answer->row_count * rows->column_count;

    rows->row_count = answer->row_count;
    rows->values = sl_alloc_array(count, sizeof(*rows->values));
    for (size_t i = 0; i < count; i++)
        rows->values[i] = value_out(&answer->values[i]);
}

enum status sql_query(struct resource *sql, struct sql_tx *tx,
                      const char *statement, struct sql_set set,
                      struct sql_rows *rows)
{
    struct sl_sql_answer answer;
    enum status status = call_statement(sql, tx, SL_SQL_QUERY, statement, &set,
                                        1, tx != NULL, &answer);

    if (status != WORKED)
        return status;
    take_columns(&answer, rows);
    take_rows(&answer, rows);
    done_with(sql, &answer);
    return WORKED;
}

static void take_done(const struct sl_sql_answer *answer, struct sql_done *done)
{
    *done = (struct sql_done){
        .affected = answer->affected,
        .has_last_insert_id = answer->has_last_insert_id,
        .last_insert_id = answer->last_insert_id,
    };
}

enum status sql_execute(struct resource *sql, struct sql_tx *tx,
                        const char *statement, struct sql_set set,
                        struct sql_done *done)
{
    struct sl_sql_answer answer;
    enum status status = call_statement(sql, tx, SL_SQL_EXECUTE, statement,
                                        &set, 1, tx != NULL, &answer);

    if (status != WORKED)
        return status;
    take_done(&answer, done);
    done_with(sql, &answer);
    return WORKED;
}

enum status sql_execute_many(struct resource *sql, struct sql_tx *tx,
                             const char *statement, const struct sql_set sets[],
                             size_t count, struct sql_done *done)
{
    struct sl_sql_answer answer;
    enum status status = call_statement(sql, tx, SL_SQL_EXECUTE_MANY, statement,
                                        sets, count, tx != NULL, &answer);

    if (status != WORKED)
        return status;
    take_done(&answer, done);
    done_with(sql, &answer);
    return WORKED;
}

/* --- Transactions ------------------------------------------------------- */

static enum status session_new(struct resource *sql, struct sql_tx **out)
{
    struct sl_error err;
    struct sl_session *session;

    if (sl_session_open(sql->store.service, &session, &err) != SL_OK)
        return note_failure(&err, true); /* as src/host/sql_handles.c says */
    *out = sl_alloc(sizeof(**out));
    **out = (struct sql_tx){.sql = sql, .session = session, .owners = 1};
    return WORKED;
}

static void session_unref(struct sql_tx *tx)
{
    if (--tx->owners > 0)
        return;
    sl_session_close(tx->session);
    free(tx);
}

enum status sql_begin(struct resource *sql, enum sql_isolation isolation,
                      bool read_only, struct sql_tx **out)
{
    const struct sl_sql_request request = {
        .verb = SL_SQL_BEGIN, .isolation = isolation, .read_only = read_only};
    struct sl_sql_answer answer;
    struct sql_tx *tx = NULL;
    enum status status = session_new(sql, &tx);

    if (status != WORKED)
        return status;
    status = call_service(sql, tx, &request, &answer);
    if (status != WORKED) {
        session_unref(tx);
        return status;
    }
    done_with(sql, &answer);
    *out = tx;
    return WORKED;
}

static enum status end_transaction(struct sql_tx *tx, enum sl_sql_verb verb)
{
    const struct sl_sql_request request = {.verb = verb};
    struct sl_sql_answer answer;
    enum status status = call_service(tx->sql, tx, &request, &answer);

    if (status == WORKED)
        done_with(tx->sql, &answer);
    session_unref(tx);
    return status;
}

enum status sql_commit(struct sql_tx *tx)
{
    return end_transaction(tx, SL_SQL_COMMIT);
}

enum status sql_rollback(struct sql_tx *tx)
{
    return end_transaction(tx, SL_SQL_ROLLBACK);
}

void sql_drop(struct sql_tx *tx)
{
    if (tx->owners > 1) /* its cursors keep the session */
        (void)end_transaction(tx, SL_SQL_ROLLBACK);
    else
        session_unref(tx);
}

/* --- Cursors ------------------------------------------------------------ */

enum status sql_open_cursor(struct resource *sql, struct sql_tx *tx,
                            const char *statement, struct sql_set set,
                            struct sql_cursor **out)
{
    struct sql_tx *session = tx;
    struct sl_sql_answer answer;
    enum status status = tx != NULL ? WORKED : session_new(sql, &session);

    if (status != WORKED)
        return status;
    status = call_statement(sql, session, SL_SQL_CURSOR_OPEN, statement, &set,
                            1, tx != NULL, &answer);
    if (status != WORKED) {
        if (tx == NULL)
            session_unref(session);
        return status;
    }
    if (tx != NULL)
        tx->owners++;
    struct sql_cursor *cursor = sl_alloc(sizeof(*cursor));
    *cursor = (struct sql_cursor){session, answer.cursor, answer};
    *out = cursor;
    return WORKED;
}

void sql_columns(struct sql_cursor *cursor, struct sql_rows *rows)
{
    take_columns(&cursor->opened, rows);
}

enum status sql_next(struct sql_cursor *cursor, uint32_t limit,
                     struct sql_rows *rows)
{
    const struct sl_sql_request request = {
        .verb = SL_SQL_CURSOR_NEXT, .cursor = cursor->number, .limit = limit};
    struct sl_sql_answer answer;
    enum status status =
        call_service(cursor->tx->sql, cursor->tx, &request, &answer);

    if (status != WORKED)
        return status;
    take_columns(&cursor->opened, rows);
    take_rows(&answer, rows);
    done_with(cursor->tx->sql, &answer);
    return WORKED;
}

void sql_close_cursor(struct sql_cursor *cursor)
{
    const struct sl_sql_request request = {.verb = SL_SQL_CURSOR_CLOSE,
                                           .cursor = cursor->number};
    struct resource *sql = cursor->tx->sql;
    struct sl_sql_answer answer;

    /* The end of its session closes one that has its own. */
    if (cursor->tx->owners > 1 &&
        call_service(sql, cursor->tx, &request, &answer) == WORKED)
        done_with(sql, &answer);
    session_unref(cursor->tx);
    done_with(sql, &cursor->opened);
    free(cursor);
}

bool suite_dialect(const char *name)
{
    return sql_use_dialect(name);
}
