/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relational databases, as the rest of slight uses them: wit/sql/sql.wit in C.
 *
 * A database is a service (service/service.h) of the capability sl_sql.  A call
 * is one request.
 *
 * A guest's connection is the service itself.  Its transaction is a session in
 * which SL_SQL_BEGIN has succeeded, and whose statements have in_transaction
 * set.  Its cursor is a number in the session of its transaction, or in a
 * session of its own.  Dropping a transaction or such a cursor closes the
 * session.
 */
#ifndef SL_SQL_SQL_H
#define SL_SQL_SQL_H

#include "base/bytes.h"
#include "service/service.h"

enum {
    SL_SQL_STATEMENT_MAX = 1024 * 1024, /* bytes in a statement */
    /*
     * Values in a set: the limit of SQLite.  PostgreSQL and MySQL take 65535.
     */
    SL_SQL_PARAMETERS_MAX = 32766,
    SL_SQL_SETS_MAX = 10000,  /* sets of an EXECUTE_MANY */
    SL_SQL_BATCH_MAX = 10000, /* rows of a CURSOR_NEXT */
    SL_SQL_CURSORS_MAX = 64,  /* open at once in a session */
    SL_SQL_JSON_DEPTH_MAX = 100,
};

/* All values of a call: 24 bytes for each, and what it points to. */
#define SL_SQL_CALL_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum sl_sql_verb {
    SL_SQL_QUERY,
    SL_SQL_EXECUTE,
    SL_SQL_EXECUTE_MANY,
    SL_SQL_BEGIN, /* this and all that follow: in a session */
    SL_SQL_COMMIT,
    SL_SQL_ROLLBACK,
    SL_SQL_CURSOR_OPEN,
    SL_SQL_CURSOR_NEXT,
    SL_SQL_CURSOR_CLOSE, /* of an unknown number: succeeds */
};

enum { SL_SQL_VERB_COUNT = SL_SQL_CURSOR_CLOSE + 1 };

/* In the order of the WIT's variant, which the bridge relies on. */
enum sl_sql_type {
    SL_SQL_NULL,
    SL_SQL_BOOLEAN,
    SL_SQL_INT64,
    SL_SQL_FLOAT64,
    SL_SQL_DECIMAL, /* this and all that follow have bytes */
    SL_SQL_TEXT,
    SL_SQL_BYTES,
    SL_SQL_DATE,
    SL_SQL_TIME,
    SL_SQL_TIMESTAMP,
    SL_SQL_UUID,
    SL_SQL_JSON,
};

enum { SL_SQL_TYPE_COUNT = SL_SQL_JSON + 1 };

/* The name of the type in the WIT, for messages. */
const char *sl_sql_type_text(uint32_t type);

/*
 * One value.  The bridge mirrors this struct and those below:
 * bridge/slight_bridge.h.
 */
struct sl_sql_value {
    uint32_t type; /* of enum sl_sql_type */
    union {
        bool boolean;
        int64_t int64;
        double float64;
        struct sl_bytes bytes; /* DECIMAL and later; UTF-8 except BYTES */
    };
};

_Static_assert(sizeof(struct sl_sql_value) == 24, "what the WIT counts");

struct sl_sql_column {
    struct sl_bytes name;
    struct sl_bytes type_name; /* empty: the database names none */
};

/* The values for one run of a statement, in the order of its placeholders. */
struct sl_sql_parameters {
    const struct sl_sql_value *values;
    size_t count;
};

enum sl_sql_isolation {
    SL_SQL_DEFAULT,
    SL_SQL_READ_COMMITTED,
    SL_SQL_REPEATABLE_READ,
    SL_SQL_SERIALIZABLE,
};

enum { SL_SQL_ISOLATION_COUNT = SL_SQL_SERIALIZABLE + 1 };

/*
 * A request.  Everything is borrowed until the function that gets it returns.
 */
struct sl_sql_request {
    uint32_t verb;             /* enum sl_sql_verb; the first member */
    uint32_t isolation;        /* BEGIN */
    struct sl_bytes statement; /* QUERY, EXECUTE, EXECUTE_MANY, CURSOR_OPEN */
    /* One for QUERY, EXECUTE and CURSOR_OPEN, any number for EXECUTE_MANY. */
    const struct sl_sql_parameters *sets;
    size_t set_count;
    uint64_t cursor; /* CURSOR_NEXT, CURSOR_CLOSE: as CURSOR_OPEN answered */
    uint32_t limit;  /* CURSOR_NEXT: 1 to SL_SQL_BATCH_MAX */
    bool read_only;  /* BEGIN */
    /*
     * The statement is part of the session's transaction: SL_CONFLICT where
     * that has failed, or was lost with its connection.  COMMIT and ROLLBACK
     * ignore it.
     */
    bool in_transaction;
};

/* The answer.  The bridge mirrors this struct. */
struct sl_sql_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    bool has_last_insert_id;             /* EXECUTE, EXECUTE_MANY */
    const struct sl_sql_column *columns; /* QUERY, CURSOR_OPEN */
    size_t column_count;                 /* CURSOR_NEXT: values in a row */
    const struct sl_sql_value *values;   /* QUERY, CURSOR_NEXT: row by row */
    size_t row_count;                    /* none after CURSOR_NEXT: the end */
    uint64_t affected;                   /* EXECUTE, EXECUTE_MANY */
    int64_t last_insert_id;
    uint64_t cursor;       /* CURSOR_OPEN */
    struct sl_held memory; /* of columns, values and their bytes */
};
SL_ASSERT_IS_ANSWER(struct sl_sql_answer);

/* The settings of every sql resource, besides those of its driver. */
struct sl_sql_config {
    struct sl_service_config service; /* max_sessions: max-transactions */
    int64_t max_value;                /* bytes in a parameter */
    int64_t
        max_result; /* bytes in the rows of an answer, with 24 for each value */
};

extern const struct sl_capability sl_sql;

#endif
