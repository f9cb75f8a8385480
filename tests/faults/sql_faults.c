/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/sql_faults.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

_Thread_local struct sql_said said;

/* --- Statements --------------------------------------------------------- */

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

static void answered(void *context)
{
    sem_post(context);
}

/* As a component of that name does. */
static void do_for(const struct sql_call *call,
                   const struct sl_sql_request *request,
                   struct sl_sql_answer *answer)
{
    sem_t over;
    const struct sl_caller caller = {.session = call->session,
                                     .done = answered,
                                     .context = &over,
                                     .owner = call->owner};
    struct sl_call *submitted;

    sem_init(&over, 0, 0);
    sl_service_call_later(call->store->service, &caller, 0, request, 1,
                          &submitted);
    while (sem_wait(&over) != 0)
        continue;
    sl_call_collect(submitted, answer);
    sl_call_release(submitted);
    sem_destroy(&over);
}

/* The numbers from 0 on; the caller frees them. */
static struct sl_sql_value *make_numbers(size_t count)
{
    struct sl_sql_value *values = sl_alloc_array(count, sizeof(*values));

    for (size_t i = 0; i < count; i++)
        values[i] =
            (struct sl_sql_value){.type = SL_SQL_INT64, .int64 = (int64_t)i};
    return values;
}

