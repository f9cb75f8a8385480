/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.sqlite: the embedded default.  One row a lock that is held, and one for
 * who waits (driverkit/embedded.h).
 *
 * Who waits for a key is served in the order of its row's number, by whichever
 * process.  A waiter that was killed is passed over when it has not been seen
 * for a while.  Tokens of all keys are one sequence, which nothing sets back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driverkit/embedded.h"
#include "lockd/driver.h"

enum {
    BATCH_MAX = 256,
    WAITER_MS = 2000,   /* a waiter lives on without having been seen */
    WAITER_EVERY = 500, /* it is seen, at least, */
    WAITER_GRID = 250,  /* together with others */
    FORGET_MS = 50,     /* calls may be coming in */
    HOLDER_WORDS = 4,   /* random ones: 128 bits */
};

enum { KEY = 1, NOW, HOLDER, TOKEN, EXPIRES, SEQ };

enum statement {
    HELD,
    FIRST,
    NEXT_TOKEN,
    GRANT,
    RENEW,
    RELEASE,
    JOIN,
    STAY,
    LEAVE,
    OVER,
    SWEEP,
    LAPSED,
    SWEEP_LAPSED,
};

static const char *const statements[] = {
    [HELD] = "SELECT expires FROM lock WHERE key = ?1 AND expires > ?2",
    [FIRST] = "SELECT seq FROM waiter WHERE key = ?1 AND expires > ?2 "
              "ORDER BY seq LIMIT 1",
    [NEXT_TOKEN] = "UPDATE counter SET last = last + 1 RETURNING last",
    [GRANT] = "INSERT OR REPLACE INTO lock (key, holder, token, expires) "
              "VALUES (?1, ?3, ?4, ?5)",
    [RENEW] = "UPDATE lock SET expires = max(expires, ?5) WHERE key = ?1 AND "
              "holder = ?3 AND expires > ?2",
    [RELEASE] = "DELETE FROM lock WHERE key = ?1 AND holder = ?3 AND "
                "expires > ?2",
    [JOIN] = "INSERT INTO waiter (key, expires) VALUES (?1, ?5)",
    [STAY] = "UPDATE waiter SET expires = ?5 WHERE seq = ?6",
    [LEAVE] = "DELETE FROM waiter WHERE seq = ?1",
    [OVER] = "SELECT 1 FROM lock WHERE expires <= ?1 LIMIT 1",
    [SWEEP] = "DELETE FROM lock WHERE key IN "
              "(SELECT key FROM lock WHERE expires <= ?1 LIMIT ?2)",
    [LAPSED] = "SELECT 1 FROM waiter WHERE expires <= ?1 LIMIT 1",
    [SWEEP_LAPSED] = "DELETE FROM waiter WHERE seq IN "
                     "(SELECT seq FROM waiter WHERE expires <= ?1 LIMIT ?2)",
    NULL,
};

/* A statement with its key, and the time by which a row may be over. */
static sqlite3_stmt *with_key(struct sl_embedded *state, enum statement which,
                              const struct sl_op *op)
{
    sqlite3_stmt *statement = state->statements[which];

    sl_embedded_bind_text(statement, KEY, sl_lockd_request_of(op)->key);
    if (sqlite3_bind_parameter_count(statement) >= NOW)
        sqlite3_bind_int64(statement, NOW, state->now);
    return statement;
}

/* --- Waiting ------------------------------------------------------------ */

static int leave(struct sl_embedded *state, struct sl_op *op)
{
    sqlite3_stmt *leave = state->statements[LEAVE];

    if (op->ticket == 0)
        return SQLITE_OK;
    sqlite3_bind_int64(leave, 1, op->ticket);
    op->ticket = 0;
    op->changed = true; /* who comes next may be first now */
    return sl_embedded_perform(leave);
}

static int join(struct sl_embedded *state, struct sl_op *op)
{
    sqlite3_stmt *join = with_key(state, JOIN, op);

    sqlite3_bind_int64(join, EXPIRES, state->now + WAITER_MS);
    int code = sl_embedded_perform(join);
    if (code == SQLITE_OK)
        op->ticket = sqlite3_last_insert_rowid(state->file.handle);
    return code;
}

