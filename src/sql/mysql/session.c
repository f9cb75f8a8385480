/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of a connection, which components use one after the other: its
 * settings, what statements may leave behind in it, and how that is undone.
 */
#include "sql/mysql/connection.h"

enum { PACKET_MIN = 1024 * 1024 };

/*
 * || concatenates, as in other databases, and values that do not fit are
 * refused instead of truncated.  A reset gives the session the server's default
 * character set; SET NAMES restores the one that the library connected with.
 * The server reports changes of the session; reports about transactions would
 * be mistaken for such changes.
 */
#define SET_UP_SESSION                                                         \
    "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION "                   \
    "time_zone = '+00:00', autocommit = 1, sql_mode = "                        \
    "'PIPES_AS_CONCAT,STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,"  \
    "NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,"          \
    "ONLY_FULL_GROUP_BY', net_write_timeout = 28800, "                         \
    "session_track_state_change = ON, session_track_transaction_info = OFF"

enum sl_status sl_sql_mysql_exec(struct sl_sql_mysql_conn *conn,
                                 const char *text, struct sl_error *err)
{
    if (sl_sql_mysql_query(conn, sl_bytes_of(text)) != 0)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_PREPARING, err);
    return SL_OK;
}

static enum sl_status load_max_packet(struct sl_sql_mysql_conn *conn,
                                      struct sl_error *err)
{
    enum sl_status status =
        sl_sql_mysql_exec(conn, "SELECT @@max_allowed_packet", err);

    if (status != SL_OK)
        return status;
    MYSQL_RES *result = sl_sql_mysql_store_result(conn);
    if (result == NULL)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_PREPARING, err);
    MYSQL_ROW row = mysql_fetch_row(result);
    unsigned long long bytes = 0;
    if (row != NULL && row[0] != NULL)
        for (const char *c = row[0]; *c >= '0' && *c <= '9'; c++)
            bytes = bytes * 10 + (unsigned long long)(*c - '0');
    mysql_free_result(result);
    conn->max_packet = bytes > PACKET_MIN ? bytes : PACKET_MIN;
    return SL_OK;
}

/* Learn what the server supports, too. */
static enum sl_status set_up_first_time(struct sl_sql_mysql_conn *conn,
                                        struct sl_error *err)
{
    struct sl_error own;
    enum sl_status status = sl_sql_mysql_exec(conn, SET_UP_SESSION, err);

    if (status == SL_OK)
        status = load_max_packet(conn, err);
    if (status != SL_OK || !conn->mariadb)
        return status;
    /* Versions before 10.6.18 and 10.11.8 do not know it. */
    conn->has_snapshot_isolation =
        sl_sql_mysql_exec(conn, "SET SESSION innodb_snapshot_isolation = OFF",
                          &own) == SL_OK;
    if (conn->broken)
        return sl_fail(err, own.status, "%s", own.message);
    return SL_OK;
}

enum sl_status sl_sql_mysql_session_setup(struct sl_sql_mysql_conn *conn,
                                          struct sl_error *err)
{
    enum sl_status status;

    if (conn->max_packet == 0)
        status = set_up_first_time(conn, err);
    else
        status =
            sl_sql_mysql_exec(conn,
                              conn->has_snapshot_isolation ? SET_UP_SESSION
                                  ", innodb_snapshot_isolation = OFF"
                                                           : SET_UP_SESSION,
                              err);
    if (status != SL_OK)
        return status;
    conn->snapshot_isolation = false;
    conn->dirty = false; /* only by these settings */
    conn->maybe_dirty = false;
    return SL_OK;
}

/* --- Changes ------------------------------------------------------------ */

void sl_sql_mysql_expect_changes(struct sl_sql_mysql_conn *conn,
                                 const struct sl_sql_mysql_class *class)
{
    conn->dirty = conn->dirty || class->calls;
    conn->maybe_dirty =
        conn->maybe_dirty || class->may_write || !class->in_transaction;
}

void sl_sql_mysql_suspect_session(struct sl_sql_mysql_conn *conn)
{
    if (conn->mariadb)
        conn->dirty = true;
    else
        conn->maybe_dirty = true;
}

/* The server reports pending changes with the next answer without rows, but
 * never reports locks. */
static enum sl_status fetch_pending_changes(struct sl_sql_mysql_conn *conn,
                                            struct sl_error *err)
{
    /* MariaDB discards warnings (SHOW WARNINGS) only for a query with a
     * table. */
    enum sl_status status = sl_sql_mysql_exec(
        conn,
        conn->mariadb
            ? "DO RELEASE_ALL_LOCKS(), (SELECT 1 FROM (SELECT 1) nothing)"
            : "DO RELEASE_ALL_LOCKS()",
        err);

    conn->maybe_dirty = status != SL_OK;
    return status;
}

static enum sl_status reset_session(struct sl_sql_mysql_conn *conn,
                                    struct sl_error *err)
{
    sl_sql_mysql_statements_close(conn);
    if (sl_sql_mysql_reset_connection(conn) != 0)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_PREPARING, err);
    return sl_sql_mysql_session_setup(conn, err);
}

/* After the rows of another component, changes may not have been reported. */
static void note_session_owner(struct sl_sql_mysql_conn *conn,
                               const void *owner)
{
    if (conn->used && conn->owner != owner)
        conn->maybe_dirty = true;
    conn->owner = owner;
    conn->used = true;
}

enum sl_status sl_sql_mysql_session_clean(struct sl_sql_mysql_conn *conn,
                                          const void *owner,
                                          struct sl_error *err)
{
    note_session_owner(conn, owner);
    if (conn->maybe_dirty && !conn->dirty) {
        enum sl_status status = fetch_pending_changes(conn, err);
        if (status != SL_OK)
            return status;
    }
    return conn->dirty ? reset_session(conn, err) : SL_OK;
}
