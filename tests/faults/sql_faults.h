/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with every database, once for all drivers; and statements for
 * the cases that only one has.
 */
#ifndef TEST_FAULTS_SQL_FAULTS_H
#define TEST_FAULTS_SQL_FAULTS_H

#include "faults/driver.h"
#include "sql/sql.h"

/* One statement, or one call about transactions; session may be NULL. */
struct sql_call {
    struct test_store *store;
    struct sl_session *session;
    enum sl_sql_verb verb;
    const char *text;
    enum sl_sql_isolation isolation;
    bool read_only;
    const void *owner; /* whose call it is */
    size_t numbers;    /* its parameters: as many, from 0 on */
    const struct sl_sql_parameters *sets; /* or these, where there are some */
    size_t set_count;
};

/* What came of the last call. */
struct sql_said {
    enum sl_status status;
    bool retryable;
    char message[SL_ERROR_MESSAGE_MAX];
    char value[256]; /* the first one of a result, as text */
    char type[64];   /* the name of its column's */
    int value_type;
    size_t rows;
    uint64_t cursor;
};

extern _Thread_local struct sql_said said;

enum sl_status sql_call(const struct sql_call *call);
enum sl_status sql_query(struct test_store *store, struct sl_session *session,
                         const char *text);
enum sl_status sql_execute(struct test_store *store, struct sl_session *session,
                           const char *text);
/* More parameters than libpq can have described: start, as many placeholders
 * with commas between, and ")". */
enum sl_status sql_many(struct test_store *store, const void *owner,
                        enum sl_sql_verb verb, const char *start);
/* A transaction in a session of its own; to be closed by sl_session_close. */
struct sl_session *sql_begin(struct test_store *store,
                             enum sl_sql_isolation isolation, bool read_only);
enum sl_status sql_end(struct test_store *store, struct sl_session *session,
                       enum sl_sql_verb verb);

/* The first value of the first row, as text, until the thread's next call. */
const char *sql_value_of(struct test_store *store, const char *query);

/* The call is answered so; the message, unless it is SL_OK, has this in it. */
#define IS(call, expected, part)                                               \
    do {                                                                       \
        enum sl_status is_ = (call);                                           \
        if (is_ != (expected) ||                                               \
            (is_ != SL_OK && strstr(said.message, part) == NULL))              \
            fail_msg("%s is %s: %s", #call, sl_status_text(is_),               \
                     said.message);                                            \
        assert_null(strstr(said.message, TEST_SERVER_PASSWORD));               \
    } while (0)
#define OK(call) IS(call, SL_OK, "")

/* For fault_driver. */
const void *sql_write(int number);
void sql_prepare(struct test_store *store);
void sql_while_full(struct test_store *store);
void sql_begin_writing(struct test_store *straight);
/* Every third writer in transactions. */
enum sl_status sql_write_somehow(struct fault_traffic *traffic, int writer,
                                 int number);
void sql_check_written(const struct fault_traffic *traffic,
                       struct test_store *straight);
#define SQL_FAULT_HOOKS                                                        \
    .write = sql_write,                                                        \
    .writing = {sql_begin_writing, sql_write_somehow, sql_check_written},      \
    .prepare = sql_prepare, .while_full = sql_while_full

void sql_case_restarted(void **state);
void sql_case_doubtful(void **state);

#define SQL_FAULT_CASES                                                        \
    FAULT_DRIVER_CASES,                                                        \
        {"a restart ends transactions, and nothing else", sql_case_restarted,  \
         NULL, NULL, NULL},                                                    \
        FAULT_WRITING_CASES,                                                   \
    {                                                                          \
        "what may have been done is not repeatable", sql_case_doubtful, NULL,  \
            NULL, NULL                                                         \
    }

#endif