/* Be seen again; or join, where the row is gone. */
static int stay(struct sl_embedded *state, struct sl_op *op)
{
    sqlite3_stmt *stay = state->statements[STAY];

    sqlite3_bind_int64(stay, EXPIRES, state->now + WAITER_MS);
    sqlite3_bind_int64(stay, SEQ, op->ticket);
    int code = sl_embedded_perform(stay);
    if (code == SQLITE_OK && sqlite3_changes(state->file.handle) == 0)
        code = join(state, op);
    return code;
}

/* Another one holds it until `until`, or is first in the line. */
static int wait_or_refuse(struct sl_embedded *state, struct sl_op *op,
                          int64_t until)
{
    sl_embedded_refuse(op, SL_CONFLICT, "another one holds the lock");
    if (!sl_op_may_wait(op))
        return leave(state, op);
    op->others_at = sl_deadline_on_grid(WAITER_EVERY, WAITER_GRID);
    op->again_at = until > state->now + WAITER_GRID
                       ? op->others_at
                       : sl_embedded_deadline(state, until);
    return op->ticket == 0 ? join(state, op) : stay(state, op);
}

/* --- One op: each returns SQLite's code ----------------------------------- */

static void make_holder(char holder[SL_LOCKD_HOLDER_MAX + 1])
{
    for (size_t i = 0; i < HOLDER_WORDS; i++)
        snprintf(holder + i * 8, 9, "%08" PRIx32, arc4random());
}

static int grant(struct sl_embedded *state, struct sl_op *op)
{
    const struct sl_lockd_request *request = op->request;
    struct sl_lockd_answer *answer = op->answer;
    int64_t token;
    bool found;

    int code = leave(state, op);
    op->changed = false; /* the next one finds it held */
    if (code == SQLITE_OK)
        code = sl_embedded_query_integer(state->statements[NEXT_TOKEN], &token,
                                         &found);
    if (code != SQLITE_OK || !found)
        return code != SQLITE_OK ? code : SQLITE_CORRUPT;
    make_holder(answer->holder);
    sqlite3_stmt *grant = with_key(state, GRANT, op);
    sl_embedded_bind_text(grant, HOLDER, sl_bytes_of(answer->holder));
    sqlite3_bind_int64(grant, TOKEN, token);
    sqlite3_bind_int64(grant, EXPIRES, state->now + (int64_t)request->ttl_ms);
    answer->fencing_token = (uint64_t)token;
    answer->ttl_ms = request->ttl_ms;
    return sl_embedded_perform(grant);
}

static int run_acquire(struct sl_embedded *state, struct sl_op *op)
{
    int64_t until, first;
    bool held, waited_for;

    int code =
        sl_embedded_query_integer(with_key(state, HELD, op), &until, &held);
    if (code != SQLITE_OK)
        return code;
    if (held)
        return wait_or_refuse(state, op, until);
    code = sl_embedded_query_integer(with_key(state, FIRST, op), &first,
                                     &waited_for);
    if (code != SQLITE_OK)
        return code;
    if (waited_for && first != op->ticket)
        return wait_or_refuse(state, op, INT64_MAX);
    return grant(state, op);
}

static int run_renew(struct sl_embedded *state, struct sl_op *op)
{
    const struct sl_lockd_request *request = op->request;
    sqlite3_stmt *renew = with_key(state, RENEW, op);

    sl_embedded_bind_text(renew, HOLDER, request->holder);
    sqlite3_bind_int64(renew, EXPIRES, state->now + (int64_t)request->ttl_ms);
    int code = sl_embedded_perform(renew);
    if (code == SQLITE_OK && sqlite3_changes(state->file.handle) == 0)
        sl_embedded_refuse(op, SL_CONFLICT, "the lock was lost");
    return code;
}

