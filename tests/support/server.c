/* SPDX-License-Identifier: Apache-2.0 */
/* A real server of a test's own. */
#include "support/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const struct test_server *server, const char *what)
{
    fprintf(stderr, "%s: %s\n", server->name, what);
    abort();
}

/* NAME.sh VERB FOLDER WORDS, and whether it succeeded. */
static bool script(const struct test_server *server, const char *verb,
                   const char *words)
{
    char command[4096];

    int len =
        snprintf(command, sizeof(command),
                 SL_TEST_SERVICE_SCRIPTS "/%s.sh %s %s %s >>%s/script.log 2>&1",
                 server->name, verb, server->folder, words, server->folder);
    if (len < 0 || (size_t)len >= sizeof(command))
        give_up(server, "too many words");
    return system(command) == 0;
}

static void must(const struct test_server *server, const char *verb)
{
    char command[128];

    if (script(server, verb, ""))
        return;
    snprintf(command, sizeof(command), "tail -n 30 %s/script.log >&2",
             server->folder);
    if (system(command) != 0)
        fprintf(stderr, "no %s/script.log\n", server->folder);
    give_up(server, verb);
}

/* Of one that has ended by itself, for whoever looks into why a test failed. */
static void show_its_end(const struct test_server *server)
{
    char command[256];

    snprintf(command, sizeof(command),
             SL_TEST_SERVICE_SCRIPTS "/%s.sh ended %s >&2", server->name,
             server->folder);
    if (system(command) != 0)
        fprintf(stderr, "%s: nobody knows how it ended\n", server->name);
}

/* In a process of its own: until the test is over, however. */
static void watch(const struct test_server *server, int watched)
{
    enum { OWN = 3 };
    char byte, command[128];

    /* No end of another server's pipe is kept open by this process. */
    if (dup2(watched, OWN) < 0 || close_range(OWN + 1, ~0U, 0) != 0)
        _exit(1);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    while (read(OWN, &byte, 1) > 0)
        ;
    show_its_end(server);
    (void)script(server, "stop", "");
    snprintf(command, sizeof(command), "rm -rf %s", server->folder);
    _exit(system(command) == 0 ? 0 : 1);
}

static void start_watcher(struct test_server *server)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up(server, "no pipe");
    server->watcher = fork();
    if (server->watcher < 0)
        give_up(server, "cannot fork");
    if (server->watcher == 0) {
        close(ends[1]);
        watch(server, ends[0]);
    }
    close(ends[0]);
    server->watched = ends[1];
}

int test_free_port(void)
{
    FILE *script = popen(SL_TEST_SERVICE_SCRIPTS "/free_port.sh", "re");
    int port = 0;

    if (script == NULL || fscanf(script, "%d", &port) != 1 ||
        pclose(script) != 0) {
        fprintf(stderr, "there is no free port\n");
        abort();
    }
    return port;
}

void test_server_start(struct test_server *server, const char *name,
                       const char *certificate)
{
    *server = (struct test_server){.name = name, .certificate = certificate};
    snprintf(server->folder, sizeof(server->folder), "/tmp/slight-%s-XXXXXX",
             name);
    if (mkdtemp(server->folder) == NULL)
        give_up(server, "no folder");
    setenv("SL_TEST_CERT", certificate, 1);
    setenv("SL_TEST_DURABLE", "1", 1);
    start_watcher(server);
    must(server, "start");
}

void test_server_kill(struct test_server *server)
{
    must(server, "kill");
}

void test_server_restart(struct test_server *server)
{
    setenv("SL_TEST_CERT", server->certificate, 1);
    must(server, "restart");
}

void test_server_stop(struct test_server *server)
{
    int status = 0;

    close(server->watched);
    if (waitpid(server->watcher, &status, 0) != server->watcher || status != 0)
        give_up(server, "does not stop");
}

bool test_server_tell(const struct test_server *server, const char *words)
{
    return script(server, "tell", words);
}

void test_server_value(const struct test_server *server, const char *variable,
                       char *text, size_t size)
{
    char path[128], line[1024];
    size_t len = strlen(variable);

    snprintf(path, sizeof(path), "%s/%s.env", server->folder, server->name);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, variable, len) != 0 || line[len] != '=')
            continue;
        snprintf(text, size, "%s", line + len + 1);
        fclose(file);
        return;
    }
    give_up(server, variable);
}

int test_server_port(const struct test_server *server, const char *variable)
{
    char text[32];

    test_server_value(server, variable, text, sizeof(text));
    return atoi(text);
}
