/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output and error as pipes that are read when the test says so.  Once
 * started it stays, so that the cases are in this order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

static int saved[2] = {-1, -1};
static int reader = -1;

/* The stream is a pipe from now on. */
static void open_pipe(int stream)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    saved[stream - 1] = dup(stream);
    assert_int_equal(dup2(ends[1], stream), stream);
    close(ends[1]);
    reader = ends[0];
}

static void restore(int stream)
{
    dup2(saved[stream - 1], stream);
    close(saved[stream - 1]);
}

static void put(int stream, enum sl_output_kind kind, const char *text,
                struct sl_output_lost *lost)
{
    sl_output_write(stream, kind, sl_bytes_of(text), lost);
}

/* All that comes until nobody can write any more, as a thread; the caller's to
 * free. */
static void *read_all(void *context)
{
    enum { MAX = 8 * 1024 * 1024 };
    char *text = malloc(MAX);
    size_t len = 0;
    ssize_t got;

    (void)context;
    while (text != NULL && (got = read(reader, text + len, MAX - 1 - len)) > 0)
        len += (size_t)got;
    if (text != NULL)
        text[len] = '\0';
    close(reader);
    return text;
}

/* Read all of standard error while it is flushed; the caller's to free. */
static char *flush_and_read(void)
{
    pthread_t thread;
    void *text = NULL;

    assert_int_equal(pthread_create(&thread, NULL, read_all, NULL), 0);
    sl_output_flush(60000);
    restore(2);
    pthread_join(thread, &text);
    assert_non_null(text);
    return text;
}

static void test_direct(void **state)
{
    char text[16] = "";

    (void)state;
    open_pipe(1);
    put(1, SL_OUTPUT_LOG, "at once\n", NULL);
    assert_int_equal(read(reader, text, sizeof(text) - 1), 8);
    restore(1);
    close(reader);
    assert_string_equal(text, "at once\n");
}

static void test_in_order(void **state)
{
    char *line = malloc(100001), expected[16];

    (void)state;
    sl_output_start();
    open_pipe(2);
    for (int i = 0; i < 1000; i++) {
        snprintf(expected, sizeof(expected), "%d\n", i);
        put(2, SL_OUTPUT_LOG, expected, NULL);
    }
    /* Longer than a pipe holds. */
    memset(line, 'x', 100000);
    memcpy(line + 99999, "\n", 2);
    put(2, SL_OUTPUT_LOG, line, NULL);
    char *text = flush_and_read();
    char *at = text;
    for (int i = 0; i < 1000; i++) {
        snprintf(expected, sizeof(expected), "%d\n", i);
        assert_memory_equal(at, expected, strlen(expected));
        at += strlen(expected);
    }
    assert_string_equal(at, line);
    free(text);
    free(line);
}

static uint64_t lost_by(const struct sl_output_lost *lost,
                        enum sl_output_loss loss)
{
    return atomic_load(&lost->count[1][loss]);
}

/* Nobody reads: nobody waits, and what does not fit is counted; logs have room
 * when guests have none.  Then somebody does, and one line says how many. */
/* What all notices say together: one, or more where a second went by. */
static uint64_t told_lost(const char *text)
{
    static const char sign[] = "event=output-dropped entries=";
    uint64_t sum = 0;

    while ((text = strstr(text, sign)) != NULL) {
        text += sizeof(sign) - 1;
        sum += strtoull(text, NULL, 10);
    }
    return sum;
}

static void test_nobody_reads(void **state)
{
    struct sl_output_lost lost = {0};
    char line[1001];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + 999, "\n", 2);
    open_pipe(2);
    uint64_t before = sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FULL);
    for (int i = 0; i < 5000; i++)
        put(2, SL_OUTPUT_GUEST, line, &lost);
    uint64_t guests = lost_by(&lost, SL_OUTPUT_FULL);
    assert_in_range(guests, 3500, 4800);
    put(2, SL_OUTPUT_LOG, "still room\n", NULL);
    assert_int_equal(sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FULL),
                     before);
    for (int i = 0; i < 5000; i++)
        put(2, SL_OUTPUT_LOG, line, NULL);
    uint64_t logs =
        sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FULL) - before;
    assert_in_range(logs, 1000, 4999);
    /* It gives up. */
    sl_output_flush(1);

    char *text = flush_and_read();
    assert_non_null(strstr(text, "still room\n"));
    assert_int_equal(told_lost(text), guests + logs);
    free(text);
}

/* A reader that is gone, a disk that is full: counted, and no end. */
static void test_failures(void **state)
{
    (void)state;
    saved[1] = dup(2);
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    dup2(full, 2);
    close(full);
    uint64_t before = sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FAILED);
    put(2, SL_OUTPUT_LOG, "lost\n", NULL);
    sl_output_flush(10000);
    restore(2);
    assert_int_equal(sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FAILED),
                     before + 1);

    open_pipe(2);
    close(reader);
    put(2, SL_OUTPUT_LOG, "lost\n", NULL);
    sl_output_flush(10000);
    restore(2);
    assert_int_equal(sl_output_lost_count(2, SL_OUTPUT_LOG, SL_OUTPUT_FAILED),
                     before + 2);
}

/* Somebody else made the pipe non-blocking: nothing is lost. */
static void test_non_blocking(void **state)
{
    static char line[200002];
    (void)state;
    memset(line, 'y', sizeof(line) - 2);
    line[sizeof(line) - 2] = '\n';
    open_pipe(2);
    fcntl(2, F_SETFL, O_NONBLOCK);
    put(2, SL_OUTPUT_LOG, line, NULL);
    char *text = flush_and_read();
    assert_non_null(strstr(text, line));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),       cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_nobody_reads), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_non_blocking),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
