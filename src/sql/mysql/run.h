/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of sql.mysql on one of its connections. */
#ifndef SL_SQL_MYSQL_RUN_H
#define SL_SQL_MYSQL_RUN_H

#include "sql/mysql/state.h"

/* Answer op, by its deadline. */
void sl_sql_mysql_run(struct sl_sql_mysql *mysql, struct sl_op *op);

/*
 * A session is over: close its cursors and roll back, by the deadline that the
 * connection has.  False: the connection is of no use any more.
 */
bool sl_sql_mysql_end(struct sl_sql_mysql *mysql);

/* Make a session that is new, or was reset, as every request expects it. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_set_up(struct sl_sql_mysql *mysql,
                                                 struct sl_error *err);

/*
 * A statement has failed while it ran.  What it did to the session before MySQL
 * tells with a later answer, and MariaDB never.
 */
void sl_sql_mysql_has_failed(struct sl_sql_mysql *mysql);

/* What a statement that is run next may do to the session. */
void sl_sql_mysql_note(struct sl_sql_mysql *mysql,
                       const struct sl_sql_mysql_kind *kind);

/* --- mysql_text.c --- */

/*
 * Run the statement of op by its text; rows go into result, which is NULL where
 * nobody wants them.
 */
SL_MUST_CHECK enum sl_status sl_sql_mysql_run_text(struct sl_sql_mysql *mysql,
                                                   struct sl_op *op,
                                                   struct sl_sql_result *result,
                                                   struct sl_error *err);

/* --- mysql_url.c --- */

enum sl_status sl_sql_mysql_check_url(const void *field, struct sl_error *err);
/* By its scheme, or what is behind the "?". */
bool sl_sql_mysql_wants_tls(const struct sl_url *url);

/* --- mysql_run.c --- */

/* Run a statement of ours. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_perform(struct sl_sql_mysql *mysql,
                                                  const char *text,
                                                  struct sl_error *err);

/* --- mysql_transaction.c --- */

/* As requests have it: in a state that has none. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_begin(struct sl_sql_mysql *mysql,
                                                enum sl_sql_isolation isolation,
                                                bool read_only,
                                                struct sl_error *err);
/* Of a statement alone, which must be as the level of isolation would not be.
 */
SL_MUST_CHECK enum sl_status sl_sql_mysql_be_plain(struct sl_sql_mysql *mysql,
                                                   struct sl_error *err);
/* What is open, if anything. */
void sl_sql_mysql_roll_back(struct sl_sql_mysql *mysql);

/* --- mysql_execute.c --- */

/* Take, bind and run a statement once for each set, all or none. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_statement(struct sl_sql_mysql *mysql,
                                                    struct sl_op *op,
                                                    struct sl_error *err);

/*
 * Whether what failed is to be prepared and run once more: its table has other
 * columns than when it was prepared, and it only reads.
 */
bool sl_sql_mysql_try_again(struct sl_sql_mysql *mysql,
                            const struct sl_sql_mysql_kind *kind);

/* --- mysql_cursor.c --- */

/* Each fills the answer of op, or err. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_cursor_open(struct sl_sql_mysql *mysql, struct sl_op *op,
                         struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_mysql_cursor_next(struct sl_sql_mysql *mysql, struct sl_op *op,
                         struct sl_error *err);
void sl_sql_mysql_cursor_close(struct sl_sql_mysql *mysql, uint64_t number);
void sl_sql_mysql_close_cursors(struct sl_sql_mysql *mysql);

#endif
