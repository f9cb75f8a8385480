/* SPDX-License-Identifier: Apache-2.0 */
/* What every store checks before its driver hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv/driver.h"
#include "service/fake_test.h"
#include "service/limited.h"

/* --- A store whose driver does nothing ------------------------------------- */

static const struct sl_driver driver = {
    .name = "kv.fake",
    FAKE_DRIVER,
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS};
static const struct sl_driver poor_driver = {.name = "kv.poor", FAKE_DRIVER};
static const struct sl_driver inline_driver = {
    .name = "kv.inline", FAKE_DRIVER, .inline_verbs = 1U << SL_KV_GET};

struct kv_store {
    struct fake fake;
    struct sl_kv_config config;
    struct sl_service *kv;
};

static void answer_get(struct fake *fake, struct sl_op *op)
{
    struct sl_kv_answer *answer = sl_kv_answer_of(op);

    if (sl_op_verb(op) != SL_KV_GET ||
        !sl_kv_op_take_budget(op, fake->value_len))
        return;
    answer->found = true;
    answer->value.owner = calloc(1, fake->value_len + 1);
    answer->value.bytes = SL_BYTES(answer->value.owner, fake->value_len);
    answer->value.release = free;
}

static void kv_open(struct kv_store *f, const struct sl_driver *of)
{
    struct sl_error err;

    fake_init(&f->fake);
    f->fake.answer = answer_get;
    f->config = (struct sl_kv_config){0};
    sl_options_default(sl_service_options, &f->config);
    sl_options_default(sl_kv.options, &f->config);
    f->config.service.connections = 1;
    f->config.service.retry_backoff_ms = 1;
    f->config.service.timeout_ms = 3600000;
    assert_int_equal(sl_service_open(&sl_kv, "test", of, &f->config.service,
                                     &f->fake, &f->kv, &err),
                     SL_OK);
}

static void kv_close(struct kv_store *f)
{
    sl_service_free(f->kv);
    assert_int_equal(f->fake.opened, f->fake.closed);
}

static struct sl_kv_request kv_request(enum sl_kv_verb verb, const char *key)
{
    return (struct sl_kv_request){
        .verb = verb, .key = sl_bytes_of(key), .limit = 10};
}

/* Do one request; what its answer holds is freed. */
static struct sl_kv_answer kv_do(struct kv_store *f,
                                 const struct sl_kv_request *one)
{
    struct sl_kv_answer answer;

    sl_service_do(f->kv, NULL, one, 1, &answer);
    sl_kv_answer_done(&answer);
    return answer;
}

/* --- Arguments ---------------------------------------------------------- */

/* holds: kv-1 kv-4 kv-20 types-2 types-13 types-14 */
static void wrong_arguments_never_reach_the_driver(void **state)
{
    static char long_key[SL_KV_KEY_MAX + 2];
    static uint8_t large[1025];
    struct kv_store f;
    struct sl_kv_request bad[] = {
        kv_request(SL_KV_GET, ""),
        kv_request(SL_KV_GET, long_key),
        kv_request(SL_KV_GET, "\xff"),
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
    kv_open(&f, &driver);
    f.config.max_value = 1024;
    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bad[i].key.ptr == (const uint8_t *)long_key)
            bad[i].key.len = SL_KV_KEY_MAX + 1;
        struct sl_kv_answer answer = kv_do(&f, &bad[i]);
        if (answer.err.status != SL_INVALID_ARGUMENT)
            fail_msg("case %zu: %s", i, sl_status_text(answer.err.status));
        assert_false(answer.retryable);
    }
    struct sl_kv_request set = kv_request(SL_KV_SET, "k");
    set.value = SL_BYTES(large, 1025);
    struct sl_kv_answer answer = kv_do(&f, &set);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_non_null(strstr(answer.err.message, "1024"));
    set.value.len = 1024;
    assert_int_equal(kv_do(&f, &set).err.status, SL_OK);
    assert_int_equal(f.fake.ops, 1);
    kv_close(&f);
}

/* holds: kv-19 */
static void an_impossible_version_is_a_conflict(void **state)
{
    static const char *const texts[] = {"", "with space", "\xc3\xa9"};
    struct kv_store f;

    (void)state;
    kv_open(&f, &driver);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sl_kv_request one = kv_request(SL_KV_DELETE, "k");
        one.condition = SL_KV_VERSION;
        one.version = sl_bytes_of(texts[i]);
        assert_int_equal(kv_do(&f, &one).err.status, SL_CONFLICT);
    }
    assert_int_equal(f.fake.ops, 0);
    kv_close(&f);
}

