/* SPDX-License-Identifier: Apache-2.0 */
/* What is special to kv.memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kv/driver.h"
#include "support/stores.h"

static void open_store(struct test_store *store, const char *settings)
{
    struct sl_error err = {0};

    memset(store, 0, sizeof(*store));
    if (test_store_open(store, "kv.memory", settings, &err) != SL_OK)
        fail_msg("%s", err.message);
}

static struct sl_kv_answer set(struct test_store *store, const char *key,
                               struct sl_bytes value, uint64_t ttl_ms)
{
    const struct sl_kv_request request = {.verb = SL_KV_SET,
                                          .key = sl_bytes_of(key),
                                          .value = value,
                                          .has_ttl = ttl_ms > 0,
                                          .ttl_ms = ttl_ms};
    struct sl_kv_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    sl_kv_answer_done(&answer);
    return answer;
}

static void no_op(void *context)
{
    (void)context;
}

/* But a listing, which may have to go over many keys. */
static void calls_are_done_at_once(void **state)
{
    struct test_store store;
    const struct sl_kv_request requests[] = {
        {.verb = SL_KV_SET, .key = SL_LITERAL("k"), .value = SL_LITERAL("1")},
        {.verb = SL_KV_INCREMENT, .key = SL_LITERAL("k"), .delta = 1},
        {.verb = SL_KV_DELETE, .key = SL_LITERAL("k")},
        {.verb = SL_KV_SET, .key = SL_LITERAL("k"), .value = SL_LITERAL("1")},
        {.verb = SL_KV_KEYS, .limit = 5},
    };
    struct sl_kv_answer answers[4];
    struct sl_caller caller = {.done = no_op};
    struct sl_call *call;

    (void)state;
    open_store(&store, "");
    assert_int_equal(
        sl_service_call(store.service, &caller, requests, 4, answers, &call),
        SL_CALL_ANSWERED);
    assert_int_equal(answers[1].number, 2);
    assert_true(answers[2].found);
    for (int i = 0; i < 4; i++)
        sl_kv_answer_done(&answers[i]);
    assert_int_equal(sl_service_call(store.service, &caller, &requests[4], 1,
                                     answers, &call),
                     SL_CALL_PENDING);
    sl_call_release(call);
    sl_service_do(store.service, NULL, &requests[4], 1, answers);
    assert_int_equal(answers[0].key_count, 1);
    sl_kv_answer_done(&answers[0]);
    test_store_done(&store);
}

static void a_value_that_was_read_stays(void **state)
{
    struct test_store store;
    const struct sl_kv_request get = {.verb = SL_KV_GET,
                                      .key = SL_LITERAL("k")};
    const struct sl_kv_request delete = {.verb = SL_KV_DELETE,
                                         .key = SL_LITERAL("k")};
    struct sl_kv_answer first, second, gone;

    (void)state;
    open_store(&store, "");
    set(&store, "k", SL_LITERAL("old"), 0);
    sl_service_do(store.service, NULL, &get, 1, &first);
    sl_service_do(store.service, NULL, &get, 1, &second);
    /* No copy was made for either. */
    assert_ptr_equal(first.value.bytes.ptr, second.value.bytes.ptr);
    set(&store, "k", SL_LITERAL("new"), 0);
    sl_service_do(store.service, NULL, &delete, 1, &gone);
    test_store_done(&store);
    assert_true(sl_bytes_equal(first.value.bytes, SL_LITERAL("old")));
    sl_kv_answer_done(&first);
    assert_true(sl_bytes_equal(second.value.bytes, SL_LITERAL("old")));
    sl_kv_answer_done(&second);
}

static void a_full_store_says_so(void **state)
{
    static uint8_t large[4096];
    struct test_store store;

    (void)state;
    open_store(&store, "max-bytes = \"10KiB\"");
    assert_int_equal(set(&store, "a", SL_BYTES(large, 4096), 0).err.status,
                     SL_OK);
    assert_int_equal(set(&store, "b", SL_BYTES(large, 4096), 0).err.status,
                     SL_OK);
    struct sl_kv_answer answer = set(&store, "c", SL_BYTES(large, 4096), 0);
    assert_int_equal(answer.err.status, SL_RESOURCE_EXHAUSTED);
    assert_false(answer.retryable);
    assert_non_null(strstr(answer.err.message, "max-bytes"));
    /* In place of another there is room, and after that for what is small. */
    assert_int_equal(set(&store, "b", SL_BYTES(large, 4000), 0).err.status,
                     SL_OK);
    assert_int_equal(set(&store, "c", SL_BYTES(large, 64), 0).err.status,
                     SL_OK);
    test_store_done(&store);
}

static void what_has_expired_makes_room(void **state)
{
    static uint8_t large[4096];
    struct test_store store;
    struct sl_kv_answer answer = {0};

    (void)state;
    open_store(&store, "max-bytes = \"10KiB\"");
    set(&store, "a", SL_BYTES(large, 4096), 1);
    set(&store, "b", SL_BYTES(large, 4096), 1);
    for (int i = 0; i < 100000; i++) {
        answer = set(&store, "c", SL_BYTES(large, 4096), 0);
        if (answer.err.status == SL_OK)
            break;
    }
    assert_int_equal(answer.err.status, SL_OK);
    test_store_done(&store);
}

/* Against a plain array: keys in byte order, whatever came and went. */
static void keys_are_in_order(void **state)
{
    enum { KEYS = 500 };
    struct test_store store;
    bool there[KEYS] = {0};
    unsigned seed = 3;

    (void)state;
    open_store(&store, "");
    for (int i = 0; i < 5000; i++) {
        char key[16];
        seed = seed * 1103515245 + 12345;
        unsigned number = (seed >> 16) % KEYS;
        snprintf(key, sizeof(key), "k%04u", number);
        there[number] = !there[number];
        if (there[number]) {
            set(&store, key, SL_LITERAL("v"), 0);
            continue;
        }
        const struct sl_kv_request delete = {.verb = SL_KV_DELETE,
                                             .key = sl_bytes_of(key)};
        struct sl_kv_answer answer;
        sl_service_do(store.service, NULL, &delete, 1, &answer);
        assert_true(answer.found);
    }
    const struct sl_kv_request keys = {.verb = SL_KV_KEYS, .limit = 1000};
    struct sl_kv_answer page;
    assert_int_equal(sl_service_do(store.service, NULL, &keys, 1, &page),
                     SL_OK);
    const char *at = (const char *)page.keys.ptr;
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        if (!there[i])
            continue;
        snprintf(key, sizeof(key), "k%04d", i);
        assert_string_equal(at, key);
        at += strlen(at) + 1;
    }
    assert_ptr_equal(at, page.keys.ptr + page.keys.len);
    sl_kv_answer_done(&page);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_done_at_once),
        cmocka_unit_test(a_value_that_was_read_stays),
        cmocka_unit_test(a_full_store_says_so),
        cmocka_unit_test(what_has_expired_makes_room),
        cmocka_unit_test(keys_are_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
