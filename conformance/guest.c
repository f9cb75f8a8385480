/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The component that runs a suite's cases:
 *
 *     --list FEATURES         the names of the cases, one a line
 *     FEATURES NAME DRIVER WORD    one case, whose word this is; it needs an
 * empty resource named "store", and another one named "other"
 *
 * A case that fails says so on standard error and exits with 1.
 */
#include "guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *word; /* of the case */

const char *case_word(void)
{
    return word;
}

void case_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *must(void *memory)
{
    if (memory == NULL)
        case_fail(__FILE__, __LINE__, "no memory");
    return memory;
}

command_string_t string_of(struct bytes bytes)
{
    return (command_string_t){.ptr = (uint8_t *)(uintptr_t)bytes.ptr,
                              .len = bytes.len};
}

enum status failed(slight_types_errors_error_t *error)
{
    struct failure *last = last_failure();

    last->status = (enum status)(error->code + 1);
    last->retryable = error->retryable;
    snprintf(last->message, sizeof(last->message), "%.*s",
             (int)error->message.len, (const char *)error->message.ptr);
    slight_types_errors_error_free(error);
    return last->status;
}

void check_grants(void)
{
    static const char *const names[] = {
        "nothing", "", "Store", "store ", "stor", "store/", "../store", "*",
    };
    struct resource *resource;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        FAILS(suite_open(names[i], &resource), PERMISSION_DENIED);
}

static int list_cases(unsigned features)
{
    const struct suite_case *item;

    for (size_t i = 0; (item = suite_case_at(features, i)) != NULL; i++)
        puts(item->name);
    return 0;
}

static int run_case(unsigned features, const char *name)
{
    const struct suite_case *item;
    struct resource *resource;

    for (size_t i = 0; (item = suite_case_at(features, i)) != NULL; i++)
        if (strcmp(item->name, name) == 0)
            break;
    if (item == NULL) {
        fprintf(stderr, "no such case: %s\n", name);
        return 2;
    }
    OK(suite_open("store", &resource));
    item->run(resource);
    suite_close(resource);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return list_cases((unsigned)strtoul(argv[2], NULL, 10));
    if (argc == 5) {
        word = argv[4];
        return run_case((unsigned)strtoul(argv[1], NULL, 10), argv[2]);
    }
    fprintf(stderr, "usage: --list FEATURES | FEATURES CASE DRIVER WORD\n");
    return 2;
}
