/* SPDX-License-Identifier: Apache-2.0 */
#include "growth/sqlite_support.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/notice.h"

enum { BATCH_MAX = 256 };

void growth_open(struct growth *growth, const char *driver, const char *more)
{
    void *file = NULL, *state = NULL;
    struct sl_error err;

    assert_int_equal(sqlite_file_new(&file, driver, more), 0);
    growth->file = file;
    const struct test_store *store = &growth->file->store;
    if (store->driver->open(store->options, sl_deadline_in_ms(10000), &state,
                            &err) != SL_OK)
        fail_msg("%s", err.message);
    growth->state = state;
}

void growth_close(struct growth *growth)
{
    void *file = growth->file;

    growth->file->store.driver->close(growth->state);
    assert_int_equal(sqlite_file_tear_down(&file), 0);
}

static size_t run_some(struct growth *growth, const void *request, size_t count,
                       void *answer)
{
    const struct test_store *store = &growth->file->store;
    const struct sl_capability *capability = store->capability;
    struct sl_op ops[BATCH_MAX] = {0}, *batch[BATCH_MAX];
    char *answers = sl_alloc_array(count, capability->answer_size);
    size_t budget = SIZE_MAX, unfinished = 0;

    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct sl_op){.config = store->config,
                                .request = request,
                                .answer = answers + i * capability->answer_size,
                                .deadline = SL_NEVER,
                                .answer_budget = &budget};
        capability->answer_init(ops[i].answer);
        batch[i] = &ops[i];
    }
    store->driver->run(growth->state, batch, count);
    for (size_t i = 0; i < count; i++) {
        if (sl_op_answer(&ops[i])->err.status != SL_OK)
            fail_msg("%s", sl_op_answer(&ops[i])->err.message);
        unfinished += ops[i].unfinished;
        sl_op_retract_reports(&ops[i]); /* no service is there to log it */
        if (answer != NULL && i + 1 == count)
            memcpy(answer, ops[i].answer, capability->answer_size);
        else
            capability->answer_done(ops[i].answer);
    }
    free(answers);
    return unfinished;
}

size_t growth_run(struct growth *growth, const void *request, size_t count,
                  void *answer)
{
    size_t unfinished = 0;

    while (count > BATCH_MAX) {
        unfinished += run_some(growth, request, BATCH_MAX, NULL);
        count -= BATCH_MAX;
    }
    return unfinished + run_some(growth, request, count, answer);
}

int64_t growth_steps(struct growth *growth)
{
    int64_t steps = 0;
    sqlite3_stmt *statement = NULL;

    while ((statement = sqlite3_next_stmt(growth->state->file.handle,
                                          statement)) != NULL)
        steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

void growth_sql(struct growth *growth, const char *text)
{
    assert_int_equal(
        sqlite3_exec(growth->state->file.handle, text, NULL, NULL, NULL),
        SQLITE_OK);
}

int64_t growth_number(struct growth *growth, const char *text)
{
    return sqlite_file_number(growth->file, text);
}
