/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.redis under faults, with a real server: the guest's call gets a typed
 * error by its deadline, and the next one works once the cause is gone.
 */
#include "faults/kv_faults.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define GIVE                                                                   \
    {"acl setuser worker reset on '>pw' '~own:*' +get +set +exists +scan"}

static const struct fault_right rights[] = {
    {.give = GIVE,
     .take = {"acl setuser worker -set"},
     .status = SL_PERMISSION_DENIED,
     .says = "access rules"},
    {.give = GIVE,
     .take = {"acl setuser worker resetkeys '~other:*'"},
     .status = SL_PERMISSION_DENIED,
     .says = "access rules"},
    {.give = GIVE,
     .take = {"acl deluser worker"},
     .status = SL_UNAUTHENTICATED,
     .says = "",
     .cuts = true},
    {.take = {NULL}},
};

const struct fault_driver fault_driver = {
    .name = "kv.redis",
    .service = &fault_redis,
    KV_FAULT_HOOKS,
    .more_of_worker = "prefix = \"own:\"",
    .rights = rights,
};

/* What may be read may not be written. */
static void a_right_to_read_is_none_to_write(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("url = \"redis://reader:pw@127.0.0.1:%d\"\n"
                                 "prefix = \"own:\"",
                                 fault_port);
    struct test_store store;

    (void)state;
    fault_tell("acl setuser reader on '>pw' '~own:*' +get +exists +scan");
    fault_open(&store, "kv.redis", settings);
    assert_status(kv_do(&store, SL_KV_GET, "k", "", NULL), SL_OK);
    assert_status(kv_set(&store, "k"), SL_PERMISSION_DENIED);
    fault_tell("acl deluser reader");
    assert_status(kv_do(&store, SL_KV_GET, "k", "", NULL), SL_UNAUTHENTICATED);
    test_store_done(&store);
}

static void a_database_that_is_not_there(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("url = \"redis://:%s@127.0.0.1:%d/4000\"",
                                 TEST_SERVER_PASSWORD, fault_port);

    (void)state;
    fault_first_write_is(settings, SL_INVALID_ARGUMENT, "no such database");
}

static void a_replica_takes_no_writes(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "retry.attempts = 1");
    fault_tell("replicaof 127.0.0.1 1");
    assert_status(kv_set(&store, "k"), SL_UNAVAILABLE);
    fault_tell("replicaof no one");
    assert_status(kv_set(&store, "k"), SL_OK);
    test_store_done(&store);
}

static void another_type_is_a_conflict(void **state)
{
    const struct sl_kv_request entry = {
        .verb = SL_KV_GET, .key = SL_LITERAL("list"), .want_version = true};
    struct sl_kv_request set = {.verb = SL_KV_SET,
                                .key = SL_LITERAL("list"),
                                .value = SL_LITERAL("value"),
                                .condition = SL_KV_VERSION,
                                .version = SL_LITERAL("1"),
                                .want_version = true};
    const struct sl_kv_request delete = {.verb = SL_KV_DELETE,
                                         .key = SL_LITERAL("list"),
                                         .condition = SL_KV_VERSION,
                                         .version = SL_LITERAL("1")};
    const struct sl_kv_request keys = {
        .verb = SL_KV_KEYS, .key = SL_LITERAL("list"), .limit = 10};
    struct sl_kv_answer answer;
    struct test_store store;

    (void)state;
    fault_tell("rpush list a b");
    fault_tell("rpush list2 a b");
    fault_open_own(&store, NULL, "");
    /* holds: kv-61 types-5 */
    assert_status(kv_do(&store, SL_KV_GET, "list", "", NULL), SL_CONFLICT);
    assert_status(kv_do(&store, SL_KV_INCREMENT, "list", "", NULL),
                  SL_CONFLICT);
    fault_call_is(&store, &entry, SL_CONFLICT, "another type");
    fault_call_is(&store, &set, SL_CONFLICT, "another type");
    fault_call_is(&store, &delete, SL_CONFLICT, "another type");
    set.condition = SL_KV_ABSENT;
    fault_call_is(&store, &set, SL_ALREADY_EXISTS, "");
    assert_status(kv_do(&store, SL_KV_EXISTS, "list", "", &answer), SL_OK);
    assert_true(answer.found);
    assert_int_equal(sl_service_do(store.service, NULL, &keys, 1, &answer),
                     SL_OK);
    assert_int_equal(answer.key_count, 0);
    sl_kv_answer_done(&answer);
    assert_status(kv_set(&store, "list"), SL_OK);
    assert_status(kv_do(&store, SL_KV_GET, "list", "", &answer), SL_OK);
    assert_status(kv_do(&store, SL_KV_DELETE, "list2", "", &answer), SL_OK);
    assert_true(answer.found);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KV_FAULT_CASES,
        FAULT_TWO_PORTS_CASE,
        cmocka_unit_test(a_right_to_read_is_none_to_write),
        cmocka_unit_test(a_database_that_is_not_there),
        cmocka_unit_test(a_replica_takes_no_writes),
        cmocka_unit_test(another_type_is_a_conflict),
    };

    return cmocka_run_group_tests_name("faults.kv.redis", tests, fault_start,
                                       fault_stop);
}
