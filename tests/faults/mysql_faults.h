/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of sql.mysql on a real server share: mysql_faults.c has its
 * bad days, mysql_session.c its types and what stays of a session.
 * SL_TEST_SERVER is "mysql" or "mariadb".
 */
#ifndef TEST_FAULTS_MYSQL_FAULTS_H
#define TEST_FAULTS_MYSQL_FAULTS_H

#include "faults/faults.h"
#include "sql/sql.h"

extern struct test_server mysql_server;
extern int mysql_port;

bool is_mariadb(void);

/* Run statements as the administrator, who needs no quotes around them. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One statement, with a ; inside. */
void tell_routine(const char *statement);

/* As `slight`, over the proxy, or straight where that is NULL; by TLS. */
void open_store(struct test_store *store, const struct proxy *proxy,
                const char *more);

/* One statement; NULL: outside of a session.  Returns its status. */
enum sl_status run_in(struct test_store *store, struct sl_session *session,
                      enum sl_sql_verb verb, const char *statement,
                      struct sl_sql_answer *answer);

/* The same outside of a session, without its answer. */
enum sl_status run(struct test_store *store, const char *statement);
/* It fails so, and says this. */
void run_fails(struct test_store *store, const char *statement,
               enum sl_status expected, const char *says);

/* The first value of the first row, as text; of integers in digits. */
const char *value_of(struct test_store *store, const char *query);

extern const struct CMUnitTest mysql_session_tests[];
extern const size_t mysql_session_test_count;

#endif
