/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A redis-server of a test's own, to be killed and started again.  Anything
 * that does not work ends the test.
 */
#ifndef TEST_SUPPORT_REDIS_SERVER_H
#define TEST_SUPPORT_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#define REDIS_SERVER_PASSWORD "a-test-password"

struct redis_server {
    char folder[64]; /* data, log, certificates */
    int port;
    int tls_port;
    const char *certificate; /* "server", "other", "expired" */
    pid_t pid;
};

/* certificate: of tests/services/certs.sh. Answers when this returns. */
void redis_server_start(struct redis_server *server, const char *certificate);
/* kill -9, and start once more on the same ports, with the same data. */
void redis_server_kill(struct redis_server *server);
void redis_server_restart(struct redis_server *server);
/* End it and remove its folder. */
void redis_server_stop(struct redis_server *server);
/* Run redis-cli with these words. False: it failed. */
bool redis_server_tell(const struct redis_server *server, const char *words);

#endif
