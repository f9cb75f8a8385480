/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the client library that wait for the server, by a deadline: its
 * non-blocking interface, and ours to wait.
 *
 * When the deadline passes the connection is shut down, so that the library
 * comes back by itself and lets go of what it holds.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/wait.h"
#include "sql/mysql/state.h"

static short events_of(int wanted)
{
    return (short)(((wanted & MYSQL_WAIT_READ) != 0 ? POLLIN : 0) |
                   ((wanted & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0) |
                   ((wanted & MYSQL_WAIT_EXCEPT) != 0 ? POLLPRI : 0));
}

/*
 * The library reads TLS with what waits, unless the socket is told not to; and
 * it tells the socket to, once it is connected.
 */
static void never_block(const struct sl_sql_mysql *mysql)
{
    my_socket fd = mysql_get_socket(mysql->handle);
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Everything that was waited for is said to be there: the library looks. */
static int give_up(struct sl_sql_mysql *mysql, int wanted)
{
    mysql->expired = true;
    mysql->lost = true;
    shutdown(mysql_get_socket(mysql->handle), SHUT_RDWR);
    return wanted | MYSQL_WAIT_TIMEOUT;
}

static int wait_for(struct sl_sql_mysql *mysql, int wanted)
{
    if (sl_wait_fd(mysql_get_socket(mysql->handle), events_of(wanted),
                   mysql->deadline) > 0)
        return wanted & ~MYSQL_WAIT_TIMEOUT;
    return give_up(mysql, wanted);
}

int sl_sql_mysql_connect(struct sl_sql_mysql *mysql, const char *database)
{
    const struct sl_sql_mysql_store *store = mysql->store;
    MYSQL *result = NULL;
    /* Of an UPDATE, what it found counts, changed or not. */
    int wanted = mysql_real_connect_start(
        &result, mysql->handle, store->url.host, store->user, store->password,
        database, (unsigned)store->url.port, NULL, CLIENT_FOUND_ROWS);

    while (wanted != 0) {
        int there = wait_for(mysql, wanted);
        never_block(mysql);
        wanted = mysql_real_connect_cont(&result, mysql->handle, there);
    }
    if (result != NULL)
        never_block(mysql);
    return result == NULL;
}

/*
 * An answer without rows tells what has changed.  In front of rows, and behind
 * them, there is room for the flag alone: MariaDB sets it, and only for what
 * the statement did; MySQL keeps it all for its next answer without rows.
 */
static void see_answer(struct sl_sql_mysql *mysql, bool rows)
{
    const char *changed;
    size_t len;

    if ((mysql->handle->server_status & SERVER_SESSION_STATE_CHANGED) == 0)
        return;
    if (rows ||
        (mysql_session_track_get_first(
             mysql->handle, SESSION_TRACK_STATE_CHANGE, &changed, &len) == 0 &&
         len > 0 && changed[0] == '1'))
        mysql->dirty = true;
}

/* The library reads the packet at the end, and not the status in it: the byte
 * 254, two of the number of warnings, two of the status. */
static void see_end_of_rows(struct sl_sql_mysql *mysql)
{
    enum { END = 254, STATUS_HIGH = 4 };
    const unsigned char *packet = mysql->handle->net.read_pos;

    if (packet != NULL && packet[0] == END &&
        (packet[STATUS_HIGH] & SERVER_SESSION_STATE_CHANGED >> 8) != 0)
        mysql->dirty = true;
}

int sl_sql_mysql_query(struct sl_sql_mysql *mysql, struct sl_bytes text)
{
    int result = 0;
    int wanted = mysql_real_query_start(&result, mysql->handle,
                                        (const char *)text.ptr, text.len);

    while (wanted != 0)
        wanted = mysql_real_query_cont(&result, mysql->handle,
                                       wait_for(mysql, wanted));
    if (result == 0)
        see_answer(mysql, mysql_field_count(mysql->handle) > 0);
    return result;
}

MYSQL_RES *sl_sql_mysql_store_result(struct sl_sql_mysql *mysql)
{
    MYSQL_RES *result = NULL;
    int wanted = mysql_store_result_start(&result, mysql->handle);

    while (wanted != 0)
        wanted = mysql_store_result_cont(&result, mysql->handle,
                                         wait_for(mysql, wanted));
    return result;
}

MYSQL_ROW sl_sql_mysql_fetch_row(struct sl_sql_mysql *mysql, MYSQL_RES *rows)
{
    MYSQL_ROW row = NULL;
    int wanted = mysql_fetch_row_start(&row, rows);

    while (wanted != 0)
        wanted = mysql_fetch_row_cont(&row, rows, wait_for(mysql, wanted));
    if (row == NULL)
        see_answer(mysql, true);
    return row;
}

void sl_sql_mysql_free_text(struct sl_sql_mysql *mysql, MYSQL_RES *rows)
{
    int wanted = mysql_free_result_start(rows);

    while (wanted != 0)
        wanted = mysql_free_result_cont(rows, wait_for(mysql, wanted));
}

int sl_sql_mysql_next_text(struct sl_sql_mysql *mysql)
{
    int result = 0;
    int wanted = mysql_next_result_start(&result, mysql->handle);

    while (wanted != 0)
        wanted = mysql_next_result_cont(&result, mysql->handle,
                                        wait_for(mysql, wanted));
    if (result == 0)
        see_answer(mysql, mysql_field_count(mysql->handle) > 0);
    return result;
}

void sl_sql_mysql_give_up(struct sl_sql_mysql *mysql)
{
    mysql->lost = true;
    shutdown(mysql_get_socket(mysql->handle), SHUT_RDWR);
}

int sl_sql_mysql_reset(struct sl_sql_mysql *mysql)
{
    int result = 0;
    int wanted = mysql_reset_connection_start(&result, mysql->handle);

    while (wanted != 0)
        wanted = mysql_reset_connection_cont(&result, mysql->handle,
                                             wait_for(mysql, wanted));
    return result;
}

int sl_sql_mysql_prepare(struct sl_sql_mysql *mysql, MYSQL_STMT *statement,
                         struct sl_bytes text)
{
    int result = 0;
    int wanted = mysql_stmt_prepare_start(&result, statement,
                                          (const char *)text.ptr, text.len);

    while (wanted != 0)
        wanted = mysql_stmt_prepare_cont(&result, statement,
                                         wait_for(mysql, wanted));
    return result;
}

int sl_sql_mysql_execute(struct sl_sql_mysql *mysql, MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_execute_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_execute_cont(&result, statement,
                                         wait_for(mysql, wanted));
    if (result == 0)
        see_answer(mysql, mysql_stmt_field_count(statement) > 0);
    return result;
}

int sl_sql_mysql_fetch(struct sl_sql_mysql *mysql, MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_fetch_start(&result, statement);

    while (wanted != 0)
        wanted =
            mysql_stmt_fetch_cont(&result, statement, wait_for(mysql, wanted));
    if (result == MYSQL_NO_DATA)
        see_end_of_rows(mysql);
    return result;
}

int sl_sql_mysql_keep_rows(struct sl_sql_mysql *mysql, MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_store_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_store_result_cont(&result, statement,
                                              wait_for(mysql, wanted));
    return result;
}

int sl_sql_mysql_next_result(struct sl_sql_mysql *mysql, MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_next_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_next_result_cont(&result, statement,
                                             wait_for(mysql, wanted));
    return result;
}

int sl_sql_mysql_free_rows(struct sl_sql_mysql *mysql, MYSQL_STMT *statement)
{
    my_bool result = 0;
    int wanted = mysql_stmt_free_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_free_result_cont(&result, statement,
                                             wait_for(mysql, wanted));
    return result;
}

void sl_sql_mysql_close_statement(struct sl_sql_mysql *mysql,
                                  MYSQL_STMT *statement)
{
    my_bool result = 0;
    int wanted = mysql_stmt_close_start(&result, statement);

    while (wanted != 0)
        wanted =
            mysql_stmt_close_cont(&result, statement, wait_for(mysql, wanted));
}

bool sl_sql_mysql_is_stale(const struct sl_sql_mysql *mysql)
{
    struct pollfd poller = {.fd = mysql_get_socket(mysql->handle),
                            .events = POLLRDHUP};

    return poll(&poller, 1, 0) != 0;
}