enum sl_status sql_call(const struct sql_call *call)
{
    SL_CLEANUP(sl_freep) void *values = make_numbers(call->numbers);
    const struct sl_sql_parameters set = {values, call->numbers};
    const struct sl_sql_request request = {
        .verb = call->verb,
        .statement = sl_bytes_of(call->text != NULL ? call->text : ""),
        .sets = call->sets != NULL ? call->sets : &set,
        .set_count = call->sets != NULL ? call->set_count : 1,
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

    do_for(call, &request, &answer);
    fault_note(&answer.err);
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

enum sl_status sql_many(struct test_store *store, const void *owner,
                        enum sl_sql_verb verb, const char *start)
{
    enum { MANY = 7499 };
    char text[2 * MANY + 128];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", start);

    for (size_t i = 0; i < MANY; i++, len += 2)
        memcpy(text + len, "?,", 2);
    memcpy(text + len - 1, ")", 2);
    return sql_call(&(struct sql_call){.store = store,
                                       .verb = verb,
                                       .text = text,
                                       .owner = owner,
                                       .numbers = MANY});
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

const char *sql_value_of(struct test_store *store, const char *query)
{
    OK(sql_query(store, NULL, query));
    assert_true(said.rows >= 1);
    return said.value;
}

/* --- Writes, and a database that is full -------------------------------- */

const void *sql_write(int number)
{
    static _Thread_local char text[80];
    static _Thread_local struct sl_sql_request request;
    static const struct sl_sql_parameters none = {NULL, 0};

    /* Large enough to fill a database with. */
    snprintf(text, sizeof(text),
             "INSERT INTO written VALUES (%d, REPEAT('x', 60000))", number);
    request = (struct sl_sql_request){.verb = SL_SQL_EXECUTE,
                                      .statement = sl_bytes_of(text),
                                      .sets = &none,
                                      .set_count = 1};
    return &request;
}

void sql_prepare(struct test_store *store)
{
    OK(sql_execute(store, NULL, "CREATE TABLE written (n INT, v TEXT)"));
}

/* What is there is there. */
void sql_while_full(struct test_store *store)
{
    assert_string_not_equal(sql_value_of(store, "SELECT count(*) FROM written"),
                            "0");
}

/* --- A server that goes away -------------------------------------------- */

void sql_case_restarted(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE kept (id INT)"));
    OK(sql_execute(&store, NULL, "INSERT INTO kept VALUES (1)"));
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_execute(&store, tx, "INSERT INTO kept VALUES (7)"));
    test_server_kill(&fault_server);
    IS(sql_execute(&store, NULL, "INSERT INTO kept VALUES (2)"), SL_UNAVAILABLE,
       "");
    test_server_restart(&fault_server);
    /* Not idempotent, and yet sure not to have been sent on a dead one. */
    OK(sql_execute(&store, NULL, "INSERT INTO kept VALUES (3)"));
    /* The transaction is lost as a whole, and does not go on by halves. */
    IS(sql_execute(&store, tx, "INSERT INTO kept VALUES (8)"), SL_UNAVAILABLE,
       "");
    IS(sql_execute(&store, tx, "INSERT INTO kept VALUES (9)"), SL_CONFLICT, "");
    IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_CONFLICT, "");
    assert_string_equal(sql_value_of(&store, "SELECT count(*) FROM kept"), "2");
    OK(sql_execute(&store, NULL, "DROP TABLE kept"));
    test_store_done(&store);
}

/* --- In the middle of traffic ------------------------------------------- */

static enum sl_status write_row(struct fault_traffic *traffic, int writer,
                                int number)
{
    char text[80];

    snprintf(text, sizeof(text), "INSERT INTO traffic VALUES (%d, %d)", writer,
             number);
    return sql_execute(traffic->store, NULL, text);
}

enum sl_status sql_write_somehow(struct fault_traffic *traffic, int writer,
                                 int number)
{
    struct sl_session *session = NULL;
    struct sl_error err;
    char text[80];

    if (writer % 3 != 0)
        return write_row(traffic, writer, number);
    if (sl_session_open(traffic->store->service, &session, &err) != SL_OK)
        return err.status;
    enum sl_status status = sql_call(&(struct sql_call){
        .store = traffic->store, .session = session, .verb = SL_SQL_BEGIN});
    snprintf(text, sizeof(text), "INSERT INTO traffic VALUES (%d, %d)", writer,
             number);
    if (status == SL_OK)
        status = sql_execute(traffic->store, session, text);
    enum sl_status end =
        sql_end(traffic->store, session,
                status == SL_OK ? SL_SQL_COMMIT : SL_SQL_ROLLBACK);
    status = status != SL_OK ? status : end;
    /* The connection was lost between two of its calls. */
    return status == SL_CONFLICT ? SL_UNAVAILABLE : status;
}

static int number_of(struct test_store *store, const char *query)
{
    return (int)strtol(sql_value_of(store, query), NULL, 10);
}

void sql_begin_writing(struct test_store *straight)
{
    OK(sql_execute(straight, NULL, "DROP TABLE IF EXISTS traffic"));
    OK(sql_execute(straight, NULL,
                   "CREATE TABLE traffic (writer int, number int)"));
}

/* Each once at most; and all that was acknowledged. */
void sql_check_written(const struct fault_traffic *traffic,
                       struct test_store *straight)
{
    char text[128];
    int attempted = 0;

    for (int i = 0; i < FAULT_WRITERS; i++) {
        snprintf(text, sizeof(text),
                 "SELECT coalesce(max(number), 0) FROM traffic WHERE writer = "
                 "%d",
                 i);
        int most = number_of(straight, text);
        assert_in_range(most, traffic->acknowledged[i], traffic->attempted[i]);
        attempted += traffic->attempted[i];
    }
    assert_in_range(number_of(straight, "SELECT count(*) FROM traffic"),
                    attempted - traffic->failures, attempted);
    assert_int_equal(
        number_of(straight,
                  "SELECT count(*) FROM (SELECT 1 FROM traffic GROUP BY "
                  "writer, number HAVING count(*) > 1) AS twice"),
        0);
}

/* --- Slow --------------------------------------------------------------- */

void sql_case_doubtful(void **state)
{
    struct test_store store;

    (void)state;
    struct proxy *proxy = fault_open_stalled(&store);
    IS(sql_query(&store, NULL, "SELECT 1"), SL_TIMEOUT, "in time");
    assert_false(said.retryable);
    fault_stalled_done(&store, proxy);
}
