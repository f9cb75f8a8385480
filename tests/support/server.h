/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real server of a test's own, to be killed and started again: started by
 * tests/services/NAME.sh, in a folder of its own.  Anything that does not work
 * ends the test; however that ends, the server ends with it.
 */
#ifndef TEST_SUPPORT_SERVER_H
#define TEST_SUPPORT_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

/* Of every service's administrator: in no message. */
#define TEST_SERVER_PASSWORD "slight-test-password"

struct test_server {
    const char *name; /* "redis" */
    const char *certificate;
    char folder[64]; /* data, log, certs/ */
    pid_t watcher;   /* a process that ends the server with the test */
    int watched;     /* closed: the watcher acts */
};

/* For what a server is told beforehand; see tests/services/free_port.sh. */
int test_free_port(void);

/*
 * certificate: of tests/services/certs.sh ("server", "other", "expired").  What
 * it acknowledges is on disk.  It answers when this returns.
 */
void test_server_start(struct test_server *server, const char *name,
                       const char *certificate);
/* kill -9; and start once more on the same ports, with the same data. */
void test_server_kill(struct test_server *server);
void test_server_restart(struct test_server *server);
/* End it and remove its folder; where it has ended by itself, the end of its
 * log is shown. */
void test_server_stop(struct test_server *server);

/* Run the service's own client with these words of a shell.  False: it failed.
 */
bool test_server_tell(const struct test_server *server, const char *words);

/* What it says of itself ("SL_TEST_REDIS_PORT"): the value is copied to text.
 */
void test_server_value(const struct test_server *server, const char *variable,
                       char *text, size_t size);
int test_server_port(const struct test_server *server, const char *variable);

#endif
