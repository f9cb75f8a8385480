/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that runs a suite's cases against one driver:
 *
 *     SL_TEST_DRIVER=mq.sqlite SL_TEST_SETTINGS=FILE test.conformance.mq
 *     SL_TEST_DRIVER=mq.sqlite test.conformance.mq --features
 *
 * (the latter prints what the driver can do, in the words of `slight providers`;
 * with --work WHAT it is the other process of a case).  Each case has a resource
 * of its own: @CASE@ in the settings is a word that no other run and no other
 * case has, and @DIR@ an empty folder; @OTHER@ is nothing, but for a second place
 * of a case.  The program SL_TEST_PREPARE, if any, is run with that word before,
 * to make the place on a server that it names.
 */
#include "native.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/capabilities.h"

static const char *program;     /* this one */
static const char *driver_name; /* under test */
static char *settings;          /* with @CASE@ and @DIR@ in it */
static char *settings_of_case;  /* without */
static char word_of_case[64];

/* One case on its way. */
struct run {
    const struct suite_case *item;
    case_fn *function;
    size_t number;
    char folder[64];
    struct resource *resource;
};

const char *case_word(void)
{
    return word_of_case;
}

void case_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vprint_error(fmt, args);
    va_end(args);
    print_error("\n");
    _fail(file, line);
    abort(); /* not reached */
}

enum status status_of(const struct sl_answer *answer)
{
    struct failure *last = last_failure();

    if (answer->err.status == SL_OK)
        return WORKED;
    last->status = (enum status)answer->err.status;
    last->retryable = answer->retryable;
    snprintf(last->message, sizeof(last->message), "%s", answer->err.message);
    return last->status;
}

struct resource *resource_again(void)
{
    struct resource *resource = sl_alloc(sizeof(*resource));
    struct sl_error err;

    if (test_store_open(&resource->store, driver_name, settings_of_case,
                        &err) == SL_OK)
        return resource;
    print_error("%s: %s\n", driver_name, err.message);
    resource_close(resource);
    return NULL;
}

void resource_close(struct resource *resource)
{
    test_store_done(&resource->store);
    free(resource);
}

static char *replace(char *text, const char *word, const char *by)
{
    for (char *at; (at = strstr(text, word)) != NULL;) {
        char *replaced = sl_asprintf("%.*s%s%s", (int)(at - text), text, by,
                                     at + strlen(word));
        free(text);
        text = replaced;
    }
    return text;
}

/* Make the place on the server, where the service needs one. */
static bool prepare_service(const char *word)
{
    const char *path = getenv("SL_TEST_PREPARE");

    if (path == NULL)
        return true;
    SL_CLEANUP(sl_freep)
    char *command = sl_asprintf("'%s' '%s'", path, word);
    return system(command) == 0;
}

static int set_up(void **state)
{
    struct run *run = *state;
    const char *word = word_of_case;

    snprintf(word_of_case, sizeof(word_of_case), "conformance-%ld-%zu",
             (long)getpid(), run->number);

    snprintf(run->folder, sizeof(run->folder), "/tmp/slight-case-XXXXXX");
    if (mkdtemp(run->folder) == NULL || !prepare_service(word))
        return -1;
    free(settings_of_case);
    settings_of_case = replace(sl_strdup(settings), "@CASE@", word);
    settings_of_case = replace(settings_of_case, "@DIR@", run->folder);
    settings_of_case = replace(settings_of_case, "@OTHER@", "");
    run->resource = resource_again();
    return run->resource != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct run *run = *state;

    resource_close(run->resource);
    test_remove_folder(run->folder);
    return 0;
}

static void run_case(void **state)
{
    struct run *run = *state;

    run->function(run->resource);
}

/* What the driver can do, in the words of its capability; the caller's. */
static char *feature_words(const struct sl_capability *capability,
                           unsigned features)
{
    char *words = sl_strdup("");

    for (const struct sl_feature *item = capability->features;
         item->name != NULL; item++) {
        if ((features & item->bit) == 0)
            continue;
        char *more =
            sl_asprintf("%s%s%s", words, *words != '\0' ? "," : "", item->name);
        free(words);
        words = more;
    }
    return words;
}

static int run_all(const char *features)
{
    enum { CASES_MAX = 200 };
    static struct run runs[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    const unsigned has = suite_features_of(features);
    const struct suite_case *item;
    const char *lacks;
    size_t count = 0;

    for (size_t i = 0; (item = suite_case_at(i)) != NULL; i++) {
        case_fn *function = suite_case_run(item, has, &lacks);
        if (function == NULL)
            continue;
        assert_true(count < CASES_MAX);
        runs[count] =
            (struct run){.item = item, .function = function, .number = count};
        tests[count] = (struct CMUnitTest){
            .name = item->name,
            .test_func = run_case,
            .setup_func = set_up,
            .teardown_func = tear_down,
            .initial_state = &runs[count],
        };
        count++;
    }
    return _cmocka_run_group_tests(driver_name, tests, count, NULL, NULL);
}

/* --- The other process of a case ---------------------------------------- */

pid_t start_process(const char *what, int *out)
{
    int pipe_ends[2];

    CHECK(pipe(pipe_ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        setenv("SL_TEST_TEXT", settings_of_case, 1);
        setenv("SL_TEST_WORD", word_of_case, 1);
        execl(program, program, "--work", what, NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    *out = pipe_ends[0];
    return pid;
}

static int work(const char *what)
{
    settings_of_case = sl_strdup(getenv("SL_TEST_TEXT"));
    snprintf(word_of_case, sizeof(word_of_case), "%s", getenv("SL_TEST_WORD"));
    struct resource *resource = resource_again();

    if (resource == NULL)
        return 1;
    suite_work(resource, what);
    resource_close(resource);
    free(settings_of_case);
    return 0;
}

/* --- The program -------------------------------------------------------- */

static char *read_settings(const char *path)
{
    struct sl_buf text SL_CLEANUP(sl_buf_done) = SL_BUF(1 << 20);
    struct sl_error err;

    if (sl_file_read(path, &text, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(2);
    }
    return sl_strndup(text.ptr, text.len);
}

int main(int argc, char **argv)
{
    const struct sl_capability *capability = NULL;
    const char *path = getenv("SL_TEST_SETTINGS");

    program = argv[0];
    driver_name = getenv("SL_TEST_DRIVER");
    const struct sl_driver *driver =
        driver_name != NULL ? sl_driver_find(driver_name, &capability) : NULL;
    if (driver == NULL || !suite_dialect(strchr(driver_name, '.') + 1)) {
        fprintf(stderr, "SL_TEST_DRIVER names no driver of this build\n");
        return 2;
    }
    SL_CLEANUP(sl_freep)
    char *features = feature_words(capability, sl_driver_info(driver).features);
    if (argc == 2 && strcmp(argv[1], "--features") == 0) {
        puts(features);
        return 0;
    }
    test_services_load();
    if (argc == 3 && strcmp(argv[1], "--work") == 0)
        return work(argv[2]);
    if (path == NULL) {
        fprintf(stderr, "SL_TEST_SETTINGS is not set\n");
        return 2;
    }
    settings = read_settings(path);
    int failures = run_all(features);
    free(settings);
    free(settings_of_case);
    return failures == 0 ? 0 : 1;
}
