/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sql.mysql is measured against: the client library alone, in a thread for
 * each connection, with a statement that is prepared once.
 *
 *     bench-mysql_loop HOST PORT PASSWORD CA CONNECTIONS CALLS ROWS
 *
 * Prints how many queries a second that were.
 */
#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char **words;
static pthread_barrier_t ready;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void give_up(const char *message)
{
    fprintf(stderr, "bench-mysql_loop: %s\n", message);
    exit(1);
}

static MYSQL *connect_once(void)
{
    const my_bool on = 1;
    const unsigned tcp = MYSQL_PROTOCOL_TCP;
    MYSQL *handle = mysql_init(NULL);

    mysql_optionsv(handle, MYSQL_OPT_PROTOCOL, &tcp);
    mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    mysql_ssl_set(handle, NULL, NULL, words[4], NULL, NULL);
    if (mysql_real_connect(handle, words[1], "slight", words[3], "slight",
                           (unsigned)strtoul(words[2], NULL, 10), NULL,
                           0) == NULL)
        give_up(mysql_error(handle));
    return handle;
}

static void query(MYSQL_STMT *statement, MYSQL_BIND *in, MYSQL_BIND *out)
{
    if (mysql_stmt_bind_param(statement, in) != 0 ||
        mysql_stmt_execute(statement) != 0 ||
        mysql_stmt_bind_result(statement, out) != 0 ||
        mysql_stmt_fetch(statement) != 0 ||
        mysql_stmt_fetch(statement) != MYSQL_NO_DATA)
        give_up(mysql_stmt_error(statement));
}

static void *run(void *context)
{
    static const char text[] =
        "SELECT abalance FROM pgbench_accounts WHERE aid = ?";
    int64_t calls = strtoll(words[6], NULL, 10);
    int64_t rows = strtoll(words[7], NULL, 10);
    int64_t key = 0, value = 0;
    MYSQL_BIND in = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &key};
    MYSQL_BIND out = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &value};
    MYSQL *handle = connect_once();
    MYSQL_STMT *statement = mysql_stmt_init(handle);

    (void)context;
    if (mysql_stmt_prepare(statement, text, sizeof(text) - 1) != 0)
        give_up(mysql_stmt_error(statement));
    pthread_barrier_wait(&ready);
    for (int64_t i = 0; i < calls; i++) {
        key = 1 + (int64_t)arc4random_uniform((uint32_t)rows);
        query(statement, &in, &out);
    }
    mysql_stmt_close(statement);
    mysql_close(handle);
    return NULL;
}

int main(int argc, char **argv)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];

    if (argc != 8)
        return 2;
    words = argv;
    long connections = strtol(argv[5], NULL, 10);
    if (connections < 1 || connections > MOST)
        return 2;
    mysql_server_init(0, NULL, NULL);
    pthread_barrier_init(&ready, NULL, (unsigned)connections + 1);
    for (long i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    pthread_barrier_wait(&ready);
    int64_t start = now_ns();
    for (long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("%.0f\n",
           (double)connections * (double)strtoll(argv[6], NULL, 10) / seconds);
    return 0;
}
