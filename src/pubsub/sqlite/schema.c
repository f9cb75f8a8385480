/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of pubsub.sqlite, and its statements. */
#include "pubsub/sqlite/internal.h"

const char sl_pubsub_sqlite_tables[] =
    "CREATE TABLE topic (id INTEGER PRIMARY KEY, "
    "name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
    "topic INTEGER NOT NULL, published INTEGER NOT NULL, "
    "until INTEGER NOT NULL, key BLOB, attributes BLOB NOT NULL, "
    "payload BLOB NOT NULL);"
    "CREATE INDEX log ON event (topic, seq);"
    "CREATE TABLE grp (id INTEGER PRIMARY KEY, "
    "topic INTEGER NOT NULL, name TEXT NOT NULL, "
    "position INTEGER NOT NULL, UNIQUE (topic, name));"
    "CREATE TABLE member (id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "grp INTEGER NOT NULL, name TEXT NOT NULL, "
    "expires INTEGER NOT NULL, UNIQUE (grp, name));"
    "CREATE INDEX dying ON member (expires);"
    "CREATE TABLE delivery (grp INTEGER NOT NULL, "
    "seq INTEGER NOT NULL, state INTEGER NOT NULL, key BLOB, "
    "member INTEGER, until INTEGER, deliveries INTEGER NOT NULL, "
    "PRIMARY KEY (grp, seq)) WITHOUT ROWID;"
    "CREATE INDEX ready ON delivery (grp, seq) WHERE state = 0;"
    "CREATE INDEX hidden ON delivery (grp, until) "
    "WHERE state = 1;"
    "CREATE INDEX owned ON delivery (member) "
    "WHERE member IS NOT NULL;"
    "CREATE INDEX keys ON delivery (grp, key, seq) "
    "WHERE key IS NOT NULL;" SL_EMBEDDED_CLOCK
    "PRAGMA application_id = 0x534c7073;"
    "PRAGMA user_version = 1;";

