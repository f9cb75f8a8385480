/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.sqlite: the embedded default.  One row for each lock that is held and
 * one for each waiter.
 *
 * Waiters of all processes are served in the order of their row numbers.  A
 * waiter whose process was killed expires when it has not been seen for a
 * while.  All keys share one sequence of tokens, which never goes back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driverkit/embedded.h"
#include "lockd/driver.h"

enum {
    BATCH_MAX = 256,
    WAITER_MS = 2000,   /* a waiter expires after this long unseen */
    WAITER_EVERY = 500, /* how often a waiter is seen at least, */
    WAITER_GRID = 250,  /* together with others */
    FORGET_MS = 50,     /* calls may be waiting */
    HOLDER_WORDS = 4,   /* 128 random bits */
};

enum { KEY = 1, NOW, HOLDER, TOKEN, EXPIRES, SEQ };

enum statement {
    HELD,
    FIRST,
    NEXT_TOKEN,
    GRANT,
    RENEW,
    RELEASE,
    ADD_WAITER,
    RENEW_WAITER,
    REMOVE_WAITER,
    EXPIRED,
    SWEEP_EXPIRED,
    EXPIRED_WAITER,
    SWEEP_WAITERS,
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
    [ADD_WAITER] = "INSERT INTO waiter (key, expires) VALUES (?1, ?5)",
    [RENEW_WAITER] = "UPDATE waiter SET expires = ?5 WHERE seq = ?6",
    [REMOVE_WAITER] = "DELETE FROM waiter WHERE seq = ?1",
    [EXPIRED] = "SELECT 1 FROM lock WHERE expires <= ?1 LIMIT 1",
    [SWEEP_EXPIRED] = "DELETE FROM lock WHERE key IN "
                      "(SELECT key FROM lock WHERE expires <= ?1 LIMIT ?2)",
    [EXPIRED_WAITER] = "SELECT 1 FROM waiter WHERE expires <= ?1 LIMIT 1",
    [SWEEP_WAITERS] = "DELETE FROM waiter WHERE seq IN "
                      "(SELECT seq FROM waiter WHERE expires <= ?1 LIMIT ?2)",
    NULL,
};

/* A statement with its key bound and, if it has that parameter, the time. */
static sqlite3_stmt *bind_lock_key(struct sl_embedded *connection,
                                   enum statement which, const struct sl_op *op)
{
    sqlite3_stmt *statement = connection->statements[which];

    sl_embedded_bind_text(statement, KEY, sl_lockd_request_of(op)->key);
    if (sqlite3_bind_parameter_count(statement) >= NOW)
        sqlite3_bind_int64(statement, NOW, connection->now);
    return statement;
}

/* --- Waiting ------------------------------------------------------------ */

static int remove_waiter(struct sl_embedded *connection, struct sl_op *op)
{
    sqlite3_stmt *leave = connection->statements[REMOVE_WAITER];

    if (op->waiter_id == 0)
        return SQLITE_OK;
    sqlite3_bind_int64(leave, 1, op->waiter_id);
    op->waiter_id = 0;
    op->changed = true; /* the next waiter may be first now */
    return sl_embedded_perform(leave);
}

static int add_waiter(struct sl_embedded *connection, struct sl_op *op)
{
    sqlite3_stmt *join = bind_lock_key(connection, ADD_WAITER, op);

    sqlite3_bind_int64(join, EXPIRES, connection->now + WAITER_MS);
    int code = sl_embedded_perform(join);
    if (code == SQLITE_OK)
        op->waiter_id = sqlite3_last_insert_rowid(connection->file.handle);
    return code;
}

/* Renew the waiter's row, or insert it again if it has expired. */
static int renew_waiter(struct sl_embedded *connection, struct sl_op *op)
{
    sqlite3_stmt *stay = connection->statements[RENEW_WAITER];

    sqlite3_bind_int64(stay, EXPIRES, connection->now + WAITER_MS);
    sqlite3_bind_int64(stay, SEQ, op->waiter_id);
    int code = sl_embedded_perform(stay);
    if (code == SQLITE_OK && sqlite3_changes(connection->file.handle) == 0)
        code = add_waiter(connection, op);
    return code;
}

/* The lock is held until `until`, or another waiter is first. */
static int wait_or_refuse(struct sl_embedded *connection, struct sl_op *op,
                          int64_t until)
{
    sl_embedded_refuse(op, SL_CONFLICT, "another one holds the lock");
    if (!sl_op_may_wait(op))
        return remove_waiter(connection, op);
    op->retry_if_not_first_at = sl_deadline_on_grid(WAITER_EVERY, WAITER_GRID);
    op->retry_at = until > connection->now + WAITER_GRID
                       ? op->retry_if_not_first_at
                       : sl_embedded_deadline(connection, until);
    return op->waiter_id == 0 ? add_waiter(connection, op)
                              : renew_waiter(connection, op);
}

/* --- One op: each returns SQLite's code ----------------------------------- */

static void make_sqlite_holder(char holder[SL_LOCKD_HOLDER_MAX + 1])
{
    for (size_t i = 0; i < HOLDER_WORDS; i++)
        snprintf(holder + i * 8, 9, "%08" PRIx32, arc4random());
}

