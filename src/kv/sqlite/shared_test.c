/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/sqlite/shared_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/file.h"

void expect_ok(enum sl_status status, const struct sl_error *err)
{
    if (status != SL_OK)
        fail_msg("%s: %s", sl_status_text(status), err->message);
}

void set_options(struct test_store *store, const char *path)
{
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("path = \"%s\"\ntimeout = \"60s\"", path);

    expect_ok(test_store_set(store, "kv.sqlite", settings, &err), &err);
}

enum sl_status try_open(struct fixture *f, struct sl_error *err)
{
    void *store;
    enum sl_status status =
        f->store.driver->store_new(f->store.options, &store, err);

    if (status == SL_OK)
        status = f->store.driver->open(store, sl_deadline_in_ms(60000),
                                       &f->state, err);
    return status;
}

void reopen(struct fixture *f)
{
    struct sl_error err;

    if (f->state != NULL)
        f->store.driver->close(f->state);
    f->state = NULL;
    expect_ok(try_open(f, &err), &err);
}

int set_up_folder(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-sqlite-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/kv.db", f->folder);
    set_options(&f->store, f->path);
    *state = f;
    return 0;
}

int set_up(void **state)
{
    if (set_up_folder(state) != 0)
        return -1;
    reopen(*state);
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->state != NULL)
        f->store.driver->close(f->state);
    test_store_done(&f->store);
    test_remove_folder(f->folder);
    free(f);
    return 0;
}

/* --- Requests ----------------------------------------------------------- */

struct sl_kv_request request(enum sl_kv_verb verb, const char *key)
{
    return (struct sl_kv_request){
        .verb = verb, .key = sl_bytes_of(key), .limit = 100, .delta = 1};
}

struct sl_kv_request set(const char *key, const char *value)
{
    struct sl_kv_request set = request(SL_KV_SET, key);

    set.value = sl_bytes_of(value);
    return set;
}

struct sl_kv_request set_ttl(const char *key, uint64_t ttl_ms)
{
    struct sl_kv_request request = set(key, "1");

    request.has_ttl = true;
    request.ttl_ms = ttl_ms;
    return request;
}

void run(struct fixture *f, const struct sl_kv_request requests[], size_t count,
         struct sl_kv_answer answers[])
{
    struct sl_op *ops = sl_alloc_array(count, sizeof(*ops));
    struct sl_op **batch = sl_alloc_array(count, sizeof(struct sl_op *));
    size_t budget = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(&answers[i]);
        ops[i] = (struct sl_op){.request = &requests[i],
                                .answer = &answers[i],
                                .deadline = sl_deadline_in_ms(60000),
                                .answer_budget = &budget};
        batch[i] = &ops[i];
    }
    f->store.driver->run(f->state, batch, count);
    free(batch);
    free(ops);
}

struct sl_kv_answer run_one(struct fixture *f, struct sl_kv_request request)
{
    struct sl_kv_answer answer;

    run(f, &request, 1, &answer);
    return answer;
}

void write_one(struct fixture *f, struct sl_kv_request request)
{
    struct sl_kv_answer answer = run_one(f, request);

    expect_ok(answer.err.status, &answer.err);
    sl_kv_answer_done(&answer);
}

bool exists(struct fixture *f, const char *key)
{
    struct sl_kv_answer answer = run_one(f, request(SL_KV_EXISTS, key));

    expect_ok(answer.err.status, &answer.err);
    sl_kv_answer_done(&answer);
    return answer.found;
}

/* --- Behind the driver's back -------------------------------------------- */

static int take_number(void *context, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int64_t *)context = strtoll(values[0], NULL, 10);
    return 0;
}

int64_t sql(const char *path, const char *text)
{
    sqlite3 *db;
    int64_t number = -1;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    assert_int_equal(sqlite3_exec(db, text, take_number, &number, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    return number;
}

struct sl_buf content(const char *path)
{
    struct sl_buf bytes = SL_BUF(16 << 20);
    struct sl_error err;

    expect_ok(sl_file_read(path, &bytes, &err), &err);
    return bytes;
}

void write_file(const char *path, const char *text)
{
    struct sl_error err;

    expect_ok(sl_file_write(path, sl_bytes_of(text), &err), &err);
}
