/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that keep tables of their own in PostgreSQL. */
#include "client/postgres/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    TABLE_MAX = 40,     /* bytes in the name: the server's are 63 */
    WRITE_AT = 1 << 20, /* bytes of arguments after which answers are read */
    SOON_MS = 1000,
};

struct store {
    const struct sl_pg_tables_kind *kind;
    struct sl_pg_target *target;
    const char *table;
};

struct state {
    const struct store *store;
    struct sl_pg pg;
    bool told; /* on the channel, and not asked for yet */
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

/* The SQL with the name of the tables in it; the caller frees it. */
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

static enum sl_status do_text(struct state *state, const char *text,
                              sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *filled = fill_in(state->store, text);

    return sl_pg_exec(&state->pg, filled, deadline, err);
}

/* Who may not create is not asked to, where all is there. */
static enum sl_status is_there(struct state *state, sl_deadline deadline,
                               bool *there, struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
    SL_CLEANUP(sl_freep)
    char *text = fill_in(state->store, state->store->kind->probe);
    enum sl_status status =
        sl_pg_sent(&state->pg, PQsendQuery(state->pg.handle, text), err);

    if (status == SL_OK)
        status = sl_pg_next(&state->pg, deadline, &result, err);
    if (status != SL_OK)
        return status;
    *there = PQresultStatus(result) == PGRES_TUPLES_OK &&
             PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return sl_pg_explain(result, true, err);
    return sl_pg_drain(&state->pg, deadline, err);
}

static enum sl_status make_tables(struct state *state, sl_deadline deadline,
                                  struct sl_error *err)
{
    bool there = false;
    enum sl_status status = is_there(state, deadline, &there, err);

    if (status != SL_OK || there)
        return status;
    /* Others may be making them as well: one after the other. */
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf(
        "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(1936484452, "
        "pg_catalog.hashtext('{t}')); %s; COMMIT",
        state->store->kind->create);
    status = do_text(state, text, deadline, err);
    if (status != SL_OK)
        return sl_fail_in(err,
                          "the tables \"%s\" are not there and cannot be "
                          "made",
                          state->store->table);
    return SL_OK;
}

/* All statements in one go. */
static enum sl_status prepare_all(struct state *state, sl_deadline deadline,
                                  struct sl_error *err)
{
    const char *const *statements = state->store->kind->statements;
    PGconn *handle = state->pg.handle;
    int sent = PQenterPipelineMode(handle);
    enum sl_status failed = SL_OK;

    for (int i = 0; sent == 1 && statements[i] != NULL; i++) {
        SL_CLEANUP(sl_freep) char *text = fill_in(state->store, statements[i]);
        char name[16];
        snprintf(name, sizeof(name), "sl_%d", i);
        sent = PQsendPrepare(handle, name, text, 0, NULL);
    }
    if (sent == 1)
        sent = PQpipelineSync(handle);
    enum sl_status status = sl_pg_sent(&state->pg, sent, err);
    while (status == SL_OK) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        struct sl_error mine;
        status = sl_pg_next(&state->pg, deadline, &result, &mine);
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

static enum sl_status check_encoding(const struct state *state,
                                     struct sl_error *err)
{
    const char *encoding =
        PQparameterStatus(state->pg.handle, "server_encoding");

    if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
        return SL_OK;
    return sl_fail(err, SL_UNSUPPORTED,
                   "PostgreSQL: the database's encoding is %s; it must be UTF8",
                   encoding != NULL ? encoding : "not known");
}

void sl_pg_tables_close(void *data)
{
    struct state *state = data;

    sl_pg_close(&state->pg);
    free(state);
}

enum sl_status sl_pg_tables_open(void *data, sl_deadline deadline, void **out,
                                 struct sl_error *err)
{
    const struct store *store = data;
    struct state *state = sl_alloc(sizeof(*state));

    state->store = store;
    /* What others did before we listen is not told. */
    state->told = true;
    enum sl_status status =
        sl_pg_open(&state->pg, store->target, deadline, err);
    if (status == SL_OK)
        status = check_encoding(state, err);
    if (status == SL_OK)
        status = make_tables(state, deadline, err);
    if (status == SL_OK)
        status = prepare_all(state, deadline, err);
    if (status == SL_OK && store->kind->channel != NULL) {
        SL_CLEANUP(sl_freep)
        char *listen = sl_asprintf("LISTEN \"%s\"", store->kind->channel);
        status = do_text(state, listen, deadline, err);
    }
    if (status != SL_OK) {
        sl_pg_tables_close(state);
        return status;
    }
    *out = state;
    return SL_OK;
}

/* --- Running ------------------------------------------------------------ */

static enum sl_status send(struct state *state, int statement,
                           const struct sl_pg_arguments *arguments,
                           struct sl_error *err)
{
    char name[16];

