/* SPDX-License-Identifier: Apache-2.0 */
/* The faults that are the same for every driver. */
#include "faults/driver.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

struct test_server fault_server;
int fault_port;

/* Where one program is of two services that are the same to it. */
static const char *service_name(void)
{
    const char *other = getenv("SL_TEST_SERVER");

    return other != NULL ? other : fault_driver.service->name;
}

int fault_stop(void **state)
{
    (void)state;
    test_server_stop(&fault_server);
    return 0;
}

static int port_called(const struct test_server *server, const char *suffix)
{
    char variable[64];

    snprintf(variable, sizeof(variable), "SL_TEST_%s_%s", server->name, suffix);
    for (char *c = variable; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return test_server_port(server, variable);
}

int fault_port_of(const struct test_server *server)
{
    return port_called(server, "PORT");
}

int fault_tls_port_of(const struct test_server *server)
{
    return port_called(server,
                       fault_driver.service->two_ports ? "TLS_PORT" : "PORT");
}

/* --- Settings and resources --------------------------------------------- */

static char *complete(const struct fault_login *login, const char *more)
{
    SL_CLEANUP(sl_freep) char *settings = fault_driver.service->settings(login);

    return sl_asprintf("%s\n%s\n", settings, more != NULL ? more : "");
}

static char *settings_at(const struct test_server *server, int port,
                         const char *more)
{
    const struct fault_service *service = fault_driver.service;
    SL_CLEANUP(sl_freep)
    char *ca = sl_asprintf("%s/certs/ca.pem", server->folder);

    /* Where one port is for both, it is TLS that is tried. */
    return complete(&(struct fault_login){.host = service->two_ports
                                                      ? "127.0.0.1"
                                                      : "localhost",
                                          .port = port,
                                          .ca = service->two_ports ? NULL : ca,
                                          .user = service->user,
                                          .password = TEST_SERVER_PASSWORD},
                    more);
}

char *fault_settings(const struct proxy *proxy, const char *more)
{
    return settings_at(&fault_server,
                       proxy == NULL ? fault_port : proxy_port(proxy), more);
}

char *fault_tls_settings(const struct test_server *server, const char *host,
                         const char *ca, const char *more)
{
    SL_CLEANUP(sl_freep)
    char *path = sl_asprintf("%s/certs/%s", server->folder, ca);

    return complete(&(struct fault_login){.host = host,
                                          .port = fault_tls_port_of(server),
                                          .ca = path,
                                          .user = fault_driver.service->user,
                                          .password = TEST_SERVER_PASSWORD},
                    more);
}

/* With what the driver always has; frees the settings. */
static char *of_driver(char *settings)
{
    char *all =
        sl_asprintf("%s\n%s\n", settings,
                    fault_driver.settings != NULL ? fault_driver.settings : "");

    free(settings);
    return all;
}

static void open_with(struct test_store *store, char *settings)
{
    SL_CLEANUP(sl_freep) char *all = of_driver(settings);

    fault_open(store, fault_driver.name, all);
}

void fault_open_own(struct test_store *store, const struct proxy *proxy,
                    const char *more)
{
    open_with(store, fault_settings(proxy, more));
}

void fault_open_port(struct test_store *store, int port, const char *more)
{
    open_with(store, settings_at(&fault_server, port, more));
}

void fault_open_at(struct test_store *store, const struct test_server *server,
                   const char *more)
{
    open_with(store, settings_at(server, fault_port_of(server), more));
}

static void prepare(const struct test_server *server)
{
    struct test_store store;

    if (fault_driver.prepare == NULL)
        return;
    fault_open_at(&store, server, "");
    fault_driver.prepare(&store);
    test_store_done(&store);
}

int fault_start(void **state)
{
    (void)state;
    test_server_start(&fault_server, service_name(), "server");
    fault_port = fault_port_of(&fault_server);
    prepare(&fault_server);
    return 0;
}

/* --- Calls -------------------------------------------------------------- */

static const void *next_write(void)
{
    static _Atomic int number;

    return fault_driver.write(atomic_fetch_add(&number, 1) + 1);
}

void fault_first_write_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    SL_CLEANUP(sl_freep) char *all = of_driver(sl_strdup(settings));

    fault_first_call_is(fault_driver.name, all, next_write(), expected, says);
}

static void first_write_is(char *settings, enum sl_status expected,
                           const char *says)
{
    fault_first_write_is(settings, expected, says);
    free(settings);
}

void fault_works(struct test_store *store)
{
    fault_call_is(store, next_write(), SL_OK, "");
}

