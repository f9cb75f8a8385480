/* SPDX-License-Identifier: Apache-2.0 */
/* What the embedded drivers have in common. */
#include "driverkit/embedded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "service/notice.h"

enum {
    PROGRESS_OPS = 1000, /* between two looks at the deadline */
    SAVE_MS = 1000,      /* how often the time is saved, with what is written */
    SWEEP_MS = 10,       /* in one go: calls may be coming in */
    SWEEP_ROWS = 256,    /* by one statement, at most */
    SWEPT_PER_WRITE = 2, /* where there are so many */
    FULL_SWEEP_MS = 20,  /* where the file is full: calls wait for it */
    FULL_SWEEP_ROWS = 4, /* and few fit into the log */
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

/* --- Statements --------------------------------------------------------- */

int sl_embedded_finish(sqlite3_stmt *statement)
{
    int code = sqlite3_reset(statement); /* that of the last step */

    sqlite3_clear_bindings(statement);
    return code;
}

int sl_embedded_perform(sqlite3_stmt *statement)
{
    errno = 0;                     /* for sl_sqlite_explain */
    (void)sqlite3_step(statement); /* finish has its code */
    return sl_embedded_finish(statement);
}

int sl_embedded_look_up(sqlite3_stmt *statement, int64_t *value, bool *found)
{
    *found = sqlite3_step(statement) == SQLITE_ROW;
    *value = *found ? sqlite3_column_int64(statement, 0) : 0;
    return sl_embedded_finish(statement);
}

void sl_embedded_make_receipt(char receipt[SL_EMBEDDED_RECEIPT_MAX],
                              int64_t row, int64_t delivery)
{
    snprintf(receipt, SL_EMBEDDED_RECEIPT_MAX, "%" PRId64 ".%" PRId64, row,
             delivery);
}

bool sl_embedded_parse_receipt(struct sl_bytes receipt, int64_t *row,
                               int64_t *delivery)
{
    const uint8_t *dot =
        receipt.len > 0 ? memchr(receipt.ptr, '.', receipt.len) : NULL;

    if (dot == NULL)
        return false;
    size_t before = (size_t)(dot - receipt.ptr);
    return sl_bytes_to_integer(SL_BYTES(receipt.ptr, before), row) &&
           sl_bytes_to_integer(SL_BYTES(dot + 1, receipt.len - before - 1),
                               delivery);
}

void sl_embedded_bind_text(sqlite3_stmt *statement, int at,
                           struct sl_bytes text)
{
    sqlite3_bind_text(statement, at, (const char *)text.ptr, (int)text.len,
                      SQLITE_STATIC);
}

int sl_embedded_bind_blob(sqlite3_stmt *statement, int at,
                          struct sl_bytes bytes)
{
    return sqlite3_bind_blob64(statement, at,
                               bytes.len > 0 ? (const void *)bytes.ptr : "",
                               bytes.len, SQLITE_STATIC);
}

struct sl_bytes sl_embedded_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return SL_BYTES(text, (size_t)sqlite3_column_bytes(statement, column));
}

struct sl_bytes sl_embedded_blob(sqlite3_stmt *statement, int column)
{
    const void *blob = sqlite3_column_blob(statement, column);

    return SL_BYTES(blob, (size_t)sqlite3_column_bytes(statement, column));
}