/* holds: kv-30 kv-35 kv-45 kv-49 types-21 types-22 */
static void what_a_driver_cannot_do_is_unsupported(void **state)
{
    struct kv_store f;
    struct sl_kv_request cases[5];

    (void)state;
    kv_open(&f, &poor_driver);
    cases[0] = kv_request(SL_KV_INCREMENT, "k");
    cases[1] = kv_request(SL_KV_KEYS, "");
    cases[2] = kv_request(SL_KV_SET, "k");
    cases[2].condition = SL_KV_ABSENT;
    cases[3] = kv_request(SL_KV_GET, "k");
    cases[3].want_version = true;
    cases[4] = kv_request(SL_KV_SET, "k");
    cases[4].has_ttl = true;
    cases[4].ttl_ms = 1;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(kv_do(&f, &cases[i]).err.status, SL_UNSUPPORTED);
    /* Wrong arguments are told before. */
    cases[0].key = SL_LITERAL("");
    cases[1].limit = 0;
    cases[4].ttl_ms = 0;
    assert_int_equal(kv_do(&f, &cases[0]).err.status, SL_INVALID_ARGUMENT);
    assert_int_equal(kv_do(&f, &cases[1]).err.status, SL_INVALID_ARGUMENT);
    assert_int_equal(kv_do(&f, &cases[4]).err.status, SL_INVALID_ARGUMENT);
    assert_int_equal(f.fake.opened, 0);

    /* A write that asks for its version works without versions. */
    struct sl_kv_request set = kv_request(SL_KV_SET, "k");
    set.want_version = true;
    struct sl_kv_answer answer = kv_do(&f, &set);
    assert_int_equal(answer.err.status, SL_OK);
    assert_string_equal(answer.version, "");
    kv_close(&f);
}

/* holds: kv-58 kv-60 types-12 */
static void too_many_requests_are_refused_as_a_whole(void **state)
{
    static struct sl_kv_request many[SL_KV_MANY_MAX + 1];
    static struct sl_kv_answer answers[SL_KV_MANY_MAX + 1];
    struct kv_store f;

    (void)state;
    kv_open(&f, &driver);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++)
        many[i] = kv_request(SL_KV_DELETE, "k");
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX + 1, answers);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++) {
        assert_true(answers[i].refused);
        assert_int_equal(answers[i].err.status, SL_TOO_LARGE);
    }
    assert_int_equal(f.fake.ops, 0);
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX, answers);
    assert_false(answers[0].refused);
    assert_int_equal(f.fake.ops, SL_KV_MANY_MAX);
    assert_int_equal(sl_service_do(f.kv, NULL, many, 0, answers), SL_OK);
    kv_close(&f);
}

/* holds: kv-5 kv-54 kv-58 */
static void the_values_of_a_call_have_a_limit(void **state)
{
    static uint8_t large[16 << 20];
    struct sl_kv_request many[5];
    struct sl_kv_answer answers[5];
    struct kv_store f;

    (void)state;
    kv_open(&f, &driver);
    for (size_t i = 0; i < 5; i++) {
        many[i] = kv_request(SL_KV_SET, "k");
        many[i].value = SL_BYTES(large, sizeof(large));
    }
    sl_service_do(f.kv, NULL, many, 5, answers);
    assert_true(answers[0].refused);
    assert_int_equal(answers[4].err.status, SL_TOO_LARGE);

    /* The same for what is read: the fifth does not fit. */
    f.fake.value_len = sizeof(large);
    for (size_t i = 0; i < 5; i++)
        many[i] = kv_request(SL_KV_GET, "k");
    sl_service_do(f.kv, NULL, many, 5, answers);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].err.status, i < 4 ? SL_OK : SL_TOO_LARGE);
        sl_kv_answer_done(&answers[i]);
    }
    kv_close(&f);
}

static void a_value_that_others_made_too_large_is_told(void **state)
{
    struct kv_store f;

    (void)state;
    kv_open(&f, &driver);
    f.config.max_value = 10;
    f.fake.value_len = 11;
    struct sl_kv_request get = kv_request(SL_KV_GET, "k");
    struct sl_kv_answer answer = kv_do(&f, &get);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_false(answer.found);
    kv_close(&f);
}

/* --- Repeats ------------------------------------------------------------ */

