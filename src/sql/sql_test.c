/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands above every driver: checks, copies, and the statement as a
 * database wants it.  The driver here only notes what it gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sql/driver.h"
#include "sql/literal.h"

/* --- A driver that takes notes ------------------------------------------ */

struct notes {
    int runs;
    struct sl_buf statement; /* rewritten */
    struct sl_buf values;    /* the bytes of all values, a | behind each */
    size_t room;
};

static struct notes notes;

static enum sl_status notes_store_new(const void *options, void **store,
                                      struct sl_error *err)
{
    (void)options;
    (void)err;
    *store = &notes;
    return SL_OK;
}

static void notes_free(void *store)
{
    (void)store;
}

static enum sl_status notes_open(void *store, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

static bool notes_reset(void *state)
{
    (void)state;
    return true;
}

static void note_value(const struct sl_op *op)
{
    const struct sl_sql_request *request = op->request;

    notes.runs++;
    notes.room = *op->answer_budget;
    sl_buf_clear(&notes.statement);
    sl_buf_clear(&notes.values);
    assert_int_equal(sl_sql_rewrite(request->statement, SL_SQL_POSTGRES,
                                    &notes.statement, NULL),
                     SL_OK);
    for (size_t i = 0; i < request->set_count; i++)
        for (size_t j = 0; j < request->sets[i].count; j++) {
            const struct sl_sql_value *value = &request->sets[i].values[j];
            if (value->type >= SL_SQL_DECIMAL)
                assert_int_equal(
                    sl_buf_append(&notes.values, value->bytes, NULL), SL_OK);
            assert_int_equal(
                sl_buf_append(&notes.values, SL_LITERAL("|"), NULL), SL_OK);
        }
}

static void notes_run(void *state, struct sl_op *const ops[], size_t count)
{
    (void)state;
    for (size_t i = 0; i < count; i++)
        note_value(ops[i]);
}

static const struct sl_option no_options[] = {{0}};

#define NOTES(bits)                                                            \
    {.name = "sql.notes",                                                      \
     .service = "Notes",                                                       \
     .summary = "a test",                                                      \
     .options = no_options,                                                    \
     .features = (bits),                                                       \
     .max_batch = 1,                                                           \
     .store_new = notes_store_new,                                             \
     .store_free = notes_free,                                                 \
     .open = notes_open,                                                       \
     .close = notes_free,                                                      \
     .run = notes_run,                                                         \
     .reset = notes_reset}

static const struct sl_sql_driver rich = {
    .driver = NOTES(SL_SQL_FEATURE_NAN | SL_SQL_FEATURE_INFINITY),
    .dialect = SL_SQL_POSTGRES};
static const struct sl_sql_driver poor = {.driver = NOTES(0),
                                          .dialect = SL_SQL_POSTGRES};

/* --- One service over it ------------------------------------------------ */

struct fixture {
    struct sl_sql_config config;
    struct sl_service *service;
};

static void set_up(struct fixture *f, const struct sl_sql_driver *driver)
{
    struct sl_error err;

    notes =
        (struct notes){.statement = SL_BUF(1 << 20), .values = SL_BUF(1 << 20)};
    sl_options_default(sl_service_options, &f->config);
    sl_options_default(sl_capability_info(&sl_sql).options, &f->config);
    assert_int_equal(sl_service_open(&sl_sql, "test", &driver->driver,
                                     &f->config.service, no_options,
                                     &f->service, &err),
                     SL_OK);
}

static void tear_down(struct fixture *f)
{
    sl_service_free(f->service);
    sl_buf_done(&notes.statement);
    sl_buf_done(&notes.values);
}

static struct sl_error check_arguments(struct fixture *f, const char *statement,
                                       const struct sl_sql_value *values,
                                       size_t count)
{
    const struct sl_sql_parameters set = {values, count};
    const struct sl_sql_request request = {.verb = SL_SQL_EXECUTE,
                                           .statement = sl_bytes_of(statement),
                                           .sets = &set,
                                           .set_count = 1};
    struct sl_sql_answer answer;

    sl_service_do(f->service, NULL, &request, 1, &answer);
    sl_answers_done(f->service, &answer, 1);
    return answer.err;
}

static struct sl_sql_value value_of(uint32_t type, const char *text)
{
    return (struct sl_sql_value){.type = type, .bytes = sl_bytes_of(text)};
}

static void the_driver_gets_what_was_asked(void **state)
{
    struct fixture f;
    const struct sl_sql_value values[] = {
        value_of(SL_SQL_TEXT, "it's"),
        {.type = SL_SQL_INT64, .int64 = 5},
        value_of(SL_SQL_BYTES, ""),
        value_of(SL_SQL_JSON, "[1]"),
    };

    (void)state;
    set_up(&f, &rich);
    assert_int_equal(
        check_arguments(&f, "SELECT ?, '?', ? ?? ? -- ?\n, ?", values, 4)
            .status,
        SL_OK);
    assert_true(
        sl_bytes_equal(sl_buf_bytes(&notes.statement),
                       SL_LITERAL("SELECT $1, '?', $2 ? $3 -- ?\n, $4")));
    assert_true(
        sl_bytes_equal(sl_buf_bytes(&notes.values), SL_LITERAL("it's|||[1]|")));
    assert_int_equal(notes.room, f.config.max_result);
    tear_down(&f);
}

/* A text of a guest takes longer to read than the call may take: what is wrong at
 * its end is not seen any more. */
static void a_check_ends_at_the_deadline(void **state)
{
    enum { LEN = 60 << 20 };
    static const struct {
        uint32_t type;
        char filler;
        const char *begin, *end;
    } cases[] = {
        {SL_SQL_JSON, 'x', "[\"", "\"}"},
        {SL_SQL_JSON, '\\', "[\"", "\"}"},
        {SL_SQL_JSON, ' ', "[", "}"},

        {SL_SQL_TEXT, 'x', "", "\xff"},
    };
    struct fixture f;
    char *text = malloc(LEN);

    (void)state;
    set_up(&f, &rich);
    f.config.max_value = LEN;
    f.config.service.timeout_ms = 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_sql_value value = {.type = cases[i].type,
                                           .bytes = SL_BYTES(text, LEN)};
        size_t end = strlen(cases[i].end);
        memset(text, cases[i].filler, LEN);
        memcpy(text, cases[i].begin, strlen(cases[i].begin));
        memcpy(text + LEN - end, cases[i].end, end);
        struct sl_error err = check_arguments(&f, "SELECT ?", &value, 1);
        assert_int_equal(err.status, SL_TIMEOUT);
        assert_non_null(strstr(err.message, "arguments were not checked"));
    }
    assert_int_equal(notes.runs, 0);
    free(text);
    tear_down(&f);
}

