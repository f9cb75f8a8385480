/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest that does what pgbench -S does, on any database: one row by its
 * key, again and again.
 *
 *     select NAME ROWS N     N queries for one of so many accounts, by chance
 *
 * Prints a line "select <tab> rows <tab> calls <tab> nanoseconds".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"

/* The connections are made meanwhile, which pgbench does not count either. */
enum { WARM_UP = 50 };

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int give_up(const slight_sql_database_error_t *error)
{
    fprintf(stderr, "bench: %.*s\n", (int)error->message.len,
            (const char *)error->message.ptr);
    return 1;
}

int main(int argc, char **argv)
{
    slight_sql_database_own_connection_t connection;
    slight_sql_database_error_t error;
    command_string_t name, query;

    if (argc != 5)
        return 2;
    int64_t rows = strtoll(argv[3], NULL, 10);
    int64_t calls = strtoll(argv[4], NULL, 10);
    command_string_set(&name, argv[2]);
    command_string_set(&query,
                       "SELECT abalance FROM pgbench_accounts WHERE aid = ?");
    if (!slight_sql_database_static_connection_open(&name, &connection, &error))
        return give_up(&error);
    int64_t start = 0;
    for (int64_t i = -WARM_UP; i < calls; i++) {
        if (i == 0)
            start = now_ns();
        slight_sql_database_value_t value = {
            .tag = SLIGHT_SQL_DATABASE_VALUE_INT64,
            .val.int64 = 1 + (int64_t)arc4random() % rows};
        slight_sql_database_list_value_t list = {&value, 1};
        slight_sql_database_rows_t got;
        if (!slight_sql_database_method_connection_query(
                slight_sql_database_borrow_connection(connection), &query,
                &list, &got, &error))
            return give_up(&error);
        if (got.rows.len != 1)
            return 3;
        slight_sql_database_rows_free(&got);
    }
    printf("select\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", rows, calls,
           now_ns() - start);
    return 0;
}
