/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions and cursors.
 *
 * A cursor that was opened in a transaction may be dropped after it, so that a
 * session is closed when the last one lets go of it; the transaction itself is
 * rolled back at once.
 */
#include "host/database.h"

#include <stdlib.h>

#include "base/alloc.h"

/* A session, and how many hold it; one thread at a time. */
struct shared {
    struct sl_service *service;
    struct sl_session *session;
    unsigned owners;
};

struct sl_transaction {
    struct shared *shared;
    bool ended; /* by commit or rollback */
};

struct sl_cursor {
    struct shared *shared;
    bool of_transaction;
    uint64_t number; /* 0: not opened yet */
    const struct sl_sql_column *columns;
    size_t column_count;
    struct sl_held memory;
};

static enum sl_status shared_open(struct sl_service *service,
                                  struct shared **out, struct sl_error *err)
{
    struct sl_session *session;
    enum sl_status status = sl_session_open(service, &session, err);

    if (status != SL_OK)
        return status;
    *out = sl_alloc(sizeof(**out));
    **out = (struct shared){service, session, 1};
    return SL_OK;
}

static void shared_unref(struct shared *shared)
{
    if (--shared->owners > 0)
        return;
    sl_session_close(shared->session);
    free(shared);
}

void sl_transaction_free(struct sl_transaction *transaction)
{
    const struct sl_sql_request rollback = {.verb = SL_SQL_ROLLBACK};
    struct shared *shared = transaction->shared;

    /* Where nobody else has the session, to close it does the same. */
    if (!transaction->ended && shared->owners > 1)
        sl_service_post(shared->service, shared->session, &rollback, 1);
    shared_unref(shared);
    free(transaction);
}

void sl_cursor_free(struct sl_cursor *cursor)
{
    const struct sl_sql_request close = {.verb = SL_SQL_CURSOR_CLOSE,
                                         .cursor = cursor->number};
    struct shared *shared = cursor->shared;

    if (cursor->of_transaction && cursor->number != 0)
        sl_service_post(shared->service, shared->session, &close, 1);
    shared_unref(shared);
    sl_held_done(&cursor->memory);
    free(cursor);
}

static enum sl_status add_transaction(void *instance, struct shared *shared,
                                      uint32_t *made, struct sl_error *err)
{
    const struct sl_object object = {
        .kind = SL_OBJECT_TRANSACTION,
        .service = shared->service,
        .transaction = sl_alloc(sizeof(*object.transaction)),
    };

    object.transaction->shared = shared;
    enum sl_status status = sl_instance_add(instance, &object, made, err);
    if (status != SL_OK)
        sl_transaction_free(object.transaction);
    return status;
}

static enum sl_status add_cursor(void *instance, struct shared *shared,
                                 bool of_transaction, uint32_t *made,
                                 struct sl_error *err)
{
    const struct sl_object object = {
        .kind = SL_OBJECT_CURSOR,
        .service = shared->service,
        .cursor = sl_alloc(sizeof(*object.cursor)),
    };

    object.cursor->shared = shared;
    object.cursor->of_transaction = of_transaction;
    enum sl_status status = sl_instance_add(instance, &object, made, err);
    if (status != SL_OK)
        sl_cursor_free(object.cursor);
    return status;
}

static enum sl_status on_connection(void *instance, struct sl_service *service,
                                    const struct sl_sql_request *request,
                                    uint32_t *made, struct sl_session **session,
                                    struct sl_error *err)
{
    struct shared *shared = NULL;

    if (made == NULL)
        return SL_OK;
    enum sl_status status = shared_open(service, &shared, err);
    if (status != SL_OK)
        return status;
    *session = shared->session;
    if (request->verb == SL_SQL_BEGIN)
        return add_transaction(instance, shared, made, err);
    return add_cursor(instance, shared, false, made, err);
}

static enum sl_status
on_transaction(void *instance, struct sl_transaction *transaction,
               const struct sl_sql_request *request, uint32_t *made,
               struct sl_session **session, struct sl_error *err)
{
    struct shared *shared = transaction->shared;

    *session = shared->session;
    if (request->verb == SL_SQL_COMMIT || request->verb == SL_SQL_ROLLBACK)
        transaction->ended = true;
    if (made == NULL)
        return SL_OK;
    shared->owners++;
    return add_cursor(instance, shared, true, made, err);
}

enum sl_status sl_database_prepare(void *instance,
                                   const struct sl_object *object,
                                   struct sl_sql_request *request,
                                   uint32_t *made, struct sl_session **session,
                                   struct sl_error *err)
{
    *session = NULL;
    if (object->kind == SL_OBJECT_TRANSACTION)
        return on_transaction(instance, object->transaction, request, made,
                              session, err);
    if (object->kind == SL_OBJECT_CURSOR) {
        request->cursor = object->cursor->number;
        *session = object->cursor->shared->session;
        return SL_OK;
    }
    return on_connection(instance, object->service, request, made, session,
                         err);
}

void sl_cursor_opened(struct sl_cursor *cursor, struct sl_sql_answer *answer)
{
    cursor->number = answer->cursor;
    cursor->columns = answer->columns;
    cursor->column_count = answer->column_count;
    cursor->memory = answer->memory;
    answer->memory = (struct sl_held){0}; /* handed over */
}

const struct sl_sql_column *sl_cursor_columns(const struct sl_cursor *cursor,
                                              size_t *count)
{
    *count = cursor->column_count;
    return cursor->columns;
}
