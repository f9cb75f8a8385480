/* SPDX-License-Identifier: Apache-2.0 */
/* The bad days that are the same for each driver whose requests are scripts. */
#include "faults/redis_shared.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct test_server redis_server;
int redis_port;

int redis_start(void **state)
{
    (void)state;
    test_server_start(&redis_server, "redis", "server");
    redis_port = test_server_port(&redis_server, "SL_TEST_REDIS_PORT");
    return 0;
}

int redis_stop(void **state)
{
    (void)state;
    test_server_stop(&redis_server);
    return 0;
}

void redis_write_settings(char *settings, size_t size, int port,
                          const char *more)
{
    snprintf(settings, size,
             "url = \"redis://:%s@127.0.0.1:%d\"\n%s = \"own\"\n%s\n",
             TEST_SERVER_PASSWORD, port, redis_kind.name, more);
}

void redis_open(struct test_store *store, const struct proxy *proxy,
                const char *more)
{
    char settings[512];

    redis_write_settings(settings, sizeof(settings),
                         proxy == NULL ? redis_port : proxy_port(proxy), more);
    fault_open(store, redis_kind.driver, settings);
}

static const void *next_request(void)
{
    static int number;

    return redis_kind.request(++number);
}

static void works(struct test_store *store)
{
    fault_call_is(store, next_request(), SL_OK, "");
}

static void first_call_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    char with_name[640];

    snprintf(with_name, sizeof(with_name), "%s\n%s = \"own\"\n", settings,
             redis_kind.name);
    fault_first_call_is(redis_kind.driver, with_name, next_request(), expected,
                        says);
}

static void tell(const char *words)
{
    assert_true(test_server_tell(&redis_server, words));
}

/* --- Who may do what ---------------------------------------------------- */

void redis_wrong_credentials(void **state)
{
    char url[256];

    (void)state;
    snprintf(url, sizeof(url), "url = \"redis://:wrong@127.0.0.1:%d\"",
             redis_port);
    first_call_is(url, SL_UNAUTHENTICATED, "password is wrong");
    snprintf(url, sizeof(url), "url = \"redis://nobody:x@127.0.0.1:%d\"",
             redis_port);
    first_call_is(url, SL_UNAUTHENTICATED, "user or the password");
    snprintf(url, sizeof(url), "url = \"redis://127.0.0.1:%d\"", redis_port);
    first_call_is(url, SL_UNAUTHENTICATED, "set a password");
}

/* With no more rights than its page says. */
static void make_user(const char *keys)
{
    char words[512];

    snprintf(words, sizeof(words),
             "acl setuser worker reset on '>pw' '%s' +auth +select +info "
             "'+script|load' +evalsha '+client|setname' %s",
             keys, redis_kind.rights);
    tell(words);
}

void redis_access_rules_hold(void **state)
{
    char settings[256];
    struct test_store store;

    (void)state;
    snprintf(settings, sizeof(settings),
             "url = \"redis://127.0.0.1:%d\"\nuser = \"worker\"\n"
             "password = \"pw\"\n%s = \"own\"",
             redis_port, redis_kind.name);
    make_user("~{own}:*");
    fault_open(&store, redis_kind.driver, settings);
    works(&store);
    make_user("~{other}:*");
    fault_call_is(&store, next_request(), SL_PERMISSION_DENIED, "access rules");

    /* Revoked while connected: the server ends the connection. */
    make_user("~{own}:*");
    works(&store);
    tell("acl deluser worker");
    fault_call_is(&store, next_request(), SL_UNAUTHENTICATED, "");
    make_user("~{own}:*");
    works(&store);
    test_store_done(&store);
    tell("acl setuser worker -time -incr -xadd -get");
    fault_first_call_is(redis_kind.driver, settings, next_request(),
                        SL_PERMISSION_DENIED, "access rules");
    tell("acl setuser worker '-script|load'");
    fault_first_call_is(redis_kind.driver, settings, next_request(),
                        SL_PERMISSION_DENIED, "access rules");
    tell("acl deluser worker");
}

static void tls_first_call(const char *certificate, const char *host,
                           const char *ca, enum sl_status expected,
                           const char *says)
{
    struct test_server own;
    char settings[512];

    test_server_start(&own, "redis", certificate);
    snprintf(settings, sizeof(settings),
             "url = \"rediss://:%s@%s:%d\"\nca = \"%s/certs/%s\"\n",
             TEST_SERVER_PASSWORD, host,
             test_server_port(&own, "SL_TEST_REDIS_TLS_PORT"), own.folder, ca);
    first_call_is(settings, expected, says);
    test_server_stop(&own);
}

void redis_only_the_right_certificate(void **state)
{
    (void)state;
    tls_first_call("server", "localhost", "ca.pem", SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "not for localhost");
    tls_first_call("server", "localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   "not trusted");
}

/* --- A server that goes away, or says no -------------------------------- */

void redis_restarted_is_found_again(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "");
    works(&store);
    test_server_kill(&redis_server);
    fault_call_is(&store, next_request(), SL_UNAVAILABLE, "127.0.0.1");
    test_server_restart(&redis_server);
    works(&store);
    test_store_done(&store);
}

void redis_stalled_times_out(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);
    struct test_store store;

    (void)state;
    /* One connection, so that it is an open one that stalls. */
    redis_open(&store, proxy, "timeout = \"300ms\"\nconnections = 1");
    works(&store);
    proxy_stall(proxy, true);
    fault_call_is(&store, next_request(), SL_TIMEOUT, "");
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    works(&store);
    proxy_delay(proxy, 20);
    works(&store);
    test_store_done(&store);
    proxy_free(proxy);
}

void redis_a_replica_takes_no_writes(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "retry.attempts = 1");
    works(&store);
    tell("replicaof 127.0.0.1 1");
    fault_call_is(&store, next_request(), SL_UNAVAILABLE, "replica");
    tell("replicaof no one");
    works(&store);
    test_store_done(&store);
}

void redis_forgotten_scripts_are_loaded(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "connections = 1");
    works(&store);
    tell("script flush");
    works(&store);
    test_store_done(&store);
}

/* Neither a conflict, which a guest would take for its own, nor lost. */
void redis_other_keys_are_internal(void **state)
{
    static const char *const keys[] = {"log", "ready", "seq", "token",
                                       "topic:t"};
    struct test_store store;
    char words[64];

    (void)state;
    redis_open(&store, NULL, "");
    tell("flushall");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(words, sizeof(words), "hset '{own}:%s' a b", keys[i]);
        tell(words);
    }
    fault_call_is(&store, next_request(), SL_INTERNAL, "another type");
    tell("flushall");
    works(&store);
    test_store_done(&store);
}

void redis_without_a_file_is_refused(void **state)
{
    struct test_store store;
    char settings[512];

    (void)state;
    tell("config set appendonly no");
    redis_write_settings(settings, sizeof(settings), redis_port, "");
    fault_first_call_is(redis_kind.driver, settings, next_request(),
                        SL_UNSUPPORTED, "durable = false");
    redis_write_settings(settings, sizeof(settings), redis_port,
                         "durable = false");
    fault_open(&store, redis_kind.driver, settings);
    works(&store);
    test_store_done(&store);
    tell("config set appendonly yes");
}