void sl_embedded_refuse(struct sl_op *op, enum sl_status status,
                        const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

static int read_integer(sqlite3_stmt *statement, int64_t *value)
{
    bool row = sqlite3_step(statement) == SQLITE_ROW;

    *value = row ? sqlite3_column_int64(statement, 0) : 0;
    int code = sl_embedded_finish(statement);
    return code == SQLITE_OK && !row ? SQLITE_CORRUPT : code;
}

/* --- The clock of the store --------------------------------------------- */

static int64_t up_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t sl_embedded_now(const struct sl_embedded *state)
{
    return up_ms() + state->skew;
}

int64_t sl_embedded_up_ns(const struct sl_embedded *state)
{
    return (state->now - state->skew) * 1000000;
}

sl_deadline sl_embedded_deadline(const struct sl_embedded *state, int64_t at)
{
    int64_t left = at - sl_embedded_now(state);

    return sl_deadline_in_ms(left > 0 ? left : 0);
}

static int read_clock(struct sl_embedded *state, struct sl_bytes boot,
                      bool *ours)
{
    sqlite3_stmt *clock;

    int code = sqlite3_prepare_v2(state->file.handle,
                                  "SELECT boot, skew, last FROM clock", -1,
                                  &clock, NULL);
    if (code != SQLITE_OK)
        return code;
    bool row = sqlite3_step(clock) == SQLITE_ROW;
    *ours = row && sl_bytes_equal(sl_embedded_text(clock, 0), boot);
    state->skew = sqlite3_column_int64(clock, 1);
    state->saved = sqlite3_column_int64(clock, 2);
    code = sqlite3_finalize(clock);
    return code == SQLITE_OK && !row ? SQLITE_CORRUPT : code;
}

/* The first one to open it since the machine was started: go on where the clock
 * stood, or with the system's where that is later. */
static int start_clock(struct sl_embedded *state, struct sl_bytes boot)
{
    sqlite3_stmt *set;
    int64_t wall = sl_wall_ms();
    int64_t now = wall > state->saved ? wall : state->saved;

    int code = sqlite3_prepare_v2(state->file.handle,
                                  "UPDATE clock SET boot = ?1, skew = ?2", -1,
                                  &set, NULL);
    if (code != SQLITE_OK)
        return code;
    state->skew = now - up_ms();
    sl_embedded_bind_text(set, 1, boot);
    sqlite3_bind_int64(set, 2, state->skew);
    errno = 0;
    (void)sqlite3_step(set);
    return sqlite3_finalize(set);
}

static int open_clock_once(struct sl_embedded *state, struct sl_bytes boot)
{
    bool ours;
    int code = read_clock(state, boot, &ours);

    if (code != SQLITE_OK || ours)
        return code;
    code = sl_embedded_begin(state);
    if (code == SQLITE_OK)
        code = read_clock(state, boot, &ours);
    if (code == SQLITE_OK && !ours)
        code = start_clock(state, boot);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(state->commit);
    if (code != SQLITE_OK)
        sl_embedded_roll_back(state);
    return code;
}

/* A process that ended may have left a log that is full. */
static int open_clock(struct sl_embedded *state, struct sl_bytes boot)
{
    int code = open_clock_once(state, boot);

    if (!sl_sqlite_is_full(&state->file, code))
        return code;
    sl_sqlite_shorten_log(&state->file);
    sl_sqlite_set_frees(&state->file, true);
    code = open_clock_once(state, boot);
    sl_sqlite_set_frees(&state->file, false);
    return code;
}

/* Which start of the machine this is. */
static enum sl_status read_boot(struct sl_buf *boot, struct sl_error *err)
{
    return sl_file_read("/proc/sys/kernel/random/boot_id", boot, err);
}

/* --- Transactions ------------------------------------------------------- */

int sl_embedded_begin(struct sl_embedded *state)
{
    int code = sl_embedded_perform(state->begin); /* it may have to wait */

    state->changes_before = sqlite3_total_changes(state->file.handle);
    state->now = sl_embedded_now(state);
    return code;
}

/* The time, with what is written anyway. */
static int tick(struct sl_embedded *state)
{
    if (!state->kind->has_clock || state->now - state->saved < SAVE_MS ||
        sqlite3_total_changes(state->file.handle) == state->changes_before)
        return SQLITE_OK;
    sqlite3_bind_int64(state->tick, 1, state->now);
    int code = sl_embedded_perform(state->tick);
    if (code == SQLITE_OK)
        state->saved = state->now;
    return code;
}

int sl_embedded_commit(struct sl_embedded *state)
{
    int code = tick(state);

    /* What is kept for those that free room must not be used by others. */
    if (code == SQLITE_OK && !state->frees && sl_sqlite_is_over(&state->file))
        code = SQLITE_FULL;
    return code == SQLITE_OK ? sl_embedded_perform(state->commit) : code;
}

void sl_embedded_roll_back(struct sl_embedded *state)
{
    if (sqlite3_get_autocommit(state->file.handle) == 0)
        (void)sl_embedded_perform(state->roll_back);
    state->saved = 0;
    if (state->kind->rolled_back != NULL)
        state->kind->rolled_back(state);
}

/* --- Batches ------------------------------------------------------------ */

static void undo(const struct sl_embedded *state, struct sl_op *op)
{
    state->kind->undo(op);
    sl_op_untell(op);
    op->not_sent = false;
    op->again_at = 0;
    op->others_at = 0;
    op->unfinished = false;
    op->changed = false;
    op->full = false;
}

static void fail_all(const struct sl_embedded *state, struct sl_op *const ops[],
                     size_t count, bool not_sent, const struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        undo(state, ops[i]);
        ops[i]->not_sent = not_sent;
        ops[i]->full = state->file.full;
        sl_op_fail(ops[i], err);
    }
}

