/* SPDX-License-Identifier: Apache-2.0 */
/* Whether slight is ready, by what its resources answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management/internal.h"
#include "mq/driver.h"
#include "service/fake_test.h"

/* --- Resources whose checks end as the test says -------------------------- */

static struct fake fakes[2];
static struct sl_service *services[2];

static const struct sl_driver driver = {
    .name = "mq.fake", FAKE_DRIVER, .check = fake_check};

static struct sl_mq_config configs[] = {
    {.service = {.timeout_ms = 1000,
                 .connections = 1,
                 .max_queued = 10,
                 .required = true}},
    {.service = {.timeout_ms = 1000,
                 .connections = 1,
                 .max_queued = 10,
                 .required = true}},
};

static struct sl_manifest_resource resources[] = {
    {.name = "jobs",
     .capability = &sl_mq,
     .driver = &driver,
     .config = &configs[0].service},
    {.name = "mail",
     .capability = &sl_mq,
     .driver = &driver,
     .config = &configs[1].service},
};

static const struct sl_manifest manifest = {.resources = resources,
                                            .resource_count = 2};

struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource);
struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource)
{
    (void)host;
    return services[resource - resources];
}

static int set_up(void **state)
{
    struct sl_error err;

    configs[1].service.required = true;
    for (size_t i = 0; i < 2; i++) {
        fake_init(&fakes[i]);
        if (sl_service_open(&sl_mq, resources[i].name, &driver,
                            resources[i].config, &fakes[i], &services[i],
                            &err) != SL_OK)
            return -1;
    }
    *state = sl_readiness_new(NULL, &manifest);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < 2; i++)
        if (!sl_service_free(services[i]))
            return -1;
    sl_readiness_free(*state);
    return 0;
}

/* Check, and compare what is written. */
static void expect(struct sl_readiness *readiness, bool ready,
                   const char *expected)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(sl_readiness_check(readiness, out), ready);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

/* --- Cases ---------------------------------------------------------------- */

static void test_ready_where_all_answer(void **state)
{
    expect(*state, true, "");
    assert_int_equal(fakes[0].checks, 1);
    assert_int_equal(fakes[1].checks, 1);
}

static void test_each_that_fails_has_a_line(void **state)
{
    fakes[0].check_status = SL_UNAVAILABLE;
    fakes[1].check_status = SL_UNAUTHENTICATED;
    expect(*state, false,
           "resource \"jobs\": as planned\\u202e\n"
           "resource \"mail\": as planned\\u202e\n");
}

/* A resource that is not required does not count, and is not asked. */
static void test_only_what_is_required(void **state)
{
    configs[1].service.required = false;
    fakes[1].check_status = SL_UNAVAILABLE;
    struct sl_readiness *readiness = sl_readiness_new(NULL, &manifest);
    expect(readiness, true, "");
    assert_int_equal(fakes[1].checks, 0);
    sl_readiness_free(readiness);
    (void)state;
}

/* What was found holds for a moment: frequent requests ask no service. */
static void test_the_result_is_kept(void **state)
{
    expect(*state, true, "");
    fakes[0].check_status = SL_UNAVAILABLE;
    for (int i = 0; i < 100; i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        (void)sl_readiness_check(*state, out);
        fclose(out);
        free(text);
    }
    /* A hundred requests take less than a second each. */
    assert_true(fakes[0].checks < 50);
    assert_int_equal(fakes[0].checks, fakes[1].checks);
}

/* One that hangs hides no other, and is not asked again while it does. */
static void test_a_check_that_hangs(void **state)
{
    fakes[0].check_hangs = true;
    fakes[1].check_status = SL_UNAVAILABLE;
    expect(*state, false,
           "resource \"jobs\": it does not answer\n"
           "resource \"mail\": as planned\\u202e\n");
    fakes[1].check_status = SL_OK;
    while (fakes[1].checks < 2) { /* once the first result is too old */
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        assert_false(sl_readiness_check(*state, out));
        fclose(out);
    }
    pthread_mutex_lock(&fakes[0].mutex);
    assert_int_equal(fakes[0].checks, 1);
    fakes[0].check_hangs = false;
    pthread_cond_broadcast(&fakes[0].changed);
    pthread_mutex_unlock(&fakes[0].mutex);
    bool ready = false;
    while (!ready) {
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        ready = sl_readiness_check(*state, out);
        fclose(out);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_ready_where_all_answer),
        CASE(test_each_that_fails_has_a_line),
        CASE(test_only_what_is_required),
        CASE(test_the_result_is_kept),
        CASE(test_a_check_that_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
