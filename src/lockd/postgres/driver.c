/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.postgres: a row for each lock that is held and one for each waiter, by
 * the server's clock.  Functions of ours in the database change them; calls on
 * one key are serialized.
 *
 * Waiters of all processes are served in the order of their numbers and are
 * woken by NOTIFY.  A waiter whose process was killed expires when it has not
 * been seen for a while.  Tokens come from one sequence, which never goes back,
 * not even after a crash.
 */
#include "lockd/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/postgres/tables.h"

enum {
    BATCH_MAX = 256,
    HOLDER_WORDS = 4,    /* 128 random bits */
    SEEN_EVERY_MS = 500, /* how often a waiter is seen at least, */
    SEEN_GRID_MS = 250,  /* together with others */
};

static const struct sl_option option_table[] = {
    SL_PG_OPTIONS,
    {.name = "table",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_pg_tables_options, table),
     .fallback = "slight_lock",
     .check = sl_pg_check_table,
     .help = "the name of the tables and functions, which are created if they "
             "do not exist; resources with the same table share their locks"},
    {0},
};

/* --- In the database ---------------------------------------------------- */

/* The names of functions end in their version. */
static const char create[] =
    "CREATE SEQUENCE IF NOT EXISTS \"{t}_token\"; "
    "CREATE TABLE IF NOT EXISTS \"{t}\" (key text COLLATE \"C\" PRIMARY KEY, "
    "holder text NOT NULL, token bigint NOT NULL, expires timestamptz NOT "
    "NULL); "
    "CREATE INDEX IF NOT EXISTS \"{t}_expires\" ON \"{t}\" (expires); "
    "CREATE TABLE IF NOT EXISTS \"{t}_waiter\" (seq bigint GENERATED ALWAYS AS "
    "IDENTITY PRIMARY KEY, key text COLLATE \"C\" NOT NULL, seen timestamptz "
    "NOT NULL); "
    "CREATE INDEX IF NOT EXISTS \"{t}_line\" ON \"{t}_waiter\" (key, seq); "
    /* Serializes the calls on a key. */
    "CREATE OR REPLACE FUNCTION \"{t}_enter_1\"(k text) RETURNS void LANGUAGE "
    "plpgsql AS $f$ BEGIN "
    "PERFORM pg_advisory_xact_lock(hashtext('{t}'), hashtext(k)); "
    "END $f$; "
    "CREATE OR REPLACE FUNCTION \"{t}_tell_1\"(k text) RETURNS bigint LANGUAGE "
    "plpgsql AS $f$ BEGIN "
    "IF EXISTS (SELECT 1 FROM \"{t}_waiter\" WHERE key = k) THEN "
    "PERFORM pg_notify('{t}', ''); RETURN 1; END IF; RETURN 0; "
    "END $f$; "
    /* granted, token, milliseconds until the lock may be free, ticket */
    "CREATE OR REPLACE FUNCTION \"{t}_acquire_1\"(k text, who text, ttl "
    "bigint, "
    "ticket bigint, may_wait bigint, OUT granted bigint, OUT tok bigint, OUT "
    "wait bigint, OUT place bigint) LANGUAGE plpgsql AS $f$ DECLARE "
    "now timestamptz; until timestamptz; front bigint; BEGIN "
    "PERFORM \"{t}_enter_1\"(k); now := clock_timestamp(); "
    "granted := 0; tok := 0; wait := 0; place := 0; "
    "SELECT expires INTO until FROM \"{t}\" WHERE key = k AND expires > now; "
    "IF NOT FOUND THEN "
    "SELECT seq, seen INTO front, until FROM \"{t}_waiter\" WHERE key = k AND "
    "seen > now ORDER BY seq LIMIT 1; "
    "IF NOT FOUND OR front = ticket THEN "
    "granted := 1; tok := nextval('\"{t}_token\"'); "
    "INSERT INTO \"{t}\" VALUES (k, who, tok, now + ttl * interval '1 "
    "millisecond') ON CONFLICT (key) DO UPDATE SET holder = EXCLUDED.holder, "
    "token = EXCLUDED.token, expires = EXCLUDED.expires; "
    "END IF; END IF; "
    "IF granted = 1 OR may_wait = 0 THEN "
    "IF ticket <> 0 THEN DELETE FROM \"{t}_waiter\" WHERE seq = ticket; END "
    "IF; RETURN; END IF; "
    "wait := greatest(0, extract(epoch FROM until - now) * 1000)::bigint; "
    "UPDATE \"{t}_waiter\" SET seen = now + interval '2 seconds' WHERE seq = "
    "ticket RETURNING seq INTO place; "
    "IF NOT FOUND THEN "
    "INSERT INTO \"{t}_waiter\" (key, seen) VALUES (k, now + interval '2 "
    "seconds') RETURNING seq INTO place; "
    "END IF; END $f$; "
    "CREATE OR REPLACE FUNCTION \"{t}_renew_1\"(k text, who text, ttl bigint) "
    "RETURNS bigint LANGUAGE plpgsql AS $f$ BEGIN "
    "PERFORM \"{t}_enter_1\"(k); "
    "UPDATE \"{t}\" SET expires = greatest(expires, clock_timestamp() + ttl * "
    "interval '1 millisecond') WHERE key = k AND holder = who AND expires > "
    "clock_timestamp(); "
    "RETURN CASE WHEN FOUND THEN 1 ELSE 0 END; END $f$; "
    /* 0: lost; 1: released; 2: released, and waiters were woken */
    "CREATE OR REPLACE FUNCTION \"{t}_release_1\"(k text, who text) RETURNS "
    "bigint LANGUAGE plpgsql AS $f$ BEGIN "
    "PERFORM \"{t}_enter_1\"(k); "
    "DELETE FROM \"{t}\" WHERE key = k AND holder = who AND expires > "
    "clock_timestamp(); "
    "IF NOT FOUND THEN RETURN 0; END IF; RETURN 1 + \"{t}_tell_1\"(k); "
    "END $f$; "
    "CREATE OR REPLACE FUNCTION \"{t}_leave_1\"(k text, ticket bigint) RETURNS "
    "bigint LANGUAGE plpgsql AS $f$ BEGIN "
    "PERFORM \"{t}_enter_1\"(k); "
    "DELETE FROM \"{t}_waiter\" WHERE seq = ticket; RETURN \"{t}_tell_1\"(k); "
    "END $f$";