static void many_sets_are_copied(void **state)
{
    enum { SETS = 100 };
    struct fixture f;
    struct sl_sql_value values[SETS][3];
    struct sl_sql_parameters sets[SETS];
    struct sl_sql_answer answer;

    (void)state;
    set_up(&f, &rich);
    for (size_t i = 0; i < SETS; i++) {
        values[i][0] = value_of(SL_SQL_TEXT, i % 2 == 0 ? "x" : "odd");
        values[i][1] = (struct sl_sql_value){.type = SL_SQL_NULL};
        values[i][2] = value_of(SL_SQL_DECIMAL, "1.5");
        sets[i] = (struct sl_sql_parameters){values[i], 3};
    }
    const struct sl_sql_request request = {
        .verb = SL_SQL_EXECUTE_MANY,
        .statement = SL_LITERAL("INSERT INTO t VALUES (?, ?, ?)"),
        .sets = sets,
        .set_count = SETS};
    assert_int_equal(sl_service_do(f.service, NULL, &request, 1, &answer),
                     SL_OK);
    assert_int_equal(notes.values.len, 50 * (1 + 3) + SETS * (3 + 3));
    assert_memory_equal(notes.values.ptr, "x||1.5|odd||1.5|x||1.5|", 23);
    sl_answers_done(f.service, &answer, 1);
    tear_down(&f);
}

