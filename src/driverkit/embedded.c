/* SPDX-License-Identifier: Apache-2.0 */
/* A kit for the embedded drivers. */
#include "driverkit/embedded.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "driverkit/embedded_clock.h"
#include "service/notice.h"

enum {
    PROGRESS_OPS =
        1000,       /* SQLite's operations between two checks of the deadline */
    SAVE_MS = 1000, /* the clock is saved with writes, at most so often */
    SWEEP_MS = 10,  /* of one idle sweep: calls may be waiting */
    SWEEP_ROWS = 256,    /* of one statement, at most */
    SWEPT_PER_WRITE = 2, /* expired rows deleted per write of a batch */
    FULL_SWEEP_MS = 20,  /* of a sweep in a full file: calls wait for it */
    FULL_SWEEP_ROWS = 4, /* of one statement then: few fit into the log */
};

/* --- Settings ----------------------------------------------------------- */

enum sl_status sl_embedded_check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] == '\0' || strcmp(path, ":memory:") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected a file");
    return SL_OK;
}

enum sl_status sl_embedded_check_sync(const void *field, struct sl_error *err)
{
    const char *sync = *(const char *const *)field;

    if (strcmp(sync, "full") != 0 && strcmp(sync, "normal") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"full\" or \"normal\"");
    return SL_OK;
}

const struct sl_option sl_embedded_options[] = {SL_EMBEDDED_OPTIONS, {0}};

struct sl_sqlite_mode
sl_embedded_mode(const struct sl_embedded_options *options)
{
    return (struct sl_sqlite_mode){
        .flush = strcmp(options->sync, "full") == 0,
        .max_bytes = options->max_bytes,
    };
}

bool sl_embedded_usage(void *store, struct sl_usage *out)
{
    const struct sl_embedded_options *options = store;
    struct sl_sqlite_usage usage;

    bool known = sl_sqlite_usage(options->path, options->max_bytes, &usage);
    *out = (struct sl_usage){usage.used, usage.limit, usage.files};
    return known;
}

enum sl_status sl_embedded_store_new(const void *options, void **store,
                                     struct sl_error *err)
{
    (void)err;
    *store = (void *)(uintptr_t)options;
    return SL_OK;
}

void sl_embedded_store_free(void *store)
{
    (void)store;
}

/* --- Answers ------------------------------------------------------------ */

void sl_embedded_refuse(struct sl_op *op, enum sl_status status,
                        const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

/* --- Transactions ------------------------------------------------------- */

int sl_embedded_begin(struct sl_embedded *connection)
{
    int code = sl_embedded_perform(
        connection->begin); /* may wait for other processes */

    connection->changes_before = sqlite3_total_changes(connection->file.handle);
    connection->now = sl_embedded_now(connection);
    return code;
}

/* Save the time, with a transaction that writes anyway. */
static int save_clock(struct sl_embedded *connection)
{
    if (!connection->kind->has_clock ||
        connection->now - connection->saved < SAVE_MS ||
        sqlite3_total_changes(connection->file.handle) ==
            connection->changes_before)
        return SQLITE_OK;
    sqlite3_bind_int64(connection->tick, 1, connection->now);
    int code = sl_embedded_perform(connection->tick);
    if (code == SQLITE_OK)
        connection->saved = connection->now;
    return code;
}

int sl_embedded_commit(struct sl_embedded *connection)
{
    int code = save_clock(connection);

    /* Only transactions that free room may use the reserve. */
    if (code == SQLITE_OK && !connection->frees &&
        sl_sqlite_is_over(&connection->file))
        code = SQLITE_FULL;
    return code == SQLITE_OK ? sl_embedded_perform(connection->commit) : code;
}

void sl_embedded_roll_back(struct sl_embedded *connection)
{
    if (sqlite3_get_autocommit(connection->file.handle) == 0)
        (void)sl_embedded_perform(connection->roll_back);
    connection->saved = 0;
    if (connection->kind->rolled_back != NULL)
        connection->kind->rolled_back(connection);
}

/* --- Batches ------------------------------------------------------------ */

/* The transaction that inserted the op's waiter may have been rolled back. */
static void reset_op(const struct sl_embedded *connection, struct sl_op *op)
{
    sl_op_reset(connection->kind->capability, op);
    sl_op_retract_reports(op);
    op->waiter_id = 0;
}

static void fail_all(const struct sl_embedded *connection,
                     struct sl_op *const ops[], size_t count, bool unsent,
                     const struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        reset_op(connection, ops[i]);
        ops[i]->unsent = unsent;
        ops[i]->full = err->status == SL_RESOURCE_EXHAUSTED;
        sl_op_fail(ops[i], err);
    }
}

