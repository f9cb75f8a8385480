/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The component that runs a suite's cases, and says in TAP what came of each.
 * README.md tells its arguments.
 *
 * A case that fails ends the instance, which is what gives back all that the
 * case held; the others go on in another one, `--after` it.
 */
#include "guest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned features;
static char word[64]; /* of the case */
static size_t number; /* of the case, from 1 on */
static const char *name_of_case;

const char *case_word(void)
{
    return word;
}

void case_fail(const char *file, int line, const char *fmt, ...)
{
    const char *slash = strrchr(file, '/');
    va_list args;

    printf("not ok %zu - %s\n", number, name_of_case);
    printf("# %s:%d: ", slash != NULL ? slash + 1 : file, line);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    exit(1);
}

__attribute__((weak)) void suite_empty(struct resource *resource, unsigned of)
{
    (void)resource;
    (void)of;
}

__attribute__((weak)) bool suite_dialect(const char *name)
{
    (void)name;
    return false;
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
        "nothing", "",         "Store", "store ", "stor",
        "store/",  "../store", "*",     "alien", /* of another kind */
    };
    struct resource *resource;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        FAILS(suite_open(names[i], &resource), PERMISSION_DENIED);
}

/* --- Running ------------------------------------------------------------ */

static void run_case(const struct suite_case *item)
{
    const char *lacks = NULL;
    struct resource *resource;
    case_fn *run = suite_case_run(item, features, &lacks);

    if (run == NULL) {
        printf("ok %zu - %s # SKIP needs %s\n", number, item->name, lacks);
        return;
    }
    OK(suite_open("store", &resource));
    suite_empty(resource, features);
    run(resource);
    suite_close(resource);
    printf("ok %zu - %s\n", number, item->name);
    fflush(stdout);
}

/* Those behind the first `after`; or the one of this name. */
static int run_cases(size_t after, const char *only, const char *prefix)
{
    const struct suite_case *item;
    bool found = only == NULL;

    for (size_t i = after; (item = suite_case_at(i)) != NULL; i++) {
        if (only != NULL && strcmp(item->name, only) != 0)
            continue;
        found = true;
        number = i + 1;
        name_of_case = item->name;
        snprintf(word, sizeof(word), "%s-%zu", prefix, number);
        run_case(item);
    }
    if (!found)
        fprintf(stderr, "there is no case \"%s\"\n", only);
    return found ? 0 : 2;
}

static case_fn *role_of(const char *role)
{
    if (strcmp(role, "finder") == 0)
        return suite_roles.find;
    if (strcmp(role, "contender") == 0)
        return suite_roles.contend;
    return strcmp(role, "auditor") == 0 ? suite_roles.audit : NULL;
}

/* One part of what several instances do; what is held is not given back. */
static int play(const char *role, bool stay, const char *shared_word)
{
    bool holds = strcmp(role, "holder") == 0 && suite_roles.hold != NULL;
    case_fn *run = role_of(role);
    struct resource *resource;

    if (!holds && run == NULL) {
        fprintf(stderr, "there is no role \"%s\"\n", role);
        return 2;
    }
    number = 1;
    name_of_case = role;
    snprintf(word, sizeof(word), "%s", shared_word);
    OK(suite_open("store", &resource));
    if (holds)
        suite_roles.hold(resource, stay);
    else
        run(resource);
    printf("ok 1 - %s\n", role);
    fflush(stdout);
    while (stay)
        sleep_ms(1000);
    return 0;
}

static size_t count_cases(void)
{
    size_t count = 0;

    while (suite_case_at(count) != NULL)
        count++;
    return count;
}

static int list_cases(void)
{
    const struct suite_case *item;

    for (size_t i = 0; (item = suite_case_at(i)) != NULL; i++)
        puts(item->name);
    return 0;
}

/* --- Arguments ---------------------------------------------------------- */

/* A number, which may be of KiB or MiB. */
static bool read_size(const char *text, uint64_t *size)
{
    char *end;

    errno = 0;
    *size = strtoull(text, &end, 10);
    if (end == text || errno != 0)
        return false;
    if (strcmp(end, "KiB") == 0)
        *size <<= 10;
    else if (strcmp(end, "MiB") == 0)
        *size <<= 20;
    else
        return *end == '\0';
    return true;
}

/* NAME=VALUE */
static bool take_limit(const char *text)
{
    size_t len = strcspn(text, "=");

    for (struct suite_limit *limit = suite_limits; limit->word != NULL; limit++)
        if (strlen(limit->word) == len && memcmp(limit->word, text, len) == 0)
            return text[len] == '=' && read_size(text + len + 1, &limit->value);
    return false;
}

struct arguments {
    bool list, stay;
    uint64_t after;
    const char *only, *role;
    const char *word;
};

static bool take_argument(struct arguments *arguments, const char *option,
                          const char *value)
{
    if (strcmp(option, "--features") == 0)
        features = suite_features_of(value);
    else if (strcmp(option, "--case") == 0)
        arguments->only = value;
    else if (strcmp(option, "--role") == 0)
        arguments->role = value;
    else if (strcmp(option, "--word") == 0)
        arguments->word = value;
    else if (strcmp(option, "--after") == 0)
        return read_size(value, &arguments->after);
    else if (strcmp(option, "--limit") == 0)
        return take_limit(value);
    else if (strcmp(option, "--dialect") == 0)
        return suite_dialect(value);
    else
        return false;
    return true;
}

static bool take_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            arguments->list = true;
            continue;
        }
        if (strcmp(argv[i], "--stay") == 0) {
            arguments->stay = true;
            continue;
        }
        if (i + 1 == argc || !take_argument(arguments, argv[i], argv[i + 1])) {
            fprintf(stderr, "%s: see README.md\n", argv[i]);
            return false;
        }
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct timespec now = {0};
    char prefix[40];

    if (!take_arguments(&arguments, argc, argv))
        return 2;
    if (arguments.list)
        return list_cases();
    if (arguments.role != NULL)
        return play(arguments.role, arguments.stay,
                    arguments.word != NULL ? arguments.word : "role");
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(prefix, sizeof(prefix), "case-%llx%lx",
             (unsigned long long)now.tv_sec, now.tv_nsec);
    if (arguments.only == NULL && arguments.after == 0)
        printf("1..%zu\n", count_cases());
    return run_cases((size_t)arguments.after, arguments.only,
                     arguments.word != NULL ? arguments.word : prefix);
}
