/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kit for PostgreSQL drivers with their own tables: each request is one
 * prepared statement, which the server runs as one transaction, and a batch is
 * one pipeline.
 *
 * A driver provides the tables, the statements, and the arguments of a request.
 * In its SQL, {t} stands for the resource's table name, which needs no
 * escaping in quotes of either kind.
 */
#ifndef SL_CLIENT_POSTGRES_TABLES_H
#define SL_CLIENT_POSTGRES_TABLES_H

#include "client/postgres/postgres.h"
#include "service/driver.h"

/* --- Settings ----------------------------------------------------------- */

struct sl_pg_tables_options {
    struct sl_pg_options server; /* first: SL_PG_OPTIONS */
    const char *table;
};

/* Letters, digits, _ and -; short enough for the suffixes of drivers. */
enum sl_status sl_pg_check_table(const void *field, struct sl_error *err);

/* --- What a driver provides --------------------------------------------- */

enum { SL_PG_ARGUMENTS_MAX = 6 };

/* The arguments of a statement; bytes are borrowed until it is sent. */
struct sl_pg_arguments {
    const char *values[SL_PG_ARGUMENTS_MAX];
    int lengths[SL_PG_ARGUMENTS_MAX];
    int formats[SL_PG_ARGUMENTS_MAX];
    char numbers[SL_PG_ARGUMENTS_MAX][24];
    int count;
};

/* Append an argument. */
void sl_pg_add_bytes(struct sl_pg_arguments *arguments, struct sl_bytes bytes);
void sl_pg_add_number(struct sl_pg_arguments *arguments, int64_t number);
void sl_pg_add_null(struct sl_pg_arguments *arguments);

/* Constant. */
struct sl_pg_tables_kind {
    /* Creates missing tables in one transaction, with as few locks as
     * possible. */
    const char *create;
    /* A query that is true if they exist. */
    const char *probe;
    const char *const *statements; /* ended by NULL */
    const char *channel;           /* to LISTEN on, or NULL */
    /*
     * Fill arguments for op; returns the index of the statement, or -1 if op
     * was answered instead.
     */
    int (*make_arguments)(struct sl_op *op, struct sl_pg_arguments *arguments);
    /* Answer op from the result, which is not an error. */
    void (*answer)(struct sl_op *op, const PGresult *result);
    /* May.  Handle an error of the server: true if op was answered. */
    bool (*refuse)(struct sl_op *op, const char *sqlstate);
};

/* --- The driver's functions --------------------------------------------- */

SL_MUST_CHECK enum sl_status
sl_pg_tables_store_new(const struct sl_pg_tables_kind *kind,
                       const struct sl_pg_tables_options *options, void **store,
                       struct sl_error *err);
void sl_pg_tables_store_free(void *store);
SL_MUST_CHECK enum sl_status sl_pg_tables_open(void *store,
                                               sl_deadline deadline,
                                               void **connection,
                                               struct sl_error *err);
void sl_pg_tables_close(void *connection);
void sl_pg_tables_run(void *connection, struct sl_op *const ops[],
                      size_t count);
/* Whether a notification arrived on the channel since the last call. */
bool sl_pg_tables_changed(void *connection);
/*
 * Run a statement that deletes at most SL_PG_SWEEP_ROWS expired rows (its SQL
 * has SL_PG_SWEEP_LIMIT): about 5 ms, since calls may be waiting.  True: there
 * are more.
 */
enum { SL_PG_SWEEP_ROWS = 500 };
#define SL_PG_SWEEP_LIMIT "LIMIT 500"
bool sl_pg_tables_sweep(void *connection, int statement);
/* Run a statement and ignore its result and failures. */
void sl_pg_tables_do(void *connection, int statement,
                     const struct sl_pg_arguments *arguments);

/* --- Reading ------------------------------------------------------------ */

/* A number in a result; 0 if there is none. */
int64_t sl_pg_number_at(const PGresult *result, int row, int column);
/* Bytes in a result, borrowed from it. */
struct sl_bytes sl_pg_bytes_at(const PGresult *result, int row, int column);

#endif