/* Sweep some expired rows in the transaction of the batch. */
static int sweep_with_batch(struct sl_embedded *connection, size_t writes)
{
    if (connection->kind->sweep == NULL)
        return SQLITE_OK;
    connection->may_sweep = SWEPT_PER_WRITE * (int64_t)writes;
    connection->sweep_code = SQLITE_OK;
    (void)connection->kind->sweep(connection);
    connection->may_sweep = 0;
    return connection->sweep_code;
}

/*
 * Answer ops in one transaction.  False: SQLite failed, nothing was written,
 * and each op has that failure.
 */
static bool run_together(struct sl_embedded *connection,
                         struct sl_op *const ops[], size_t count, bool sweeps)
{
    struct sl_error err;
    bool committing = false;

    int code = sl_embedded_begin(connection);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        if (!sl_deadline_passed(ops[i]->deadline)) {
            code = connection->kind->run(connection, ops[i]);
        } else {
            sl_fail(&err, SL_TIMEOUT, "%s: busy until the deadline",
                    connection->file.path);
            sl_op_fail(ops[i], &err);
            ops[i]->unsent = true;
        }
    }
    if (code == SQLITE_OK && sweeps)
        code = sweep_with_batch(connection, count);
    if (code == SQLITE_OK) {
        committing = true;
        code = sl_embedded_commit(connection);
    }
    if (code == SQLITE_OK)
        return true;

    sl_sqlite_explain(&connection->file, code, &err);
    sl_embedded_roll_back(connection);
    /* A failed commit may still appear in the file after a crash. */
    fail_all(connection, ops, count, !committing, &err);
    return false;
}

static void run_single_read(struct sl_embedded *connection, struct sl_op *op)
{
    struct sl_error err;

    connection->file.deadline = op->deadline;
    int code = connection->kind->run(connection, op);

    if (code == SQLITE_OK)
        return;
    sl_sqlite_explain(&connection->file, code, &err);
    fail_all(connection, &op, 1, true, &err);
}

static bool any_writes(const struct sl_embedded *connection,
                       struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (connection->kind->writes(ops[i]))
            return true;
    return false;
}

static sl_deadline last_deadline(struct sl_op *const ops[], size_t count)
{
    sl_deadline last = ops[0]->deadline;

    for (size_t i = 1; i < count; i++)
        if (ops[i]->deadline > last)
            last = ops[i]->deadline;
    return last;
}

static bool all_free(const struct sl_embedded *connection,
                     struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!connection->kind->frees(ops[i]))
            return false;
    return true;
}

/* Free room: checkpoint the log and sweep expired rows. */
static void make_room(struct sl_embedded *connection)
{
    sl_deadline deadline = connection->file.deadline;

    sl_sqlite_shorten_log(&connection->file); /* may take long */
    if (connection->kind->sweep == NULL)
        return;
    sl_deadline soon = sl_deadline_in_ms(FULL_SWEEP_MS);
    connection->file.deadline = soon < deadline ? soon : deadline;
    (void)connection->kind->sweep(connection);
    connection->file.deadline = deadline;
}

/* Run each op in its own transaction; ops that free room may use the
 * reserve. */
static void run_each(struct sl_embedded *connection, struct sl_op *const ops[],
                     size_t count, bool full)
{
    for (size_t i = 0; i < count; i++) {
        reset_op(connection, ops[i]);
        sl_sqlite_begin_call(&connection->file);
        connection->frees = full && connection->kind->frees(ops[i]);
        if (connection->frees)
            sl_sqlite_set_frees(&connection->file, true);
        (void)run_together(connection, &ops[i], 1, false);
        if (connection->frees)
            sl_sqlite_set_frees(&connection->file, false);
    }
    connection->frees = false;
}

