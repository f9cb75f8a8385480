/* SPDX-License-Identifier: Apache-2.0 */
/* A kit for PostgreSQL drivers with their own tables. */
#include "client/postgres/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    TABLE_MAX =
        40, /* bytes in the name: the server's limit is 63, with suffixes */
    WRITE_AT = 1 << 20, /* read answers after so many bytes of arguments */
    SOON_MS = 1000,
};

struct store {
    const struct sl_pg_tables_kind *kind;
    struct sl_pg_target *target;
    const char *table;
};

struct connection {
    const struct store *store;
    struct sl_pg pg;
    bool notified; /* a notification that `changed` has not reported yet */
};

/* --- Settings ----------------------------------------------------------- */

enum sl_status sl_pg_check_table(const void *field, struct sl_error *err)
{
    const char *name = *(const char *const *)field;
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                              "UVWXYZ0123456789_-");

    if (len == 0 || len > TABLE_MAX || name[len] != '\0')
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected 1 to %d letters, digits, _ and -", TABLE_MAX);
    return SL_OK;
}

enum sl_status
sl_pg_tables_store_new(const struct sl_pg_tables_kind *kind,
                       const struct sl_pg_tables_options *options, void **out,
                       struct sl_error *err)
{
    struct store *store = sl_alloc(sizeof(*store));
    enum sl_status status =
        sl_pg_target_new(&options->server, "", &store->target, err);

    if (status != SL_OK) {
        free(store);
        return status;
    }
    store->kind = kind;
    store->table = options->table;
    *out = store;
    return SL_OK;
}

void sl_pg_tables_store_free(void *data)
{
    struct store *store = data;

    sl_pg_target_free(store->target);
    free(store);
}

/* --- Arguments ---------------------------------------------------------- */

void sl_pg_add_bytes(struct sl_pg_arguments *arguments, struct sl_bytes bytes)
{
    int i = arguments->count++;

    arguments->values[i] = bytes.len > 0 ? (const char *)bytes.ptr : "";
    arguments->lengths[i] = (int)bytes.len;
    arguments->formats[i] = 1;
}

void sl_pg_add_number(struct sl_pg_arguments *arguments, int64_t number)
{
    int i = arguments->count++;

    snprintf(arguments->numbers[i], sizeof(arguments->numbers[i]), "%" PRId64,
             number);
    arguments->values[i] = arguments->numbers[i];
    arguments->formats[i] = 0;
}

void sl_pg_add_null(struct sl_pg_arguments *arguments)
{
    int i = arguments->count++;

    arguments->values[i] = NULL;
    arguments->formats[i] = 0;
}

/* --- Opening ------------------------------------------------------------ */

