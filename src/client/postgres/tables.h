/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the PostgreSQL drivers have in common that keep tables of their own:
 * each request is one prepared statement, which the server does as one
 * transaction, and what waits goes out as one pipeline.
 *
 * A driver gives the tables, the statements, and what one request asks for.  In
 * its SQL, {t} stands for the resource's name of tables, which needs no escape
 * in quotes of either kind.
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

/* Letters, digits, _ and -; short enough for what is put behind it. */
enum sl_status sl_pg_check_table(const void *field, struct sl_error *err);

/* --- What a driver gives ------------------------------------------------ */

enum { SL_PG_ARGUMENTS_MAX = 6 };

/* What a statement is given; texts and bytes are borrowed until it is sent. */
struct sl_pg_arguments {
    const char *values[SL_PG_ARGUMENTS_MAX];
    int lengths[SL_PG_ARGUMENTS_MAX];
    int formats[SL_PG_ARGUMENTS_MAX];
    char numbers[SL_PG_ARGUMENTS_MAX][24];
    int count;
};

/* The next argument. */
void sl_pg_add_bytes(struct sl_pg_arguments *arguments, struct sl_bytes bytes);
void sl_pg_add_number(struct sl_pg_arguments *arguments, int64_t number);
void sl_pg_add_null(struct sl_pg_arguments *arguments);

/* Constant. */
struct sl_pg_tables_kind {
    /* Makes what is not there, in one transaction; as few locks as it can. */
    const char *create;
    /* What must be there: a table, or something else of to_regclass. */
    const char *probe;
    const char *const *statements; /* ended by NULL */
    const char *channel;           /* to LISTEN on, or NULL */
    /*
     * Fill arguments for op; returns the statement's index, or -1 where op has
     * been answered already.
     */
    int (*ask)(struct sl_op *op, struct sl_pg_arguments *arguments);
    /* Answer op by the result, which is no error. */
    void (*answer)(struct sl_op *op, const PGresult *result);
    /* An error of the server: true where op has been answered. */
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
                                               void **state,
                                               struct sl_error *err);
void sl_pg_tables_close(void *state);
void sl_pg_tables_run(void *state, struct sl_op *const ops[], size_t count);
/* Whether anything was told on the channel since the last call. */
bool sl_pg_tables_changed(void *state);
/*
 * Do a statement that deletes at most so many rows of those that are over (it
 * says so by SL_PG_SWEEP_LIMIT): about 5 ms, for calls may be coming in.  True:
 * there are more.
 */
enum { SL_PG_SWEEP_ROWS = 500 };
#define SL_PG_SWEEP_LIMIT "LIMIT 500"
bool sl_pg_tables_sweep(void *state, int statement);
/* Do a statement whose result nobody wants; what fails is done another time. */
void sl_pg_tables_do(void *state, int statement,
                     const struct sl_pg_arguments *arguments);

/* --- Reading ------------------------------------------------------------ */

/* A number in a result; 0 where there is none. */
int64_t sl_pg_number_at(const PGresult *result, int row, int column);
/* Bytes in a result, borrowed from it. */
struct sl_bytes sl_pg_bytes_at(const PGresult *result, int row, int column);

#endif