static const char probe[] = "SELECT to_regclass('\"{t}\"') IS NOT NULL AND "
                            "to_regproc('\"{t}_leave_1\"') IS NOT NULL";

enum statement {
    ACQUIRE,
    RENEW,
    RELEASE,
    IS_LOCKED,
    LEAVE,
    SWEEP,
    SWEEP_WAITERS
};

static const char *const statements[] = {
    [ACQUIRE] = "SELECT * FROM \"{t}_acquire_1\"($1::text, $2::text, "
                "$3::bigint, $4::bigint, $5::bigint)",
    [RENEW] = "SELECT \"{t}_renew_1\"($1::text, $2::text, $3::bigint)",
    [RELEASE] = "SELECT \"{t}_release_1\"($1::text, $2::text)",
    [IS_LOCKED] = "SELECT 1 FROM \"{t}\" WHERE key = $1::text AND expires > "
                  "clock_timestamp()",
    [LEAVE] = "SELECT \"{t}_leave_1\"($1::text, $2::bigint)",
    [SWEEP] = "DELETE FROM \"{t}\" WHERE key IN (SELECT key FROM \"{t}\" WHERE "
              "expires <= clock_timestamp() " SL_PG_SWEEP_LIMIT
              " FOR UPDATE SKIP LOCKED)",
    [SWEEP_WAITERS] =
        "DELETE FROM \"{t}_waiter\" WHERE seq IN (SELECT seq FROM "
        "\"{t}_waiter\" WHERE seen <= clock_timestamp() " SL_PG_SWEEP_LIMIT " "
        "FOR UPDATE SKIP LOCKED)",
    NULL,
};

/* --- Requests ----------------------------------------------------------- */

static void make_postgres_holder(char holder[SL_LOCKD_HOLDER_MAX + 1])
{
    for (size_t i = 0; i < HOLDER_WORDS; i++)
        snprintf(holder + i * 8, 9, "%08" PRIx32, arc4random());
}