void fault_works_soon(struct test_store *store)
{
    fault_call_soon_is(store, next_write(), SL_OK, "");
}

void fault_tell(const char *fmt, ...)
{
    char words[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    if (!test_server_tell(&fault_server, words))
        fail_msg("the server does not take: %s", words);
}

/* --- Who may do what ---------------------------------------------------- */

/* holds: types-1 types-9 */
void fault_case_credentials(void **state)
{
    const struct fault_service *service = fault_driver.service;

    (void)state;
    for (size_t i = 0; i < FAULT_TRIES && service->tries[i].says != NULL; i++) {
        const struct fault_try *one = &service->tries[i];
        SL_CLEANUP(sl_freep)
        char *ca = sl_asprintf("%s/certs/ca.pem", fault_server.folder);
        const struct fault_login login = {.host = "127.0.0.1",
                                          .port = fault_port,
                                          .ca = service->two_ports ? NULL : ca,
                                          .user = one->user,
                                          .password = one->password};
        first_write_is(complete(&login, one->more), one->status, one->says);
    }
    first_write_is(fault_settings(NULL, ""), SL_OK, "");
}

static void tell_all(const char *const words[])
{
    for (int i = 0; i < FAULT_WORDS && words[i] != NULL; i++)
        fault_tell("%s", words[i]);
}

static void open_as_worker(struct test_store *store)
{
    const struct fault_service *service = fault_driver.service;
    SL_CLEANUP(sl_freep)
    char *ca = sl_asprintf("%s/certs/ca.pem", fault_server.folder);
    const struct fault_login login = {.host = "127.0.0.1",
                                      .port = fault_port,
                                      .ca = service->two_ports ? NULL : ca,
                                      .user = "worker",
                                      .password = "pw"};

    open_with(store, complete(&login, fault_driver.rights != NULL
                                          ? fault_driver.more_of_worker
                                          : service->more_of_worker));
}

static void refused(struct test_store *store, const struct fault_right *right)
{
    enum { CONNECTIONS = 1 }; /* nobody else asks for anything */

    if (right->cuts)
        fault_call_after_cuts_is(store, next_write(), CONNECTIONS,
                                 right->status, right->says);
    else
        fault_call_is(store, next_write(), right->status, right->says);
}

/* holds: types-1 types-8 */
void fault_case_revoked(void **state)
{
    const struct fault_right *right = fault_driver.rights != NULL
                                          ? fault_driver.rights
                                          : fault_driver.service->rights;
    struct test_store store;

    (void)state;
    first_write_is(fault_settings(NULL, ""), SL_OK, ""); /* tables are there */
    assert_non_null(right->take[0]);
    for (; right->take[0] != NULL; right++) {
        tell_all(right->make);
        tell_all(right->give);
        open_as_worker(&store);
        fault_works(&store);
        tell_all(right->take);
        refused(&store, right);
        tell_all(right->give);
        fault_works(&store);
        test_store_done(&store);
        tell_all(right->take);
    }
}

/* --- Certificates ------------------------------------------------------- */

static void certificate_is(const char *host, const char *ca,
                           enum sl_status expected, const char *says)
{
    first_write_is(fault_tls_settings(&fault_server, host, ca, ""), expected,
                   says);
}

static void show(const char *certificate)
{
    test_server_kill(&fault_server);
    fault_server.certificate = certificate;
    test_server_restart(&fault_server);
}

void fault_case_certificates(void **state)
{
    const struct fault_service *service = fault_driver.service;

    (void)state;
    certificate_is("localhost", "ca.pem", SL_OK, "");
    certificate_is("127.0.0.1", "ca.pem", SL_OK, "");
    certificate_is("localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   service->says_not_trusted);
    show("other");
    certificate_is("localhost", "ca.pem", SL_UNAUTHENTICATED,
                   service->says_other_name);
    show("expired");
    certificate_is("localhost", "ca.pem", SL_UNAUTHENTICATED,
                   service->says_expired);
    show("server");
    certificate_is("localhost", "ca.pem", SL_OK, "");
}

void fault_case_two_ports(void **state)
{
    const char *user = fault_driver.service->user;
    SL_CLEANUP(sl_freep)
    char *ca = sl_asprintf("%s/certs/ca.pem", fault_server.folder);
    static const char once[] = "retry.attempts = 1";
    static const char brief[] = "retry.attempts = 1\ntimeout = \"2s\"";
    enum sl_status status = fault_driver.service->plain_status;

    (void)state;
    first_write_is(complete(&(struct fault_login){"127.0.0.1", fault_port, ca,
                                                  user, TEST_SERVER_PASSWORD},
                            status == SL_TIMEOUT ? brief : once),
                   status, "TLS");
    /* And the other way round. */
    first_write_is(
        complete(&(struct fault_login){"127.0.0.1",
                                       fault_tls_port_of(&fault_server), NULL,
                                       user, TEST_SERVER_PASSWORD},
                 once),
        SL_UNAVAILABLE, fault_driver.service->says_tls);
}

/* --- A server that goes away -------------------------------------------- */

/* holds: types-20 */
void fault_case_refused(void **state)
{
    const struct fault_service *service = fault_driver.service;
    SL_CLEANUP(sl_freep)
    char *says = sl_asprintf("127.0.0.1:1%s", service->says_refused);

    (void)state;
    first_write_is(
        complete(&(struct fault_login){.host = "127.0.0.1", .port = 1}, ""),
        SL_UNAVAILABLE, says);
    first_write_is(
        complete(
            &(struct fault_login){.host = "no-such-host.invalid", .port = 1},
            ""),
        SL_UNAVAILABLE, "no-such-host.invalid");
}

static enum sl_status look(struct test_store *store)
{
    struct sl_error err = {0};
    enum sl_status status =
        sl_service_check(store->service, sl_deadline_in_ms(20000), &err);

    fault_note(&err);
    return status;
}

/* holds: types-20 */
void fault_case_restarted(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "");
    fault_works(&store);
    assert_status(look(&store), SL_OK);
    test_server_kill(&fault_server);
    assert_status(look(&store), SL_UNAVAILABLE);
    fault_call_is(&store, next_write(), SL_UNAVAILABLE, "");
    test_server_restart(&fault_server);
    fault_works(&store);
    assert_status(look(&store), SL_OK);
    test_store_done(&store);
}

/* --- Slow, and full ----------------------------------------------------- */

struct proxy *fault_open_stalled(struct test_store *store)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    SL_CLEANUP(sl_freep)
    char *more = sl_asprintf("timeout = \"%s\"\nconnections = 1",
                             fault_driver.service->timeout);

    assert_non_null(proxy);
    fault_open_own(store, proxy, more);
    fault_works_soon(store);
    proxy_stall(proxy, true);
    return proxy;
}

