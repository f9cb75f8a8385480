/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of sql.sqlite share: a database in a folder of its own. */
#ifndef SL_SQL_SQLITE_SHARED_TEST_H
#define SL_SQL_SQLITE_SHARED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/driver.h"
#include "support/stores.h"

struct fixture {
    char folder[64];
    char path[96];
    struct test_store store;
    struct sl_sql_answer answer; /* of the last call */
};

/* Each case has one, as its state. */
int set_up(void **state);
int tear_down(void **state);
#define SQLITE_CASE(name)                                                      \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Open the database anew, with these settings beside its path. */
void reopen(struct fixture *f, const char *settings);

/* A statement with at most one parameter; an answer is there until the next. */
struct sl_sql_answer *ask_with(struct fixture *f, struct sl_session *session,
                               enum sl_sql_verb verb, const char *text,
                               const struct sl_sql_value *value);
struct sl_sql_answer *query(struct fixture *f, const char *text);
void execute(struct fixture *f, const char *text);
void expect_ok(const struct sl_sql_answer *answer, const char *what);
void expect_status(struct fixture *f, const char *text,
                   enum sl_status expected);
void expect_number(struct fixture *f, const char *text, int64_t expected);

/* A transaction, which must begin; a statement in it; and its end. */
struct sl_session *begin(struct fixture *f, uint32_t isolation);
struct sl_sql_answer *in(struct fixture *f, struct sl_session *session,
                         const char *text);
struct sl_sql_answer *end(struct fixture *f, struct sl_session *session,
                          enum sl_sql_verb verb);

/* Something done to the file by another program. */
void by_another(struct fixture *f, const char *text);

#endif