static void wrong_arguments_never_reach_the_driver(void **state)
{
    struct fixture f;
    const struct {
        const char *statement;
        struct sl_sql_value values[2];
        size_t count;
        enum sl_status status;
        const char *message;
    } cases[] = {
        {"", {{0}}, 0, SL_INVALID_ARGUMENT, "statement is empty"},
        {"SELECT ?", {{0}}, 0, SL_INVALID_ARGUMENT, "1 placeholders"},
        {"SELECT 1", {{0}}, 1, SL_INVALID_ARGUMENT, "1 parameters"},
        {"SELECT ?, ?",
         {{0}, {.type = 12}},
         2,
         SL_INVALID_ARGUMENT,
         "parameter 2"},
        {"SELECT ?",
         {{.type = UINT32_MAX}},
         1,
         SL_INVALID_ARGUMENT,
         "parameter 1"},
        {"SELECT ?",
         {{.type = SL_SQL_FLOAT64, .float64 = NAN}},
         1,
         SL_UNSUPPORTED,
         "NaN"},
        {"SELECT ?",
         {{.type = SL_SQL_FLOAT64, .float64 = INFINITY}},
         1,
         SL_UNSUPPORTED,
         "infinit"},
        {"SELECT ?",
         {{.type = SL_SQL_DATE, .bytes = SL_LITERAL("now")}},
         1,
         SL_INVALID_ARGUMENT,
         "2026-11-23"},
        {"SELECT ?",
         {{.type = SL_SQL_TEXT, .bytes = SL_LITERAL("\xff")}},
         1,
         SL_INVALID_ARGUMENT,
         "UTF-8"},
        {"\xff", {{0}}, 0, SL_INVALID_ARGUMENT, "UTF-8"},
        {"ROLLBACK", {{0}}, 0, SL_INVALID_ARGUMENT, "transaction statement"},
    };

    (void)state;
    set_up(&f, &poor);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_error err = check_arguments(&f, cases[i].statement,
                                              cases[i].values, cases[i].count);
        if (err.status != cases[i].status ||
            strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: %s: %s", i, sl_status_text(err.status),
                     err.message);
    }
    assert_int_equal(notes.runs, 0);
    tear_down(&f);
}

static void what_a_driver_can_do_is_passed_on(void **state)
{
    struct fixture f;
    const struct sl_sql_value values[] = {
        {.type = SL_SQL_FLOAT64, .float64 = NAN},
        {.type = SL_SQL_FLOAT64, .float64 = -INFINITY},
    };

    (void)state;
    set_up(&f, &rich);
    assert_int_equal(check_arguments(&f, "SELECT ?, ?", values, 2).status,
                     SL_OK);
    tear_down(&f);
}

static void requests_without_a_statement(void **state)
{
    struct fixture f;
    const struct {
        struct sl_sql_request request;
        enum sl_status status;
    } cases[] = {
        {{.verb = SL_SQL_BEGIN, .isolation = SL_SQL_SERIALIZABLE}, SL_OK},
        {{.verb = SL_SQL_BEGIN, .isolation = 4}, SL_INVALID_ARGUMENT},
        {{.verb = SL_SQL_CURSOR_NEXT, .limit = 0}, SL_INVALID_ARGUMENT},
        {{.verb = SL_SQL_CURSOR_NEXT, .limit = 1}, SL_OK},
        {{.verb = SL_SQL_CURSOR_NEXT, .limit = 10000}, SL_OK},
        {{.verb = SL_SQL_CURSOR_NEXT, .limit = 10001}, SL_INVALID_ARGUMENT},
        {{.verb = SL_SQL_CURSOR_CLOSE, .cursor = 99}, SL_OK},
        {{.verb = SL_SQL_QUERY, .statement = SL_LITERAL("SELECT 1")},
         SL_INVALID_ARGUMENT},
    };

    (void)state;
    set_up(&f, &rich);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_sql_answer answer;
        assert_int_equal(
            sl_service_do(f.service, NULL, &cases[i].request, 1, &answer),
            cases[i].status);
        sl_answers_done(f.service, &answer, 1);
    }
    tear_down(&f);
}

