/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of kv.sqlite share: a store in a folder of its own, and one
 * state of its driver. */
#ifndef SL_KV_SQLITE_SHARED_TEST_H
#define SL_KV_SQLITE_SHARED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kv/driver.h"
#include "support/stores.h"

struct fixture {
    char folder[64];
    char path[96];
    struct test_store store;
    void *state;
};

/* Each case has one, as its state; with set_up_folder there is no file yet. */
int set_up(void **state);
int set_up_folder(void **state);
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_NO_FILE(name)                                                     \
    cmocka_unit_test_setup_teardown(name, set_up_folder, tear_down)

void expect_ok(enum sl_status status, const struct sl_error *err);
void set_options(struct test_store *store, const char *path);
enum sl_status try_open(struct fixture *f, struct sl_error *err);
void reopen(struct fixture *f);

struct sl_kv_request request(enum sl_kv_verb verb, const char *key);
struct sl_kv_request set(const char *key, const char *value);
struct sl_kv_request set_ttl(const char *key, uint64_t ttl_ms);
/* Run requests as one batch; the answers are the caller's. */
void run(struct fixture *f, const struct sl_kv_request requests[], size_t count,
         struct sl_kv_answer answers[]);
struct sl_kv_answer run_one(struct fixture *f, struct sl_kv_request request);
void write_one(struct fixture *f, struct sl_kv_request request);
bool exists(struct fixture *f, const char *key);

/* Behind the driver's back.  Run SQL on the file; the first column of the last
 * row, or -1. */
int64_t sql(const char *path, const char *text);
struct sl_buf content(const char *path);
void write_file(const char *path, const char *text);

#endif
