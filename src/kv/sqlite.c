/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.sqlite: the embedded default.  One database file, one row a key.
 *
 * WAL mode, so that readers and the one writer never wait for each other and a
 * commit is one flush; a batch of writes is one transaction, so that many
 * guests share that flush.  Processes that share the file wait for each other
 * in SQLite's busy handler, until the deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/driver.h"
#include "kv/sqlite_table.h"

enum {
    BATCH_MAX = 256,
    SWEEP_MS = 50, /* in one go: calls may be coming in */
};

struct options {
    const char *path;
    const char *sync;
};

static enum sl_status check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] == '\0')
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected a file");
    if (strcmp(path, ":memory:") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a file; for a store in memory use the type "
                       "\"kv.memory\"");
    return SL_OK;
}

static enum sl_status check_sync(const void *field, struct sl_error *err)
{
    const char *sync = *(const char *const *)field;

    if (strcmp(sync, "full") != 0 && strcmp(sync, "normal") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"full\" or \"normal\"");
    return SL_OK;
}

static const struct sl_option option_table[] = {
    {.name = "path",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, path),
     .required = true,
     .help = "the database file; it and its folder are made where they are "
             "missing",
     .check = check_path},
    {.name = "sync",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, sync),
     .fallback = "full",
     .help = "\"full\": an answered write survives a power failure; "
             "\"normal\": it survives the end of the process, and the last "
             "ones may be lost with the power",
     .check = check_sync},
    {0},
};

/* --- Batches ------------------------------------------------------------- */

static void fail_all(struct sl_op *const ops[], size_t count, bool not_sent,
                     const struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        *ops[i]->room += sl_kv_answer_of(ops[i])->value.bytes.len;
        sl_kv_answer_done(ops[i]->answer);
        sl_kv_answer_init(ops[i]->answer);
        ops[i]->not_sent = not_sent;
        sl_op_fail(ops[i], err);
    }
}

/*
 * Answer ops in one transaction.  Where SQLite fails, nothing was written, each
 * op has that failure, and this returns false.
 */
static bool run_together(struct sl_sqlite_table *table,
                         struct sl_op *const ops[], size_t count)
{
    struct sl_error err;
    bool committing = false;

    int code = sl_sqlite_begin(table);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        if (!sl_deadline_passed(ops[i]->deadline)) {
            code = sl_sqlite_do(table, ops[i]);
        } else {
            sl_fail(&err, SL_TIMEOUT, "%s: busy until the deadline",
                    table->file.path);
            sl_op_fail(ops[i], &err);
            ops[i]->not_sent = true;
        }
    }
    if (code == SQLITE_OK) {
        committing = true;
        code = sl_sqlite_commit(table);
    }
    if (code == SQLITE_OK)
        return true;

    sl_sqlite_explain(&table->file, code, &err);
    sl_sqlite_roll_back(table);
    /* A commit that failed may still be found in the file after a crash. */
    fail_all(ops, count, !committing, &err);
    return false;
}

static void run_alone(struct sl_sqlite_table *table, struct sl_op *op)
{
    struct sl_error err;
    int code = sl_sqlite_do(table, op);

    if (code == SQLITE_OK)
        return;
    sl_sqlite_explain(&table->file, code, &err);
    fail_all(&op, 1, true, &err);
}

static bool writes(const struct sl_op *op)
{
    enum sl_kv_verb verb = sl_kv_request_of(op)->verb;

    return verb == SL_KV_SET || verb == SL_KV_DELETE || verb == SL_KV_INCREMENT;
}

static bool any_writes(struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (writes(ops[i]))
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

static void sqlite_run(void *state, struct sl_op *const ops[], size_t count)
{
    struct sl_sqlite_table *table = state;

    table->file.deadline = last_deadline(ops, count);
    if (!any_writes(ops, count)) {
        for (size_t i = 0; i < count; i++)
            run_alone(table, ops[i]);
        return;
    }
    if (run_together(table, ops, count) || count == 1 ||
        sl_deadline_passed(table->file.deadline))
        return;

    /* One that the disk has no room for must not fail the others. */
    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(ops[i]->answer);
        ops[i]->not_sent = false;
        (void)run_together(table, &ops[i], 1);
    }
}

/* --- States --------------------------------------------------------------- */

static void sqlite_close(void *state)
{
    sl_sqlite_table_close(state);
    free(state);
}

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    const struct options *options = store;
    struct sl_sqlite_table *table = sl_alloc(sizeof(*table));

    enum sl_status status =
        sl_sqlite_table_open(table, options->path,
                             strcmp(options->sync, "full") == 0, deadline, err);
    if (status == SL_OK)
        *state = table;
    else
        sqlite_close(table);
    return status;
}

static enum sl_status sqlite_store_new(const void *options, void **store,
                                       struct sl_error *err)
{
    (void)err;
    /* The file is what states share; the options say where it is. */
    *store = (void *)(uintptr_t)options;
    return SL_OK;
}

static void sqlite_store_free(void *store)
{
    (void)store;
}

static void sqlite_idle(void *state)
{
    struct sl_sqlite_table *table = state;

    table->file.deadline = sl_deadline_in_ms(SWEEP_MS);
    while (sl_sqlite_sweep(table) && !sl_deadline_passed(table->file.deadline))
        continue;
}

/* The only symbol this file exports. */
const struct sl_driver sl_kv_sqlite = {
    .name = "kv.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; several processes may "
               "share it",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_DURABLE |
                SL_KV_FEATURE_SHARED | SL_KV_FEATURE_LINEARIZABLE,
    .inline_verbs = 1 << SL_KV_GET | 1 << SL_KV_EXISTS,
    .max_states = 1,
    .max_batch = BATCH_MAX,
    .store_new = sqlite_store_new,
    .store_free = sqlite_store_free,
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_run,
    .idle = sqlite_idle,
};