/* --- Results ------------------------------------------------------------ */

static void a_result_has_a_limit(void **state)
{
    struct sl_sql_result *result = sl_sql_result_new(200);
    const struct sl_sql_value text = value_of(SL_SQL_TEXT, "0123456789");
    struct sl_sql_answer answer = {.column_count = 0};
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_sql_result_column(result, SL_LITERAL("a\xff"),
                                          SL_LITERAL("text"), &err),
                     SL_OK);      /* 38 */
    for (int i = 0; i < 4; i++) { /* 34 each */
        assert_int_equal(sl_sql_result_value(result, &text, &err), SL_OK);
        sl_sql_result_end_row(result);
    }
    assert_int_equal(sl_sql_result_value(result, &text, &err), SL_TOO_LARGE);
    assert_non_null(strstr(err.message, "200"));
    sl_sql_result_drop_row(result);
    const struct sl_sql_value null = {.type = SL_SQL_NULL};
    assert_int_equal(sl_sql_result_value(result, &null, &err), SL_OK);
    sl_sql_result_end_row(result);
    assert_int_equal(sl_sql_result_rows(result), 5);
    assert_int_equal(sl_sql_result_finish(result, SL_OK, &answer), SL_OK);
    assert_int_equal(answer.row_count, 5);
    assert_true(sl_bytes_equal(answer.columns[0].name, SL_LITERAL("a?")));
    assert_true(sl_bytes_equal(answer.values[3].bytes, text.bytes));
    sl_held_done(&answer.memory);
}

static void a_large_result(void **state)
{
    enum { ROWS = 20000, LETTERS = 300 };
    struct sl_sql_result *result = sl_sql_result_new(SIZE_MAX);
    char letters[LETTERS];
    struct sl_sql_answer answer;
    struct sl_error err;

    (void)state;
    memset(letters, 'x', sizeof(letters));
    for (int i = 0; i < ROWS; i++) {
        const struct sl_sql_value value = {
            .type = SL_SQL_TEXT,
            .bytes = SL_BYTES(letters, (size_t)(i % LETTERS))};
        assert_int_equal(sl_sql_result_value(result, &value, &err), SL_OK);
        sl_sql_result_end_row(result);
    }
    assert_int_equal(sl_sql_result_finish(result, SL_OK, &answer), SL_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(answer.values[i].bytes.len, i % LETTERS);
        assert_memory_equal(answer.values[i].bytes.ptr, letters,
                            (size_t)(i % LETTERS));
    }
    sl_held_done(&answer.memory);
}

/* What conformance does not reach: forms that only databases write. */
static void literals_are_checked(void **state)
{
    (void)state;
    assert_true(sl_sql_is_timestamp(SL_LITERAL("2026-11-23 13:37:00"), ' '));
    assert_false(sl_sql_is_timestamp(SL_LITERAL("2026-11-23 13:37:00"), 'T'));
    assert_true(
        sl_sql_is_timestamp(SL_LITERAL("2026-11-23T13:37:00.123456789Z"), 'T'));
    assert_false(sl_sql_is_timestamp(SL_LITERAL("2026-11-23T"), 'T'));
    assert_false(sl_sql_is_json(SL_BYTES(NULL, 0)));
    assert_false(sl_sql_is_decimal(SL_BYTES(NULL, 0)));
    assert_false(sl_sql_is_uuid(SL_BYTES(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_driver_gets_what_was_asked),
        cmocka_unit_test(a_check_ends_at_the_deadline),
        cmocka_unit_test(many_sets_are_copied),
        cmocka_unit_test(wrong_arguments_never_reach_the_driver),
        cmocka_unit_test(what_a_driver_can_do_is_passed_on),
        cmocka_unit_test(requests_without_a_statement),
        cmocka_unit_test(a_result_has_a_limit),
        cmocka_unit_test(a_large_result),
        cmocka_unit_test(literals_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
