/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.zookeeper on bad days, with real servers: the guest's call gets a typed
 * error by its deadline, the next one works once the cause is gone, and no lock
 * has two holders.
 */
#include "faults/faults.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lockd/driver.h"

static struct test_server server;
static int port;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "zookeeper", "server");
    port = test_server_port(&server, "SL_TEST_ZOOKEEPER_PORT");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

/* --- Stores and locks ----------------------------------------------------- */

#define LOGIN "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"\n"

static void open_at(struct test_store *store, const char *servers,
                    const char *more)
{
    char settings[1024];

    snprintf(settings, sizeof(settings), "servers = \"%s\"\n" LOGIN "%s\n",
             servers, more);
    fault_open(store, "lockd.zookeeper", settings);
}

/* Over the proxy, or straight where that is NULL. */
static void open_store(struct test_store *store, const struct proxy *proxy,
                       const char *more)
{
    char servers[64];

    snprintf(servers, sizeof(servers), "127.0.0.1:%d/slight-test",
             proxy == NULL ? port : proxy_port(proxy));
    open_at(store, servers, more);
}

static struct sl_lockd_request acquire_of(const char *key, uint64_t ttl_ms,
                                          uint64_t wait_ms)
{
    return (struct sl_lockd_request){.verb = SL_LOCKD_ACQUIRE,
                                     .key = sl_bytes_of(key),
                                     .ttl_ms = ttl_ms,
                                     .has_wait = true,
                                     .wait_ms = wait_ms};
}

static enum sl_status acquire(struct test_store *store, const char *key,
                              uint64_t ttl_ms, uint64_t wait_ms, bool keep,
                              struct sl_lock **lock)
{
    struct sl_lockd_request request = acquire_of(key, ttl_ms, wait_ms);
    struct sl_lockd_answer answer;

    request.keep_alive = keep;
    enum sl_status status =
        sl_service_do(store->service, NULL, &request, 1, &answer);
    if (status != SL_OK)
        return status;
    *lock = sl_lock_new(store->service, &request);
    sl_lock_grant(*lock, &answer);
    return SL_OK;
}

static enum sl_status tell_lock(struct test_store *store, struct sl_lock *lock,
                                enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock, verb);
    struct sl_lockd_answer answer;

    enum sl_status status =
        sl_service_do(store->service, NULL, &request, 1, &answer);
    sl_lock_note(lock, verb, &answer);
    return status;
}

static void release(struct test_store *store, struct sl_lock *lock)
{
    assert_int_equal(tell_lock(store, lock, SL_LOCKD_RELEASE), SL_OK);
    sl_lock_free(lock);
}

static void works(struct test_store *store, const char *key)
{
    struct sl_lock *lock = NULL;

    assert_int_equal(acquire(store, key, 2000, 20000, false, &lock), SL_OK);
    release(store, lock);
}

/* Until it is so: 20 seconds at most. */
static bool comes(bool (*is_so)(void *context), void *context)
{
    for (int i = 0; i < 2000 && !is_so(context); i++)
        usleep(10000);
    return is_so(context);
}

static bool is_lost(void *lock)
{
    return !sl_lock_is_held(lock);
}

static void first_call_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    const struct sl_lockd_request request = acquire_of("first", 2000, 0);

    fault_first_call_is("lockd.zookeeper", settings, &request, expected, says);
}

/* --- Who may do what ------------------------------------------------------ */

static void wrong_credentials_are_refused(void **state)
{
    static const struct {
        const char *more;
        enum sl_status status;
        const char *says;
    } cases[] = {
        /* The server checks no digest: it is another user. */
        {"user = \"slight\"\npassword = \"wrong\"", SL_PERMISSION_DENIED,
         "ACL forbids"},
        {"", SL_PERMISSION_DENIED, "ACL forbids"},
        {"auth = \"sasl\"\nuser = \"slight\"\npassword = \"wrong\"",
         SL_UNAUTHENTICATED, "password"},
        {"auth = \"sasl\"\nuser = \"nobody\"\npassword = \"x\"",
         SL_UNAUTHENTICATED, "password"},
        {"auth = \"sasl\"\n" LOGIN, SL_OK, ""},
        {LOGIN, SL_OK, ""},
    };
    char settings[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(settings, sizeof(settings),
                 "servers = \"127.0.0.1:%d/slight-test\"\npath = \"/who%zu\"\n"
                 "%s\n",
                 port, i, cases[i].more);
        first_call_is(settings, cases[i].status, cases[i].says);
    }
}

static void tell(const char *words)
{
    if (!test_server_tell(&server, words))
        fail_msg("%s", words);
}

