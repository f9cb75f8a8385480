/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on a PostgreSQL of a test's own. */
#include "faults/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct test_server postgres;
_Thread_local struct sql_said said;

int postgres_start(void **state)
{
    (void)state;
    test_server_start(&postgres, "postgres", "server");
    return 0;
}

int postgres_stop(void **state)
{
    (void)state;
    test_server_stop(&postgres);
    return 0;
}

char *postgres_settings(const struct proxy *proxy, const char *more)
{
    int port = proxy != NULL
                   ? proxy_port(proxy)
                   : test_server_port(&postgres, "SL_TEST_POSTGRES_PORT");

    return sl_asprintf("url = \"postgres://slight:%s@localhost:%d/slight\"\n"
                       "ca = \"%s/certs/ca.pem\"\n%s\n",
                       TEST_SERVER_PASSWORD, port, postgres.folder, more);
}

void postgres_open(struct test_store *store, const struct proxy *proxy,
                   const char *more)
{
    SL_CLEANUP(sl_freep) char *settings = postgres_settings(proxy, more);

    fault_open(store, "sql.postgres", settings);
}

void postgres_tell(const char *statement)
{
    SL_CLEANUP(sl_freep)
    char *words = sl_asprintf("-d slight -c \"%s\" >/dev/null", statement);

    assert_true(test_server_tell(&postgres, words));
}

static void take_value(const struct sl_sql_value *value)
{
    said.value_type = (int)value->type;
    if (value->type == SL_SQL_INT64)
        snprintf(said.value, sizeof(said.value), "%lld",
                 (long long)value->int64);
    else if (value->type == SL_SQL_BOOLEAN)
        snprintf(said.value, sizeof(said.value), "%d", value->boolean);
    else if (value->type == SL_SQL_FLOAT64)
        snprintf(said.value, sizeof(said.value), "%g", value->float64);
    else if (value->type >= SL_SQL_DECIMAL)
        snprintf(said.value, sizeof(said.value), "%.*s", (int)value->bytes.len,
                 (const char *)value->bytes.ptr);
}

enum sl_status sql_call(const struct sql_call *call)
{
    const struct sl_sql_parameters none = {NULL, 0};
    const struct sl_sql_request request = {
        .verb = call->verb,
        .statement = sl_bytes_of(call->text != NULL ? call->text : ""),
        .sets = &none,
        .set_count = 1,
        .cursor = said.cursor,
        .limit = 1000,
        .isolation = call->isolation,
        .read_only = call->read_only,
        .in_transaction =
            call->session != NULL && (call->verb <= SL_SQL_EXECUTE_MANY ||
                                      call->verb == SL_SQL_CURSOR_OPEN),
    };
    struct sl_sql_answer answer;
    uint64_t cursor = said.cursor;

    sl_service_do(call->store->service, call->session, &request, 1, &answer);
    said = (struct sql_said){.status = answer.err.status,
                             .retryable = answer.retryable,
                             .rows = answer.row_count,
                             .cursor = cursor};
    if (said.status != SL_OK)
        snprintf(said.message, sizeof(said.message), "%s", answer.err.message);
    if (call->verb == SL_SQL_CURSOR_OPEN)
        said.cursor = answer.cursor;
    if (said.status == SL_OK && answer.row_count > 0)
        take_value(&answer.values[0]);
    if (said.status == SL_OK && answer.columns != NULL)
        snprintf(said.type, sizeof(said.type), "%.*s",
                 (int)answer.columns[0].type_name.len,
                 (const char *)answer.columns[0].type_name.ptr);
    sl_answers_done(call->store->service, &answer, 1);
    return said.status;
}

enum sl_status sql_query(struct test_store *store, struct sl_session *session,
                         const char *text)
{
    return sql_call(&(struct sql_call){.store = store,
                                       .session = session,
                                       .verb = SL_SQL_QUERY,
                                       .text = text});
}

enum sl_status sql_execute(struct test_store *store, struct sl_session *session,
                           const char *text)
{
    return sql_call(&(struct sql_call){.store = store,
                                       .session = session,
                                       .verb = SL_SQL_EXECUTE,
                                       .text = text});
}

struct sl_session *sql_begin(struct test_store *store,
                             enum sl_sql_isolation isolation, bool read_only)
{
    struct sl_session *session = NULL;
    struct sl_error err;

    if (sl_session_open(store->service, &session, &err) != SL_OK)
        fail_msg("%s", err.message);
    OK(sql_call(&(struct sql_call){.store = store,
                                   .session = session,
                                   .verb = SL_SQL_BEGIN,
                                   .isolation = isolation,
                                   .read_only = read_only}));
    return session;
}

enum sl_status sql_end(struct test_store *store, struct sl_session *session,
                       enum sl_sql_verb verb)
{
    enum sl_status status = sql_call(
        &(struct sql_call){.store = store, .session = session, .verb = verb});

    sl_session_close(session);
    return status;
}