void fault_stalled_done(struct test_store *store, struct proxy *proxy)
{
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    fault_works_soon(store);
    test_store_done(store);
    proxy_free(proxy);
}

/* holds: types-18 */
void fault_case_stalled(void **state)
{
    struct test_store store;

    (void)state;
    struct proxy *proxy = fault_open_stalled(&store);
    fault_call_is(&store, next_write(), SL_TIMEOUT, "");
    /* And one that is being made. */
    fault_call_is(&store, next_write(), SL_TIMEOUT, "");
    fault_stalled_done(&store, proxy);
}

void fault_case_delayed(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    assert_non_null(proxy);
    proxy_delay(proxy, 5);
    fault_open_own(&store, proxy, "");
    for (int i = 0; i < 10; i++)
        fault_works(&store);
    test_store_done(&store);
    proxy_free(proxy);
}

/* A server may tidy up in the background, and have room again for a while
 * (MariaDB's purge of what the refused write left): this writes on, until there
 * is none. */
static void write_until_full(struct test_store *store)
{
    struct sl_error err = {.status = SL_OK};

    for (int i = 0; i < 1000 && err.status == SL_OK; i++)
        err = fault_call(store, next_write());
    assert_status(err.status, fault_driver.service->full_status);
    if (strstr(err.message, fault_driver.service->says_full) == NULL)
        fail_msg("%s", err.message);
}

/* holds: sql-90 types-15 types-16 */
void fault_case_full(void **state)
{
    const struct fault_service *service = fault_driver.service;
    bool of_its_own = service->limit_name != NULL;
    struct test_server own;
    struct test_server *server = of_its_own ? &own : &fault_server;
    struct test_store store;

    (void)state;
    if (of_its_own) {
        setenv(service->limit_name, service->limit, 1);
        test_server_start(&own, service_name(), "server");
        unsetenv(service->limit_name);
        prepare(&own);
    }
    fault_open_at(&store, server, "retry.attempts = 1");
    fault_works(&store);
    if (fault_driver.before_full != NULL)
        fault_driver.before_full(&store);
    if (service->fill != NULL)
        service->fill(server);
    write_until_full(&store);
    write_until_full(&store); /* it is answered again, and the same */
    if (fault_driver.while_full != NULL)
        fault_driver.while_full(&store);
    service->make_room(server);
    fault_works_soon(&store);
    test_store_done(&store);
    if (of_its_own)
        test_server_stop(&own);
}