/* Another client may have written since a first SET, and was told so. */
/* holds: kv-12 kv-13 */
static void only_reads_are_repeated(void **state)
{
    static const bool expected[SL_KV_VERB_COUNT] = {
        [SL_KV_GET] = true, [SL_KV_EXISTS] = true, [SL_KV_KEYS] = true};

    (void)state;
    for (unsigned verb = 0; verb < SL_KV_VERB_COUNT; verb++) {
        struct kv_store f;
        kv_open(&f, &driver);
        fake_plan_all(&f.fake, (struct fake_plan){.status = SL_UNAVAILABLE});
        struct sl_kv_request one = kv_request((enum sl_kv_verb)verb, "k");
        assert_int_equal(kv_do(&f, &one).retryable, expected[verb]);
        assert_int_equal(f.fake.ops, expected[verb] ? 3 : 1);
        one.condition = SL_KV_ABSENT;
        if (verb == SL_KV_SET)
            assert_false(kv_do(&f, &one).retryable);
        kv_close(&f);
    }
}

/* It takes 40 of 64 MiB each time, and fails the first time. */
static void answer_at_second_try(struct fake *fake, struct sl_op *op)
{
    assert_true(sl_kv_op_take_budget(op, 40 << 20));
    if (fake->ops == 2)
        sl_fail(&sl_op_answer(op)->err, SL_UNAVAILABLE, "as planned");
}

static void a_repeat_has_the_whole_limit_again(void **state)
{
    struct sl_kv_request two[2] = {kv_request(SL_KV_SET, "refused"),
                                   kv_request(SL_KV_GET, "k")};
    struct sl_kv_answer answers[2];
    struct kv_store f;

    (void)state;
    kv_open(&f, &driver);
    f.fake.plans[0].status = SL_INVALID_ARGUMENT;
    f.fake.answer = answer_at_second_try;
    sl_service_do(f.kv, NULL, two, 2, answers);
    assert_int_equal(answers[1].err.status, SL_OK);
    assert_int_equal(f.fake.ops, 3);
    sl_answers_done(f.kv, answers, 2);
    kv_close(&f);
}

/* --- What the answers of a caller hold ------------------------------------- */

static void note_done(void *context)
{
    atomic_store((_Atomic bool *)context, true);
}

/* In place, or queued. */
static struct sl_kv_answer get_limited(struct kv_store *f, bool inlined,
                                       _Atomic uint64_t *held,
                                       size_t answers_max)
{
    const struct sl_kv_request get = kv_request(SL_KV_GET, "k");
    _Atomic bool done = false;
    struct sl_caller caller = {
        .done = note_done, .context = &done, .held = held};
    struct sl_kv_answer answer;
    struct sl_call *call;

    enum sl_call_result result = sl_service_call_limited(
        f->kv, &caller, answers_max, &get, 1, &answer, &call);
    assert_int_equal(result, inlined ? SL_CALL_ANSWERED : SL_CALL_PENDING);
    if (result == SL_CALL_PENDING) {
        while (!atomic_load(&done))
            usleep(1000);
        sl_call_collect(call, &answer);
        sl_call_release(call);
    }
    return answer;
}

static void answers_count_until_they_are_released(void **state)
{
    _Atomic uint64_t held = 0;
    struct kv_store f;

    (void)state;
    for (int inlined = 0; inlined < 2; inlined++) {
        kv_open(&f, inlined ? &inline_driver : &driver);
        f.fake.value_len = 5000;
        for (size_t answers_max = 0; answers_max <= 5000; answers_max += 5000) {
            struct sl_kv_answer answer =
                get_limited(&f, inlined, &held, answers_max);
            assert_int_equal(answer.err.status, SL_OK);
            assert_int_equal(held, 5000);
            sl_kv_answer_done(&answer);
            assert_int_equal(held, 0);
        }
        kv_close(&f);
    }
}

static void who_holds_much_gets_no_large_answer(void **state)
{
    _Atomic uint64_t held = 0;
    struct kv_store f;

    (void)state;
    for (int inlined = 0; inlined < 2; inlined++) {
        kv_open(&f, inlined ? &inline_driver : &driver);
        f.fake.value_len = 5000;
        struct sl_kv_answer answer = get_limited(&f, inlined, &held, 4999);
        assert_int_equal(answer.err.status, SL_TOO_LARGE);
        assert_non_null(strstr(answer.err.message, "host-memory"));
        assert_int_equal(held, 0);
        sl_kv_answer_done(&answer);
        kv_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_never_reach_the_driver),
        cmocka_unit_test(an_impossible_version_is_a_conflict),
        cmocka_unit_test(what_a_driver_cannot_do_is_unsupported),
        cmocka_unit_test(too_many_requests_are_refused_as_a_whole),
        cmocka_unit_test(the_values_of_a_call_have_a_limit),
        cmocka_unit_test(a_value_that_others_made_too_large_is_told),
        cmocka_unit_test(only_reads_are_repeated),
        cmocka_unit_test(a_repeat_has_the_whole_limit_again),
        cmocka_unit_test(answers_count_until_they_are_released),
        cmocka_unit_test(who_holds_much_gets_no_large_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
