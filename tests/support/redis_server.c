/* SPDX-License-Identifier: Apache-2.0 */
/* A redis-server of a test's own. */
#include "support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what)
{
    fprintf(stderr, "redis_server: %s\n", what);
    abort();
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        give_up("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

static void exec_server(const struct redis_server *server)
{
    char port[16], tls_port[16], cert[128], key[128], ca[128];

    snprintf(port, sizeof(port), "%d", server->port);
    snprintf(tls_port, sizeof(tls_port), "%d", server->tls_port);
    snprintf(cert, sizeof(cert), "%s/certs/%s.pem", server->folder,
             server->certificate);
    snprintf(key, sizeof(key), "%s/certs/%s.key", server->folder,
             server->certificate);
    snprintf(ca, sizeof(ca), "%s/certs/ca.pem", server->folder);
    if (chdir(server->folder) != 0)
        _exit(1);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* not longer than the test */
    execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port",
           port, "--tls-port", tls_port, "--tls-cert-file", cert,
           "--tls-key-file", key, "--tls-ca-cert-file", ca,
           "--tls-auth-clients", "no", "--save", "", "--appendonly", "yes",
           "--appendfsync", "always", "--requirepass", REDIS_SERVER_PASSWORD,
           (char *)NULL);
    _exit(1);
}

bool redis_server_tell(const struct redis_server *server, const char *words)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "REDISCLI_AUTH=%s redis-cli --no-auth-warning -e -h 127.0.0.1 "
             "-p %d %s >>%s/cli.log 2>&1",
             REDIS_SERVER_PASSWORD, server->port, words, server->folder);
    return system(command) == 0;
}

void redis_server_restart(struct redis_server *server)
{
    server->pid = fork();
    if (server->pid < 0)
        give_up("cannot fork");
    if (server->pid == 0)
        exec_server(server);
    for (int i = 0; i < 300; i++) {
        if (redis_server_tell(server, "ping"))
            return;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
            give_up("redis-server ended at once; is it installed?");
        usleep(50000);
    }
    give_up("redis-server does not answer");
}

void redis_server_start(struct redis_server *server, const char *certificate)
{
    char command[512];

    memset(server, 0, sizeof(*server));
    snprintf(server->folder, sizeof(server->folder), "%s",
             "/tmp/slight-redis-XXXXXX");
    if (mkdtemp(server->folder) == NULL)
        give_up("no folder");
    snprintf(command, sizeof(command),
             SL_TEST_SERVICE_SCRIPTS "/certs.sh %s/certs", server->folder);
    if (system(command) != 0)
        give_up("no certificates");
    server->certificate = certificate;
    server->port = free_port();
    server->tls_port = free_port();
    redis_server_restart(server);
}

void redis_server_kill(struct redis_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}

void redis_server_stop(struct redis_server *server)
{
    char command[128];

    redis_server_kill(server);
    snprintf(command, sizeof(command), "rm -rf %s", server->folder);
    if (system(command) != 0)
        give_up("cannot remove the folder");
}