void sl_embedded_run(void *context, struct sl_op *const ops[], size_t count)
{
    struct sl_embedded *connection = context;

    sl_sqlite_begin_call(&connection->file);
    connection->file.deadline = last_deadline(ops, count);
    connection->now = sl_embedded_now(connection);
    if (!any_writes(connection, ops, count)) {
        connection->only_reads = true;
        for (size_t i = 0; i < count; i++)
            run_single_read(connection, ops[i]);
        connection->only_reads = false;
        return;
    }
    connection->frees = all_free(connection, ops, count);
    connection->sweep_code = SQLITE_OK;
    bool done = run_together(connection, ops, count, true);
    connection->frees = false;
    bool full = connection->file.full;
    if (done || (count == 1 && !full && connection->sweep_code == SQLITE_OK) ||
        sl_deadline_passed(connection->file.deadline))
        return;

    /* An op that does not fit must not fail the others. */
    if (full)
        make_room(connection);
    run_each(connection, ops, count, full);
}

static int read_single_integer(sqlite3_stmt *statement, int64_t *value)
{
    bool row = sqlite3_step(statement) == SQLITE_ROW;

    *value = row ? sqlite3_column_int64(statement, 0) : 0;
    int code = sl_embedded_finish(statement);
    return code == SQLITE_OK && !row ? SQLITE_CORRUPT : code;
}

bool sl_embedded_changed(void *context)
{
    struct sl_embedded *connection = context;
    int64_t version;

    /* https://www.sqlite.org/pragma.html#pragma_data_version */
    bool moved =
        read_single_integer(connection->data_version, &version) != SQLITE_OK ||
        version != connection->seen_version;
    connection->seen_version = version;
    return moved;
}

static int delete_some(sqlite3_stmt *sweep, int64_t now, int64_t rows)
{
    sqlite3_bind_int64(sweep, 1, now);
    sqlite3_bind_int64(sweep, 2, rows);
    return sl_embedded_perform(sweep);
}

/* Rows have any size: adapt their number to about a millisecond. */
static int delete_in_time(struct sl_embedded *connection, sqlite3_stmt *sweep,
                          int64_t now, int64_t most)
{
    int64_t rows =
        connection->sweep_rows < most ? connection->sweep_rows : most;
    int64_t start = sl_now_ns();
    int code = delete_some(sweep, now, rows > 0 ? rows : 1);
    bool slow = sl_now_ns() - start > 1000000;

    if (slow && connection->sweep_rows > 1)
        connection->sweep_rows /= 2;
    else if (!slow && connection->sweep_rows < SWEEP_ROWS)
        connection->sweep_rows = connection->sweep_rows * 2 + 1;
    return code;
}

static int find_expired(sqlite3_stmt *look, int64_t now, bool *found)
{
    int64_t one;

    sqlite3_bind_int64(look, 1, now);
    return sl_embedded_query_integer(look, &one, found);
}

/* Sweep inside the transaction of a batch. */
static bool sweep_in_batch(struct sl_embedded *connection, sqlite3_stmt *look,
                           sqlite3_stmt *sweep, int64_t now)
{
    sl_deadline until = sl_deadline_in_ms(SWEEP_MS);
    bool found = true;

    while (connection->sweep_code == SQLITE_OK && connection->may_sweep > 0 &&
           !sl_deadline_passed(until)) {
        connection->sweep_code = find_expired(look, now, &found);
        if (connection->sweep_code != SQLITE_OK || !found)
            break;
        connection->sweep_code =
            delete_in_time(connection, sweep, now, connection->may_sweep);
        connection->may_sweep -= sqlite3_changes(connection->file.handle);
    }
    return !found;
}

/* Sweep in one transaction; *found is false if there was nothing, or it
 * failed. */
static void sweep_once(struct sl_embedded *connection, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now, bool *found)
{
    if (find_expired(look, now, found) != SQLITE_OK)
        *found = false;
    if (!*found)
        return;
    int code = delete_in_time(connection, sweep, now, SWEEP_ROWS);
    if (sl_sqlite_is_full(&connection->file, code)) {
        sl_sqlite_shorten_log(&connection->file);
        sl_sqlite_set_frees(&connection->file, true);
        code = delete_some(sweep, now, FULL_SWEEP_ROWS);
        sl_sqlite_set_frees(&connection->file, false);
    }
    *found = code == SQLITE_OK;
}