const char *const sl_pubsub_sqlite_statements[] = {
    [SL_PUBSUB_SQLITE_ADD_TOPIC] =
        "INSERT INTO topic (name) SELECT ?1 "
        "WHERE (SELECT count(*) FROM topic) < ?2 RETURNING id",
    [SL_PUBSUB_SQLITE_FIND_TOPIC] = "SELECT id FROM topic WHERE name = ?1",
    [SL_PUBSUB_SQLITE_INSERT] =
        "INSERT INTO event (topic, published, until, key, attributes, "
        "payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SL_PUBSUB_SQLITE_LAST] =
        "SELECT coalesce(max(seq), 0) FROM event WHERE topic = ?1",
    [SL_PUBSUB_SQLITE_ADD_GROUP] =
        "INSERT INTO grp (topic, name, position) SELECT ?1, ?2, ?3 "
        "WHERE (SELECT count(*) FROM grp WHERE topic = ?1) < ?4 RETURNING id",
    [SL_PUBSUB_SQLITE_FIND_GROUP] =
        "SELECT id FROM grp WHERE topic = ?1 AND name = ?2",
    [SL_PUBSUB_SQLITE_ADD_MEMBER] =
        "INSERT INTO member (grp, name, expires) "
        "VALUES (?1, ?2, ?3) ON CONFLICT (grp, name) "
        "DO UPDATE SET expires = excluded.expires",
    [SL_PUBSUB_SQLITE_FIND_MEMBER] =
        "SELECT m.id, m.expires > ?4, g.id, g.position, t.id "
        "FROM topic t JOIN grp g ON g.topic = t.id "
        "JOIN member m ON m.grp = g.id "
        "WHERE t.name = ?1 AND g.name = ?2 AND m.name = ?3",
    [SL_PUBSUB_SQLITE_RENEW] = "UPDATE member SET expires = ?2 WHERE id = ?1",
    [SL_PUBSUB_SQLITE_REMOVE_MEMBER] = "DELETE FROM member WHERE id = ?1",
    [SL_PUBSUB_SQLITE_TAKE_BACK] =
        "UPDATE delivery SET state = 0, member = NULL "
        "WHERE member = ?1",
    [SL_PUBSUB_SQLITE_DEAD] =
        "SELECT id FROM member WHERE expires <= ?1 LIMIT 1",
    [SL_PUBSUB_SQLITE_NEXT_DEATH] = "SELECT expires FROM member WHERE grp = ?1 "
                                    "ORDER BY expires LIMIT 1",
    [SL_PUBSUB_SQLITE_RETURNED] =
        "SELECT seq FROM delivery WHERE grp = ?1 AND state = 1 "
        "AND until <= ?2 LIMIT 1",
    [SL_PUBSUB_SQLITE_SHOW] =
        "UPDATE delivery SET state = 0, until = NULL WHERE grp = ?1 AND "
        "seq IN (SELECT seq FROM delivery WHERE grp = ?1 AND state = 1 "
        "AND until <= ?2 ORDER BY until LIMIT 1000)",
    [SL_PUBSUB_SQLITE_NEXT_SHOWN] =
        "SELECT until FROM delivery WHERE grp = ?1 AND state = 1 "
        "ORDER BY until LIMIT 1",
    /* Without the hint SQLite scans the primary key, including all blocked
     * events. */
    [SL_PUBSUB_SQLITE_NEXT_READY] =
        "SELECT d.seq, d.deliveries, e.published, d.key, "
        "e.attributes, e.payload, e.seq FROM delivery d INDEXED BY ready "
        "LEFT JOIN event e ON e.seq = d.seq "
        "WHERE d.grp = ?1 AND d.state = 0 ORDER BY d.seq LIMIT 1",
    [SL_PUBSUB_SQLITE_DELIVER_AGAIN] =
        "UPDATE delivery SET state = 2, member = ?3, "
        "deliveries = deliveries + 1 WHERE grp = ?1 AND seq = ?2",
    [SL_PUBSUB_SQLITE_NEXT_NEW] =
        "SELECT seq, 0, published, key, attributes, payload "
        "FROM event WHERE topic = ?1 AND seq > ?2 ORDER BY seq",
    [SL_PUBSUB_SQLITE_KEY_IS_BUSY] =
        "SELECT seq FROM delivery WHERE grp = ?1 AND key = ?2 "
        "LIMIT 1",
    [SL_PUBSUB_SQLITE_DELIVER] =
        "INSERT INTO delivery (grp, seq, state, key, member, "
        "deliveries) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SL_PUBSUB_SQLITE_ADVANCE] = "UPDATE grp SET position = ?2 WHERE id = ?1",
    [SL_PUBSUB_SQLITE_FIND_DELIVERY] =
        "SELECT key FROM delivery WHERE grp = ?1 AND seq = ?2 "
        "AND state = 2 AND member = ?3 AND deliveries = ?4",
    [SL_PUBSUB_SQLITE_ACKNOWLEDGE] =
        "DELETE FROM delivery WHERE grp = ?1 AND seq = ?2",
    [SL_PUBSUB_SQLITE_UNBLOCK] =
        "UPDATE delivery SET state = 0 WHERE grp = ?1 AND state = 3 "
        "AND seq = (SELECT seq FROM delivery WHERE grp = ?1 "
        "AND key = ?2 ORDER BY seq LIMIT 1)",
    [SL_PUBSUB_SQLITE_RETURN] =
        "UPDATE delivery SET state = ?3, until = ?4, member = NULL "
        "WHERE grp = ?1 AND seq = ?2",
    [SL_PUBSUB_SQLITE_OVER] =
        "SELECT 1 FROM (SELECT until FROM event ORDER BY seq LIMIT 1) "
        "WHERE until <= ?1",
    [SL_PUBSUB_SQLITE_SWEEP] =
        "DELETE FROM event WHERE seq IN (SELECT seq FROM "
        "(SELECT seq, until FROM event ORDER BY seq LIMIT ?2) "
        "WHERE until <= ?1)",
    NULL,
};

sqlite3_stmt *sl_pubsub_sqlite_get(struct sl_embedded *connection,
                                   enum sl_pubsub_sqlite_statement which)
{
    return connection->statements[which];
}

/* A statement with its first two parameters bound. */
sqlite3_stmt *sl_pubsub_sqlite_with(struct sl_embedded *connection,
                                    enum sl_pubsub_sqlite_statement which,
                                    int64_t first, int64_t second)
{
    sqlite3_stmt *statement = sl_pubsub_sqlite_get(connection, which);

    sqlite3_bind_int64(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, second);
    return statement;
}

int sl_pubsub_sqlite_perform(struct sl_embedded *connection,
                             enum sl_pubsub_sqlite_statement which,
                             int64_t first, int64_t second)
{
    return sl_embedded_perform(
        sl_pubsub_sqlite_with(connection, which, first, second));
}

/* No key is NULL; an empty key is not. */
int sl_pubsub_sqlite_bind_key(sqlite3_stmt *statement, int at,
                              struct sl_bytes key)
{
    return key.ptr != NULL ? sl_embedded_bind_blob(statement, at, key)
                           : sqlite3_bind_null(statement, at);
}

struct sl_bytes sl_pubsub_sqlite_key(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return (struct sl_bytes){0};
    struct sl_bytes key = sl_embedded_blob(statement, column);
    return key.len > 0 ? key : SL_LITERAL("");
}
