/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the client library that wait for the server, by a deadline:
 * through its non-blocking interface.
 *
 * When the deadline passes, the connection is shut down, so that the library
 * returns by itself and frees its resources.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/wait.h"
#include "sql/mysql/connection.h"

static short events_of(int wanted)
{
    return (short)(((wanted & MYSQL_WAIT_READ) != 0 ? POLLIN : 0) |
                   ((wanted & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0) |
                   ((wanted & MYSQL_WAIT_EXCEPT) != 0 ? POLLPRI : 0));
}

/*
 * The library makes the socket blocking once it is connected, and then its
 * reads of TLS would block.
 */
static void set_nonblocking(const struct sl_sql_mysql_conn *conn)
{
    my_socket fd = mysql_get_socket(conn->handle);
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Reports all events as ready, so that the library sees the shutdown. */
static int time_out(struct sl_sql_mysql_conn *conn, int wanted)
{
    conn->timed_out = true;
    conn->broken = true;
    shutdown(mysql_get_socket(conn->handle), SHUT_RDWR);
    return wanted | MYSQL_WAIT_TIMEOUT;
}

static int wait_for_server(struct sl_sql_mysql_conn *conn, int wanted)
{
    if (sl_wait_fd(mysql_get_socket(conn->handle), events_of(wanted),
                   conn->deadline) > 0)
        return wanted & ~MYSQL_WAIT_TIMEOUT;
    return time_out(conn, wanted);
}

int sl_sql_mysql_connect(struct sl_sql_mysql_conn *conn, const char *database)
{
    const struct sl_sql_mysql_store *store = conn->store;
    MYSQL *result = NULL;
    /* An UPDATE counts the rows that it found, changed or not. */
    int wanted = mysql_real_connect_start(
        &result, conn->handle, store->url.host, store->user, store->password,
        database, (unsigned)store->url.port, NULL, CLIENT_FOUND_ROWS);

    while (wanted != 0) {
        int there = wait_for_server(conn, wanted);
        set_nonblocking(conn);
        wanted = mysql_real_connect_cont(&result, conn->handle, there);
    }
    if (result != NULL)
        set_nonblocking(conn);
    return result == NULL;
}

/*
 * An answer without rows says what has changed.  Before and after rows there is
 * only a flag: MariaDB sets it for what the statement did; MySQL reports
 * everything with its next answer without rows.
 */
static void note_state_change(struct sl_sql_mysql_conn *conn, bool rows)
{
    const char *changed;
    size_t len;

    if ((conn->handle->server_status & SERVER_SESSION_STATE_CHANGED) == 0)
        return;
    if (rows ||
        (mysql_session_track_get_first(conn->handle, SESSION_TRACK_STATE_CHANGE,
                                       &changed, &len) == 0 &&
         len > 0 && changed[0] == '1'))
        conn->dirty = true;
}

/* The library does not read the status in the packet at the end: the byte 254,
 * two bytes of warnings, two of the status. */
static void note_state_change_in_eof(struct sl_sql_mysql_conn *conn)
{
    enum { END = 254, STATUS_HIGH = 4 };
    const unsigned char *packet = conn->handle->net.read_pos;

    if (packet != NULL && packet[0] == END &&
        (packet[STATUS_HIGH] & SERVER_SESSION_STATE_CHANGED >> 8) != 0)
        conn->dirty = true;
}

int sl_sql_mysql_query(struct sl_sql_mysql_conn *conn, struct sl_bytes text)
{
    int result = 0;
    int wanted = mysql_real_query_start(&result, conn->handle,
                                        (const char *)text.ptr, text.len);

    while (wanted != 0)
        wanted = mysql_real_query_cont(&result, conn->handle,
                                       wait_for_server(conn, wanted));
    if (result == 0)
        note_state_change(conn, mysql_field_count(conn->handle) > 0);
    return result;
}

MYSQL_RES *sl_sql_mysql_store_result(struct sl_sql_mysql_conn *conn)
{
    MYSQL_RES *result = NULL;
    int wanted = mysql_store_result_start(&result, conn->handle);

    while (wanted != 0)
        wanted = mysql_store_result_cont(&result, conn->handle,
                                         wait_for_server(conn, wanted));
    return result;
}

MYSQL_ROW sl_sql_mysql_fetch_row(struct sl_sql_mysql_conn *conn,
                                 MYSQL_RES *rows)
{
    MYSQL_ROW row = NULL;
    int wanted = mysql_fetch_row_start(&row, rows);

    while (wanted != 0)
        wanted =
            mysql_fetch_row_cont(&row, rows, wait_for_server(conn, wanted));
    if (row == NULL)
        note_state_change(conn, true);
    return row;
}

void sl_sql_mysql_free_result(struct sl_sql_mysql_conn *conn, MYSQL_RES *rows)
{
    int wanted = mysql_free_result_start(rows);

    while (wanted != 0)
        wanted = mysql_free_result_cont(rows, wait_for_server(conn, wanted));
}

int sl_sql_mysql_next_result(struct sl_sql_mysql_conn *conn)
{
    int result = 0;
    int wanted = mysql_next_result_start(&result, conn->handle);

    while (wanted != 0)
        wanted = mysql_next_result_cont(&result, conn->handle,
                                        wait_for_server(conn, wanted));
    if (result == 0)
        note_state_change(conn, mysql_field_count(conn->handle) > 0);
    return result;
}

void sl_sql_mysql_abort(struct sl_sql_mysql_conn *conn)
{
    conn->broken = true;
    shutdown(mysql_get_socket(conn->handle), SHUT_RDWR);
}

int sl_sql_mysql_reset_connection(struct sl_sql_mysql_conn *conn)
{
    int result = 0;
    int wanted = mysql_reset_connection_start(&result, conn->handle);

    while (wanted != 0)
        wanted = mysql_reset_connection_cont(&result, conn->handle,
                                             wait_for_server(conn, wanted));
    return result;
}

int sl_sql_mysql_stmt_prepare(struct sl_sql_mysql_conn *conn,
                              MYSQL_STMT *statement, struct sl_bytes text)
{
    int result = 0;
    int wanted = mysql_stmt_prepare_start(&result, statement,
                                          (const char *)text.ptr, text.len);

    while (wanted != 0)
        wanted = mysql_stmt_prepare_cont(&result, statement,
                                         wait_for_server(conn, wanted));
    return result;
}

int sl_sql_mysql_stmt_execute(struct sl_sql_mysql_conn *conn,
                              MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_execute_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_execute_cont(&result, statement,
                                         wait_for_server(conn, wanted));
    if (result == 0)
        note_state_change(conn, mysql_stmt_field_count(statement) > 0);
    return result;
}

int sl_sql_mysql_stmt_fetch(struct sl_sql_mysql_conn *conn,
                            MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_fetch_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_fetch_cont(&result, statement,
                                       wait_for_server(conn, wanted));
    if (result == MYSQL_NO_DATA)
        note_state_change_in_eof(conn);
    return result;
}

int sl_sql_mysql_stmt_store_result(struct sl_sql_mysql_conn *conn,
                                   MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_store_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_store_result_cont(&result, statement,
                                              wait_for_server(conn, wanted));
    return result;
}

int sl_sql_mysql_stmt_next_result(struct sl_sql_mysql_conn *conn,
                                  MYSQL_STMT *statement)
{
    int result = 0;
    int wanted = mysql_stmt_next_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_next_result_cont(&result, statement,
                                             wait_for_server(conn, wanted));
    return result;
}

int sl_sql_mysql_stmt_free_result(struct sl_sql_mysql_conn *conn,
                                  MYSQL_STMT *statement)
{
    my_bool result = 0;
    int wanted = mysql_stmt_free_result_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_free_result_cont(&result, statement,
                                             wait_for_server(conn, wanted));
    return result;
}

void sl_sql_mysql_stmt_close(struct sl_sql_mysql_conn *conn,
                             MYSQL_STMT *statement)
{
    my_bool result = 0;
    int wanted = mysql_stmt_close_start(&result, statement);

    while (wanted != 0)
        wanted = mysql_stmt_close_cont(&result, statement,
                                       wait_for_server(conn, wanted));
}

bool sl_sql_mysql_is_stale(const struct sl_sql_mysql_conn *conn)
{
    struct pollfd poller = {.fd = mysql_get_socket(conn->handle),
                            .events = POLLRDHUP};

    return poll(&poller, 1, 0) != 0;
}
