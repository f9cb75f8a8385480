/* SPDX-License-Identifier: Apache-2.0 */
/* What a component does by means of WASI, and with its memory. */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* end CODE: by exit. */
static int end(int count, char *args[])
{
    exit(count > 0 ? atoi(args[0]) : 0);
}

/* args WORD...: each on a line. */
static int print_args(int count, char *args[])
{
    for (int i = 0; i < count; i++)
        puts(args[i]);
    return 0;
}

/* cat: input to output, and how much it was to standard error. */
static int cat(int count, char *args[])
{
    size_t total = 0;
    int c;

    (void)count;
    (void)args;
    fputs("reading\n", stderr);
    while ((c = getchar()) != EOF) {
        putchar(c);
        total++;
    }
    fprintf(stderr, "%zu bytes\n", total);
    return 0;
}

static int print_env(int count, char *args[])
{
    (void)count;
    (void)args;
    for (char **variable = environ; *variable != NULL; variable++)
        puts(*variable);
    return 0;
}

/* list FOLDER */
static int list(int count, char *args[])
{
    struct dirent *entry;
    DIR *folder = opendir(count > 0 ? args[0] : ".");

    if (folder == NULL) {
        printf("list: %s\n", strerror(errno));
        return 1;
    }
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            puts(entry->d_name);
    closedir(folder);
    return 0;
}

/* show FILE */
static int show(int count, char *args[])
{
    FILE *file = fopen(count > 0 ? args[0] : "", "r");
    int c;

    if (file == NULL) {
        printf("show: %s\n", strerror(errno));
        return 1;
    }
    while ((c = getc(file)) != EOF)
        putchar(c);
    fclose(file);
    return 0;
}

/* put FILE TEXT */
static int put(int count, char *args[])
{
    FILE *file = fopen(count > 1 ? args[0] : "", "w");

    if (file == NULL || fputs(args[1], file) == EOF || fclose(file) != 0) {
        printf("put: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}

/* flood: lines without end, until nobody reads them; why, and why not later. */
static int flood(int count, char *args[])
{
    (void)count;
    (void)args;
    while (puts("a line") != EOF)
        ;
    fprintf(stderr, "flood: %s\n", strerror(errno));
    if (write(STDOUT_FILENO, "a line\n", 7) < 0)
        fprintf(stderr, "once more: %s\n", strerror(errno));
    return 0;
}

/* loop: says that it does, then never gives way. */
static int loop(int count, char *args[])
{
    volatile unsigned turns = 0;

    (void)count;
    (void)args;
    puts("looping");
    fflush(stdout);
    for (;;)
        turns++;
}

static int sleep_long(int count, char *args[])
{
    const struct timespec hour = {.tv_sec = 3600};

    (void)count;
    (void)args;
    puts("sleeping");
    fflush(stdout);
    return nanosleep(&hour, NULL);
}

/* eat: all the memory that there is, by the MiB. */
static int eat(int count, char *args[])
{
    const size_t piece = 1 << 20;
    size_t got = 0;
    char *block;

    (void)count;
    (void)args;
    while (got < 8192 && (block = malloc(piece)) != NULL) {
        memset(block, 1, piece);
        __asm__ volatile("" : : "r"(block) : "memory"); /* really */
        got++;
    }
    printf("%zu\n", got);
    return 0;
}

const struct act wasi_acts[] = {
    {"end", end},   {"args", print_args},  {"cat", cat}, {"env", print_env},
    {"list", list}, {"show", show},        {"put", put}, {"flood", flood},
    {"loop", loop}, {"sleep", sleep_long}, {"eat", eat}, {NULL, NULL},
};
