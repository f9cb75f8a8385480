/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that runs the cases against one driver:
 *
 *     SL_TEST_DRIVER=sql.sqlite SL_TEST_SETTINGS=FILE test.conformance.sql
 *     SL_TEST_DRIVER=sql.sqlite test.conformance.sql --features
 *
 * (the latter prints what the driver can do, as a number; with --work in its
 * place it is the other process of a case).  Each case has a database of its
 * own: @CASE@ in the settings is a word that no other run and no other case
 * has, and @DIR@ an empty folder.  The program SL_TEST_PREPARE, if any, is run
 * with that word before, to make the place on a server that it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/capabilities.h"
#include "sql_native.h"

static const char *driver_name;
static char *settings; /* with @CASE@ and @DIR@ in it */

/* One case on its way. */
struct run {
    const struct sql_case *item;
    size_t number;
    char folder[64];
    struct sql sql;
};

static const char *program;    /* this one */
static char *settings_of_case; /* without @CASE@ and @DIR@ */

static char *replace_text(char *text, const char *word, const char *by)
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
    SL_CLEANUP(sl_freep) char *command = NULL;

    if (path == NULL)
        return true;
    command = sl_asprintf("'%s' '%s'", path, word);
    return system(command) == 0;
}

static int set_up(void **state)
{
    struct run *run = *state;
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *word =
        sl_asprintf("conformance_%ld_%zu", (long)getpid(), run->number);

    snprintf(run->folder, sizeof(run->folder), "/tmp/slight-sql-XXXXXX");
    if (mkdtemp(run->folder) == NULL || !prepare_service(word))
        return -1;
    free(settings_of_case);
    settings_of_case = replace_text(sl_strdup(settings), "@CASE@", word);
    settings_of_case = replace_text(settings_of_case, "@DIR@", run->folder);
    if (test_store_open(&run->sql.store, driver_name, settings_of_case, &err) ==
        SL_OK)
        return 0;
    print_error("%s: %s\n", driver_name, err.message);
    return -1;
}

static int tear_down(void **state)
{
    struct run *run = *state;

    test_store_done(&run->sql.store);
    test_remove_folder(run->folder);
    return 0;
}

static void run_case(void **state)
{
    struct run *run = *state;

    run->item->run(&run->sql);
}

static int run_all(const struct sl_driver_info *driver)
{
    enum { CASES_MAX = 200 };
    static struct run runs[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    size_t count = 0;

    for (; sql_case_at(driver->features, count) != NULL; count++) {
        assert_true(count < CASES_MAX);
        runs[count].item = sql_case_at(driver->features, count);
        runs[count].number = count;
        tests[count] = (struct CMUnitTest){
            .name = runs[count].item->name,
            .test_func = run_case,
            .setup_func = set_up,
            .teardown_func = tear_down,
            .initial_state = &runs[count],
        };
    }
    return _cmocka_run_group_tests(driver->name, tests, count, NULL, NULL);
}

/* --- The other process of a case ---------------------------------------- */

pid_t sql_start_process(int *out)
{
    int pipe_ends[2];

    CHECK(pipe(pipe_ends) == 0);
    SL_CLEANUP(sl_freep)
    char *env = sl_asprintf("SL_TEST_TEXT=%s", settings_of_case);
    SL_CLEANUP(sl_freep)
    char *driver = sl_asprintf("SL_TEST_DRIVER=%s", driver_name);
    const char *folder = getenv("SL_TEST_SERVICES");
    SL_CLEANUP(sl_freep)
    char *services =
        sl_asprintf("SL_TEST_SERVICES=%s", folder != NULL ? folder : "");
    char *const argv[] = {(char *)(uintptr_t)program,
                          (char *)(uintptr_t)"--work", NULL};
    char *const envp[] = {env, driver, services, NULL};
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        execve(argv[0], argv, envp);
        _exit(127);
    }
    close(pipe_ends[1]);
    *out = pipe_ends[0];
    return pid;
}

static int run_worker(void)
{
    struct sql sql;
    struct sl_error err;

    if (test_store_open(&sql.store, driver_name, getenv("SL_TEST_TEXT"),
                        &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    sql_work(&sql);
    test_store_done(&sql.store);
    return 0;
}

/* --- The program -------------------------------------------------------- */

static char *read_settings(const char *path)
{
    struct sl_buf text = SL_BUF(1 << 20);
    struct sl_error err;

    if (sl_file_read(path, &text, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(2);
    }
    char *copy = sl_strndup(text.ptr, text.len);
    sl_buf_done(&text);
    return copy;
}

int main(int argc, char **argv)
{
    const struct sl_capability *capability;
    const char *path = getenv("SL_TEST_SETTINGS");

    program = argv[0];
    driver_name = getenv("SL_TEST_DRIVER");
    const struct sl_driver *driver =
        driver_name != NULL ? sl_driver_find(driver_name, &capability) : NULL;
    if (driver == NULL || !sql_use_dialect(driver_name)) {
        fprintf(stderr, "SL_TEST_DRIVER names no driver of this build\n");
        return 2;
    }
    const struct sl_driver_info info = sl_driver_info(driver);
    if (argc == 2 && strcmp(argv[1], "--features") == 0) {
        printf("%u\n", info.features);
        return 0;
    }
    test_services_load();
    if (argc == 2 && strcmp(argv[1], "--work") == 0)
        return run_worker();
    if (path == NULL) {
        fprintf(stderr, "SL_TEST_SETTINGS is not set\n");
        return 2;
    }
    settings = read_settings(path);
    int failures = run_all(&info);
    free(settings);
    free(settings_of_case);
    return failures == 0 ? 0 : 1;
}
