/* SPDX-License-Identifier: Apache-2.0 */
/* What every store checks before its driver hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kv/driver.h"
#include "support/faulty.h"

/* --- Arguments ---------------------------------------------------------- */

/* holds: kv-1 kv-4 kv-20 types-2 types-13 types-14 */
static void wrong_arguments_never_reach_the_driver(void **state)
{
    static char long_key[SL_KV_KEY_MAX + 2];
    static uint8_t large[1025];
    struct faulty_store f;
    struct sl_kv_request bad[] = {
        faulty_request(SL_KV_GET, ""),
        faulty_request(SL_KV_GET, long_key),
        faulty_request(SL_KV_GET, "\xff"),
        {.verb = SL_KV_SET, .key = SL_LITERAL("a\0b")},
        {.verb = SL_KV_SET, .key = SL_LITERAL("k"), .has_ttl = true},
        {.verb = SL_KV_SET,
         .key = SL_LITERAL("k"),
         .has_ttl = true,
         .ttl_ms = UINT64_C(315360000001)},
        {.verb = SL_KV_KEYS, .limit = 0},
        {.verb = SL_KV_KEYS, .limit = SL_KV_PAGE_MAX + 1},
        {.verb = SL_KV_KEYS, .limit = 1, .key = sl_bytes_of(long_key)},
    };

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.config.max_value = 1024;
    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bad[i].key.ptr == (const uint8_t *)long_key)
            bad[i].key.len = SL_KV_KEY_MAX + 1;
        struct sl_kv_answer answer = faulty_store_do(&f, &bad[i]);
        if (answer.err.status != SL_INVALID_ARGUMENT)
            fail_msg("case %zu: %s", i, sl_status_text(answer.err.status));
        assert_false(answer.retryable);
    }
    struct sl_kv_request set = faulty_request(SL_KV_SET, "k");
    set.value = SL_BYTES(large, 1025);
    struct sl_kv_answer answer = faulty_store_do(&f, &set);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_non_null(strstr(answer.err.message, "1024"));
    set.value.len = 1024;
    assert_int_equal(faulty_store_do(&f, &set).err.status, SL_OK);
    assert_int_equal(f.faulty.ops, 1);
    faulty_store_close(&f);
}

/* holds: kv-19 */
static void an_impossible_version_is_a_conflict(void **state)
{
    static const char *const texts[] = {"", "with space", "\xc3\xa9"};
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sl_kv_request one = faulty_request(SL_KV_DELETE, "k");
        one.condition = SL_KV_VERSION;
        one.version = sl_bytes_of(texts[i]);
        assert_int_equal(faulty_store_do(&f, &one).err.status, SL_CONFLICT);
    }
    assert_int_equal(f.faulty.ops, 0);
    faulty_store_close(&f);
}

/* holds: kv-30 kv-35 kv-45 kv-49 types-21 types-22 */
static void what_a_driver_cannot_do_is_unsupported(void **state)
{
    struct faulty_store f;
    struct sl_kv_request cases[5];

    (void)state;
    faulty_store_open(&f, &faulty_poor);
    cases[0] = faulty_request(SL_KV_INCREMENT, "k");
    cases[1] = faulty_request(SL_KV_KEYS, "");
    cases[2] = faulty_request(SL_KV_SET, "k");
    cases[2].condition = SL_KV_ABSENT;
    cases[3] = faulty_request(SL_KV_GET, "k");
    cases[3].want_version = true;
    cases[4] = faulty_request(SL_KV_SET, "k");
    cases[4].has_ttl = true;
    cases[4].ttl_ms = 1;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(faulty_store_do(&f, &cases[i]).err.status,
                         SL_UNSUPPORTED);
    /* Wrong arguments are told before. */
    cases[0].key = SL_LITERAL("");
    cases[1].limit = 0;
    cases[4].ttl_ms = 0;
    assert_int_equal(faulty_store_do(&f, &cases[0]).err.status,
                     SL_INVALID_ARGUMENT);
    assert_int_equal(faulty_store_do(&f, &cases[1]).err.status,
                     SL_INVALID_ARGUMENT);
    assert_int_equal(faulty_store_do(&f, &cases[4]).err.status,
                     SL_INVALID_ARGUMENT);
    assert_int_equal(f.faulty.opened, 0);

    /* A write that asks for its version works without versions. */
    struct sl_kv_request set = faulty_request(SL_KV_SET, "k");
    set.want_version = true;
    struct sl_kv_answer answer = faulty_store_do(&f, &set);
    assert_int_equal(answer.err.status, SL_OK);
    assert_string_equal(answer.version, "");
    faulty_store_close(&f);
}

/* holds: kv-58 kv-60 types-12 */
static void too_many_requests_are_refused_as_a_whole(void **state)
{
    static struct sl_kv_request many[SL_KV_MANY_MAX + 1];
    static struct sl_kv_answer answers[SL_KV_MANY_MAX + 1];
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++)
        many[i] = faulty_request(SL_KV_DELETE, "k");
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX + 1, answers);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++) {
        assert_true(answers[i].refused);
        assert_int_equal(answers[i].err.status, SL_TOO_LARGE);
    }
    assert_int_equal(f.faulty.ops, 0);
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX, answers);
    assert_false(answers[0].refused);
    assert_int_equal(f.faulty.ops, SL_KV_MANY_MAX);
    assert_int_equal(sl_service_do(f.kv, NULL, many, 0, answers), SL_OK);
    faulty_store_close(&f);
}

/* holds: kv-5 kv-54 kv-58 */
static void the_values_of_a_call_have_a_limit(void **state)
{
    static uint8_t large[16 << 20];
    struct sl_kv_request many[5];
    struct sl_kv_answer answers[5];
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    for (size_t i = 0; i < 5; i++) {
        many[i] = faulty_request(SL_KV_SET, "k");
        many[i].value = SL_BYTES(large, sizeof(large));
    }
    sl_service_do(f.kv, NULL, many, 5, answers);
    assert_true(answers[0].refused);
    assert_int_equal(answers[4].err.status, SL_TOO_LARGE);

    /* The same for what is read: the fifth does not fit. */
    f.faulty.value_len = sizeof(large);
    for (size_t i = 0; i < 5; i++)
        many[i] = faulty_request(SL_KV_GET, "k");
    sl_service_do(f.kv, NULL, many, 5, answers);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].err.status, i < 4 ? SL_OK : SL_TOO_LARGE);
        sl_kv_answer_done(&answers[i]);
    }
    faulty_store_close(&f);
}

static void a_value_that_others_made_too_large_is_told(void **state)
{
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.config.max_value = 10;
    f.faulty.value_len = 11;
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");
    struct sl_kv_answer answer = faulty_store_do(&f, &get);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_false(answer.found);
    faulty_store_close(&f);
}

/* --- The registry ------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_never_reach_the_driver),
        cmocka_unit_test(an_impossible_version_is_a_conflict),
        cmocka_unit_test(what_a_driver_cannot_do_is_unsupported),
        cmocka_unit_test(too_many_requests_are_refused_as_a_whole),
        cmocka_unit_test(the_values_of_a_call_have_a_limit),
        cmocka_unit_test(a_value_that_others_made_too_large_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