/* The SQL with the name of the tables, for the caller to free. */
static char *fill_in(const struct store *store, const char *text)
{
    size_t len = strlen(store->table), count = 0;

    for (const char *at = text; (at = strstr(at, "{t}")) != NULL; at++)
        count++;
    char *filled = sl_alloc(strlen(text) + count * len + 1), *to = filled;
    for (; *text != '\0'; text++) {
        if (strncmp(text, "{t}", 3) == 0) {
            memcpy(to, store->table, len);
            to += len;
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return filled;
}

static enum sl_status run_text(struct connection *connection, const char *text,
                               sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *filled = fill_in(connection->store, text);

    return sl_pg_exec(&connection->pg, filled, deadline, err);
}

/* A user without the right to create tables can use existing ones. */
static enum sl_status tables_exist(struct connection *connection,
                                   sl_deadline deadline, bool *there,
                                   struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    SL_CLEANUP(sl_freep)
    char *text = fill_in(connection->store, connection->store->kind->probe);
    enum sl_status status = sl_pg_sent(
        &connection->pg, PQsendQuery(connection->pg.handle, text), err);

    if (status == SL_OK)
        status = sl_pg_next(&connection->pg, deadline, &result, err);
    if (status != SL_OK)
        return status;
    *there = PQresultStatus(result) == PGRES_TUPLES_OK &&
             PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return sl_pg_explain(result, true, err);
    return sl_pg_drain(&connection->pg, deadline, err);
}

static enum sl_status create_tables(struct connection *connection,
                                    sl_deadline deadline, struct sl_error *err)
{
    bool there = false;
    enum sl_status status = tables_exist(connection, deadline, &there, err);

    if (status != SL_OK || there)
        return status;
    /* The advisory lock serializes processes that create the tables. */
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf(
        "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(1936484452, "
        "pg_catalog.hashtext('{t}')); %s; COMMIT",
        connection->store->kind->create);
    status = run_text(connection, text, deadline, err);
    if (status != SL_OK)
        return sl_fail_in(err,
                          "the tables \"%s\" do not exist and cannot be "
                          "created",
                          connection->store->table);
    return SL_OK;
}

/* Prepare all statements in one pipeline. */
static enum sl_status prepare_statements(struct connection *connection,
                                         sl_deadline deadline,
                                         struct sl_error *err)
{
    const char *const *statements = connection->store->kind->statements;
    PGconn *handle = connection->pg.handle;
    int sent = PQenterPipelineMode(handle);
    enum sl_status failed = SL_OK;

    for (int i = 0; sent == 1 && statements[i] != NULL; i++) {
        SL_CLEANUP(sl_freep)
        char *text = fill_in(connection->store, statements[i]);
        char name[16];
        snprintf(name, sizeof(name), "sl_%d", i);
        sent = PQsendPrepare(handle, name, text, 0, NULL);
    }
    if (sent == 1)
        sent = PQpipelineSync(handle);
    enum sl_status status = sl_pg_sent(&connection->pg, sent, err);
    while (status == SL_OK) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        struct sl_error mine;
        status = sl_pg_next(&connection->pg, deadline, &result, &mine);
        if (status != SL_OK)
            return sl_fail(err, status, "%s", mine.message);
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            break;
        if (PQresultStatus(result) == PGRES_FATAL_ERROR && failed == SL_OK)
            failed = sl_pg_explain(result, true, err);
    }
    if (status == SL_OK)
        (void)PQexitPipelineMode(handle);
    return failed != SL_OK ? failed : status;
}

static enum sl_status check_encoding(const struct connection *connection,
                                     struct sl_error *err)
{
    const char *encoding =
        PQparameterStatus(connection->pg.handle, "server_encoding");

    if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
        return SL_OK;
    return sl_fail(err, SL_UNSUPPORTED,
                   "PostgreSQL: the database's encoding is %s; it must be UTF8",
                   encoding != NULL ? encoding : "not known");
}

void sl_pg_tables_close(void *data)
{
    struct connection *connection = data;

    sl_pg_close(&connection->pg);
    free(connection);
}

enum sl_status sl_pg_tables_open(void *data, sl_deadline deadline, void **out,
                                 struct sl_error *err)
{
    const struct store *store = data;
    struct connection *connection = sl_alloc(sizeof(*connection));

    connection->store = store;
    /* Changes before LISTEN cause no notification. */
    connection->notified = true;
    enum sl_status status =
        sl_pg_open(&connection->pg, store->target, deadline, err);
    if (status == SL_OK)
        status = check_encoding(connection, err);
    if (status == SL_OK)
        status = create_tables(connection, deadline, err);
    if (status == SL_OK)
        status = prepare_statements(connection, deadline, err);
    if (status == SL_OK && store->kind->channel != NULL) {
        SL_CLEANUP(sl_freep)
        char *listen = sl_asprintf("LISTEN \"%s\"", store->kind->channel);
        status = run_text(connection, listen, deadline, err);
    }
    if (status != SL_OK) {
        sl_pg_tables_close(connection);
        return status;
    }
    *out = connection;
    return SL_OK;
}

/* --- Running ------------------------------------------------------------ */

static enum sl_status send_statement(struct connection *connection,
                                     int statement,
                                     const struct sl_pg_arguments *arguments,
                                     struct sl_error *err)
{
    char name[16];

    snprintf(name, sizeof(name), "sl_%d", statement);
    return sl_pg_sent(&connection->pg,
                      PQsendQueryPrepared(connection->pg.handle, name,
                                          arguments->count, arguments->values,
                                          arguments->lengths,
                                          arguments->formats, 1),
                      err);
}

static size_t arguments_size(const struct sl_pg_arguments *arguments)
{
    size_t bytes = 0;

    for (int i = 0; i < arguments->count; i++)
        if (arguments->formats[i] == 1)
            bytes += (size_t)arguments->lengths[i];
    return bytes;
}

/* Statuses that would blame the guest become SL_INTERNAL. */
static enum sl_status service_status(enum sl_status status)
{
    switch (status) {
    case SL_PERMISSION_DENIED:
    case SL_UNAUTHENTICATED:
    case SL_TOO_LARGE:
    case SL_RESOURCE_EXHAUSTED:
    case SL_TIMEOUT:
    case SL_UNAVAILABLE:
    case SL_UNSUPPORTED:
        return status;
    default:
        return SL_INTERNAL;
    }
}

/* The tables or statements were dropped or changed after they were prepared:
 * the next connection creates and prepares them again. */
static bool is_schema_change(const char *sqlstate)
{
    return (strncmp(sqlstate, "42", 2) == 0 &&
            strcmp(sqlstate, "42501") != 0) ||
           strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0;
}

/*
 * A statement that failed has done nothing; also one that the server gave up to
 * end the connection (57P01), since results precede that. done: there was a
 * result before.
 */
static void fail_by_server(struct connection *connection, struct sl_op *op,
                           const PGresult *result, bool done)
{
    const char *sqlstate = sl_pg_sqlstate(result);
    struct sl_error err;

    if (connection->store->kind->refuse != NULL &&
        connection->store->kind->refuse(op, sqlstate))
        return;
    enum sl_status status = sl_pg_explain(result, false, &err);
    if (is_schema_change(sqlstate) || status == SL_ABORTED)
        status = SL_UNAVAILABLE;
    err.status = service_status(status);
    op->unsent = !done && sl_pg_is_undone(result);
    op->full = strcmp(sqlstate, "53100") == 0; /* the disk */
    sl_op_fail(op, &err);
}

/* Read the results of one op, up to its sync. */
static enum sl_status read_op_result(struct connection *connection,
                                     struct sl_op *op, struct sl_error *err)
{
    bool answered = false;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status =
            sl_pg_next(&connection->pg, op->deadline, &result, err);
        if (status != SL_OK)
            return status;
        if (result == NULL)
            continue;
        switch (PQresultStatus(result)) {
        case PGRES_PIPELINE_SYNC:
            return SL_OK;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            if (!answered)
                connection->store->kind->answer(op, result);
            answered = true;
            break;
        default:
            fail_by_server(connection, op, result, answered);
            answered = true;
        }
        if (connection->pg.broken)
            return sl_fail(err, SL_UNAVAILABLE,
                           "PostgreSQL: the server ended the connection");
    }
}

