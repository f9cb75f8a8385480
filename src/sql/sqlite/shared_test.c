/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/sqlite/shared_test.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/alloc.h"

void reopen(struct fixture *f, const char *settings)
{
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *all = sl_asprintf("path = \"%s\"\n%s", f->path, settings);

    test_store_done(&f->store);
    if (test_store_open(&f->store, "sql.sqlite", all, &err) != SL_OK)
        fail_msg("%s", err.message);
}

int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-sqlite-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/sql.db", f->folder);
    reopen(f, "timeout = \"600s\"");
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->answer.memory.owner != NULL)
        sl_answers_done(f->store.service, &f->answer, 1);
    test_store_done(&f->store);
    test_remove_folder(f->folder);
    free(f);
    return 0;
}

static struct sl_sql_answer *call_store(struct fixture *f,
                                        struct sl_session *session,
                                        const struct sl_sql_request *request)
{
    if (f->answer.memory.owner != NULL)
        sl_answers_done(f->store.service, &f->answer, 1);
    sl_service_do(f->store.service, session, request, 1, &f->answer);
    return &f->answer;
}

struct sl_sql_answer *ask_with(struct fixture *f, struct sl_session *session,
                               enum sl_sql_verb verb, const char *text,
                               const struct sl_sql_value *value)
{
    const struct sl_sql_parameters set = {value, value != NULL};
    const struct sl_sql_request request = {.verb = verb,
                                           .statement = sl_bytes_of(text),
                                           .sets = &set,
                                           .set_count = 1,
                                           .in_transaction = session != NULL};

    return call_store(f, session, &request);
}

struct sl_sql_answer *query(struct fixture *f, const char *text)
{
    return ask_with(f, NULL, SL_SQL_QUERY, text, NULL);
}

void expect_ok(const struct sl_sql_answer *answer, const char *what)
{
    if (answer->err.status != SL_OK)
        fail_msg("%s: %s", what, answer->err.message);
}

void execute(struct fixture *f, const char *text)
{
    expect_ok(ask_with(f, NULL, SL_SQL_EXECUTE, text, NULL), text);
}

void expect_status(struct fixture *f, const char *text, enum sl_status expected)
{
    const struct sl_sql_answer *answer = query(f, text);

    if (answer->err.status != expected)
        fail_msg("%s: %s: %s", text, sl_status_text(answer->err.status),
                 answer->err.message);
}

void expect_number(struct fixture *f, const char *text, int64_t expected)
{
    const struct sl_sql_answer *answer = query(f, text);

    expect_ok(answer, text);
    assert_int_equal(answer->row_count, 1);
    assert_int_equal(answer->values[0].type, SL_SQL_INT64);
    assert_int_equal(answer->values[0].int64, expected);
}

struct sl_session *begin(struct fixture *f, uint32_t isolation)
{
    const struct sl_sql_request request = {.verb = SL_SQL_BEGIN,
                                           .isolation = isolation};
    struct sl_session *session;
    struct sl_error err;

    assert_int_equal(sl_session_open(f->store.service, &session, &err), SL_OK);
    expect_ok(call_store(f, session, &request), "begin");
    return session;
}

struct sl_sql_answer *in(struct fixture *f, struct sl_session *session,
                         const char *text)
{
    return ask_with(f, session, SL_SQL_EXECUTE, text, NULL);
}

struct sl_sql_answer *end(struct fixture *f, struct sl_session *session,
                          enum sl_sql_verb verb)
{
    const struct sl_sql_request request = {.verb = verb};
    struct sl_sql_answer *answer = call_store(f, session, &request);

    sl_session_close(session);
    return answer;
}

void by_another(struct fixture *f, const char *text)
{
    sqlite3 *handle = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(handle);
}
