/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions, at the levels that wit/sql/sql.wit promises.
 *
 * InnoDB's REPEATABLE READ lets a transaction overwrite what it has not seen.
 * MariaDB can be told not to (innodb_snapshot_isolation); elsewhere such a
 * transaction is SERIALIZABLE, where what is read is locked.  One that only
 * reads needs neither: its snapshot stands at one point in the order of the
 * others.
 */
#include <stdio.h>

#include "sql/mysql/run.h"

enum { PACKET_MIN = 1024 * 1024 };

/*
 * || joins texts, as it does everywhere else; what does not fit is refused
 * rather than cut.  A session that is reset has the server's idea of what
 * clients speak: the names are those that the library has connected with.
 * What changes the session the server tells; what belongs to transactions would
 * only be taken for that.
 */
#define SET_UP_SESSION                                                         \
    "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION "                   \
    "time_zone = '+00:00', autocommit = 1, sql_mode = "                        \
    "'PIPES_AS_CONCAT,STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,"  \
    "NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,"          \
    "ONLY_FULL_GROUP_BY', net_write_timeout = 28800, "                         \
    "session_track_state_change = ON, session_track_transaction_info = OFF"

enum sl_status sl_sql_mysql_perform(struct sl_sql_mysql *mysql,
                                    const char *text, struct sl_error *err)
{
    if (sl_sql_mysql_query(mysql, sl_bytes_of(text)) != 0)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_PREPARING, err);
    return SL_OK;
}

static enum sl_status ask_packet(struct sl_sql_mysql *mysql,
                                 struct sl_error *err)
{
    enum sl_status status =
        sl_sql_mysql_perform(mysql, "SELECT @@max_allowed_packet", err);

    if (status != SL_OK)
        return status;
    MYSQL_RES *result = sl_sql_mysql_store_result(mysql);
    if (result == NULL)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_PREPARING, err);
    MYSQL_ROW row = mysql_fetch_row(result);
    unsigned long long bytes = 0;
    if (row != NULL && row[0] != NULL)
        for (const char *c = row[0]; *c >= '0' && *c <= '9'; c++)
            bytes = bytes * 10 + (unsigned long long)(*c - '0');
    mysql_free_result(result);
    mysql->max_packet = bytes > PACKET_MIN ? bytes : PACKET_MIN;
    return SL_OK;
}

/* For the first time: find out what there is. */
static enum sl_status set_up_first(struct sl_sql_mysql *mysql,
                                   struct sl_error *err)
{
    struct sl_error own;
    enum sl_status status = sl_sql_mysql_perform(mysql, SET_UP_SESSION, err);

    if (status == SL_OK)
        status = ask_packet(mysql, err);
    if (status != SL_OK || !mysql->mariadb)
        return status;
    /* Versions before 10.6.18 and 10.11.8 do not know it. */
    mysql->has_snapshots =
        sl_sql_mysql_perform(mysql,
                             "SET SESSION innodb_snapshot_isolation = OFF",
                             &own) == SL_OK;
    if (mysql->lost)
        return sl_fail(err, own.status, "%s", own.message);
    return SL_OK;
}

enum sl_status sl_sql_mysql_set_up(struct sl_sql_mysql *mysql,
                                   struct sl_error *err)
{
    enum sl_status status;

    if (mysql->max_packet == 0)
        status = set_up_first(mysql, err);
    else
        status = sl_sql_mysql_perform(mysql,
                                      mysql->has_snapshots ? SET_UP_SESSION
                                          ", innodb_snapshot_isolation = OFF"
                                                           : SET_UP_SESSION,
                                      err);
    if (status != SL_OK)
        return status;
    mysql->snapshots_on = false;
    mysql->dirty = false; /* by what was set just now */
    mysql->doubtful = false;
    return SL_OK;
}

/* --- Levels ------------------------------------------------------------- */

static enum sl_status set_snapshots(struct sl_sql_mysql *mysql, bool on,
                                    struct sl_error *err)
{
    bool dirty = mysql->dirty;

    if (!mysql->has_snapshots || mysql->snapshots_on == on)
        return SL_OK;
    enum sl_status status =
        sl_sql_mysql_perform(mysql,
                             on ? "SET SESSION innodb_snapshot_isolation = ON"
                                : "SET SESSION innodb_snapshot_isolation = OFF",
                             err);
    if (status == SL_OK)
        mysql->snapshots_on = on;
    mysql->dirty = dirty;
    return status;
}

enum sl_status sl_sql_mysql_be_plain(struct sl_sql_mysql *mysql,
                                     struct sl_error *err)
{
    return set_snapshots(mysql, false, err);
}

/* The level to ask for, or NULL for the server's own. */
static const char *level_of(const struct sl_sql_mysql *mysql,
                            enum sl_sql_isolation isolation, bool read_only)
{
    switch (isolation) {
    case SL_SQL_READ_COMMITTED:
        return "READ COMMITTED";
    case SL_SQL_REPEATABLE_READ:
        return read_only || mysql->has_snapshots ? "REPEATABLE READ"
                                                 : "SERIALIZABLE";
    case SL_SQL_SERIALIZABLE:
        return read_only ? "REPEATABLE READ" : "SERIALIZABLE";
    default:
        return NULL;
    }
}

enum sl_status sl_sql_mysql_begin(struct sl_sql_mysql *mysql,
                                  enum sl_sql_isolation isolation,
                                  bool read_only, struct sl_error *err)
{
    const char *level = level_of(mysql, isolation, read_only);
    char text[64];
    enum sl_status status =
        set_snapshots(mysql, isolation == SL_SQL_REPEATABLE_READ, err);

    if (status == SL_OK && level != NULL) {
        snprintf(text, sizeof(text), "SET TRANSACTION ISOLATION LEVEL %s",
                 level);
        status = sl_sql_mysql_perform(mysql, text, err);
    }
    if (status == SL_OK)
        status = sl_sql_mysql_perform(mysql,
                                      read_only ? "START TRANSACTION READ ONLY"
                                                : "START TRANSACTION",
                                      err);
    return status;
}

void sl_sql_mysql_roll_back(struct sl_sql_mysql *mysql)
{
    bool open = mysql->own || mysql->transaction == SL_SQL_MYSQL_OPEN;

    sl_sql_mysql_close_cursors(mysql);
    mysql->own = false;
    if (mysql->streams)
        mysql->lost = true; /* nobody is going to read what is on its way */
    if (!open || mysql->lost)
        return;
    if (sl_sql_mysql_query(mysql, SL_LITERAL("ROLLBACK")) != 0)
        mysql->lost = true;
}
