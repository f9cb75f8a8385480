/* SPDX-License-Identifier: Apache-2.0 */
#include "mq/sqlite/schema.h"

#include <stddef.h>

#include "driverkit/embedded.h"

const char sl_mq_sqlite_tables[] =
    "CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
    "grp TEXT, state INTEGER NOT NULL, until INTEGER, "
    "in_flight INTEGER NOT NULL DEFAULT 0, "
    "deliveries INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL, "
    "attributes BLOB NOT NULL, payload BLOB NOT NULL);"
    "CREATE INDEX ready ON message (seq) WHERE state = 0;"
    "CREATE INDEX hidden ON message (until) WHERE state = 1;"
    "CREATE INDEX groups ON message (grp, seq) "
    "WHERE grp IS NOT NULL;"
    "CREATE TABLE dead (seq INTEGER PRIMARY KEY, grp TEXT, "
    "deliveries INTEGER NOT NULL, sent INTEGER NOT NULL, "
    "died INTEGER NOT NULL, reason TEXT NOT NULL, "
    "attributes BLOB NOT NULL, payload BLOB NOT NULL);"
    "CREATE TABLE duplicate (id TEXT PRIMARY KEY NOT NULL, "
    "seq INTEGER NOT NULL, until INTEGER NOT NULL);"
    "CREATE INDEX lapsing ON duplicate (until);" SL_EMBEDDED_CLOCK
    "PRAGMA application_id = 0x534c6d71;"
    "PRAGMA user_version = 1;";

const char *const sl_mq_sqlite_statements[] = {
    [SL_MQ_SQLITE_INSERT] =
        "INSERT INTO message (grp, state, until, sent, attributes, "
        "payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SL_MQ_SQLITE_IN_GROUP] = "SELECT 1 FROM message WHERE grp = ?1 LIMIT 1",
    [SL_MQ_SQLITE_FIND_DUPLICATE] =
        "SELECT seq FROM duplicate WHERE id = ?1 AND until > ?2",
    [SL_MQ_SQLITE_NOTE_DUPLICATE] =
        "INSERT OR REPLACE INTO duplicate (id, seq, until) "
        "VALUES (?1, ?2, ?3)",
    /* Finds a due message, so that SHOW does not write without need. */
    [SL_MQ_SQLITE_RETURNED] =
        "SELECT seq FROM message WHERE state = 1 AND until <= ?1 "
        "LIMIT 1",
    [SL_MQ_SQLITE_SHOW] =
        "UPDATE message SET state = 0, until = NULL, in_flight = 0 "
        "WHERE seq IN (SELECT seq FROM message WHERE state = 1 AND "
        "until <= ?1 ORDER BY until LIMIT 1000)",
    [SL_MQ_SQLITE_NEXT] =
        "SELECT seq, grp, deliveries, sent, attributes, payload "
        "FROM message WHERE state = 0 ORDER BY seq LIMIT 1",
    [SL_MQ_SQLITE_DELIVER] =
        "UPDATE message SET state = 1, in_flight = 1, until = ?2, "
        "deliveries = deliveries + 1 WHERE seq = ?1",
    [SL_MQ_SQLITE_NEXT_UNTIL] = "SELECT until FROM message WHERE state = 1 "
                                "ORDER BY until LIMIT 1",
    [SL_MQ_SQLITE_IN_FLIGHT] =
        "SELECT grp FROM message WHERE seq = ?1 AND deliveries = ?2 "
        "AND state = 1 AND in_flight AND until > ?3",
    [SL_MQ_SQLITE_DELETE] = "DELETE FROM message WHERE seq = ?1",
    [SL_MQ_SQLITE_HIDE] =
        "UPDATE message SET state = ?2, until = ?3, in_flight = ?4 "
        "WHERE seq = ?1",
    [SL_MQ_SQLITE_UNBLOCK] =
        "UPDATE message SET state = iif(until > ?2, 1, 0), "
        "until = iif(until > ?2, until, NULL) WHERE seq = "
        "(SELECT seq FROM message WHERE grp = ?1 ORDER BY seq LIMIT 1)",
    [SL_MQ_SQLITE_BURY] =
        "INSERT INTO dead (seq, grp, deliveries, sent, died, reason, "
        "attributes, payload) SELECT seq, grp, deliveries, sent, ?2, ?3, "
        "attributes, payload FROM message WHERE seq = ?1",
    [SL_MQ_SQLITE_DEAD] =
        "SELECT seq, grp, deliveries, sent, attributes, payload, died, reason "
        "FROM dead WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [SL_MQ_SQLITE_REPLAY] =
        "INSERT INTO message (grp, state, sent, attributes, payload) "
        "SELECT grp, iif(EXISTS (SELECT 1 FROM message WHERE grp = dead.grp), "
        "2, 0), sent, attributes, payload FROM dead WHERE seq = ?1",
    [SL_MQ_SQLITE_DROP] = "DELETE FROM dead WHERE seq = ?1",
    [SL_MQ_SQLITE_COUNT] = "SELECT count(*) FROM message",
    [SL_MQ_SQLITE_LAPSED] = "SELECT 1 FROM duplicate WHERE until <= ?1 LIMIT 1",
    [SL_MQ_SQLITE_SWEEP] =
        "DELETE FROM duplicate WHERE rowid IN "
        "(SELECT rowid FROM duplicate WHERE until <= ?1 LIMIT ?2)",
    NULL,
};