    snprintf(name, sizeof(name), "sl_%d", statement);
    return sl_pg_sent(&state->pg,
                      PQsendQueryPrepared(state->pg.handle, name,
                                          arguments->count, arguments->values,
                                          arguments->lengths,
                                          arguments->formats, 1),
                      err);
}

static size_t bytes_of(const struct sl_pg_arguments *arguments)
{
    size_t bytes = 0;

    for (int i = 0; i < arguments->count; i++)
        if (arguments->formats[i] == 1)
            bytes += (size_t)arguments->lengths[i];
    return bytes;
}

/* Not what went wrong, but where the guest could not help it. */
static enum sl_status as_service(enum sl_status status)
{
    switch (status) {
    case SL_PERMISSION_DENIED:
    case SL_UNAUTHENTICATED:
    case SL_TOO_LARGE:
    case SL_TIMEOUT:
    case SL_UNAVAILABLE:
    case SL_UNSUPPORTED:
        return status;
    default:
        return SL_INTERNAL;
    }
}

/* The tables or the statements are gone, or others than when they were
 * prepared: the next connection makes them, and prepares anew. */
static bool is_gone(const char *sqlstate)
{
    return (strncmp(sqlstate, "42", 2) == 0 &&
            strcmp(sqlstate, "42501") != 0) ||
           strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0;
}

/*
 * What has failed in the server has done nothing, nor has what the server gave
 * up to end the connection (57P01): the result of what is done comes before.
 * done: it did.
 */
static void fail_by_server(struct state *state, struct sl_op *op,
                           const PGresult *result, bool done)
{
    const char *sqlstate = sl_pg_sqlstate(result);
    struct sl_error err;

    if (state->store->kind->refuse != NULL &&
        state->store->kind->refuse(op, sqlstate))
        return;
    enum sl_status status = as_service(sl_pg_explain(result, false, &err));
    if (is_gone(sqlstate) || sl_pg_is_retryable(sqlstate))
        status = SL_UNAVAILABLE;
    err.status = status;
    op->not_sent = !done && sl_pg_is_undone(result);
    sl_op_fail(op, &err);
}

/* Of one op, to its end in the pipeline. */
static enum sl_status read_one(struct state *state, struct sl_op *op,
                               struct sl_error *err)
{
    bool answered = false;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status =
            sl_pg_next(&state->pg, op->deadline, &result, err);
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
                state->store->kind->answer(op, result);
            answered = true;
            break;
        default:
            fail_by_server(state, op, result, answered);
            answered = true;
        }
        if (state->pg.lost)
            return sl_fail(err, SL_UNAVAILABLE,
                           "PostgreSQL: the server ended the connection");
    }
}

static void fail_from(struct sl_op *const ops[], size_t first, size_t count,
                      bool not_sent, const struct sl_error *err)
{
    for (size_t i = first; i < count; i++) {
        if (sl_op_answer(ops[i])->err.status != SL_OK)
            continue;
        ops[i]->not_sent = not_sent;
        sl_op_fail(ops[i], err);
    }
}

/*
 * Send some of ops, from *first on: as many as fit together.  Those that were
 * are marked.
 */
static enum sl_status send_some(struct state *state, struct sl_op *const ops[],
                                size_t *first, size_t count, bool sent[],
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;
    size_t bytes = 0, i = *first;

    for (; status == SL_OK && i < count && bytes < WRITE_AT; i++) {
        struct sl_pg_arguments arguments = {.count = 0};
        int statement = state->store->kind->ask(ops[i], &arguments);
        sent[i] = statement >= 0;
        if (statement < 0)
            continue;
        bytes += bytes_of(&arguments);
        status = send(state, statement, &arguments, err);
        if (status == SL_OK)
            status =
                sl_pg_sent(&state->pg, PQpipelineSync(state->pg.handle), err);
    }
    *first = i;
    return status;
}

static void run_pipeline(struct state *state, struct sl_op *const ops[],
                         size_t count)
{
    bool sent[256] = {false};
    struct sl_error err;
    enum sl_status status =
        sl_pg_sent(&state->pg, PQenterPipelineMode(state->pg.handle), &err);
    size_t begun = 0, done = 0;

    while (status == SL_OK && begun < count) {
        status = send_some(state, ops, &begun, count, sent, &err);
        while (status == SL_OK && done < begun) {
            if (sent[done])
                status = read_one(state, ops[done], &err);
            done += status == SL_OK;
        }
    }
    if (status == SL_OK && PQexitPipelineMode(state->pg.handle) == 1)
        return;
    state->pg.lost = true;
    if (status == SL_OK)
        return;
    /* The first that is not answered is the one that failed so. */
    fail_from(ops, done, begun, false, &err);
    fail_from(ops, begun, count, true, &err);
}

void sl_pg_tables_run(void *data, struct sl_op *const ops[], size_t count)
{
    struct state *state = data;
    struct sl_error err;

    if (sl_pg_is_stale(&state->pg, &state->told, &err))
        fail_from(ops, 0, count, true, &err);
    else
        run_pipeline(state, ops, count);
    for (size_t i = 0; i < count; i++)
        ops[i]->lost = state->pg.lost;
}

bool sl_pg_tables_changed(void *data)
{
    struct state *state = data;
    struct sl_error err;

    /* A connection that is gone may have missed something. */
    if (sl_pg_is_stale(&state->pg, &state->told, &err))
        return true;
    bool told = state->told;
    state->told = false;
    return told;
}

void sl_pg_tables_do(void *data, int statement,
                     const struct sl_pg_arguments *arguments)
{
    struct state *state = data;
    struct sl_error err;

    if (sl_pg_is_stale(&state->pg, &state->told, &err))
        return;
    if (send(state, statement, arguments, &err) == SL_OK)
        (void)!sl_pg_drain(&state->pg, sl_deadline_in_ms(SOON_MS), &err);
}

/* How many rows a statement has written; 0 where it failed. */
static int64_t rows_of(struct state *state, sl_deadline deadline)
{
    int64_t rows = 0;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        struct sl_error err;
        if (sl_pg_next(&state->pg, deadline, &result, &err) != SL_OK ||
            result == NULL)
            return rows;
        const char *count = PQcmdTuples(result);
        (void)sl_bytes_to_integer(sl_bytes_of(count), &rows);
    }
}

bool sl_pg_tables_sweep(void *data, int statement)
{
    const struct sl_pg_arguments none = {.count = 0};
    struct state *state = data;
    struct sl_error err;

    return !sl_pg_is_stale(&state->pg, &state->told, &err) &&
           send(state, statement, &none, &err) == SL_OK &&
           rows_of(state, sl_deadline_in_ms(SOON_MS)) == SL_PG_SWEEP_ROWS;
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