static int run_release(struct sl_embedded *state, struct sl_op *op)
{
    sqlite3_stmt *release = with_key(state, RELEASE, op);

    sl_embedded_bind_text(release, HOLDER, sl_lockd_request_of(op)->holder);
    int code = sl_embedded_perform(release);
    if (code == SQLITE_OK && sqlite3_changes(state->file.handle) == 0)
        sl_embedded_refuse(op, SL_CONFLICT, "the lock was lost");
    op->changed = true;
    return code;
}

static int run_is_locked(struct sl_embedded *state, struct sl_op *op)
{
    int64_t until;

    return sl_embedded_query_integer(with_key(state, HELD, op), &until,
                                     &sl_lockd_answer_of(op)->locked);
}

static int run(struct sl_embedded *state, struct sl_op *op)
{
    static int (*const runs[])(struct sl_embedded *, struct sl_op *) = {
        [SL_LOCKD_ACQUIRE] = run_acquire,
        [SL_LOCKD_RENEW] = run_renew,
        [SL_LOCKD_RELEASE] = run_release,
        [SL_LOCKD_IS_LOCKED] = run_is_locked,
    };

    sl_lockd_answer_of(op)->asked_at = sl_embedded_boottime_ns(state);
    return runs[sl_op_verb(op)](state, op);
}

static bool writes(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_LOCKD_IS_LOCKED;
}

static bool frees(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_LOCKD_ACQUIRE;
}

/* To look for waiters that are gone looks at all of them: now and then only. */
static bool sweep(struct sl_embedded *state)
{
    int64_t now = sl_embedded_now(state);
    bool in_batch = state->may_sweep > 0;
    bool done = sl_embedded_sweep(state, state->statements[OVER],
                                  state->statements[SWEEP], now);

    return done && (in_batch ||
                    sl_embedded_sweep(state, state->statements[LAPSED],
                                      state->statements[SWEEP_LAPSED], now));
}

/* It may have joined the line in what was rolled back; it begins anew. */
static void undo(struct sl_op *op)
{
    op->ticket = 0;
    sl_lockd_answer_init(op->answer);
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_embedded_kind kind = {
    .format =
        {
            .application_id = 0x534c6c6b, /* "SLlk" */
            .version = 1,
            .create =
                "CREATE TABLE lock (key TEXT PRIMARY KEY NOT NULL, holder TEXT "
                "NOT NULL, token INTEGER NOT NULL, expires INTEGER NOT NULL) "
                "WITHOUT ROWID;"
                "CREATE INDEX ending ON lock (expires);"
                "CREATE TABLE waiter (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
                "key TEXT NOT NULL, expires INTEGER NOT NULL);"
                "CREATE INDEX line ON waiter (key, seq);"
                "CREATE TABLE counter (last INTEGER NOT NULL);"
                "INSERT INTO counter VALUES (0);" SL_EMBEDDED_CLOCK
                "PRAGMA application_id = 0x534c6c6b;"
                "PRAGMA user_version = 1;",
        },
    .statements = statements,
    .state_size = sizeof(struct sl_embedded),
    .has_clock = true,
    .writes = writes,
    .run = run,
    .frees = frees,
    .sweep = sweep,
    .undo = undo,
};

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    return sl_embedded_open(&kind, store, deadline, state, err);
}

static void sqlite_forget(void *state, struct sl_op *op)
{
    struct sl_embedded *embedded = state;

    embedded->file.deadline = sl_deadline_in_ms(FORGET_MS);
    sl_sqlite_set_frees(&embedded->file, true);
    (void)leave(embedded, op); /* or it lapses */
    sl_sqlite_set_frees(&embedded->file, false);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_sqlite = {
    .name = "lockd.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; the processes of a machine "
               "may share it",
    .options = sl_embedded_options,
    .options_size = sizeof(struct sl_embedded_options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .inline_verbs = 1 << SL_LOCKD_IS_LOCKED,
    .max_states = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .usage = sl_embedded_usage,
    .open = sqlite_open,
    .close = sl_embedded_close,
    .run = sl_embedded_run,
    .idle = sl_embedded_idle,
    .changed = sl_embedded_changed,
    .forget = sqlite_forget,
};