static void fail_unanswered_ops(struct sl_op *const ops[], size_t first,
                                size_t count, bool unsent,
                                const struct sl_error *err)
{
    for (size_t i = first; i < count; i++) {
        if (sl_op_answer(ops[i])->err.status != SL_OK)
            continue;
        ops[i]->unsent = unsent;
        sl_op_fail(ops[i], err);
    }
}

/*
 * Send ops from *first on, as many as fit; sent[] marks those that were sent.
 */
static enum sl_status send_some(struct connection *connection,
                                struct sl_op *const ops[], size_t *first,
                                size_t count, bool sent[], struct sl_error *err)
{
    enum sl_status status = SL_OK;
    size_t bytes = 0, i = *first;

    for (; status == SL_OK && i < count && bytes < WRITE_AT; i++) {
        struct sl_pg_arguments arguments = {.count = 0};
        int statement =
            connection->store->kind->make_arguments(ops[i], &arguments);
        sent[i] = statement >= 0;
        if (statement < 0)
            continue;
        bytes += arguments_size(&arguments);
        status = send_statement(connection, statement, &arguments, err);
        if (status == SL_OK)
            status = sl_pg_sent(&connection->pg,
                                PQpipelineSync(connection->pg.handle), err);
    }
    *first = i;
    return status;
}