static int grant_lock(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_lockd_request *request = op->request;
    struct sl_lockd_answer *answer = op->answer;
    int64_t token;
    bool found;

    int code = remove_waiter(connection, op);
    op->changed = false; /* the next waiter finds it held */
    if (code == SQLITE_OK)
        code = sl_embedded_query_integer(connection->statements[NEXT_TOKEN],
                                         &token, &found);
    if (code != SQLITE_OK || !found)
        return code != SQLITE_OK ? code : SQLITE_CORRUPT;
    make_sqlite_holder(answer->holder);
    sqlite3_stmt *grant = bind_lock_key(connection, GRANT, op);
    sl_embedded_bind_text(grant, HOLDER, sl_bytes_of(answer->holder));
    sqlite3_bind_int64(grant, TOKEN, token);
    sqlite3_bind_int64(grant, EXPIRES,
                       connection->now + (int64_t)request->ttl_ms);
    answer->fencing_token = (uint64_t)token;
    answer->ttl_ms = request->ttl_ms;
    return sl_embedded_perform(grant);
}

static int acquire_lock(struct sl_embedded *connection, struct sl_op *op)
{
    int64_t until, first;
    bool held, waited_for;

    int code = sl_embedded_query_integer(bind_lock_key(connection, HELD, op),
                                         &until, &held);
    if (code != SQLITE_OK)
        return code;
    if (held)
        return wait_or_refuse(connection, op, until);
    code = sl_embedded_query_integer(bind_lock_key(connection, FIRST, op),
                                     &first, &waited_for);
    if (code != SQLITE_OK)
        return code;
    if (waited_for && first != op->waiter_id)
        return wait_or_refuse(connection, op, INT64_MAX);
    return grant_lock(connection, op);
}

static int renew_sqlite_lock(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_lockd_request *request = op->request;
    sqlite3_stmt *renew = bind_lock_key(connection, RENEW, op);

    sl_embedded_bind_text(renew, HOLDER, request->holder);
    sqlite3_bind_int64(renew, EXPIRES,
                       connection->now + (int64_t)request->ttl_ms);
    int code = sl_embedded_perform(renew);
    if (code == SQLITE_OK && sqlite3_changes(connection->file.handle) == 0)
        sl_embedded_refuse(op, SL_CONFLICT, "the lock was lost");
    return code;
}

static int release_sqlite_lock(struct sl_embedded *connection, struct sl_op *op)
{
    sqlite3_stmt *release = bind_lock_key(connection, RELEASE, op);

    sl_embedded_bind_text(release, HOLDER, sl_lockd_request_of(op)->holder);
    int code = sl_embedded_perform(release);
    if (code == SQLITE_OK && sqlite3_changes(connection->file.handle) == 0)
        sl_embedded_refuse(op, SL_CONFLICT, "the lock was lost");
    op->changed = true;
    return code;
}

static int query_sqlite_lock(struct sl_embedded *connection, struct sl_op *op)
{
    int64_t until;

    return sl_embedded_query_integer(bind_lock_key(connection, HELD, op),
                                     &until, &sl_lockd_answer_of(op)->locked);
}

static int run_lock_op(struct sl_embedded *connection, struct sl_op *op)
{
    static int (*const runs[])(struct sl_embedded *, struct sl_op *) = {
        [SL_LOCKD_ACQUIRE] = acquire_lock,
        [SL_LOCKD_RENEW] = renew_sqlite_lock,
        [SL_LOCKD_RELEASE] = release_sqlite_lock,
        [SL_LOCKD_IS_LOCKED] = query_sqlite_lock,
    };

    sl_lockd_answer_of(op)->asked_at = sl_embedded_boottime_ns(connection);
    return runs[sl_op_verb(op)](connection, op);
}

static bool lock_op_writes(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_LOCKD_IS_LOCKED;
}

static bool lock_op_frees(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_LOCKD_ACQUIRE;
}

/* The search for expired waiters scans all of them, so not in every batch. */
static bool sweep_locks(struct sl_embedded *connection)
{
    int64_t now = sl_embedded_now(connection);
    bool in_batch = connection->may_sweep > 0;
    bool done = sl_embedded_sweep(connection, connection->statements[EXPIRED],
                                  connection->statements[SWEEP_EXPIRED], now);

    return done &&
           (in_batch || sl_embedded_sweep(
                            connection, connection->statements[EXPIRED_WAITER],
                            connection->statements[SWEEP_WAITERS], now));
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_embedded_kind kind = {
    .capability = &sl_lockd,
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
    .connection_size = sizeof(struct sl_embedded),
    .has_clock = true,
    .writes = lock_op_writes,
    .run = run_lock_op,
    .frees = lock_op_frees,
    .sweep = sweep_locks,
};

static enum sl_status lockd_sqlite_open(void *store, sl_deadline deadline,
                                        void **connection, struct sl_error *err)
{
    return sl_embedded_open(&kind, store, deadline, connection, err);
}

static void lockd_sqlite_forget(void *connection, struct sl_op *op)
{
    struct sl_embedded *embedded = connection;

    embedded->file.deadline = sl_deadline_in_ms(FORGET_MS);
    sl_sqlite_set_frees(&embedded->file, true);
    (void)remove_waiter(embedded, op); /* or the waiter expires */
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
    .max_connections = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .usage = sl_embedded_usage,
    .open = lockd_sqlite_open,
    .close = sl_embedded_close,
    .run = sl_embedded_run,
    .idle = sl_embedded_idle,
    .changed = sl_embedded_changed,
    .forget = lockd_sqlite_forget,
};