/* Revoked while connected, and while a lock is held. */
static void an_acl_that_is_revoked(void **state)
{
    const struct sl_lockd_request again = acquire_of("k", 2000, 0);
    struct test_store store;
    struct sl_lock *lock = NULL;

    (void)state;
    open_store(&store, NULL, "path = \"/revoked\"");
    assert_int_equal(acquire(&store, "k", 10000, 0, true, &lock), SL_OK);
    tell("setAcl /slight-test/revoked/k world:anyone:r");
    fault_call_is(&store, &again, SL_PERMISSION_DENIED, "ACL forbids");
    /* Its own node is its own: renewed, but not to be deleted. */
    assert_int_equal(tell_lock(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(tell_lock(&store, lock, SL_LOCKD_RELEASE),
                     SL_PERMISSION_DENIED);
    tell("setAcl /slight-test/revoked/k world:anyone:cdrwa");
    sl_lock_free(lock);
    works(&store, "k");
    test_store_done(&store);
}

/* --- Certificates --------------------------------------------------------- */

static void tls_call(const struct test_server *own, const char *host,
                     const char *more, enum sl_status expected,
                     const char *says)
{
    char settings[1024];

    snprintf(settings, sizeof(settings),
             "servers = \"%s:%d/slight-test\"\ntls = true\n" LOGIN "%s\n", host,
             test_server_port(own, "SL_TEST_ZOOKEEPER_TLS_PORT"), more);
    first_call_is(settings, expected, says);
}

static void tls_first_call(const char *certificate, const char *host,
                           const char *ca, enum sl_status expected,
                           const char *says)
{
    struct test_server own;
    char more[128];

    test_server_start(&own, "zookeeper", certificate);
    snprintf(more, sizeof(more), "ca = \"%s/certs/%s\"", own.folder, ca);
    tls_call(&own, host, more, expected, says);
    test_server_stop(&own);
}

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    tls_first_call("server", "localhost", "ca.pem", SL_OK, "");
    tls_first_call("server", "127.0.0.1", "ca.pem", SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "not for localhost");
    tls_first_call("server", "localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   "not trusted");
    tls_first_call("expired", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "time of the server's certificate");
}

static void a_client_shows_its_certificate(void **state)
{
    struct test_server own;
    char more[512];

    (void)state;
    setenv("SL_TEST_CLIENT_AUTH", "need", 1);
    test_server_start(&own, "zookeeper", "server");
    unsetenv("SL_TEST_CLIENT_AUTH");
    snprintf(more, sizeof(more),
             "ca = \"%s/certs/ca.pem\"\ncert = \"%s/certs/server.pem\"\n"
             "key = \"%s/certs/server.key\"",
             own.folder, own.folder, own.folder);
    tls_call(&own, "localhost", more, SL_OK, "");
    snprintf(more, sizeof(more), "ca = \"%s/certs/ca.pem\"", own.folder);
    tls_call(&own, "localhost", more, SL_UNAVAILABLE, "");
    test_server_stop(&own);
}

static void tls_to_a_plain_port_says_so(void **state)
{
    char settings[512];

    (void)state;
    snprintf(settings, sizeof(settings),
             "servers = \"127.0.0.1:%d\"\ntls = true\nca = "
             "\"%s/certs/ca.pem\"\n" LOGIN
             "timeout = \"1s\"\nretry.attempts = 1",
             port, server.folder);
    first_call_is(settings, SL_UNAVAILABLE, "TLS");
}

/* --- A server that goes away ---------------------------------------------- */

static void a_refused_connection_says_where(void **state)
{
    (void)state;
    first_call_is("servers = \"127.0.0.1:1\"", SL_UNAVAILABLE,
                  "127.0.0.1:1: connection refused");
    first_call_is("servers = \"no-such-host.invalid\"", SL_UNAVAILABLE,
                  "no-such-host.invalid");
}

/* A lock outlives the server, in its session; tokens go on. */
static enum sl_status look(struct test_store *store)
{
    struct sl_error err;

    return sl_service_check(store->service, sl_deadline_in_ms(20000), &err);
}

static void a_restarted_server_is_found_again(void **state)
{
    const struct sl_lockd_request meanwhile = acquire_of("other", 2000, 0);
    struct test_store store;
    struct sl_lock *lock = NULL, *next = NULL;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(acquire(&store, "restart", 20000, 0, true, &lock), SL_OK);
    assert_int_equal(look(&store), SL_OK);
    test_server_kill(&server);
    assert_int_equal(look(&store), SL_UNAVAILABLE);
    fault_call_is(&store, &meanwhile, SL_UNAVAILABLE, "");
    assert_true(sl_lock_is_held(lock));
    test_server_restart(&server);
    assert_int_equal(tell_lock(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(acquire(&store, "restart", 20000, 0, false, &next),
                     SL_CONFLICT);
    uint64_t token = sl_lock_fencing_token(lock);
    release(&store, lock);
    assert_int_equal(acquire(&store, "restart", 20000, 0, false, &next), SL_OK);
    assert_true(sl_lock_fencing_token(next) > token);
    release(&store, next);
    test_store_done(&store);
}

struct waiter {
    struct test_store store;
    pthread_t thread;
    struct sl_lock *lock;
    enum sl_status status;
};

static void *wait_in_line(void *context)
{
    struct waiter *waiter = context;

    waiter->status =
        acquire(&waiter->store, "line", 10000, 60000, false, &waiter->lock);
    return NULL;
}

/* Who waits keeps its place while the server is away. */
static void a_waiter_outlives_the_server(void **state)
{
    struct waiter waiter;
    struct test_store store;
    struct sl_lock *lock = NULL;

    (void)state;
    open_store(&store, NULL, "");
    open_store(&waiter.store, NULL, "");
    assert_int_equal(acquire(&store, "line", 10000, 0, true, &lock), SL_OK);
    assert_int_equal(
        pthread_create(&waiter.thread, NULL, wait_in_line, &waiter), 0);
    usleep(500000);
    test_server_kill(&server);
    usleep(200000);
    test_server_restart(&server);
    assert_true(sl_lock_is_held(lock));
    uint64_t token = sl_lock_fencing_token(lock);
    release(&store, lock);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, SL_OK);
    assert_true(sl_lock_fencing_token(waiter.lock) > token);
    release(&waiter.store, waiter.lock);
    test_store_done(&waiter.store);
    test_store_done(&store);
}

/* --- A connection that stalls --------------------------------------------- */

static void a_stall_ends_the_session(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    const struct sl_lockd_request other = acquire_of("other", 2000, 0);
    struct test_store cut_off, store;
    struct sl_lock *lock = NULL, *next = NULL;

    (void)state;
    assert_non_null(proxy);
    open_store(&cut_off, proxy, "timeout = \"5s\"");
    open_store(&store, NULL, "");
    assert_int_equal(acquire(&cut_off, "stall", 1000, 0, true, &lock), SL_OK);
    proxy_stall(proxy, true);
    struct sl_lockd_answer answer;
    sl_service_do(cut_off.service, NULL, &other, 1, &answer);
    assert_true(answer.err.status == SL_TIMEOUT ||
                answer.err.status == SL_UNAVAILABLE);
    /* Who gets it next does so after it is known to be lost. */
    assert_int_equal(acquire(&store, "stall", 1000, 20000, true, &next), SL_OK);
    assert_false(sl_lock_is_held(lock));
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    works(&cut_off, "after");
    assert_int_equal(tell_lock(&cut_off, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
    release(&store, next);
    test_store_done(&cut_off);
    test_store_done(&store);
    proxy_free(proxy);
}

/* --- Times to live ---------------------------------------------------------
 */

/* With the server's default tick of 2 s: sessions of 4 to 40 s. */
static void a_short_time_to_live_is_rounded_up(void **state)
{
    struct test_store store;
    struct sl_lock *lock = NULL, *next = NULL;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(acquire(&store, "short", 1000, 0, false, &lock), SL_OK);
    assert_int_equal(sl_lock_ttl_ms(lock), 2000);
    assert_int_equal(acquire(&store, "short", 1000, 20000, false, &next),
                     SL_OK);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
    release(&store, next);
    test_store_done(&store);
}

/* Longer than any session lives: signs of life keep it, without renewals. */
static void a_long_time_to_live_is_kept(void **state)
{
    struct test_store store, other;
    struct sl_lock *lock = NULL, *next = NULL;

    (void)state;
    open_store(&store, NULL, "");
    open_store(&other, NULL, "");
    assert_int_equal(acquire(&store, "long", 600000, 0, false, &lock), SL_OK);
    assert_int_equal(sl_lock_ttl_ms(lock), 600000);
    for (int i = 0; i < 45; i++) {
        usleep(1000000);
        assert_true(sl_lock_is_held(lock));
    }
    assert_int_equal(acquire(&other, "long", 1000, 0, false, &next),
                     SL_CONFLICT);
    release(&store, lock);
    test_store_done(&other);
    test_store_done(&store);
}

/* A server that is away for good: lost when the session may be over. */
static void is_held_ends_where_the_server_is_away(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;
    struct sl_lock *lock = NULL;

    (void)state;
    assert_non_null(proxy);
    open_store(&store, proxy, "timeout = \"5s\"");
    assert_int_equal(acquire(&store, "away", 4000, 0, true, &lock), SL_OK);
    proxy_stall(proxy, true);
    assert_true(comes(is_lost, lock));
    sl_lock_free(lock);
    test_store_done(&store);
    proxy_free(proxy);
}

/* --- In the middle of traffic --------------------------------------------- */

/* Who believes to hold the one lock. */
struct arena {
    pthread_mutex_t mutex;
    struct sl_lock *locks[FAULT_WRITERS];
    uint64_t last_token;
};

static struct arena arena = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void enter(int writer, struct sl_lock *lock)
{
    pthread_mutex_lock(&arena.mutex);
    if (sl_lock_is_held(lock)) {
        for (int i = 0; i < FAULT_WRITERS; i++)
            if (arena.locks[i] != NULL && sl_lock_is_held(arena.locks[i])) {
                fprintf(stderr, "two holders\n");
                abort();
            }
        if (sl_lock_fencing_token(lock) <= arena.last_token) {
            fprintf(stderr, "a token that does not grow\n");
            abort();
        }
        arena.last_token = sl_lock_fencing_token(lock);
        arena.locks[writer] = lock;
    }
    pthread_mutex_unlock(&arena.mutex);
}

static void leave(int writer)
{
    pthread_mutex_lock(&arena.mutex);
    arena.locks[writer] = NULL;
    pthread_mutex_unlock(&arena.mutex);
}

static enum sl_status lock_and_release(struct fault_traffic *traffic,
                                       int writer, int number)
{
    struct sl_lock *lock = NULL;

    (void)number;
    enum sl_status status =
        acquire(traffic->store, "contended", 2000, 30000, true, &lock);
    if (status != SL_OK)
        return status == SL_CONFLICT ? SL_UNAVAILABLE : status;
    enter(writer, lock);
    usleep(1000);
    leave(writer);
    status = tell_lock(traffic->store, lock, SL_LOCKD_RELEASE);
    sl_lock_free(lock);
    return status == SL_CONFLICT ? SL_UNAVAILABLE : status; /* it was lost */
}

static void under_traffic(const char *servers, void (*disturb)(void *),
                          void *context)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = lock_and_release};

    arena.last_token = 0;
    open_at(&store, servers, "timeout = \"20s\"");
    fault_traffic_run(&traffic, disturb, context);
    works(&store, "contended");
    test_store_done(&store);
}

static void killed_under_traffic(void **state)
{
    char servers[64];

    (void)state;
    snprintf(servers, sizeof(servers), "127.0.0.1:%d/slight-test", port);
    under_traffic(servers, fault_kill_now_and_then, &server);
}

static void cut_under_traffic(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    char servers[64];

    (void)state;
    assert_non_null(proxy);
    snprintf(servers, sizeof(servers), "127.0.0.1:%d/slight-test",
             proxy_port(proxy));
    under_traffic(servers, fault_cut_now_and_then, proxy);
    proxy_free(proxy);
}

/* --- An ensemble ---------------------------------------------------------- */

enum { SERVERS = 3 };

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

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
        ports[i] = free_port();
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
        usleep(3000000); /* the others go on */
        set_id(ensemble, i + 1);
        test_server_restart(&ensemble->servers[i]);
        usleep(2000000);
    }
}

/* Each of the servers is killed, the leader among them. */
static void an_ensemble_goes_on(void **state)
{
    struct ensemble ensemble;
    struct test_store store;
    struct sl_lock *lock = NULL;

    (void)state;
    start_ensemble(&ensemble);
    open_at(&store, ensemble.names, "timeout = \"30s\"\nretry.attempts = 50");
    assert_int_equal(acquire(&store, "kept", 30000, 0, true, &lock), SL_OK);
    under_traffic(ensemble.names, kill_each, &ensemble);
    assert_int_equal(tell_lock(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_true(sl_lock_is_held(lock));
    release(&store, lock);
    test_store_done(&store);
    unsetenv("SL_TEST_ENSEMBLE");
    for (int i = 0; i < SERVERS; i++)
        test_server_stop(&ensemble.servers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_credentials_are_refused),
        cmocka_unit_test(an_acl_that_is_revoked),
        cmocka_unit_test(only_the_right_certificate_will_do),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(tls_to_a_plain_port_says_so),
        cmocka_unit_test(a_refused_connection_says_where),
        cmocka_unit_test(a_restarted_server_is_found_again),
        cmocka_unit_test(a_waiter_outlives_the_server),
        cmocka_unit_test(a_stall_ends_the_session),
        cmocka_unit_test(a_short_time_to_live_is_rounded_up),
        cmocka_unit_test(a_long_time_to_live_is_kept),
        cmocka_unit_test(is_held_ends_where_the_server_is_away),
        cmocka_unit_test(killed_under_traffic),
        cmocka_unit_test(cut_under_traffic),
        cmocka_unit_test(an_ensemble_goes_on),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