bool sl_embedded_sweep(struct sl_embedded *connection, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now)
{
    bool found;

    if (connection->may_sweep > 0)
        return sweep_in_batch(connection, look, sweep, now);
    sl_sqlite_begin_call(&connection->file);
    /* At least once: a call may be waiting for room. */
    do
        sweep_once(connection, look, sweep, now, &found);
    while (found && !sl_deadline_passed(connection->file.deadline));
    return !found;
}

bool sl_embedded_idle(void *context)
{
    struct sl_embedded *connection = context;

    connection->file.deadline = sl_deadline_in_ms(SWEEP_MS);
    return !connection->kind->sweep(connection);
}

/* --- Opening ------------------------------------------------------------ */

static int prepare_persistent(struct sl_embedded *connection, const char *text,
                              sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(connection->file.handle, text, -1,
                              SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

/* Not 0: interrupt.  A query may have to skip many expired rows. */
static int interrupt_at_deadline(void *context)
{
    const struct sl_embedded *connection = context;

    return connection->only_reads &&
           sl_deadline_passed(connection->file.deadline);
}

static int prepare_kind(struct sl_embedded *connection)
{
    const struct sl_embedded_kind *kind = connection->kind;
    size_t count = 0;

    while (kind->statements[count] != NULL)
        count++;
    connection->statements =
        sl_alloc_array(count + 1, sizeof(*connection->statements));
    int code =
        prepare_persistent(connection, "BEGIN IMMEDIATE", &connection->begin);
    if (code == SQLITE_OK)
        code = prepare_persistent(connection, "COMMIT", &connection->commit);
    if (code == SQLITE_OK)
        code =
            prepare_persistent(connection, "ROLLBACK", &connection->roll_back);
    if (code == SQLITE_OK)
        code = prepare_persistent(connection, "PRAGMA data_version",
                                  &connection->data_version);
    if (code == SQLITE_OK && kind->has_clock)
        code = prepare_persistent(connection,
                                  "UPDATE clock SET last = max(last, ?1)",
                                  &connection->tick);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = prepare_persistent(connection, kind->statements[i],
                                  &connection->statements[i]);
    return code;
}

static enum sl_status set_up_connection(struct sl_embedded *connection,
                                        struct sl_error *err)
{
    int code = prepare_kind(connection);

    sqlite3_progress_handler(connection->file.handle, PROGRESS_OPS,
                             interrupt_at_deadline, connection);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(&connection->file, code, err);
    return connection->kind->has_clock ? sl_embedded_open_clock(connection, err)
                                       : SL_OK;
}

enum sl_status sl_embedded_open(const struct sl_embedded_kind *kind,
                                const struct sl_embedded_options *options,
                                sl_deadline deadline, void **out,
                                struct sl_error *err)
{
    struct sl_embedded *connection = sl_alloc(kind->connection_size);

    const struct sl_sqlite_mode mode = sl_embedded_mode(options);

    connection->kind = kind;
    connection->sweep_rows = 1;
    enum sl_status status = sl_sqlite_open(&connection->file, options->path,
                                           &mode, &kind->format, deadline, err);
    if (status == SL_OK)
        status = set_up_connection(connection, err);
    if (status == SL_OK)
        *out = connection;
    else
        sl_embedded_close(connection);
    return status;
}

void sl_embedded_close(void *context)
{
    struct sl_embedded *connection = context;
    const char *const *texts = connection->kind->statements;

    for (size_t i = 0; connection->statements != NULL && texts[i] != NULL; i++)
        sqlite3_finalize(connection->statements[i]);
    sqlite3_finalize(connection->begin);
    sqlite3_finalize(connection->commit);
    sqlite3_finalize(connection->roll_back);
    sqlite3_finalize(connection->data_version);
    sqlite3_finalize(connection->tick);
    sl_sqlite_close(&connection->file);
    free(connection->statements);
    free(connection);
}