/* Some of what is over goes with what is written. */
static int sweep_beside(struct sl_embedded *state, size_t writes)
{
    if (state->kind->sweep == NULL)
        return SQLITE_OK;
    state->may_sweep = SWEPT_PER_WRITE * (int64_t)writes;
    state->sweep_code = SQLITE_OK;
    (void)state->kind->sweep(state);
    state->may_sweep = 0;
    return state->sweep_code;
}

/*
 * Answer ops in one transaction.  Where SQLite fails, nothing was written, each
 * op has that failure, and this returns false.
 */
static bool run_together(struct sl_embedded *state, struct sl_op *const ops[],
                         size_t count, bool sweeps)
{
    struct sl_error err;
    bool committing = false;

    int code = sl_embedded_begin(state);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        if (!sl_deadline_passed(ops[i]->deadline)) {
            code = state->kind->run(state, ops[i]);
        } else {
            sl_fail(&err, SL_TIMEOUT, "%s: busy until the deadline",
                    state->file.path);
            sl_op_fail(ops[i], &err);
            ops[i]->not_sent = true;
        }
    }
    if (code == SQLITE_OK && sweeps)
        code = sweep_beside(state, count);
    if (code == SQLITE_OK) {
        committing = true;
        code = sl_embedded_commit(state);
    }
    if (code == SQLITE_OK)
        return true;

    sl_sqlite_explain(&state->file, code, &err);
    sl_embedded_roll_back(state);
    /* A commit that failed may still be found in the file after a crash. */
    fail_all(state, ops, count, !committing, &err);
    return false;
}

static void run_alone(struct sl_embedded *state, struct sl_op *op)
{
    struct sl_error err;

    state->file.deadline = op->deadline;
    int code = state->kind->run(state, op);

    if (code == SQLITE_OK)
        return;
    sl_sqlite_explain(&state->file, code, &err);
    fail_all(state, &op, 1, true, &err);
}

static bool any_writes(const struct sl_embedded *state,
                       struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (state->kind->writes(ops[i]))
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

static bool all_free(const struct sl_embedded *state, struct sl_op *const ops[],
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!state->kind->frees(ops[i]))
            return false;
    return true;
}

/* What is over gives its room to who waits for it; so does the log. */
static void make_room(struct sl_embedded *state)
{
    sl_deadline deadline = state->file.deadline;

    sl_sqlite_shorten_log(&state->file); /* which may take long */
    if (state->kind->sweep == NULL)
        return;
    sl_deadline soon = sl_deadline_in_ms(FULL_SWEEP_MS);
    state->file.deadline = soon < deadline ? soon : deadline;
    (void)state->kind->sweep(state);
    state->file.deadline = deadline;
}

