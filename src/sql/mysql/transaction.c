/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions, at the levels that wit/sql/sql.wit promises.
 *
 * InnoDB's REPEATABLE READ lets a transaction overwrite rows that it has not
 * seen.  MariaDB can refuse that (innodb_snapshot_isolation); elsewhere such a
 * transaction is SERIALIZABLE, which locks what is read.  A read-only one needs
 * neither: its snapshot is one point in the order of the others.
 */
#include <stdio.h>

#include "sql/mysql/connection.h"

static enum sl_status set_snapshot_isolation(struct sl_sql_mysql_conn *conn,
                                             bool on, struct sl_error *err)
{
    bool dirty = conn->dirty;

    if (!conn->has_snapshot_isolation || conn->snapshot_isolation == on)
        return SL_OK;
    enum sl_status status =
        sl_sql_mysql_exec(conn,
                          on ? "SET SESSION innodb_snapshot_isolation = ON"
                             : "SET SESSION innodb_snapshot_isolation = OFF",
                          err);
    if (status == SL_OK)
        conn->snapshot_isolation = on;
    conn->dirty = dirty;
    return status;
}

enum sl_status sl_sql_mysql_clear_isolation(struct sl_sql_mysql_conn *conn,
                                            struct sl_error *err)
{
    return set_snapshot_isolation(conn, false, err);
}

/* The level to request, or NULL for the server's default. */
static const char *isolation_level(const struct sl_sql_mysql_conn *conn,
                                   enum sl_sql_isolation isolation,
                                   bool read_only)
{
    switch (isolation) {
    case SL_SQL_READ_COMMITTED:
        return "READ COMMITTED";
    case SL_SQL_REPEATABLE_READ:
        return read_only || conn->has_snapshot_isolation ? "REPEATABLE READ"
                                                         : "SERIALIZABLE";
    case SL_SQL_SERIALIZABLE:
        return read_only ? "REPEATABLE READ" : "SERIALIZABLE";
    default:
        return NULL;
    }
}

enum sl_status sl_sql_mysql_begin_transaction(struct sl_sql_mysql_conn *conn,
                                              enum sl_sql_isolation isolation,
                                              bool read_only,
                                              struct sl_error *err)
{
    const char *level = isolation_level(conn, isolation, read_only);
    char text[64];
    enum sl_status status =
        set_snapshot_isolation(conn, isolation == SL_SQL_REPEATABLE_READ, err);

    if (status == SL_OK && level != NULL) {
        snprintf(text, sizeof(text), "SET TRANSACTION ISOLATION LEVEL %s",
                 level);
        status = sl_sql_mysql_exec(conn, text, err);
    }
    if (status == SL_OK)
        status = sl_sql_mysql_exec(conn,
                                   read_only ? "START TRANSACTION READ ONLY"
                                             : "START TRANSACTION",
                                   err);
    return status;
}
