/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every provider of databases must do, and what the cases that check it
 * are written over: the interface of wit/sql/sql.wit, implemented twice.
 * sql_native.c calls src/sql; sql_guest.c calls the bindings of a component,
 * and so the bridge and the host.
 */
#ifndef CONFORMANCE_SQL_CASES_H
#define CONFORMANCE_SQL_CASES_H

#include "cases.h"

/* --- The interface ------------------------------------------------------ */

enum {
    SQL_STATEMENT_MAX = 1 << 20,
    SQL_PARAMETERS_MAX = 32766,
    SQL_SETS_MAX = 10000,
    SQL_BATCH_MAX = 10000,
    SQL_CURSORS_MAX = 64,
};

#define SQL_VALUE_MAX ((size_t)suite_limit("max-value"))
#define SQL_TRANSACTIONS_MAX ((size_t)suite_limit("max-transactions"))

/* In the order of the variant `value`. */
enum sql_type {
    SQL_NULL,
    SQL_BOOLEAN,
    SQL_INT64,
    SQL_FLOAT64,
    SQL_DECIMAL,
    SQL_TEXT,
    SQL_BYTES,
    SQL_DATE,
    SQL_TIME,
    SQL_TIMESTAMP,
    SQL_UUID,
    SQL_JSON,
};

enum { SQL_TYPES = SQL_JSON + 1 };

struct sql_value {
    enum sql_type type;
    bool boolean;
    int64_t int64;
    double float64;
    const void *ptr; /* of SQL_DECIMAL and on */
    size_t len;
};

struct sql_value sql_int(int64_t number);
struct sql_value sql_text(const char *text);
/* A value of any type that is written as text. */
struct sql_value sql_as(enum sql_type type, const char *text);
/* A whole number, whether it is an int64 or a short decimal. */
int64_t sql_int_of(const struct sql_value *value);

/* The values for one run of a statement. */
struct sql_set {
    const struct sql_value *values;
    size_t count;
};

/* A set of these values. */
#define SET(...)                                                               \
    ((struct sql_set){(const struct sql_value[]){__VA_ARGS__},                 \
                      sizeof((const struct sql_value[]){__VA_ARGS__}) /        \
                          sizeof(struct sql_value)})
#define NONE ((struct sql_set){NULL, 0})

/* What was read; sql_rows_done frees it. */
struct sql_rows {
    char **names;
    char **types;
    size_t column_count;
    struct sql_value *values; /* row by row */
    size_t row_count;
};

void sql_rows_done(struct sql_rows *rows);

struct sql_done {
    uint64_t affected;
    bool has_last_insert_id;
    int64_t last_insert_id;
};

enum sql_isolation {
    SQL_DEFAULT,
    SQL_READ_COMMITTED,
    SQL_REPEATABLE_READ,
    SQL_SERIALIZABLE,
};

struct sql_tx;     /* a transaction */
struct sql_cursor; /* a cursor */

/* tx is the transaction that the statement is part of, or NULL. */
enum status sql_query(struct resource *sql, struct sql_tx *tx,
                      const char *statement, struct sql_set set,
                      struct sql_rows *rows);
enum status sql_execute(struct resource *sql, struct sql_tx *tx,
                        const char *statement, struct sql_set set,
                        struct sql_done *done);
enum status sql_execute_many(struct resource *sql, struct sql_tx *tx,
                             const char *statement, const struct sql_set sets[],
                             size_t count, struct sql_done *done);
enum status sql_begin(struct resource *sql, enum sql_isolation isolation,
                      bool read_only, struct sql_tx **tx);
/* These end tx, whatever they return. */
enum status sql_commit(struct sql_tx *tx);
enum status sql_rollback(struct sql_tx *tx);
void sql_drop(struct sql_tx *tx);

enum status sql_open_cursor(struct resource *sql, struct sql_tx *tx,
                            const char *statement, struct sql_set set,
                            struct sql_cursor **cursor);
/* The columns are rows->names and rows->types; there are no rows. */
void sql_columns(struct sql_cursor *cursor, struct sql_rows *rows);
enum status sql_next(struct sql_cursor *cursor, uint32_t limit,
                     struct sql_rows *rows);
void sql_close_cursor(struct sql_cursor *cursor);

/* --- Cases -------------------------------------------------------------- */

/* What a provider may lack. */
enum {
    SQL_NEEDS_NAN = 1 << 0,
    SQL_NEEDS_INFINITY = 1 << 1,
    SQL_NEEDS_LAST_INSERT_ID = 1 << 2,
    SQL_NEEDS_WRITERS = 1 << 3,
    SQL_NEEDS_RETURNING = 1 << 4,
    SQL_NEEDS_SCHEMAS = 1 << 5,
    SQL_NEEDS_SHARED = 1 << 6,
};

/* Each ended by a zeroed entry. */
extern const struct suite_case sql_value_cases[];
extern const struct suite_case sql_injection_cases[];
extern const struct suite_case sql_statement_cases[];
extern const struct suite_case sql_limit_cases[];
extern const struct suite_case sql_parameter_cases[];
extern const struct suite_case sql_transaction_cases[];
extern const struct suite_case sql_isolation_cases[];
extern const struct suite_case sql_cursor_cases[];
/* What only this side of the bridge can do: sql_native_cases.c, sql_guest.c. */
extern const struct suite_case sql_side_cases[];

/* In place of those that need what a provider lacks. */
case_fn sql_no_nan, sql_no_infinity, sql_no_last_insert_id, sql_no_schemas;

/* What the databases do not share. */
struct sql_dialect {
    const char *name; /* "sqlite" */
    /* What a column is declared as to hold each type. */
    const char *columns[SQL_TYPES];
    /* The numbers 1 to ?, each a row `n`, as a query to select from. */
    const char *series;
    /* A column that the database numbers. */
    const char *numbered;
    /* Numbers in JSON are as exact as a double is. */
    bool rounds_json;
    size_t json_depth;       /* 0: what the WIT allows */
    bool has_question_marks; /* in operators, and texts in dollar quotes */
    /* Makes the function writes(), which inserts 99 into the table items and
     * returns 1.  NULL: the database has no functions that write. */
    const char *writer;
};

/* The dialect of this name; false: nobody wrote down what it needs. */
bool sql_use_dialect(const char *name);
const struct sql_dialect *sql_dialect(void);

/* --- Checks ------------------------------------------------------------- */

void sql_expect_same(const struct sql_value *value,
                     const struct sql_value *expected, const char *file,
                     int line);
void sql_expect_int(struct resource *sql, struct sql_tx *tx, const char *query,
                    int64_t expected, const char *file, int line);

/* The value is the same as that, in the sense of the WIT. */
#define SAME(value, expected)                                                  \
    sql_expect_same(value, expected, __FILE__, __LINE__)
/* The query answers one row with this number. */
#define INT(sql, tx, query, number)                                            \
    sql_expect_int(sql, tx, query, number, __FILE__, __LINE__)
/* The statement, without parameters, is done. */
#define DO(sql, tx, statement)                                                 \
    OK(sql_execute(sql, tx, statement, NONE, &(struct sql_done){0}))

/* "CREATE TABLE name (…)" with each %N replaced by the column of type N, where
 * N is the number of a sql_type; done. */
void sql_create(struct resource *sql, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A text of len times the letter, with a NUL behind; the caller frees it. */
char *sql_repeat(char letter, size_t len);

#endif