/* Each in a transaction of its own; with what is kept for it, if it frees. */
static void run_each(struct sl_embedded *state, struct sl_op *const ops[],
                     size_t count, bool full)
{
    for (size_t i = 0; i < count; i++) {
        undo(state, ops[i]);
        sl_sqlite_begin_call(&state->file);
        state->frees = full && state->kind->frees(ops[i]);
        if (state->frees)
            sl_sqlite_set_frees(&state->file, true);
        (void)run_together(state, &ops[i], 1, false);
        if (state->frees)
            sl_sqlite_set_frees(&state->file, false);
    }
    state->frees = false;
}

void sl_embedded_run(void *context, struct sl_op *const ops[], size_t count)
{
    struct sl_embedded *state = context;

    sl_sqlite_begin_call(&state->file);
    state->file.deadline = last_deadline(ops, count);
    state->now = sl_embedded_now(state);
    if (!any_writes(state, ops, count)) {
        state->only_reads = true;
        for (size_t i = 0; i < count; i++)
            run_alone(state, ops[i]);
        state->only_reads = false;
        return;
    }
    state->frees = all_free(state, ops, count);
    state->sweep_code = SQLITE_OK;
    bool done = run_together(state, ops, count, true);
    state->frees = false;
    bool full = state->file.full;
    if (done || (count == 1 && !full && state->sweep_code == SQLITE_OK) ||
        sl_deadline_passed(state->file.deadline))
        return;

    /* One that there is no room for must not fail the others. */
    if (full)
        make_room(state);
    run_each(state, ops, count, full);
}

bool sl_embedded_changed(void *context)
{
    struct sl_embedded *state = context;
    int64_t version;

    /* https://www.sqlite.org/pragma.html#pragma_data_version */
    bool moved = read_integer(state->data_version, &version) != SQLITE_OK ||
                 version != state->seen_version;
    state->seen_version = version;
    return moved;
}

static int delete_some(sqlite3_stmt *sweep, int64_t now, int64_t rows)
{
    sqlite3_bind_int64(sweep, 1, now);
    sqlite3_bind_int64(sweep, 2, rows);
    return sl_embedded_perform(sweep);
}

/* Rows may be of any size: as many as take about a millisecond. */
static int delete_in_time(struct sl_embedded *state, sqlite3_stmt *sweep,
                          int64_t now, int64_t most)
{
    int64_t rows = state->sweep_rows < most ? state->sweep_rows : most;
    int64_t start = sl_now_ns();
    int code = delete_some(sweep, now, rows > 0 ? rows : 1);
    bool slow = sl_now_ns() - start > 1000000;

    if (slow && state->sweep_rows > 1)
        state->sweep_rows /= 2;
    else if (!slow && state->sweep_rows < SWEEP_ROWS)
        state->sweep_rows = state->sweep_rows * 2 + 1;
    return code;
}

static int look_for_one(sqlite3_stmt *look, int64_t now, bool *found)
{
    int64_t one;

    sqlite3_bind_int64(look, 1, now);
    return sl_embedded_look_up(look, &one, found);
}

/* Inside the transaction of a batch. */
static bool sweep_some_beside(struct sl_embedded *state, sqlite3_stmt *look,
                              sqlite3_stmt *sweep, int64_t now)
{
    sl_deadline until = sl_deadline_in_ms(SWEEP_MS);
    bool found = true;

    while (state->sweep_code == SQLITE_OK && state->may_sweep > 0 &&
           !sl_deadline_passed(until)) {
        state->sweep_code = look_for_one(look, now, &found);
        if (state->sweep_code != SQLITE_OK || !found)
            break;
        state->sweep_code = delete_in_time(state, sweep, now, state->may_sweep);
        state->may_sweep -= sqlite3_changes(state->file.handle);
    }
    return !found;
}

/* One transaction; *found is false where there is nothing, or it failed. */
static void sweep_some(struct sl_embedded *state, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now, bool *found)
{
    if (look_for_one(look, now, found) != SQLITE_OK)
        *found = false;
    if (!*found)
        return;
    int code = delete_in_time(state, sweep, now, SWEEP_ROWS);
    if (sl_sqlite_is_full(&state->file, code)) {
        sl_sqlite_shorten_log(&state->file);
        sl_sqlite_set_frees(&state->file, true);
        code = delete_some(sweep, now, FULL_SWEEP_ROWS);
        sl_sqlite_set_frees(&state->file, false);
    }
    *found = code == SQLITE_OK;
}

