/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of one driver: clients work while their server is killed and
 * started again at once, and clients are killed and replaced.  The same program
 * is the test and each of the clients.
 */
#include "histories/history.h"

#include "faults/driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/deadline.h"

enum {
    CLIENTS = 5,
    ROUNDS = 6,
    ROUND_US = 400000,
    LEAST = 200, /* answered calls, or the history says nothing */
};

/* Repeats that come at once, and late, while others have gone on. */
#define PATIENT                                                                \
    "timeout = \"5s\"\nconnections = 1\nretry.attempts = 30\n"                 \
    "retry.backoff = \"10ms\"\n"

#ifdef HISTORY_SERVICE
const struct fault_driver fault_driver = {.name = HISTORY_DRIVER,
                                          .service = &HISTORY_SERVICE};
#else /* a file */
const struct fault_driver fault_driver = {.name = HISTORY_DRIVER};
#endif

struct history {
    char folder[64];
    char *settings;
    pid_t clients[CLIENTS];
    int started; /* clients that ever were */
};

static void start_client(struct history *history, int place)
{
    char number[16], path[128];

    snprintf(number, sizeof(number), "%d", history->started);
    snprintf(path, sizeof(path), "%s/%03d.log", history->folder,
             history->started++);
    pid_t parent = getpid(), child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        history->clients[place] = child;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        execl("/proc/self/exe", "client", history->settings, number, path,
              (char *)NULL);
    _exit(1);
}

static void kill_client(struct history *history, int place)
{
    int status;

    kill(history->clients[place], SIGKILL);
    assert_int_equal(waitpid(history->clients[place], &status, 0),
                     history->clients[place]);
    /* It has not ended by itself before. */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kill_server(void)
{
    if (fault_driver.service == NULL)
        return;
    test_server_kill(&fault_server);
    test_server_restart(&fault_server);
}

static char *settings_of(const struct history *history)
{
    if (fault_driver.service != NULL)
        return fault_settings(NULL, PATIENT);
    return sl_asprintf("path = \"%s/store.db\"\n" PATIENT, history->folder);
}

static int count_lines(const struct history *history)
{
    char path[128];
    int c, lines = 0;

    for (int i = 0; i < history->started; i++) {
        snprintf(path, sizeof(path), "%s/%03d.log", history->folder, i);
        FILE *file = fopen(path, "r");
        while (file != NULL && (c = getc(file)) != EOF)
            lines += c == '\n';
        if (file != NULL)
            fclose(file);
    }
    return lines;
}

/* Let the clients work for a while, and for longer on a busy machine: each call
 * is two lines, where it is answered. */
static void wait_for_calls(const struct history *history, int round)
{
    int least = 2 * LEAST * (round + 1) / ROUNDS;
    sl_deadline deadline = sl_deadline_in_ms(120000);

    do
        usleep(ROUND_US);
    while (count_lines(history) < least && !sl_deadline_passed(deadline));
}

static int check(const struct history *history)
{
    char command[256];

    snprintf(command, sizeof(command), "\"$(%s)\" %s %d", HISTORY_CHECKER,
             history->folder, LEAST);
    return system(command);
}

static void what_clients_see_is_linearizable(void **state)
{
    struct history history = {.folder = "/tmp/slight-history-XXXXXX"};

    (void)state;
    assert_non_null(mkdtemp(history.folder));
    history.settings = settings_of(&history);
    for (int i = 0; i < CLIENTS; i++)
        start_client(&history, i);
    for (int round = 0; round < ROUNDS; round++) {
        wait_for_calls(&history, round);
        kill_server();
        kill_client(&history, round % CLIENTS);
        start_client(&history, round % CLIENTS);
    }
    wait_for_calls(&history, ROUNDS);
    for (int i = 0; i < CLIENTS; i++)
        kill_client(&history, i);
    int status = check(&history);
    if (status != 0)
        fail_msg("%s has the history", history.folder);
    test_remove_folder(history.folder);
    free(history.settings);
}

static int start(void **state)
{
    return fault_driver.service == NULL ? 0 : fault_start(state);
}

static int stop(void **state)
{
    return fault_driver.service == NULL ? 0 : fault_stop(state);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_see_is_linearizable),
    };

    if (argc == 4 && strcmp(argv[0], "client") == 0)
        return history_client(HISTORY_DRIVER, argv[1], argv[2], argv[3]);
    return cmocka_run_group_tests_name("histories." HISTORY_DRIVER, tests,
                                       start, stop);
}
