/* SPDX-License-Identifier: Apache-2.0 */
/* lockd.zookeeper without a server: sessions, queues, names of nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockd/zookeeper/nodes.h"

#define ID "0123456789abcdef0123456789abcdef"

static struct sl_lockd_zookeeper_store *new_store(void)
{
    struct sl_zk_ensemble ensemble = {.count = 0};
    const struct sl_zk_options options = {.servers = "localhost:1/chroot",
                                          .auth = "digest"};
    struct sl_error err;

    assert_int_equal(sl_zk_ensemble_init(&ensemble, &options, &err), SL_OK);
    return sl_lockd_zookeeper_store_new(&ensemble, "/locks");
}

/* Whatever the servers' ticks are, a lock is kept for less than its session
 * lives, by a third or a quarter and a second. */
static void a_session_outlives_what_it_keeps(void **state)
{
    struct sl_zk_session session = {.timeout_ms = 0};

    (void)state;
    for (session.timeout_ms = 100; session.timeout_ms < 6000000;
         session.timeout_ms += 97) {
        int64_t kept = (int64_t)sl_lockd_zookeeper_guaranteed_ms(&session);
        assert_true(kept > 0);
        assert_true(session.timeout_ms - kept >= session.timeout_ms / 3);
    }
    session.timeout_ms = 4000; /* two ticks, the default */
    assert_int_equal(sl_lockd_zookeeper_guaranteed_ms(&session), 2000);
    session.timeout_ms = 40000; /* twenty */
    assert_int_equal(sl_lockd_zookeeper_guaranteed_ms(&session), 26666);
}

static void every_time_to_live_has_its_session(void **state)
{
    struct sl_lockd_zookeeper_store *store = new_store();

    (void)state;
    for (uint64_t ttl = SL_LOCKD_TTL_MIN_MS; ttl <= SL_LOCKD_TTL_MAX_MS;
         ttl += 499) {
        unsigned slot = sl_lockd_zookeeper_session_for(store, ttl);
        assert_true(slot < SL_LOCKD_ZOOKEEPER_SESSIONS);
        struct sl_zk_session as_asked = {.timeout_ms =
                                             store->sessions[slot].asked_ms};
        assert_true(sl_lockd_zookeeper_guaranteed_ms(&as_asked) >= ttl);
    }
    sl_lockd_zookeeper_store_free(store);
}

/* A session is shared where the servers make the same of what is asked. */
static void sessions_are_shared(void **state)
{
    struct sl_lockd_zookeeper_store *store = new_store();

    (void)state;
    unsigned slot = sl_lockd_zookeeper_session_for(store, 1000);
    store->sessions[slot].id = 7;
    store->sessions[slot].timeout_ms = store->least_ms = 4000;
    assert_int_equal(sl_lockd_zookeeper_session_for(store, 2000), slot);
    assert_int_not_equal(sl_lockd_zookeeper_session_for(store, 2001), slot);
    slot = sl_lockd_zookeeper_session_for(store, 60000);
    store->sessions[slot].id = 8;
    store->sessions[slot].timeout_ms = store->most_ms = 40000;
    assert_int_equal(sl_lockd_zookeeper_session_for(store, 30000), slot);
    assert_int_equal(sl_lockd_zookeeper_session_for(store, 3600000), slot);
    sl_lockd_zookeeper_store_free(store);
}

static void keys_become_names(void **state)
{
    struct sl_lockd_zookeeper_store *store = new_store();
    const struct {
        struct sl_bytes key;
        const char *path;
    } cases[] = {
        {SL_LITERAL("order_7-A"), "/chroot/locks/order_7-A"},
        {SL_LITERAL("a/b"), "/chroot/locks/a%2Fb"},
        {SL_LITERAL(".."), "/chroot/locks/%2E%2E"},
        {SL_LITERAL("%2F"), "/chroot/locks/%252F"},
        {SL_LITERAL("\x01\xc3\xa4 "), "/chroot/locks/%01%C3%A4%20"},
    };
    static char longest[SL_LOCKD_KEY_MAX];

    (void)state;
    memset(longest, '/', sizeof(longest));
    for (size_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        bool last = i == sizeof(cases) / sizeof(cases[0]);
        SL_CLEANUP(sl_buf_done)
        struct sl_buf path = SL_BUF(SL_LOCKD_ZOOKEEPER_PATH_MAX);
        assert_int_equal(
            sl_lockd_zookeeper_queue_path(
                store, last ? SL_BYTES(longest, sizeof(longest)) : cases[i].key,
                &path, NULL),
            SL_OK);
        if (!last)
            assert_true(sl_bytes_equal(sl_buf_bytes(&path),
                                       sl_bytes_of(cases[i].path)));
    }
    sl_lockd_zookeeper_store_free(store);
}

