/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.zookeeper under faults, with real servers: the guest's call gets a
 * typed error by its deadline, the next one works once the cause is gone, and
 * no lock has two holders.
 */
#include "faults/lockd_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

const struct fault_driver fault_driver = {
    .name = "lockd.zookeeper",
    .service = &fault_zookeeper,
    LOCKD_FAULT_HOOKS,
    .knows_when_lost = true,
};

/* --- Who may do what ------------------------------------------------------ */

/* Revoked while connected, and while a lock is held. */
static void an_acl_that_is_revoked(void **state)
{
    const struct terms terms = {"k", 10000, 0, true};
    const struct sl_lockd_request again = lock_request_of(terms);
    const struct terms patient = {"k", 10000, 600000, true};
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "path = \"/revoked\"");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    fault_tell("setAcl /slight-test/revoked/k world:anyone:r");
    fault_call_is(&store, &again, SL_PERMISSION_DENIED, "ACL forbids");
    /* Its own node is its own: renewed, but not to be deleted. */
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RELEASE),
                  SL_PERMISSION_DENIED);
    fault_tell("setAcl /slight-test/revoked/k world:anyone:cdrwa");
    sl_lock_free(lock);
    lock_must_release(&store, lock_must_acquire(&store, patient));
    test_store_done(&store);
}

/* --- Certificates --------------------------------------------------------- */

static void a_client_shows_its_certificate(void **state)
{
    struct test_server own;

    (void)state;
    setenv("SL_TEST_CLIENT_AUTH", "need", 1);
    test_server_start(&own, "zookeeper", "server");
    unsetenv("SL_TEST_CLIENT_AUTH");
    SL_CLEANUP(sl_freep)
    char *shows = sl_asprintf("cert = \"%s/certs/server.pem\"\n"
                              "key = \"%s/certs/server.key\"",
                              own.folder, own.folder);
    SL_CLEANUP(sl_freep)
    char *with = fault_tls_settings(&own, "localhost", "ca.pem", shows);
    SL_CLEANUP(sl_freep)
    char *without = fault_tls_settings(&own, "localhost", "ca.pem", "");
    fault_first_write_is(with, SL_OK, "");
    fault_first_write_is(without, SL_UNAVAILABLE, "");
    test_server_stop(&own);
}

/* --- Times to live ------------------------------------------------------ */

/* With the server's default tick of 2 s: sessions of 4 to 40 s. */
/* holds: lockd-8 */
static void a_short_time_to_live_is_rounded_up(void **state)
{
    const struct terms terms = {"short", 1000, 600000, false};
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    assert_int_equal(sl_lock_ttl_ms(lock), 2000);
    struct sl_lock *next = lock_must_acquire(&store, terms);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
    sl_lock_free(next);
    test_store_done(&store);
}

/* Longer than any session lives, which is 10 s with this tick: signs of life
 * keep it, without renewals. */
static void a_long_time_to_live_is_kept(void **state)
{
    const struct terms terms = {"long", 600000, 0, false};
    struct test_server own;
    struct test_store store, other;
    struct sl_lock *next;

    (void)state;
    setenv("SL_TEST_ZOOKEEPER_TICK", "500", 1);
    test_server_start(&own, "zookeeper", "server");
    unsetenv("SL_TEST_ZOOKEEPER_TICK");
    fault_open_at(&store, &own, "");
    fault_open_at(&other, &own, "");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    assert_int_equal(sl_lock_ttl_ms(lock), 600000);
    for (int i = 0; i < 12; i++) {
        usleep(1000000);
        assert_true(sl_lock_is_held(lock));
    }
    assert_status(lock_acquire(&other, terms, &next), SL_CONFLICT);
    lock_must_release(&store, lock);
    test_store_done(&other);
    test_store_done(&store);
    test_server_stop(&own);
}

/* --- An ensemble ---------------------------------------------------------- */

enum { SERVERS = 3 };

struct ensemble {
    struct test_server servers[SERVERS];
    char peers[128];
    char names[128]; /* as a client gets them */
};

static void set_id(const struct ensemble *ensemble, int id)
{
    char text[160];

    snprintf(text, sizeof(text), "%d %s", id, ensemble->peers);
    setenv("SL_TEST_ENSEMBLE", text, 1);
}

static void start_ensemble(struct ensemble *ensemble)
{
    int ports[2 * SERVERS];
    size_t length = 0;

    for (int i = 0; i < 2 * SERVERS; i++)
        ports[i] = test_free_port();
    snprintf(ensemble->peers, sizeof(ensemble->peers), "%d:%d %d:%d %d:%d",
             ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]);
    for (int i = 0; i < SERVERS; i++) {
        set_id(ensemble, i + 1);
        test_server_start(&ensemble->servers[i], "zookeeper", "server");
        length += (size_t)snprintf(
            ensemble->names + length, sizeof(ensemble->names) - length,
            "%s127.0.0.1:%d", i == 0 ? "" : ",",
            test_server_port(&ensemble->servers[i], "SL_TEST_ZOOKEEPER_PORT"));
    }
}

static void kill_each(void *context)
{
    struct ensemble *ensemble = context;

    for (int i = 0; i < SERVERS; i++) {
        usleep(500000);
        test_server_kill(&ensemble->servers[i]);
        usleep(2000000); /* the others go on */
        set_id(ensemble, i + 1);
        test_server_restart(&ensemble->servers[i]);
        usleep(1000000);
    }
}

static void open_ensemble(struct test_store *store,
                          const struct ensemble *ensemble)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        sl_asprintf("servers = \"%s\"\nuser = \"slight\"\npassword = \"%s\"\n"
                    "retry.attempts = 50\n",
                    ensemble->names, TEST_SERVER_PASSWORD);

    fault_open(store, "lockd.zookeeper", settings);
}

/* Each of the servers is killed, the leader among them. */
static void an_ensemble_goes_on(void **state)
{
    const struct terms kept = {"kept", 600000, 0, true};
    struct ensemble ensemble;
    struct test_store stores[2];

    (void)state;
    start_ensemble(&ensemble);
    open_ensemble(&stores[0], &ensemble);
    open_ensemble(&stores[1], &ensemble);
    struct sl_lock *lock = lock_must_acquire(&stores[0], kept);
    lock_take_turns(stores, kill_each, &ensemble);
    assert_status(lock_tell(&stores[0], lock, SL_LOCKD_RENEW), SL_OK);
    assert_true(sl_lock_is_held(lock));
    lock_must_release(&stores[0], lock);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
    unsetenv("SL_TEST_ENSEMBLE");
    for (int i = 0; i < SERVERS; i++)
        test_server_stop(&ensemble.servers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKD_FAULT_CASES,
        FAULT_TWO_PORTS_CASE,
        cmocka_unit_test(an_acl_that_is_revoked),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(a_short_time_to_live_is_rounded_up),
        cmocka_unit_test(a_long_time_to_live_is_kept),
        cmocka_unit_test(an_ensemble_goes_on),
    };

    return cmocka_run_group_tests_name("faults.lockd.zookeeper", tests,
                                       fault_start, fault_stop);
}
