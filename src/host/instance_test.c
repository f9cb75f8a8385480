/* SPDX-License-Identifier: Apache-2.0 */
/* Handles and grants.  Services are only passed on, so any address is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "host/handles.h"
#include "host/instance.h"
#include "host/instances.h"
#include "kv/kv.h"
#include "manifest/capabilities.h"

static char first_service;
static char second_service;

static struct sl_manifest_resource resources[] = {
    {.name = "first", .capability = &sl_kv},
    {.name = "second", .capability = &sl_kv},
};

static struct sl_manifest manifest = {
    .path = "slightfile.toml",
    .name = "orders",
    .resources = resources,
    .resource_count = 2,
};

static struct sl_service *const services[] = {
    (struct sl_service *)&first_service,
    (struct sl_service *)&second_service,
};

enum { HOST_MEMORY = 4 << 20 };

static struct sl_manifest_component component = {.name = "orders",
                                                 .host_memory = HOST_MEMORY};

static struct sl_host_instances instances;
static const struct sl_object_ops *const ops[] = {
    &sl_service_object_ops,
    &sl_service_object_ops,
};
static struct sl_grants grants = {
    .manifest = &manifest,
    .component = &component,
    .services = services,
    .ops = ops,
    .instances = &instances,
};

static struct sl_service *service_of(void *instance, uint32_t handle)
{
    const struct sl_object *object = sl_instance_find(instance, handle);

    return object != NULL ? object->service : NULL;
}

static int set_up(void **state)
{
    manifest.path = "slightfile.toml";
    *state = sl_instance_new(&grants);
    return 0;
}

static int tear_down(void **state)
{
    sl_instance_free(*state);
    return 0;
}

static uint32_t open_bucket(void *instance, const char *name)
{
    struct sl_error err;
    uint32_t bucket = 0;

    assert_int_equal(
        sl_instance_open(instance, "kv", sl_bytes_of(name), &bucket, &err),
        SL_OK);
    return bucket;
}

static void refused(void *instance, struct sl_bytes name, const char *message)
{
    struct sl_error err;
    uint32_t bucket = 77;

    assert_int_equal(sl_instance_open(instance, "kv", name, &bucket, &err),
                     SL_PERMISSION_DENIED);
    assert_string_equal(err.message, message);
    assert_int_equal(bucket, 77); /* a failed call leaves outputs alone */
}

/* The services of this test could not be asked.  holds: mq-32 pubsub-26 */
static void test_a_handle_is_a_store(void **state)
{
    uint32_t first = open_bucket(*state, "first");
    uint32_t second = open_bucket(*state, "second");
    uint32_t again = open_bucket(*state, "first");

    assert_ptr_equal(service_of(*state, first), &first_service);
    assert_ptr_equal(service_of(*state, second), &second_service);
    assert_ptr_equal(service_of(*state, again), &first_service);
    assert_int_not_equal(first, again);
}

/* What is opened is no service here: nobody could ask it anything. */
/* holds: kv-25 lockd-13 mq-32 pubsub-26 sql-52 */
static void test_opening_asks_nobody(void **state)
{
    for (size_t i = 0; sl_capabilities[i] != NULL; i++) {
        struct sl_error err;
        uint32_t handle;
        resources[0].capability = sl_capabilities[i];
        assert_int_equal(
            sl_instance_open(*state,
                             sl_capability_info(sl_capabilities[i]).name,
                             SL_LITERAL("first"), &handle, &err),
            SL_OK);
        assert_ptr_equal(service_of(*state, handle), &first_service);
    }
    resources[0].capability = &sl_kv;
}

/* holds: kv-26 lockd-14 mq-33 pubsub-27 sql-53 types-8 */
static void test_only_what_is_granted(void **state)
{
    refused(*state, SL_LITERAL("third"),
            "component \"orders\" is not granted \"third\"; add [[resource]] "
            "name = \"third\" to slightfile.toml");
    refused(*state, SL_LITERAL("firs"),
            "component \"orders\" is not granted \"firs\"; add [[resource]] "
            "name = \"firs\" to slightfile.toml");
    manifest.path = NULL;
    refused(*state, SL_LITERAL("third"),
            "component \"orders\" is not granted \"third\": without a "
            "slightfile.toml there is only \"default\"; write one with "
            "[[resource]] name = \"third\"");
}

/* A guest may pass anything as a name; it is not repeated to a terminal. */
static void test_names_that_are_none(void **state)
{
    static uint8_t large[1 << 20];
    const char *message =
        "component \"orders\" is not granted the resource that it opens, whose "
        "name no manifest could have: a name is 1 to 128 letters, digits, "
        "\".\", \"_\" and \"-\"";

    memset(large, 'a', sizeof(large));
    refused(*state, SL_LITERAL(""), message);
    refused(*state, SL_LITERAL("first\0"), message);
    refused(*state, SL_LITERAL("\033[2J"), message);
    refused(*state, SL_LITERAL("a/b"), message);
    refused(*state, SL_BYTES(large, sizeof(large)), message);
}

