/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest cannot do: many threads at once on one database, other processes
 * that are killed, and measuring memory.
 *
 * A thread cannot end the case, so it counts what went wrong.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "native.h"
#include "sql_cases.h"

enum { THREADS = 6, ROUNDS = 25 };

struct worker {
    struct resource *sql;
    int number;
    int wrong; /* calls that should have worked */
    int lost;  /* races */
    char message[1024];
};

static bool worker_succeeded(struct worker *worker, enum status status)
{
    if (status == WORKED)
        return true;
    worker->wrong++;
    snprintf(worker->message, sizeof(worker->message), "%s",
             last_failure()->message);
    return false;
}

/* Run work on all threads at once; none went wrong. */
static void run_threads(struct resource *sql, void *(*work)(void *),
                        struct worker workers[THREADS])
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.sql = sql, .number = i};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        if (workers[i].wrong > 0)
            case_fail(__FILE__, __LINE__, "%d calls went wrong: %s",
                      workers[i].wrong, workers[i].message);
}

static void make_counter(struct resource *sql)
{
    DO(sql, NULL, "CREATE TABLE counter (n INTEGER)");
    DO(sql, NULL, "INSERT INTO counter VALUES (0)");
}

static void *add_alone(void *context)
{
    struct worker *worker = context;

    for (int i = 0; i < ROUNDS; i++) {
        struct sql_done done = {0};
        if (worker_succeeded(worker, sql_execute(worker->sql, NULL,
                                                 "UPDATE counter SET n = n + 1",
                                                 NONE, &done)))
            worker->wrong += done.affected != 1;
    }
    return NULL;
}

static void statements_are_atomic(struct resource *sql)
{
    struct worker workers[THREADS];

    make_counter(sql);
    run_threads(sql, add_alone, workers);
    INT(sql, NULL, "SELECT n FROM counter", THREADS * ROUNDS);
}

/* False: another transaction came first. */
static bool add_in_transaction(struct worker *worker)
{
    struct sql_rows rows = {0};
    struct sql_tx *tx = NULL;

    if (!worker_succeeded(worker,
                          sql_begin(worker->sql, SQL_SERIALIZABLE, false, &tx)))
        return true;
    enum status status =
        sql_query(worker->sql, tx, "SELECT n FROM counter", NONE, &rows);
    if (status == WORKED) {
        int64_t next = rows.values[0].int64 + 1;
        sql_rows_done(&rows);
        status = sql_execute(worker->sql, tx, "UPDATE counter SET n = ?",
                             SET(sql_int(next)), &(struct sql_done){0});
    }
    if (status == WORKED)
        status = sql_commit(tx);
    else
        sql_drop(tx);
    if (status == ABORTED)
        return false;
    worker_succeeded(worker, status);
    return true;
}

static void *add_and_repeat(void *context)
{
    struct worker *worker = context;

    for (int i = 0; i < ROUNDS; i++)
        while (!add_in_transaction(worker))
            worker->lost++;
    return NULL;
}

static void no_update_is_lost(struct resource *sql)
{
    struct worker workers[THREADS];

    make_counter(sql);
    run_threads(sql, add_and_repeat, workers);
    INT(sql, NULL, "SELECT n FROM counter", THREADS * ROUNDS);
}

/* Money moves; what a reader sees adds up. */
static void *move_or_add_up(void *context)
{
    struct worker *worker = context;
    struct sql_rows rows = {0};
    struct sql_tx *tx = NULL;

    for (int i = 0; i < ROUNDS; i++) {
        if (worker->number % 2 == 0) {
            if (!worker_succeeded(worker,
                                  sql_query(worker->sql, NULL,
                                            "SELECT sum(n) FROM accounts", NONE,
                                            &rows)))
                continue;
            worker->wrong += sql_int_of(&rows.values[0]) != 1000;
            sql_rows_done(&rows);
            continue;
        }
        if (!worker_succeeded(worker,
                              sql_begin(worker->sql, SQL_DEFAULT, false, &tx)))
            continue;
        (void)(worker_succeeded(
                   worker,
                   sql_execute(worker->sql, tx,
                               "UPDATE accounts SET n = n - 1 WHERE id = 1",
                               NONE, &(struct sql_done){0})) &&
               worker_succeeded(
                   worker,
                   sql_execute(worker->sql, tx,
                               "UPDATE accounts SET n = n + 1 WHERE id = 2",
                               NONE, &(struct sql_done){0})));
        worker_succeeded(worker, sql_commit(tx));
    }
    return NULL;
}

static void readers_see_whole_transactions(struct resource *sql)
{
    struct worker workers[THREADS];

    DO(sql, NULL, "CREATE TABLE accounts (id INTEGER, n INTEGER)");
    DO(sql, NULL, "INSERT INTO accounts VALUES (1, 500), (2, 500)");
    run_threads(sql, move_or_add_up, workers);
    INT(sql, NULL, "SELECT n FROM accounts WHERE id = 2",
        500 + THREADS / 2 * ROUNDS);
}

/* --- Memory ------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GROWTH_MAX_MIB = 512 }; /* they keep what was freed */
#else
enum { GROWTH_MAX_MIB = 48 };
#endif

