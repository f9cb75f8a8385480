/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest holds of a database beside its connections: transactions and
 * cursors, each in a session of the database's service.
 */
#ifndef SL_HOST_DATABASE_H
#define SL_HOST_DATABASE_H

#include "host/instance.h"
#include "sql/sql.h"

/* Rolls back what was not ended.  Does not wait. */
void sl_transaction_free(struct sl_transaction *transaction);
void sl_cursor_free(struct sl_cursor *cursor);

/*
 * Where a call on object goes, and as what.  *request may be changed; *made is
 * the handle of what BEGIN and CURSOR_OPEN make.  *session is NULL where the
 * call needs none.
 */
SL_MUST_CHECK enum sl_status
sl_database_prepare(void *instance, const struct sl_object *object,
                    struct sl_sql_request *request, uint32_t *made,
                    struct sl_session **session, struct sl_error *err);

/* A CURSOR_OPEN has succeeded: what the cursor is to keep. */
void sl_cursor_opened(struct sl_cursor *cursor, struct sl_sql_answer *answer);

const struct sl_sql_column *sl_cursor_columns(const struct sl_cursor *cursor,
                                              size_t *count);

#endif