bool sl_embedded_sweep(struct sl_embedded *state, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now)
{
    bool found;

    if (state->may_sweep > 0)
        return sweep_some_beside(state, look, sweep, now);
    sl_sqlite_begin_call(&state->file);
    /* Once at least: who waits for room must not wait in vain. */
    do
        sweep_some(state, look, sweep, now, &found);
    while (found && !sl_deadline_passed(state->file.deadline));
    return !found;
}

bool sl_embedded_idle(void *context)
{
    struct sl_embedded *state = context;

    state->file.deadline = sl_deadline_in_ms(SWEEP_MS);
    return !state->kind->sweep(state);
}

/* --- Opening ------------------------------------------------------------ */

static int prepare(struct sl_embedded *state, const char *text,
                   sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(state->file.handle, text, -1,
                              SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

/* Not 0: stop.  Rows that are over may be many, before one that is not. */
static int look_at_deadline(void *context)
{
    const struct sl_embedded *state = context;

    return state->only_reads && sl_deadline_passed(state->file.deadline);
}

static int prepare_all(struct sl_embedded *state)
{
    const struct sl_embedded_kind *kind = state->kind;
    size_t count = 0;

    while (kind->statements[count] != NULL)
        count++;
    state->statements = sl_alloc_array(count + 1, sizeof(*state->statements));
    int code = prepare(state, "BEGIN IMMEDIATE", &state->begin);
    if (code == SQLITE_OK)
        code = prepare(state, "COMMIT", &state->commit);
    if (code == SQLITE_OK)
        code = prepare(state, "ROLLBACK", &state->roll_back);
    if (code == SQLITE_OK)
        code = prepare(state, "PRAGMA data_version", &state->data_version);
    if (code == SQLITE_OK && kind->has_clock)
        code = prepare(state, "UPDATE clock SET last = max(last, ?1)",
                       &state->tick);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = prepare(state, kind->statements[i], &state->statements[i]);
    return code;
}

static enum sl_status set_up(struct sl_embedded *state, struct sl_error *err)
{
    struct sl_buf boot SL_CLEANUP(sl_buf_done) = SL_BUF(256);
    int code = prepare_all(state);

    sqlite3_progress_handler(state->file.handle, PROGRESS_OPS, look_at_deadline,
                             state);
    if (code == SQLITE_OK && state->kind->has_clock) {
        enum sl_status status = read_boot(&boot, err);
        if (status != SL_OK)
            return status;
        code = open_clock(state, sl_buf_bytes(&boot));
    }
    return code == SQLITE_OK ? SL_OK
                             : sl_sqlite_explain(&state->file, code, err);
}

enum sl_status sl_embedded_open(const struct sl_embedded_kind *kind,
                                const struct sl_embedded_options *options,
                                sl_deadline deadline, void **out,
                                struct sl_error *err)
{
    struct sl_embedded *state = sl_alloc(kind->state_size);

    const struct sl_sqlite_mode mode = sl_embedded_mode(options);

    state->kind = kind;
    state->sweep_rows = 1;
    enum sl_status status = sl_sqlite_open(&state->file, options->path, &mode,
                                           &kind->format, deadline, err);
    if (status == SL_OK)
        status = set_up(state, err);
    if (status == SL_OK)
        *out = state;
    else
        sl_embedded_close(state);
    return status;
}

void sl_embedded_close(void *context)
{
    struct sl_embedded *state = context;
    const char *const *texts = state->kind->statements;

    for (size_t i = 0; state->statements != NULL && texts[i] != NULL; i++)
        sqlite3_finalize(state->statements[i]);
    sqlite3_finalize(state->begin);
    sqlite3_finalize(state->commit);
    sqlite3_finalize(state->roll_back);
    sqlite3_finalize(state->data_version);
    sqlite3_finalize(state->tick);
    sl_sqlite_close(&state->file);
    free(state->statements);
    free(state);
}