static void names_have_numbers(void **state)
{
    int32_t sequence = 0;

    (void)state;
    assert_true(sl_lockd_zookeeper_parse_sequence(SL_LITERAL(ID "-0000000012"),
                                                  &sequence));
    assert_int_equal(sequence, 12);
    assert_true(sl_lockd_zookeeper_parse_sequence(SL_LITERAL(ID "-2147483647"),
                                                  &sequence));
    assert_int_equal(sequence, INT32_MAX);
    assert_true(sl_lockd_zookeeper_parse_sequence(SL_LITERAL(ID "--2147483648"),
                                                  &sequence));
    assert_int_equal(sequence, INT32_MIN);
    assert_false(sl_lockd_zookeeper_parse_sequence(SL_LITERAL(""), &sequence));
    assert_false(sl_lockd_zookeeper_parse_sequence(
        SL_LITERAL("lock-0000000012"), &sequence));
    assert_false(sl_lockd_zookeeper_parse_sequence(SL_LITERAL(ID "-00000000x2"),
                                                   &sequence));
    assert_false(
        sl_lockd_zookeeper_parse_sequence(SL_LITERAL(ID "-1"), &sequence));
    assert_false(sl_lockd_zookeeper_parse_sequence(
        SL_LITERAL(ID "-0000000000000000000000000000000000000001"), &sequence));
    assert_int_equal(sequence, INT32_MIN);
}

static struct sl_lockd_zookeeper_queue
queue_of(const char *own, int32_t sequence, const char *const names[])
{
    struct sl_lockd_zookeeper_queue queue = {.name = own, .sequence = sequence};

    for (; *names != NULL; names++)
        sl_lockd_zookeeper_queue_add(&queue, sl_bytes_of(*names));
    return queue;
}

static void the_predecessor_is_watched(void **state)
{
    static const char *const names[] = {
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0000000003", "not one of ours",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-0000000001", ID "-0000000004",
        "cccccccccccccccccccccccccccccccc-0000000009", NULL,
    };
    static const char *const around[] = {
        ID "--2147483648",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2147483647",
        NULL,
    };

    (void)state;
    struct sl_lockd_zookeeper_queue queue =
        queue_of(ID "-0000000004", 4, names);
    assert_true(queue.found);
    assert_string_equal(queue.ahead, names[0]);
    queue = queue_of("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-0000000001", 1, names);
    assert_true(queue.found);
    assert_string_equal(queue.ahead, "");
    queue = queue_of(ID "-0000000005", 5, names);
    assert_false(queue.found);
    /* Numbers go around. */
    queue = queue_of(ID "--2147483648", INT32_MIN, around);
    assert_string_equal(queue.ahead, around[1]);
}

static void nodes_are_found(void **state)
{
    struct sl_lockd_zookeeper_store *store = new_store();
    struct sl_lockd_zookeeper_node *nodes[3000];

    (void)state;
    for (size_t i = 0; i < 3000; i++) {
        nodes[i] =
            sl_lockd_zookeeper_node_new(store, i % 2, SL_LITERAL("/line"));
        snprintf(nodes[i]->name, SL_LOCKD_ZOOKEEPER_NAME_SIZE, "%s-%010zu",
                 nodes[i]->id, i);
    }
    for (size_t i = 0; i < 3000; i++) {
        assert_ptr_equal(sl_lockd_zookeeper_node_find(store, nodes[i]->ticket),
                         nodes[i]);
        assert_ptr_equal(
            sl_lockd_zookeeper_node_find_named(
                store, sl_bytes_of(nodes[i]->name), SL_LITERAL("/line")),
            nodes[i]);
        assert_null(sl_lockd_zookeeper_node_find_named(
            store, sl_bytes_of(nodes[i]->name), SL_LITERAL("/other")));
    }
    /* A session that is over takes its own with it. */
    int64_t gone = nodes[1]->ticket, left = nodes[0]->ticket;
    sl_lockd_zookeeper_store_expire(store, 1);
    assert_null(sl_lockd_zookeeper_node_find(store, gone));
    assert_non_null(sl_lockd_zookeeper_node_find(store, left));
    assert_int_equal(store->counts[0], 1500);
    assert_int_equal(store->counts[1], 0);
    sl_lockd_zookeeper_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_outlives_what_it_keeps),
        cmocka_unit_test(every_time_to_live_has_its_session),
        cmocka_unit_test(sessions_are_shared),
        cmocka_unit_test(keys_become_names),
        cmocka_unit_test(names_have_numbers),
        cmocka_unit_test(the_predecessor_is_watched),
        cmocka_unit_test(nodes_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