/* holds: kv-24 */
static void test_a_dropped_handle_is_dead(void **state)
{
    uint32_t first = open_bucket(*state, "first");

    sl_instance_drop(*state, first);
    assert_null(service_of(*state, first));
    sl_instance_drop(*state, first); /* twice: nothing happens */

    uint32_t next = open_bucket(*state, "second");
    assert_int_not_equal(first, next);
    assert_null(service_of(*state, first));
    sl_instance_drop(*state, first); /* the old one does not drop the new */
    assert_ptr_equal(service_of(*state, next), &second_service);
}

static void test_handles_that_never_were(void **state)
{
    uint32_t first = open_bucket(*state, "first");

    assert_null(service_of(*state, first + 1));
    assert_null(service_of(*state, first + 1024));
    assert_null(service_of(*state, UINT32_MAX));
    sl_instance_drop(*state, UINT32_MAX);
    assert_ptr_equal(service_of(*state, first), &first_service);
}

/* holds: kv-27 lockd-15 mq-34 pubsub-28 sql-54 */
static void test_no_more_than_so_many(void **state)
{
    static uint32_t buckets[SL_INSTANCE_HANDLES_MAX];
    struct sl_error err;
    uint32_t one_more;

    for (size_t i = 0; i < SL_INSTANCE_HANDLES_MAX; i++)
        buckets[i] = open_bucket(*state, "first");
    assert_int_equal(
        sl_instance_open(*state, "kv", SL_LITERAL("first"), &one_more, &err),
        SL_RESOURCE_EXHAUSTED);

    sl_instance_drop(*state, buckets[500]);
    uint32_t reused = open_bucket(*state, "second");
    assert_ptr_equal(service_of(*state, reused), &second_service);
    for (size_t i = 0; i < SL_INSTANCE_HANDLES_MAX; i++)
        assert_ptr_equal(service_of(*state, buckets[i]),
                         i == 500 ? NULL : &first_service);
}

/* The count of uses is cut to what a handle has room for. */
static void test_one_slot_used_very_often(void **state)
{
    uint32_t last = open_bucket(*state, "first");

    for (uint32_t i = 0; i < (1U << 22) + 5; i++) {
        sl_instance_drop(*state, last);
        uint32_t next = open_bucket(*state, "first");
        if (next == last || service_of(*state, next) == NULL)
            fail_msg("use %u", i);
        last = next;
    }
}

/* Handles, what was received, and WASI: together. */
static void test_no_more_than_host_memory(void **state)
{
    struct sl_object object = {.ops = &sl_service_object_ops,
                               .service = (struct sl_service *)&first_service,
                               .bytes = HOST_MEMORY / 2};
    struct sl_error err;
    uint32_t first, next;

    assert_int_equal(sl_instance_add(*state, &object, &first, &err), SL_OK);
    assert_int_equal(sl_instance_add(*state, &object, &next, &err),
                     SL_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "raise host-memory"));
    assert_true(sl_instance_hold(*state, HOST_MEMORY / 4, 1000));
    assert_int_equal(instances.held, 512 + HOST_MEMORY / 2 + HOST_MEMORY / 4);
    assert_false(sl_instance_hold(*state, HOST_MEMORY / 4, HOST_MEMORY / 4));
    assert_int_equal(instances.refused, 2);

    /* The arguments of a call that waits: beside more than the half. */
    assert_int_equal(sl_instance_may_call(*state, HOST_MEMORY / 2, &err),
                     SL_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "raise host-memory"));
    assert_int_equal(sl_instance_may_call(*state, 0, &err), SL_OK);
    assert_int_equal(instances.refused, 3);
    /* So is an answer. */
    assert_true(sl_instance_answers_max(*state) > 0);
    assert_true(sl_instance_answers_max(*state) < HOST_MEMORY / 2);

    sl_instance_drop(*state, first);
    assert_int_equal(instances.held, HOST_MEMORY / 4);
    assert_true(sl_instance_hold(*state, 0, 0));
    assert_int_equal(sl_instance_answers_max(*state), 0);
    assert_int_equal(sl_instance_may_call(*state, 10 * HOST_MEMORY, &err),
                     SL_OK);
    assert_int_equal(sl_instance_add(*state, &object, &first, &err), SL_OK);
    tear_down(state);
    assert_int_equal(instances.held, 0);
    set_up(state);
}

static void test_instances_share_nothing(void **state)
{
    void *other = sl_instance_new(&grants);
    uint32_t first = open_bucket(*state, "first");

    assert_null(service_of(other, first));
    sl_instance_free(other);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_handle_is_a_store),
        CASE(test_opening_asks_nobody),
        CASE(test_only_what_is_granted),
        CASE(test_names_that_are_none),
        CASE(test_a_dropped_handle_is_dead),
        CASE(test_handles_that_never_were),
        CASE(test_no_more_than_so_many),
        CASE(test_one_slot_used_very_often),
        CASE(test_no_more_than_host_memory),
        CASE(test_instances_share_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
