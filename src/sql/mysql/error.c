/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the errors of MySQL, MariaDB and their client library mean.  The servers
 * share the codes up to 1899, and have their own above.  A code that is not in
 * the table is classified by its SQLSTATE.
 */
#include <errmsg.h>
#include <stdio.h>
#include <string.h>

#include "sql/mysql/connection.h"

enum server { ANY, MYSQL_ONLY, MARIADB_ONLY };

enum {
    BROKEN = 1 << 1, /* the connection is */
    NAMES = 1 << 2,  /* its message quotes names, never values */
};

struct error_entry {
    unsigned from, to; /* codes */
    enum server server;
    enum sl_status status;
    unsigned flags;
    const char *text; /* replaces the server's message */
};

/* The first entry with a code applies. */
static const struct error_entry entries[] = {
    /* Conflicts with other transactions. */
    {1213, 1213, ANY, SL_ABORTED, 0,
     "a deadlock with another transaction; run the transaction again"},
    {1614, 1614, ANY, SL_ABORTED, 0,
     "a deadlock with another transaction; run the transaction again"},
    {1205, 1205, ANY, SL_ABORTED, 0,
     "another transaction held a lock for longer than the server waits; run "
     "the transaction again"},
    {1613, 1613, ANY, SL_ABORTED, 0, NULL},
    {1020, 1020, ANY, SL_ABORTED, 0,
     "another transaction has changed what this one read; run it again"},
    {1180, 1181, ANY, SL_ABORTED, 0, NULL},
    {1412, 1412, ANY, SL_ABORTED, 0,
     "the table was altered since the transaction began; run it again"},
    {1615, 1615, ANY, SL_ABORTED, 0,
     "the table is being altered repeatedly; run the transaction again"},
    {3058, 3058, ANY, SL_ABORTED, 0, "a deadlock between locks"},
    {3101, 3101, MYSQL_ONLY, SL_ABORTED, 0,
     "a conflict with another member of the group; run the transaction again"},
    {3132, 3132, MYSQL_ONLY, SL_ABORTED, 0, "a deadlock between locks"},
    {3133, 3133, MYSQL_ONLY, SL_ABORTED, 0,
     "the wait for a lock took too long"},
    {3572, 3572, MYSQL_ONLY, SL_ABORTED, 0,
     "a row is locked, and the statement says NOWAIT"},
    {1964, 1964, MARIADB_ONLY, SL_ABORTED, 0, NULL},
    {1047, 1047, MARIADB_ONLY, SL_UNAVAILABLE, BROKEN,
     "the server is not part of its cluster"},

    /* Constraints. */
    {1022, 1022, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1062, 1062, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1169, 1169, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1291, 1291, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1569, 1569, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1586, 1586, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1761, 1762, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1859, 1859, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1048, 1048, ANY, SL_CONFLICT, NAMES, NULL},
    {1121, 1121, ANY, SL_CONFLICT, NAMES, NULL},
    {1216, 1217, ANY, SL_CONFLICT, NAMES, NULL},
    {1263, 1263, ANY, SL_CONFLICT, NAMES, NULL},
    {1364, 1364, ANY, SL_CONFLICT, NAMES, NULL},
    {1369, 1369, ANY, SL_CONFLICT, NAMES, NULL},
    {1423, 1423, ANY, SL_CONFLICT, NAMES, NULL},
    {1451, 1452, ANY, SL_CONFLICT, NAMES, NULL},
    {1526, 1526, ANY, SL_CONFLICT, 0, "the table has no partition for the row"},
    {1591, 1591, ANY, SL_CONFLICT, 0, "the table has no partition for the row"},
    {1644, 1645, ANY, SL_CONFLICT, 0,
     "a trigger or a procedure of the database has refused it (SIGNAL)"},
    {1748, 1748, ANY, SL_CONFLICT, 0, NULL},
    {1863, 1863, ANY, SL_CONFLICT, 0, NULL},
    {3008, 3008, ANY, SL_CONFLICT, NAMES, NULL},
    {3673, 3673, MYSQL_ONLY, SL_CONFLICT, NAMES, NULL},
    {3819, 3819, MYSQL_ONLY, SL_CONFLICT, NAMES, NULL},
    {4025, 4025, MARIADB_ONLY, SL_CONFLICT, NAMES, NULL},

    /* It already exists. */
    {1007, 1007, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1050, 1050, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1060, 1061, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1068, 1068, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1086, 1086, ANY, SL_ALREADY_EXISTS, 0, NULL},
    {1125, 1125, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1304, 1304, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1359, 1359, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1476, 1476, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1537, 1537, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1813, 1813, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1826, 1826, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1831, 1831, ANY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1973, 1973, MARIADB_ONLY, SL_ALREADY_EXISTS, NAMES, NULL},
    {1975, 1975, MARIADB_ONLY, SL_ALREADY_EXISTS, NAMES, NULL},
    {3163, 3163, MYSQL_ONLY, SL_ALREADY_EXISTS, NAMES, NULL},
    {3822, 3822, MYSQL_ONLY, SL_ALREADY_EXISTS, NAMES, NULL},

    /* Permissions. */
    {1044, 1044, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1045, 1045, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1095, 1095, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1130, 1130, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1131, 1133, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1141, 1143, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1147, 1147, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1148, 1148, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1211, 1211, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1223, 1223, ANY, SL_UNAVAILABLE, NAMES, NULL},
    {1227, 1227, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1251, 1251, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1275, 1275, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1370, 1370, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1403, 1403, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1410, 1410, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1418, 1419, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1449, 1449, ANY, SL_PERMISSION_DENIED, NAMES, NULL},
    {1524, 1524, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1698, 1698, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1820, 1820, ANY, SL_UNAUTHENTICATED, 0,
     "the password has expired; change it on the server"},
    {1862, 1862, ANY, SL_UNAUTHENTICATED, 0,
     "the password has expired; change it on the server"},
    {1873, 1873, ANY, SL_UNAUTHENTICATED, NAMES, NULL},
    {1979, 1979, MARIADB_ONLY, SL_PERMISSION_DENIED, NAMES, NULL},
    {3118, 3118, MYSQL_ONLY, SL_UNAUTHENTICATED, 0,
     "the account is locked on the server"},
    {3159, 3159, MYSQL_ONLY, SL_UNAUTHENTICATED, 0,
     "the server requires TLS; write mysqls:// in the url"},
    {3530, 3530, MYSQL_ONLY, SL_PERMISSION_DENIED, NAMES, NULL},
    {3955, 3955, MYSQL_ONLY, SL_UNAUTHENTICATED, 0,
     "the account is blocked after too many wrong passwords"},
    {4150, 4151, MARIADB_ONLY, SL_UNAUTHENTICATED, 0,
     "the account is locked on the server"},

    /* Limits of time. */
    {1317, 1317, ANY, SL_UNAVAILABLE, 0,
     "the statement was killed on the server"},
    {1028, 1028, ANY, SL_UNAVAILABLE, 0,
     "the statement was killed on the server"},
    {1969, 1969, MARIADB_ONLY, SL_TIMEOUT, 0,
     "the statement ran longer than the server allows"},
    {3024, 3024, MYSQL_ONLY, SL_TIMEOUT, 0,
     "the statement ran longer than the server allows"},
    {1907, 1907, MYSQL_ONLY, SL_TIMEOUT, 0,
     "the statement ran longer than the server allows"},

    /* The server is unavailable, or short of something. */
    {1021, 1021, ANY, SL_RESOURCE_EXHAUSTED, 0, "the server's disk is full"},
    {1026, 1026, ANY, SL_UNAVAILABLE, 0,
     "the server cannot write a file; its disk may be full"},
    {1114, 1114, ANY, SL_RESOURCE_EXHAUSTED, 0,
     "the table, or the server's disk, is full"},
    {1037, 1038, ANY, SL_RESOURCE_EXHAUSTED, 0, "the server is out of memory"},
    {1041, 1041, ANY, SL_UNAVAILABLE, BROKEN, "the server is out of memory"},
    {1040, 1040, ANY, SL_UNAVAILABLE, BROKEN,
     "the server has reached its limit of connections"},
    {1129, 1129, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {1135, 1135, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {1203, 1203, ANY, SL_UNAVAILABLE, BROKEN,
     "the user has reached its limit of connections on the server; reduce "
     "connections and max-transactions in the manifest"},
    {1226, 1226, ANY, SL_UNAVAILABLE, BROKEN,
     "the user has reached a limit of the server (MAX_USER_CONNECTIONS, "
     "MAX_QUERIES_PER_HOUR …)"},
    {1053, 1053, ANY, SL_UNAVAILABLE, BROKEN, "the server is shutting down"},
    {1077, 1080, ANY, SL_UNAVAILABLE, BROKEN, "the server is shutting down"},
    {1152, 1152, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {1154, 1161, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {1184, 1184, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {1206, 1206, ANY, SL_RESOURCE_EXHAUSTED, 0,
     "the server is out of memory for locks"},
    {1290, 1290, ANY, SL_UNAVAILABLE, NAMES, NULL}, /* --read-only */
    {1430, 1430, ANY, SL_UNAVAILABLE, 0, NULL},
    {1429, 1429, ANY, SL_UNAVAILABLE, 0, NULL},
    {1461, 1461, ANY, SL_UNAVAILABLE, NAMES, NULL},
    {1637, 1637, ANY, SL_UNAVAILABLE, NAMES, NULL},
    {1792, 1792, ANY, SL_READ_ONLY, 0, "the transaction is read-only"},
    {1836, 1836, ANY, SL_UNAVAILABLE, 0, "the server is read-only"},
    {1874, 1874, ANY, SL_UNAVAILABLE, 0, "the server is read-only"},
    {1810, 1811, ANY, SL_UNAVAILABLE, 0, NULL},
    {1878, 1878, ANY, SL_UNAVAILABLE, 0,
     "the server cannot write a temporary file; its disk may be full"},
    {1927, 1927, MARIADB_ONLY, SL_UNAVAILABLE, BROKEN,
     "the connection was killed on the server"},
    {1712, 1713, ANY, SL_UNAVAILABLE, 0, NULL},
    {3015, 3015, ANY, SL_RESOURCE_EXHAUSTED, 0, "the server is out of memory"},
    {3019, 3019, ANY, SL_RESOURCE_EXHAUSTED, 0,
     "the server's undo log is full"},
    {3032, 3032, ANY, SL_UNAVAILABLE, BROKEN, "the server is offline"},
    {3044, 3044, ANY, SL_RESOURCE_EXHAUSTED, 0, "the server is out of memory"},
    {3100, 3100, MYSQL_ONLY, SL_UNAVAILABLE, 0, NULL},
    {3168, 3168, MYSQL_ONLY, SL_UNAVAILABLE, BROKEN, NULL},
    {3169, 3169, MYSQL_ONLY, SL_UNAVAILABLE, BROKEN,
     "the connection was killed on the server"},
    {3675, 3675, MYSQL_ONLY, SL_RESOURCE_EXHAUSTED, 0,
     "the server's disk is full"},
    {3750, 3750, MYSQL_ONLY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {3798, 3798, MYSQL_ONLY, SL_UNAVAILABLE, 0, NULL},
    {4031, 4031, MYSQL_ONLY, SL_UNAVAILABLE, BROKEN,
     "the server has closed an idle connection"},
    {4145, 4145, MARIADB_ONLY, SL_UNAVAILABLE, 0, NULL},

    /* Limits of size. */
    {1153, 1153, ANY, SL_TOO_LARGE, BROKEN,
     "the statement and its parameters exceed the server's "
     "max_allowed_packet"},
    {1301, 1301, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1104, 1104, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1118, 1118, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1119, 1119, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1436, 1436, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1162, 1162, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1172, 1172, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1197, 1197, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1390, 1390, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1456, 1456, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1534, 1534, ANY, SL_UNAVAILABLE, 0, NULL},
    {1705, 1705, ANY, SL_TOO_LARGE, NAMES, NULL},
    {1799, 1799, ANY, SL_TOO_LARGE, NAMES, NULL},
    {3170, 3170, MYSQL_ONLY, SL_TOO_LARGE, NAMES, NULL},
    {3636, 3636, MYSQL_ONLY, SL_TOO_LARGE, NAMES, NULL},

    /* Not supported by the server, or by a storage engine. */
    {1031, 1031, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1112, 1112, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1163, 1164, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1178, 1178, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1214, 1214, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1235, 1235, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1286, 1286, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1289, 1289, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1295, 1295, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1381, 1381, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1464, 1464, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1506, 1506, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1665, 1666, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {1845, 1857, ANY, SL_UNSUPPORTED, NAMES, NULL},
    {3161, 3161, MYSQL_ONLY, SL_UNSUPPORTED, NAMES, NULL},
    {4047, 4047, MARIADB_ONLY, SL_UNSUPPORTED, NAMES, NULL},
    {4165, 4165, MARIADB_ONLY, SL_UNSUPPORTED, NAMES, NULL},

    /* Damaged data. */
    {1030, 1030, ANY, SL_UNAVAILABLE, 0, NULL}, /* of a storage engine */
    {1016, 1017, ANY, SL_UNAVAILABLE, 0, NULL},
    {1024, 1024, ANY, SL_UNAVAILABLE, 0, NULL},
    {1034, 1035, ANY, SL_UNAVAILABLE, 0, NULL},
    {1126, 1127, ANY, SL_UNAVAILABLE, 0, NULL},
    {1194, 1195, ANY, SL_UNAVAILABLE, 0, NULL},
    {1467, 1467, ANY, SL_UNAVAILABLE, 0,
     "the server has no more AUTO_INCREMENT values for the column, or cannot "
     "read the last one"},
    {1712, 1712, ANY, SL_UNAVAILABLE, 0, NULL},
    {1812, 1815, ANY, SL_UNAVAILABLE, 0, NULL},
    {1817, 1817, ANY, SL_UNAVAILABLE, 0, NULL},
    {1877, 1877, ANY, SL_UNAVAILABLE, 0, NULL},
    {1932, 1932, MARIADB_ONLY, SL_UNAVAILABLE, 0, NULL},

    /* Mistakes whose messages quote only names of the statement. */
    {1046, 1046, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1049, 1049, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1051, 1052, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1054, 1059, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1091, 1091, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1093, 1093, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1109, 1110, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1136, 1136, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1146, 1146, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1264, 1265, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1305, 1305, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1318, 1318, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1406, 1406, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1441, 1442, ANY, SL_INVALID_ARGUMENT, NAMES, NULL},
    {1690, 1690, ANY, SL_INVALID_ARGUMENT, 0,
     "a number is out of range for its type"},
    {4078, 4079, MARIADB_ONLY, SL_INVALID_ARGUMENT, NAMES, NULL},

    /* Mistakes without a specific SQLSTATE. */
    {1005, 1006, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1008, 1013, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1025, 1025, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1032, 1032, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1036, 1036, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1094, 1128, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1134, 1151, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1165, 1177, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1191, 1193, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1207, 1222, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1224, 1299, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1300, 1369, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1382, 1411, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1413, 1417, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1420, 1533, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1538, 1572, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1575, 1592, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1599, 1612, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1628, 1636, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1638, 1664, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1687, 1760, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1763, 1767, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1791, 1809, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1816, 1835, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1860, 1869, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {1901, 1926, MARIADB_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {1933, 1933, MARIADB_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {1959, 1981, MARIADB_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {3011, 3014, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {3018, 3029, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {3033, 3060, ANY, SL_INVALID_ARGUMENT, 0, NULL},
    {3061, 3099, MYSQL_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {3102, 3160, MYSQL_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {3162, 3167, MYSQL_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {3171, 3240, MYSQL_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {3500, 3980, MYSQL_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {4002, 4142, MARIADB_ONLY, SL_INVALID_ARGUMENT, 0, NULL},
    {4152, 4190, MARIADB_ONLY, SL_INVALID_ARGUMENT, 0, NULL},

    /* The client library. */
    {CR_SERVER_GONE_ERROR, CR_SERVER_GONE_ERROR, ANY, SL_UNAVAILABLE, BROKEN,
     "the connection to the server was lost"},
    {CR_SERVER_LOST, CR_SERVER_LOST, ANY, SL_UNAVAILABLE, BROKEN,
     "the connection to the server was lost"},
    {CR_SERVER_LOST_EXTENDED, CR_SERVER_LOST_EXTENDED, ANY, SL_UNAVAILABLE,
     BROKEN, "the connection to the server was lost"},
    {CR_SOCKET_CREATE_ERROR, CR_UNKNOWN_HOST, ANY, SL_UNAVAILABLE,
     BROKEN | NAMES, NULL},
    {CR_SERVER_HANDSHAKE_ERR, CR_SERVER_HANDSHAKE_ERR, ANY, SL_UNAVAILABLE,
     BROKEN, "the server does not speak MySQL's protocol"},
    {CR_VERSION_ERROR, CR_VERSION_ERROR, ANY, SL_UNAVAILABLE, BROKEN,
     "the server does not speak MySQL's protocol"},
    {CR_MALFORMED_PACKET, CR_MALFORMED_PACKET, ANY, SL_UNAVAILABLE, BROKEN,
     "the server does not speak MySQL's protocol"},
    {CR_COMMANDS_OUT_OF_SYNC, CR_COMMANDS_OUT_OF_SYNC, ANY, SL_UNAVAILABLE,
     BROKEN, "the connection is out of step"},
    {CR_NEW_STMT_METADATA, CR_NEW_STMT_METADATA, ANY, SL_ABORTED, 0,
     "the table was altered since the statement was prepared; run the "
     "transaction again"},
    {CR_OUT_OF_MEMORY, CR_OUT_OF_MEMORY, ANY, SL_UNAVAILABLE, BROKEN,
     "out of memory for the server's answer"},
    {CR_NET_PACKET_TOO_LARGE, CR_NET_PACKET_TOO_LARGE, ANY, SL_TOO_LARGE,
     BROKEN, "a row, or a statement with its parameters, exceeds 128 MiB"},
    {CR_SSL_CONNECTION_ERROR, CR_SSL_CONNECTION_ERROR, ANY, SL_UNAVAILABLE,
     BROKEN | NAMES, NULL},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, CR_AUTH_PLUGIN_CANNOT_LOAD, ANY,
     SL_UNAUTHENTICATED, BROKEN | NAMES, NULL},
    {CR_AUTH_PLUGIN_ERR, CR_AUTH_PLUGIN_ERR, ANY, SL_UNAUTHENTICATED,
     BROKEN | NAMES, NULL},
    {CR_SECURE_AUTH, CR_SECURE_AUTH, ANY, SL_UNAUTHENTICATED, BROKEN, NULL},
    {5010, 5010, ANY, SL_UNAUTHENTICATED, BROKEN,
     "the server asks for an authentication method that would reveal the "
     "password to it"},
    {5012, 5012, ANY, SL_UNAUTHENTICATED, BROKEN, NULL},
    {5013, 5014, ANY, SL_UNAVAILABLE, BROKEN,
     "the connection to the server was lost"},
    {2000, 2999, ANY, SL_UNAVAILABLE, BROKEN, NULL},
    {5000, 5026, ANY, SL_UNAVAILABLE, BROKEN, NULL},
};

static const struct error_entry *find_entry(unsigned code, bool mariadb)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const struct error_entry *entry = &entries[i];
        if (code >= entry->from && code <= entry->to &&
            (entry->server == ANY ||
             (entry->server == MARIADB_ONLY) == mariadb))
            return entry;
    }
    return NULL;
}

/* By the class of the SQLSTATE. */
static struct sl_sql_mysql_error_class classify_sqlstate(const char *state)
{
    static const struct {
        const char *start;
        struct sl_sql_mysql_error_class class;
    } classes[] = {
        {"08", {SL_UNAVAILABLE, true}},
        {"0A", {SL_UNSUPPORTED, false}},
        {"22", {SL_INVALID_ARGUMENT, false}},
        {"23", {SL_CONFLICT, false}},
        {"25", {SL_INVALID_ARGUMENT, false}},
        {"28", {SL_UNAUTHENTICATED, false}},
        {"40", {SL_ABORTED, false}},
        {"45", {SL_CONFLICT, false}},
        {"70", {SL_UNAVAILABLE, false}},
        {"20", {SL_INVALID_ARGUMENT, false}},
        {"21", {SL_INVALID_ARGUMENT, false}},
        {"2F", {SL_INVALID_ARGUMENT, false}},
        {"3D", {SL_INVALID_ARGUMENT, false}},
        {"42", {SL_INVALID_ARGUMENT, false}},
        {"44", {SL_CONFLICT, false}},
        {"53", {SL_UNAVAILABLE, false}},
        {"XA", {SL_CONFLICT, false}},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(state, classes[i].start, 2) == 0)
            return classes[i].class;
    return (struct sl_sql_mysql_error_class){SL_INTERNAL, false};
}

/* The library has no code for a bad certificate, only text. */
static bool blames_certificate(const struct sl_sql_mysql_server_error *error)
{
    return error->code == CR_SSL_CONNECTION_ERROR &&
           (strcasestr(error->message, "certificate") != NULL ||
            strcasestr(error->message, "validation") != NULL ||
            strcasestr(error->message, "verif") != NULL);
}

/* "Can't create table `t` (errno: 135 …)": of the system, or of InnoDB. */
static bool blames_disk(const struct sl_sql_mysql_server_error *error)
{
    static const char *const numbers[] = {"errno: 28 ", "errno: 135 ",
                                          "errno: 122 "};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if ((error->code == 1005 || error->code == 1006 ||
             error->code == 1025) &&
            strstr(error->message, numbers[i]) != NULL)
            return true;
    return false;
}

struct sl_sql_mysql_error_class
sl_sql_mysql_classify_error(const struct sl_sql_mysql_server_error *error)
{
    const struct error_entry *entry = find_entry(error->code, error->mariadb);

    if (blames_certificate(error))
        return (struct sl_sql_mysql_error_class){SL_UNAUTHENTICATED, true};
    if (blames_disk(error))
        return (struct sl_sql_mysql_error_class){SL_RESOURCE_EXHAUSTED, false};
    if (entry == NULL)
        return classify_sqlstate(error->sqlstate);
    return (struct sl_sql_mysql_error_class){entry->status,
                                             (entry->flags & BROKEN) != 0};
}

/* --- Messages ----------------------------------------------------------- */

/* Make it one line of UTF-8. */
static void clean_message(char *text)
{
    bool is_text = sl_bytes_are_text(sl_bytes_of(text));

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f)
            *text = ' ';
        else if (c >= 0x80 && !is_text)
            *text = '?';
    }
}

/* "… for key 'items.name'", which follows the value. */
static const char *find_key(const char *message)
{
    static const char words[] = " for key '";
    const char *last = NULL;

    /* A truncated message would end within the value. */
    if (message[0] == '\0' || message[strlen(message) - 1] != '\'')
        return NULL;
    for (const char *at = message; (at = strstr(at, words)) != NULL; at++)
        last = at;
    return last;
}

/* How much of a message may be shown.  When a statement runs, it may quote
 * values. */
static size_t mysql_shown_length(const char *message, bool names_only)
{
    return names_only ? strlen(message) : strcspn(message, "\"':[`");
}

enum sl_status
sl_sql_mysql_report_error(const struct sl_sql_mysql_server_error *error,
                          enum sl_sql_mysql_phase phase, struct sl_error *err)
{
    const struct error_entry *entry = find_entry(error->code, error->mariadb);
    const char *who = phase == SL_SQL_MYSQL_CONNECTING ? "the server"
                      : error->mariadb                 ? "MariaDB"
                                                       : "MySQL";
    const char *key = find_key(error->message);
    enum sl_status status = sl_sql_mysql_classify_error(error).status;
    bool names_only = phase != SL_SQL_MYSQL_RUNNING ||
                      (entry != NULL && (entry->flags & NAMES) != 0);

    if (blames_certificate(error))
        sl_fail(err, status, "the server's certificate: %s", error->message);
    else if (blames_disk(error))
        sl_fail(err, status, "the server's disk, or its tablespace, is full");
    else if (entry != NULL && entry->text != NULL)
        sl_fail(err, status, "%s", entry->text);
    else if (status == SL_ALREADY_EXISTS && !names_only && key != NULL)
        sl_fail(err, status, "%s says: Duplicate entry%s", who, key);
    else
        sl_fail(err, status, "%s says: %.*s (error %u)", who,
                (int)mysql_shown_length(error->message, names_only),
                error->message, error->code);
    if (err != NULL)
        clean_message(err->message);
    return status;
}

enum sl_status sl_sql_mysql_explain(struct sl_sql_mysql_conn *conn,
                                    MYSQL_STMT *statement,
                                    enum sl_sql_mysql_phase phase,
                                    struct sl_error *err)
{
    bool of_statement = statement != NULL && mysql_stmt_errno(statement) != 0;
    const struct sl_sql_mysql_server_error error = {
        .code = of_statement ? mysql_stmt_errno(statement)
                             : mysql_errno(conn->handle),
        .sqlstate = of_statement ? mysql_stmt_sqlstate(statement)
                                 : mysql_sqlstate(conn->handle),
        .message = of_statement ? mysql_stmt_error(statement)
                                : mysql_error(conn->handle),
        .mariadb = conn->mariadb};
    const struct sl_sql_mysql_error_class class =
        sl_sql_mysql_classify_error(&error);

    if (conn->timed_out)
        return sl_fail(
            err, SL_TIMEOUT,
            "the server did not answer in time; the statement is being killed");
    conn->stale_columns = error.code == CR_NEW_STMT_METADATA;
    conn->broken = conn->broken || class.broken || error.code == 0;
    if (error.code == 0)
        return sl_fail(err, SL_UNAVAILABLE,
                       "the connection to the server was lost");
    return sl_sql_mysql_report_error(&error, phase, err);
}