static int make_arguments(struct sl_op *op, struct sl_pg_arguments *arguments)
{
    static const int which[] = {
        [SL_LOCKD_ACQUIRE] = ACQUIRE,
        [SL_LOCKD_RENEW] = RENEW,
        [SL_LOCKD_RELEASE] = RELEASE,
        [SL_LOCKD_IS_LOCKED] = IS_LOCKED,
    };
    const struct sl_lockd_request *request = op->request;
    struct sl_lockd_answer *answer = op->answer;

    answer->asked_at = sl_lock_clock();
    sl_pg_add_bytes(arguments, request->key);
    if (request->verb == SL_LOCKD_ACQUIRE) {
        make_postgres_holder(answer->holder);
        sl_pg_add_bytes(arguments, sl_bytes_of(answer->holder));
    } else if (request->verb != SL_LOCKD_IS_LOCKED) {
        sl_pg_add_bytes(arguments, request->holder);
    }
    if (request->verb == SL_LOCKD_ACQUIRE || request->verb == SL_LOCKD_RENEW)
        sl_pg_add_number(arguments, (int64_t)request->ttl_ms);
    if (request->verb == SL_LOCKD_ACQUIRE) {
        sl_pg_add_number(arguments, op->waiter_id);
        sl_pg_add_number(arguments, sl_op_may_wait(op));
    }
    return which[request->verb];
}

/* --- Answers ------------------------------------------------------------ */

static void refuse_lock_op(struct sl_op *op, const char *why)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT, "%s", why);
    sl_op_fail(op, &err);
}

static void answer_acquire(struct sl_op *op, const PGresult *result)
{
    enum { GRANTED, TOKEN, WAIT, TICKET };
    struct sl_lockd_answer *answer = op->answer;
    int64_t wait = sl_pg_number_at(result, 0, WAIT);

    op->waiter_id = sl_pg_number_at(result, 0, TICKET);
    if (sl_pg_number_at(result, 0, GRANTED) == 1) {
        answer->fencing_token = (uint64_t)sl_pg_number_at(result, 0, TOKEN);
        answer->ttl_ms = sl_lockd_request_of(op)->ttl_ms;
        return;
    }
    answer->holder[0] = '\0';
    if (op->waiter_id != 0) {
        op->retry_if_not_first_at =
            sl_deadline_on_grid(SEEN_EVERY_MS, SEEN_GRID_MS);
        op->retry_at = wait < SEEN_GRID_MS ? sl_deadline_in_ms(wait + 1)
                                           : op->retry_if_not_first_at;
    }
    refuse_lock_op(op, "another one holds the lock");
}

static void answer_op(struct sl_op *op, const PGresult *result)
{
    int64_t number = sl_pg_number_at(result, 0, 0);

    switch ((enum sl_lockd_verb)sl_lockd_request_of(op)->verb) {
    case SL_LOCKD_ACQUIRE:
        answer_acquire(op, result);
        return;
    case SL_LOCKD_RELEASE:
        op->changed = number != 0;
        if (number == 0)
            refuse_lock_op(op, "the lock was lost");
        return;
    case SL_LOCKD_RENEW:
        if (number == 0)
            refuse_lock_op(op, "the lock was lost");
        return;
    case SL_LOCKD_IS_LOCKED:
        sl_lockd_answer_of(op)->locked = PQntuples(result) > 0;
        return;
    }
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_pg_tables_kind kind = {
    .create = create,
    .probe = probe,
    .statements = statements,
    .channel = "{t}",
    .make_arguments = make_arguments,
    .answer = answer_op,
};

static enum sl_status lockd_postgres_store_new(const void *options,
                                               void **store,
                                               struct sl_error *err)
{
    return sl_pg_tables_store_new(&kind, options, store, err);
}

static void lockd_postgres_forget(void *connection, struct sl_op *op)
{
    struct sl_pg_arguments arguments = {.count = 0};

    sl_pg_add_bytes(&arguments, sl_lockd_request_of(op)->key);
    sl_pg_add_number(&arguments, op->waiter_id);
    sl_pg_tables_do(connection, LEAVE, &arguments);
    op->waiter_id = 0;
    op->changed = true; /* the next waiter may be first now */
}

static bool lockd_postgres_idle(void *connection)
{
    bool more = sl_pg_tables_sweep(connection, SWEEP);

    return sl_pg_tables_sweep(connection, SWEEP_WAITERS) || more;
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_postgres = {
    .name = "lockd.postgres",
    .service = "PostgreSQL 12 or newer",
    .summary = "tables of a PostgreSQL database; a fail-over that loses writes "
               "can break exclusion",
    .options = option_table,
    .options_size = sizeof(struct sl_pg_tables_options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .blocking_safe = true,
    .max_batch = BATCH_MAX,
    .risks = sl_pg_risks,
    .store_new = lockd_postgres_store_new,
    .store_free = sl_pg_tables_store_free,
    .open = sl_pg_tables_open,
    .close = sl_pg_tables_close,
    .run = sl_pg_tables_run,
    .idle = lockd_postgres_idle,
    .changed = sl_pg_tables_changed,
    .forget = lockd_postgres_forget,
};
