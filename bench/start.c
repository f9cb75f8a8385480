/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a command takes to its first byte of output, and how much memory it
 * has then:
 *
 *     start ROUNDS COMMAND ARGS...
 *
 * Prints "start <tab> 0 <tab> 1 <tab> ns" (the median) and "rss <tab> 0 <tab> 1
 * <tab> bytes" (the largest).  The command's input stays open until then.
 */
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/deadline.h"

extern char **environ;

enum { ROUNDS_MAX = 1000 };

static int64_t rss_of(pid_t pid)
{
    char path[64], line[128];
    int64_t kib = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib * 1024;
}

static int64_t run_once(char **command, int64_t *rss)
{
    int in[2], out[2];
    char byte;
    pid_t pid;
    posix_spawn_file_actions_t actions;

    if (pipe(in) != 0 || pipe(out) != 0)
        exit(1);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    int64_t start = sl_now_ns();
    if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0) {
        perror(command[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    if (read(out[0], &byte, 1) != 1) {
        fputs("start: the command printed nothing\n", stderr);
        exit(1);
    }
    int64_t took = sl_now_ns() - start;
    usleep(50000); /* what is idle is measured, not what starts */
    int64_t now = rss_of(pid);
    *rss = now > *rss ? now : *rss;
    close(in[1]);
    close(out[0]);
    waitpid(pid, NULL, 0);
    return took;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

int main(int argc, char **argv)
{
    static int64_t times[ROUNDS_MAX];
    int64_t rss = 0;
    int rounds = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fputs("usage: start ROUNDS COMMAND ARGS...\n", stderr);
        return 2;
    }
    for (int i = 0; i < rounds; i++)
        times[i] = run_once(argv + 2, &rss);
    qsort(times, (size_t)rounds, sizeof(times[0]), by_size);
    printf("start\t0\t1\t%" PRId64 "\n", times[rounds / 2]);
    printf("rss\t0\t1\t%" PRId64 "\n", rss);
    return 0;
}
