/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on a PostgreSQL of a test's own. */
#ifndef TEST_FAULTS_POSTGRES_H
#define TEST_FAULTS_POSTGRES_H

#include "faults/faults.h"
#include "sql/sql.h"

/* Started with certificate "server"; the user `slight` owns the database. */
extern struct test_server postgres;

int postgres_start(void **state);
int postgres_stop(void **state);

/* Settings of any of its drivers: straight, or over the proxy; the caller frees
 * them. */
char *postgres_settings(const struct proxy *proxy, const char *more);
void postgres_open(struct test_store *store, const struct proxy *proxy,
                   const char *more);
/* As the administrator, on the database `slight`. */
void postgres_tell(const char *statement);

/* One statement, or one call about transactions; session may be NULL. */
struct sql_call {
    struct test_store *store;
    struct sl_session *session;
    enum sl_sql_verb verb;
    const char *text;
    enum sl_sql_isolation isolation;
    bool read_only;
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
/* A transaction in a session of its own; to be closed by sl_session_close. */
struct sl_session *sql_begin(struct test_store *store,
                             enum sl_sql_isolation isolation, bool read_only);
enum sl_status sql_end(struct test_store *store, struct sl_session *session,
                       enum sl_sql_verb verb);

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

#endif
