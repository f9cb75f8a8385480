/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance has of a database beside its connections: transactions and
 * cursors, each in a session of the database's service.
 *
 * A cursor that was opened in a transaction may be dropped after it, so that a
 * session is closed when the last one lets go of it; the transaction itself is
 * rolled back at once.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "host/guest_call.h"
#include "host/handles.h"
#include "host/instance.h"
#include "sql/sql.h"

/* A session, and how many objects hold it; one thread at a time. */
struct shared_session {
    struct sl_service *service;
    struct sl_session *session;
    unsigned owners;
};

struct transaction {
    struct shared_session *shared;
    bool is_ended; /* by commit or rollback */
};

struct cursor {
    struct shared_session *shared;
    bool of_transaction;
    uint64_t number; /* 0: not opened yet */
    struct sl_bridge_columns columns;
    struct sl_held memory; /* of columns */
};

static enum sl_status open_shared(struct sl_service *service,
                                  struct shared_session **out,
                                  struct sl_error *err)
{
    struct sl_session *session;
    enum sl_status status = sl_session_open(service, &session, err);

    if (status != SL_OK)
        return status;
    *out = sl_alloc(sizeof(**out));
    **out = (struct shared_session){service, session, 1};
    return SL_OK;
}

static void unref_shared(struct shared_session *shared)
{
    if (--shared->owners > 0)
        return;
    sl_session_close(shared->session);
    free(shared);
}

/* --- Cursors ---------------------------------------------------------- */

static bool call_cursor(const struct sl_guest_call *guest,
                        const struct sl_object *object, const void *requests,
                        size_t count, void *answers, uint32_t *made)
{
    const struct cursor *cursor = object->data;
    struct sl_sql_request request = *(const struct sl_sql_request *)requests;

    (void)count;
    (void)made;
    request.cursor = cursor->number;
    return sl_guest_call_session(guest, object->service,
                                 cursor->shared->session, &request, answers);
}

/* It was opened. */
static void attach_cursor(const struct sl_object *object, uint32_t verb,
                          void *answer)
{
    struct cursor *cursor = object->data;
    struct sl_sql_answer *opened = answer;

    (void)verb;
    cursor->number = opened->cursor;
    cursor->columns.columns = opened->columns;
    cursor->columns.count = opened->column_count;
    cursor->memory = opened->memory;
    opened->memory = (struct sl_held){0}; /* handed over */
}

static void view_cursor(const struct sl_object *object, void *out)
{
    const struct cursor *cursor = object->data;

    *(struct sl_bridge_columns *)out = cursor->columns;
}

static void free_cursor(const struct sl_object *object)
{
    struct cursor *cursor = object->data;
    struct shared_session *shared = cursor->shared;
    const struct sl_sql_request close = {.verb = SL_SQL_CURSOR_CLOSE,
                                         .cursor = cursor->number};

    if (cursor->of_transaction && cursor->number != 0)
        sl_service_post(shared->service, shared->session, &close, 1);
    unref_shared(shared);
    sl_held_done(&cursor->memory);
    free(cursor);
}

static const struct sl_object_ops cursor_ops = {
    .call = call_cursor,
    .attach = attach_cursor,
    .view = view_cursor,
    .viewed = SL_BRIDGE_VIEW_COLUMNS,
    .free = free_cursor,
};

/* Takes the caller's hold on the session, also after a failure. */
static enum sl_status add_cursor(void *instance, struct shared_session *shared,
                                 bool of_transaction, uint32_t *made,
                                 struct sl_error *err)
{
    struct cursor *cursor = sl_alloc(sizeof(*cursor));
    const struct sl_object object = {
        .ops = &cursor_ops,
        .service = shared->service,
        .data = cursor,
    };

    cursor->shared = shared;
    cursor->of_transaction = of_transaction;
    return sl_instance_add(instance, &object, made, err);
}

/* --- Transactions ----------------------------------------------------- */

static bool call_transaction(const struct sl_guest_call *guest,
                             const struct sl_object *object,
                             const void *requests, size_t count, void *answers,
                             uint32_t *made)
{
    const struct sl_sql_request *request = requests;
    struct transaction *transaction = object->data;
    struct shared_session *shared = transaction->shared;
    struct sl_error err;

    (void)count;
    if (request->verb == SL_SQL_COMMIT || request->verb == SL_SQL_ROLLBACK)
        transaction->is_ended = true;
    if (made != NULL) {
        shared->owners++;
        if (add_cursor(guest->instance, shared, true, made, &err) != SL_OK)
            return sl_guest_call_fail(object->service, answers, &err);
    }
    return sl_guest_call_session(guest, object->service, shared->session,
                                 request, answers);
}

/* Rolls back what was not ended. */
static void free_transaction(const struct sl_object *object)
{
    const struct sl_sql_request rollback = {.verb = SL_SQL_ROLLBACK};
    struct transaction *transaction = object->data;
    struct shared_session *shared = transaction->shared;

    /* Where nobody else has the session, to close it does the same. */
    if (!transaction->is_ended && shared->owners > 1)
        sl_service_post(shared->service, shared->session, &rollback, 1);
    unref_shared(shared);
    free(transaction);
}

static const struct sl_object_ops transaction_ops = {
    .call = call_transaction,
    .free = free_transaction,
};

/* As add_cursor. */
static enum sl_status add_transaction(void *instance,
                                      struct shared_session *shared,
                                      uint32_t *made, struct sl_error *err)
{
    struct transaction *transaction = sl_alloc(sizeof(*transaction));
    const struct sl_object object = {
        .ops = &transaction_ops,
        .service = shared->service,
        .data = transaction,
    };

    transaction->shared = shared;
    return sl_instance_add(instance, &object, made, err);
}

/* --- The service ------------------------------------------------------ */

/* made is set where a transaction or a cursor is asked for. */
static bool call_database(const struct sl_guest_call *guest,
                          const struct sl_object *object, const void *requests,
                          size_t count, void *answers, uint32_t *made)
{
    const struct sl_sql_request *request = requests;
    struct sl_service *service = object->service;
    struct shared_session *shared;
    struct sl_error err;

    if (made == NULL)
        return sl_guest_call(guest, service, requests, count, answers);
    if (open_shared(service, &shared, &err) != SL_OK) {
        bool answered = sl_guest_call_fail(service, answers, &err);
        /* Others may end theirs. */
        ((struct sl_sql_answer *)answers)->retryable = true;
        return answered;
    }
    enum sl_status status =
        request->verb == SL_SQL_BEGIN
            ? add_transaction(guest->instance, shared, made, &err)
            : add_cursor(guest->instance, shared, false, made, &err);
    if (status != SL_OK)
        return sl_guest_call_fail(service, answers, &err);
    return sl_guest_call_session(guest, service, shared->session, request,
                                 answers);
}

const struct sl_object_ops sl_sql_object_ops = {.call = call_database};
