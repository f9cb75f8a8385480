/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of sql.mysql on a real server share: sql_mysql.c has its bad
 * days, sql_mysql_session.c its types and what stays of a session, and
 * sql_mysql_altered.c what others alter meanwhile.
 * SL_TEST_SERVER is "mysql" or "mariadb".
 */
#ifndef TEST_FAULTS_SQL_MYSQL_H
#define TEST_FAULTS_SQL_MYSQL_H

#include "faults/sql_faults.h"

bool is_mariadb(void);

/* Run statements as the administrator, who needs no quotes around them. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One statement, with a ; inside. */
void tell_routine(const char *statement);

/* One statement, outside of a session. */
enum sl_status run(struct test_store *store, const char *statement);

/* A resource, in whose database there is no table `one`; the case's state. */
int mysql_open_one(void **state);
int mysql_done_with_one(void **state);
#define MYSQL_CASE_OF_ONE(name)                                                \
    cmocka_unit_test_setup_teardown(name, mysql_open_one, mysql_done_with_one)

/* Types and sessions. */
void mysql_every_type_of_a_column(void **state);
void mysql_zeros_that_are_no_days(void **state);
void mysql_only_mariadb_has_these(void **state);
void mysql_instants_are_brought_to_utc(void **state);
void mysql_what_does_not_fit_is_refused(void **state);
void mysql_nothing_stays_with_the_session(void **state);
void mysql_what_a_function_leaves(void **state);
void mysql_what_a_view_leaves(void **state);
void mysql_nothing_is_left_for_another_component(void **state);
void mysql_what_a_transaction_leaves(void **state);
void mysql_plain_statements_leave_nothing(void **state);
void mysql_sessions_speak_utf8(void **state);
void mysql_a_procedure_that_commits_is_found_out(void **state);
void mysql_what_writes_and_does_not_fit(void **state);
void mysql_what_is_not_prepared(void **state);
void mysql_rows_of_what_is_not_prepared(void **state);
void mysql_warnings_are_shown(void **state);
void mysql_bodies_with_semicolons(void **state);
void mysql_no_local_files(void **state);

/* What somebody else alters (sql_mysql_altered.c). */
void mysql_columns_that_change(void **state);
void mysql_rows_that_are_looked_for(void **state);

#define MYSQL_SESSION_CASES                                                    \
    MYSQL_CASE_OF_ONE(mysql_every_type_of_a_column),                           \
        MYSQL_CASE_OF_ONE(mysql_zeros_that_are_no_days),                       \
        MYSQL_CASE_OF_ONE(mysql_only_mariadb_has_these),                       \
        MYSQL_CASE_OF_ONE(mysql_instants_are_brought_to_utc),                  \
        MYSQL_CASE_OF_ONE(mysql_what_does_not_fit_is_refused),                 \
        cmocka_unit_test(mysql_nothing_stays_with_the_session),                \
        cmocka_unit_test(mysql_what_a_function_leaves),                        \
        cmocka_unit_test(mysql_what_a_view_leaves),                            \
        cmocka_unit_test(mysql_nothing_is_left_for_another_component),         \
        cmocka_unit_test(mysql_what_a_transaction_leaves),                     \
        cmocka_unit_test(mysql_plain_statements_leave_nothing),                \
        cmocka_unit_test(mysql_sessions_speak_utf8),                           \
        MYSQL_CASE_OF_ONE(mysql_a_procedure_that_commits_is_found_out),        \
        cmocka_unit_test(mysql_what_writes_and_does_not_fit),                  \
        MYSQL_CASE_OF_ONE(mysql_what_is_not_prepared),                         \
        MYSQL_CASE_OF_ONE(mysql_rows_of_what_is_not_prepared),                 \
        cmocka_unit_test(mysql_warnings_are_shown),                            \
        MYSQL_CASE_OF_ONE(mysql_bodies_with_semicolons),                       \
        MYSQL_CASE_OF_ONE(mysql_no_local_files),                               \
        cmocka_unit_test(mysql_columns_that_change),                           \
        cmocka_unit_test(mysql_rows_that_are_looked_for)

#endif