static void run_pipeline(struct connection *connection,
                         struct sl_op *const ops[], size_t count)
{
    bool sent[256] = {false};
    struct sl_error err;
    enum sl_status status = sl_pg_sent(
        &connection->pg, PQenterPipelineMode(connection->pg.handle), &err);
    size_t begun = 0, done = 0;

    while (status == SL_OK && begun < count) {
        status = send_some(connection, ops, &begun, count, sent, &err);
        while (status == SL_OK && done < begun) {
            if (sent[done])
                status = read_op_result(connection, ops[done], &err);
            done += status == SL_OK;
        }
    }
    if (status == SL_OK && PQexitPipelineMode(connection->pg.handle) == 1)
        return;
    connection->pg.broken = true;
    if (status == SL_OK)
        return;
    /* The first unanswered op is the one that failed. */
    fail_unanswered_ops(ops, done, begun, false, &err);
    fail_unanswered_ops(ops, begun, count, true, &err);
}

void sl_pg_tables_run(void *data, struct sl_op *const ops[], size_t count)
{
    struct connection *connection = data;
    struct sl_error err;

    if (sl_pg_is_stale(&connection->pg, &connection->notified, &err))
        fail_unanswered_ops(ops, 0, count, true, &err);
    else
        run_pipeline(connection, ops, count);
    for (size_t i = 0; i < count; i++)
        ops[i]->broken = connection->pg.broken;
}

bool sl_pg_tables_changed(void *data)
{
    struct connection *connection = data;
    struct sl_error err;

    /* A broken connection may have missed a notification. */
    if (sl_pg_is_stale(&connection->pg, &connection->notified, &err))
        return true;
    bool notified = connection->notified;
    connection->notified = false;
    return notified;
}

void sl_pg_tables_do(void *data, int statement,
                     const struct sl_pg_arguments *arguments)
{
    struct connection *connection = data;
    struct sl_error err;

    if (sl_pg_is_stale(&connection->pg, &connection->notified, &err))
        return;
    if (send_statement(connection, statement, arguments, &err) == SL_OK)
        (void)!sl_pg_drain(&connection->pg, sl_deadline_in_ms(SOON_MS), &err);
}

/* The number of rows that a statement has deleted; 0 if it failed. */
static int64_t rows_of(struct connection *connection, sl_deadline deadline)
{
    int64_t rows = 0;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        struct sl_error err;
        if (sl_pg_next(&connection->pg, deadline, &result, &err) != SL_OK ||
            result == NULL)
            return rows;
        const char *count = PQcmdTuples(result);
        (void)sl_bytes_to_integer(sl_bytes_of(count), &rows);
    }
}

bool sl_pg_tables_sweep(void *data, int statement)
{
    const struct sl_pg_arguments none = {.count = 0};
    struct connection *connection = data;
    struct sl_error err;

    return !sl_pg_is_stale(&connection->pg, &connection->notified, &err) &&
           send_statement(connection, statement, &none, &err) == SL_OK &&
           rows_of(connection, sl_deadline_in_ms(SOON_MS)) == SL_PG_SWEEP_ROWS;
}

/* --- Reading ------------------------------------------------------------ */

struct sl_bytes sl_pg_bytes_at(const PGresult *result, int row, int column)
{
    if (row >= PQntuples(result) || column >= PQnfields(result))
        return SL_LITERAL("");
    return SL_BYTES(PQgetvalue(result, row, column),
                    (size_t)PQgetlength(result, row, column));
}

int64_t sl_pg_number_at(const PGresult *result, int row, int column)
{
    struct sl_bytes bytes = sl_pg_bytes_at(result, row, column);
    uint64_t number = 0;

    for (size_t i = 0; bytes.len == 8 && i < 8; i++)
        number = number << 8 | bytes.ptr[i];
    return (int64_t)number;
}