static long resident_mib(void)
{
    long pages = 0;
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL);
    if (fgets(text, sizeof(text), file) != NULL) {
        char *second = strchr(text, ' ');
        pages = second != NULL ? strtol(second, NULL, 10) : 0;
    }
    fclose(file);
    CHECK(pages > 0);
    return pages * sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* A million rows of a kilobyte: a gigabyte. */
static void a_cursor_in_bounded_memory(struct resource *sql)
{
    enum { ROWS = 1000000, LETTERS = 1000 };
    struct sql_cursor *cursor = NULL;
    char query[512], *text = sql_repeat('x', LETTERS);
    int64_t expected = 1;

    snprintf(query, sizeof(query), "%s SELECT n, ? FROM series",
             sql_dialect()->series);
    OK(sql_open_cursor(sql, NULL, query, SET(sql_int(ROWS), sql_text(text)),
                       &cursor));
    long before = resident_mib(), most = before;
    for (;;) {
        struct sql_rows rows = {0};
        OK(sql_next(cursor, 1000, &rows));
        size_t count = rows.row_count;
        for (size_t i = 0; i < count; i++)
            CHECK(rows.values[2 * i].int64 == expected++ &&
                  rows.values[2 * i + 1].len == LETTERS);
        sql_rows_done(&rows);
        if (count == 0)
            break;
        if (expected % 100000 < 1000) {
            long now = resident_mib();
            most = now > most ? now : most;
        }
    }
    CHECK(expected == ROWS + 1);
    if (most - before > GROWTH_MAX_MIB)
        case_fail(__FILE__, __LINE__, "grew from %ld to %ld MiB", before, most);
    sql_close_cursor(cursor);
    free(text);
}

/* --- Processes ---------------------------------------------------------- */

/* Pairs, each in a transaction, whose number is told once it is committed. */
void suite_work(struct resource *sql, const char *what)
{
    (void)what;
    struct sql_rows rows = {0};

    OK(sql_query(sql, NULL, "SELECT coalesce(max(id), 0) FROM pairs", NONE,
                 &rows));
    int64_t id = rows.values[0].int64;
    sql_rows_done(&rows);
    for (;;) {
        struct sql_tx *tx = NULL;
        id++;
        OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
        for (int part = 1; part <= 2; part++)
            OK(sql_execute(sql, tx, "INSERT INTO pairs VALUES (?, ?)",
                           SET(sql_int(id), sql_int(part)),
                           &(struct sql_done){0}));
        OK(sql_commit(tx));
        if (dprintf(STDOUT_FILENO, "%lld\n", (long long)id) < 0)
            return;
    }
}

/* Read numbers for a while, then kill; returns the last that was told. */
static int64_t kill_after(pid_t pid, int out, int told)
{
    FILE *file = fdopen(out, "r");
    char line[64];
    int64_t last_told = 0;

    CHECK(file != NULL);
    for (int i = 0; i < told; i++) {
        CHECK(fgets(line, sizeof(line), file) != NULL);
        last_told = strtoll(line, NULL, 10);
    }
    CHECK(kill(pid, SIGKILL) == 0);
    /* What it told before it died. */
    while (fgets(line, sizeof(line), file) != NULL)
        if (strchr(line, '\n') != NULL)
            last_told = strtoll(line, NULL, 10);
    fclose(file);
    CHECK(waitpid(pid, NULL, 0) == pid);
    return last_told;
}

static void killed_at_any_point(struct resource *sql)
{
    DO(sql, NULL, "CREATE TABLE pairs (id INTEGER, part INTEGER)");
    for (int i = 0; i < 20; i++) {
        char query[128];
        int out;
        pid_t pid = start_process("write", &out);
        int64_t told = kill_after(pid, out, 1 + i % 7);
        CHECK(told > 0);
        snprintf(query, sizeof(query),
                 "SELECT count(*) FROM pairs WHERE id <= %lld",
                 (long long)told);
        INT(sql, NULL, query, 2 * told); /* all that it told */
        INT(sql, NULL,                   /* and no half of anything */
            "SELECT count(*) FROM (SELECT id FROM pairs GROUP BY id HAVING "
            "count(*) <> 2) AS halves",
            0);
        DO(sql, NULL, "UPDATE pairs SET part = part"); /* it is not locked */
    }
}

static void text_that_is_none(struct resource *sql)
{
    static const char *const texts[] = {
        "\xff", "a\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
    };

    sql_create(sql, "CREATE TABLE texts (v %s)",
               sql_dialect()->columns[SQL_TEXT]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FAILS(sql_execute(sql, NULL, "INSERT INTO texts VALUES (?)",
                          SET(sql_text(texts[i])), &(struct sql_done){0}),
              INVALID_ARGUMENT);
        FAILS(sql_execute(sql, NULL, texts[i], NONE, &(struct sql_done){0}),
              INVALID_ARGUMENT);
    }
    INT(sql, NULL, "SELECT count(*) FROM texts", 0);
}

const struct suite_case sql_side_cases[] = {
    {"threads: statements are atomic", 0, statements_are_atomic},
    {"threads: no update is lost", 0, no_update_is_lost},
    {"threads: readers see whole transactions", 0,
     readers_see_whole_transactions},
    {"memory: a cursor over a million rows", 0, a_cursor_in_bounded_memory},
    {"processes: killed at any point", 0, killed_at_any_point,
     .holds = "sql-85"},
    {"text that is none is refused", 0, text_that_is_none},
    {0},
};
