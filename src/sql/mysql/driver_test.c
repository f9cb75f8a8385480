/* SPDX-License-Identifier: Apache-2.0 */
/* sql.mysql without a server: what errors mean, what statements may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sql/mysql/connection.h"
#include "support/stores.h"

/* --- Errors ------------------------------------------------------------- */

enum { BOTH, MYSQL_SAYS, MARIADB_SAYS };

/* holds: sql-17 sql-91 */
static const struct {
    unsigned code;
    const char *state;
    int server;
    enum sl_status status;
} errors[] = {
    /* another transaction */
    {1213, "40001", BOTH, SL_ABORTED},
    {1205, "HY000", BOTH, SL_ABORTED},
    {1614, "XA102", BOTH, SL_ABORTED},
    {1613, "XA106", BOTH, SL_ABORTED},
    {1020, "HY000", BOTH, SL_ABORTED},
    {1180, "HY000", BOTH, SL_ABORTED},
    {1412, "HY000", BOTH, SL_ABORTED},
    {1615, "HY000", BOTH, SL_ABORTED},
    {3101, "40000", MYSQL_SAYS, SL_ABORTED},
    {3572, "HY000", MYSQL_SAYS, SL_ABORTED},
    {1964, "HY000", MARIADB_SAYS, SL_ABORTED},
    {1047, "08S01", MARIADB_SAYS, SL_UNAVAILABLE},
    /* constraints */
    {1022, "23000", BOTH, SL_ALREADY_EXISTS},
    {1062, "23000", BOTH, SL_ALREADY_EXISTS},
    {1169, "23000", BOTH, SL_ALREADY_EXISTS},
    {1569, "HY000", BOTH, SL_ALREADY_EXISTS},
    {1586, "23000", BOTH, SL_ALREADY_EXISTS},
    {1761, "23000", BOTH, SL_ALREADY_EXISTS},
    {1859, "23000", BOTH, SL_ALREADY_EXISTS},
    {1048, "23000", BOTH, SL_CONFLICT},
    {1216, "23000", BOTH, SL_CONFLICT},
    {1217, "23000", BOTH, SL_CONFLICT},
    {1263, "22004", BOTH, SL_CONFLICT},
    {1364, "HY000", BOTH, SL_CONFLICT},
    {1369, "44000", BOTH, SL_CONFLICT},
    {1451, "23000", BOTH, SL_CONFLICT},
    {1452, "23000", BOTH, SL_CONFLICT},
    {1526, "HY000", BOTH, SL_CONFLICT},
    {1644, "45000", BOTH, SL_CONFLICT},
    {1748, "HY000", BOTH, SL_CONFLICT},
    {3819, "HY000", MYSQL_SAYS, SL_CONFLICT},
    {4025, "23000", MARIADB_SAYS, SL_CONFLICT},
    /* what is there */
    {1007, "HY000", BOTH, SL_ALREADY_EXISTS},
    {1050, "42S01", BOTH, SL_ALREADY_EXISTS},
    {1060, "42S21", BOTH, SL_ALREADY_EXISTS},
    {1061, "42000", BOTH, SL_ALREADY_EXISTS},
    {1304, "42000", BOTH, SL_ALREADY_EXISTS},
    {1359, "HY000", BOTH, SL_ALREADY_EXISTS},
    {1537, "HY000", BOTH, SL_ALREADY_EXISTS},
    {1826, "HY000", BOTH, SL_ALREADY_EXISTS},
    {3822, "HY000", MYSQL_SAYS, SL_ALREADY_EXISTS},
    {1973, "HY000", MARIADB_SAYS, SL_ALREADY_EXISTS},
    /* who may */
    {1044, "42000", BOTH, SL_PERMISSION_DENIED},
    {1142, "42000", BOTH, SL_PERMISSION_DENIED},
    {1143, "42000", BOTH, SL_PERMISSION_DENIED},
    {1148, "42000", BOTH, SL_PERMISSION_DENIED},
    {1227, "42000", BOTH, SL_PERMISSION_DENIED},
    {1370, "42000", BOTH, SL_PERMISSION_DENIED},
    {1419, "HY000", BOTH, SL_PERMISSION_DENIED},
    {1045, "28000", BOTH, SL_UNAUTHENTICATED},
    {1130, "HY000", BOTH, SL_UNAUTHENTICATED},
    {1251, "08004", BOTH, SL_UNAUTHENTICATED},
    {1698, "28000", BOTH, SL_UNAUTHENTICATED},
    {1820, "HY000", BOTH, SL_UNAUTHENTICATED},
    {1862, "HY000", BOTH, SL_UNAUTHENTICATED},
    {3118, "HY000", MYSQL_SAYS, SL_UNAUTHENTICATED},
    {3159, "HY000", MYSQL_SAYS, SL_UNAUTHENTICATED},
    {3955, "HY000", MYSQL_SAYS, SL_UNAUTHENTICATED},
    {4150, "HY000", MARIADB_SAYS, SL_UNAUTHENTICATED},
    {4151, "HY000", MARIADB_SAYS, SL_UNAUTHENTICATED},
    /* time */
    {1969, "70100", MARIADB_SAYS, SL_TIMEOUT},
    {3024, "HY000", MYSQL_SAYS, SL_TIMEOUT},
    {1317, "70100", BOTH, SL_UNAVAILABLE},
    /* not now */
    {1021, "HY000", BOTH, SL_RESOURCE_EXHAUSTED},
    {1026, "HY000", BOTH, SL_UNAVAILABLE},
    {1030, "HY000", BOTH, SL_UNAVAILABLE},
    {1037, "HY001", BOTH, SL_RESOURCE_EXHAUSTED},
    {1038, "HY001", BOTH, SL_RESOURCE_EXHAUSTED},
    {1040, "08004", BOTH, SL_UNAVAILABLE},
    {1041, "HY000", BOTH, SL_UNAVAILABLE},
    {1053, "08S01", BOTH, SL_UNAVAILABLE},
    {1077, "HY000", BOTH, SL_UNAVAILABLE},
    {1114, "HY000", BOTH, SL_RESOURCE_EXHAUSTED},
    {1129, "HY000", BOTH, SL_UNAVAILABLE},
    {1158, "08S01", BOTH, SL_UNAVAILABLE},
    {1203, "42000", BOTH, SL_UNAVAILABLE},
    {1206, "HY000", BOTH, SL_RESOURCE_EXHAUSTED},
    {1226, "42000", BOTH, SL_UNAVAILABLE},
    {1290, "HY000", BOTH, SL_UNAVAILABLE},
    {1461, "42000", BOTH, SL_UNAVAILABLE},
    {1836, "HY000", BOTH, SL_UNAVAILABLE},
    {1927, "70100", MARIADB_SAYS, SL_UNAVAILABLE},
    {3019, "HY000", BOTH, SL_RESOURCE_EXHAUSTED},
    {3032, "HY000", BOTH, SL_UNAVAILABLE},
    {3169, "HY000", MYSQL_SAYS, SL_UNAVAILABLE},
    {3675, "HY000", MYSQL_SAYS, SL_RESOURCE_EXHAUSTED},
    {4031, "HY000", MYSQL_SAYS, SL_UNAVAILABLE},
    /* sizes */
    {1153, "08S01", BOTH, SL_TOO_LARGE},
    {1104, "42000", BOTH, SL_TOO_LARGE},
    {1301, "HY000", BOTH, SL_TOO_LARGE},
    {1390, "HY000", BOTH, SL_TOO_LARGE},
    {1436, "HY000", BOTH, SL_TOO_LARGE},
    {3170, "HY000", MYSQL_SAYS, SL_TOO_LARGE},
    {3636, "HY000", MYSQL_SAYS, SL_TOO_LARGE},
    /* not here */
    {1031, "HY000", BOTH, SL_UNSUPPORTED},
    {1235, "42000", BOTH, SL_UNSUPPORTED},
    {1286, "42000", BOTH, SL_UNSUPPORTED},
    {1295, "HY000", BOTH, SL_UNSUPPORTED},
    {1845, "0A000", BOTH, SL_UNSUPPORTED},
    /* mistakes */
    {1046, "3D000", BOTH, SL_INVALID_ARGUMENT},
    {1049, "42000", BOTH, SL_INVALID_ARGUMENT},
    {1054, "42S22", BOTH, SL_INVALID_ARGUMENT},
    {1055, "42000", BOTH, SL_INVALID_ARGUMENT},
    {1064, "42000", BOTH, SL_INVALID_ARGUMENT},
    {1093, "HY000", BOTH, SL_INVALID_ARGUMENT},
    {1101, "42000", BOTH, SL_INVALID_ARGUMENT},
    {1136, "21S01", BOTH, SL_INVALID_ARGUMENT},
    {1146, "42S02", BOTH, SL_INVALID_ARGUMENT},
    {1193, "HY000", BOTH, SL_INVALID_ARGUMENT},
    {1242, "21000", BOTH, SL_INVALID_ARGUMENT},
    {1264, "22003", BOTH, SL_INVALID_ARGUMENT},
    {1265, "01000", BOTH, SL_INVALID_ARGUMENT},
    {1267, "HY000", BOTH, SL_INVALID_ARGUMENT},
    {1292, "22007", BOTH, SL_INVALID_ARGUMENT},
    {1305, "42000", BOTH, SL_INVALID_ARGUMENT},
    {1365, "22012", BOTH, SL_INVALID_ARGUMENT},
    {1366, "HY000", BOTH, SL_INVALID_ARGUMENT},
    {1406, "22001", BOTH, SL_INVALID_ARGUMENT},
    {1411, "HY000", BOTH, SL_INVALID_ARGUMENT},
    {1690, "22003", BOTH, SL_INVALID_ARGUMENT},
    {1792, "25006", BOTH, SL_READ_ONLY},
    {3140, "22032", MYSQL_SAYS, SL_INVALID_ARGUMENT},
    {3141, "22032", MYSQL_SAYS, SL_INVALID_ARGUMENT},
    {3144, "22032", MYSQL_SAYS, SL_INVALID_ARGUMENT},
    {3750, "HY000", MYSQL_SAYS, SL_INVALID_ARGUMENT},
    {3903, "22018", MYSQL_SAYS, SL_INVALID_ARGUMENT},
    {4038, "HY000", MARIADB_SAYS, SL_INVALID_ARGUMENT},
    {4078, "HY000", MARIADB_SAYS, SL_INVALID_ARGUMENT},
    /* the library */
    {2002, "HY000", BOTH, SL_UNAVAILABLE},
    {2003, "HY000", BOTH, SL_UNAVAILABLE},
    {2005, "HY000", BOTH, SL_UNAVAILABLE},
    {2006, "HY000", BOTH, SL_UNAVAILABLE},
    {2012, "HY000", BOTH, SL_UNAVAILABLE},
    {2013, "HY000", BOTH, SL_UNAVAILABLE},
    {2014, "HY000", BOTH, SL_UNAVAILABLE},
    {2020, "HY000", BOTH, SL_TOO_LARGE},
    {2026, "HY000", BOTH, SL_UNAVAILABLE},
    {2027, "HY000", BOTH, SL_UNAVAILABLE},
    {2057, "HY000", BOTH, SL_ABORTED},
    {2059, "HY000", BOTH, SL_UNAUTHENTICATED},
    {2061, "HY000", BOTH, SL_UNAUTHENTICATED},
    {5010, "HY000", BOTH, SL_UNAUTHENTICATED},
    {5013, "HY000", BOTH, SL_UNAVAILABLE},
    /* codes to come, by their state */
    {9999, "08S01", BOTH, SL_UNAVAILABLE},
    {9999, "0A000", BOTH, SL_UNSUPPORTED},
    {9999, "22023", BOTH, SL_INVALID_ARGUMENT},
    {9999, "23000", BOTH, SL_CONFLICT},
    {9999, "28000", BOTH, SL_UNAUTHENTICATED},
    {9999, "40001", BOTH, SL_ABORTED},
    {9999, "42000", BOTH, SL_INVALID_ARGUMENT},
    {9999, "45000", BOTH, SL_CONFLICT},
    {9999, "HY000", BOTH, SL_INTERNAL},
};

static void check_error(size_t i, bool mariadb)
{
    const struct sl_sql_mysql_server_error said = {.code = errors[i].code,
                                                   .sqlstate = errors[i].state,
                                                   .message = "words",
                                                   .mariadb = mariadb};
    const struct sl_sql_mysql_error_class meaning =
        sl_sql_mysql_classify_error(&said);

    if (meaning.status != errors[i].status)
        fail_msg("%u (%s) is %s", said.code, said.sqlstate,
                 sl_status_text(meaning.status));
}

static void every_error_has_a_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].server != MARIADB_SAYS)
            check_error(i, false);
        if (errors[i].server != MYSQL_SAYS)
            check_error(i, true);
    }
}

/* No code that a server documents falls through, whatever its state. */
static void few_errors_are_internal(void **state)
{
    enum { MOST = 160 };
    int internal[2] = {0, 0};

    (void)state;
    for (unsigned code = 1000; code < 1870; code++)
        for (int mariadb = 0; mariadb < 2; mariadb++) {
            const struct sl_sql_mysql_server_error said = {
                code, "HY000", "words", mariadb == 1};
            internal[mariadb] +=
                sl_sql_mysql_classify_error(&said).status == SL_INTERNAL;
        }
    /* Those of replication, of the binary log, and warnings. */
    assert_in_range(internal[0], 0, MOST);
    assert_in_range(internal[1], 0, MOST);
}

static void a_bad_certificate_is_unauthenticated(void **state)
{
    static const char *const messages[] = {
        "TLS/SSL error: certificate verify failed (self-signed)",
        "TLS/SSL error: Validation of SSL server certificate failed",
        "SSL connection error: error:0A000086:SSL routines::certificate verify",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        const struct sl_sql_mysql_server_error said = {2026, "HY000",
                                                       messages[i], false};
        struct sl_error err;
        assert_int_equal(
            sl_sql_mysql_report_error(&said, SL_SQL_MYSQL_CONNECTING, &err),
            SL_UNAUTHENTICATED);
        assert_non_null(strstr(err.message, "certificate"));
    }
}

/* --- Messages ----------------------------------------------------------- */

static void messages_hold_no_values(void **state)
{
    static const struct {
        unsigned code;
        const char *message;
        const char *shown; /* must stand there */
    } cases[] = {
        {1062, "Duplicate entry 'secret' for key 'items.name'", "items.name"},
        {1062, "Duplicate entry 'secret for key 'secret' for key 'k'", "'k'"},
        {1062, "Duplicate entry 'for key 'secret' is cut sh", "Duplicate"},
        {1366, "Incorrect integer value: 'secret' for column 'n' at row 1",
         "Incorrect integer value"},
        {1292, "Truncated incorrect DOUBLE value: 'secret'", "Truncated"},
        {1411, "Incorrect datetime value: 'secret' for function f",
         "Incorrect datetime value"},
        {1526, "Table has no partition for value secret", "no partition"},
        {1644, "secret", "SIGNAL"},
        {1690, "BIGINT value is out of range in '(1 + 'secret')'",
         "out of range for its type"},
        {9999, "a new message: 'secret'", "a new message"},
        {9999, "one of \"secret\"", "one of"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_sql_mysql_server_error said = {cases[i].code, "HY000",
                                                       cases[i].message, false};
        struct sl_error err;
        (void)!sl_sql_mysql_report_error(&said, SL_SQL_MYSQL_RUNNING, &err);
        if (strstr(err.message, "secret") != NULL ||
            strstr(err.message, cases[i].shown) == NULL)
            fail_msg("%u: %s", cases[i].code, err.message);
    }
}

static void messages_are_lines_of_text(void **state)
{
    const struct sl_sql_mysql_server_error said = {
        1064, "42000", "near 'a\n\tb\x7f' \xff\xfe", true};
    struct sl_error err;

    (void)state;
    (void)!sl_sql_mysql_report_error(&said, SL_SQL_MYSQL_PREPARING, &err);
    assert_true(sl_bytes_are_text(sl_bytes_of(err.message)));
    assert_null(strpbrk(err.message, "\n\t\x7f"));
    assert_non_null(strstr(err.message, "MariaDB says: near 'a"));
}

/* --- What statements may do --------------------------------------------- */

enum {
    DENIED = 1 << 0,
    IN_TRANSACTION = 1 << 1,
    READS = 1 << 2,
    MAY_WRITE = 1 << 3, /* by a stored function */
    INSERTS = 1 << 4,
    CALLS = 1 << 5,
    AS_TEXT = 1 << 6,
};

static const struct {
    const char *text;
    unsigned kind;
} statements[] = {
    {"SELECT 1", IN_TRANSACTION | READS},
    {"/* SET */ select count(*) from t where id in (1, 2)",
     IN_TRANSACTION | READS},
    {"(SELECT 1) UNION (SELECT 2)", IN_TRANSACTION | READS},
    {"TABLE t", IN_TRANSACTION | READS},
    {"VALUES ROW(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"WITH x AS (SELECT 1) SELECT * FROM x", IN_TRANSACTION | READS},
    {"SHOW TABLES", IN_TRANSACTION | READS},
    {"EXPLAIN SELECT 1", IN_TRANSACTION | READS},
    {"SELECT my_function(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT `f`(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT f /* */ (1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT Date_Add(now(), interval 1 day), yearweek(a), abs(-1), "
     "char_length(b), datediff(a, b), aes_encrypt(a, b)",
     IN_TRANSACTION | READS},
    {"SELECT absolute(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT ab(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT abs (1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT d.abs(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT d . abs(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT d.select(1)", IN_TRANSACTION | READS | MAY_WRITE},
    {"INSERT INTO t VALUES (1)", IN_TRANSACTION | INSERTS},
    {"INSERT INTO t (a, b) VALUES (1, 2)", IN_TRANSACTION | INSERTS},
    {"INSERT INTO `d`.`t`(a) VALUES (1)", IN_TRANSACTION | INSERTS},
    {"INSERT INTO t SELECT f(1)", IN_TRANSACTION | INSERTS | MAY_WRITE},
    {"INSERT INTO t(a) VALUES (f(1))", IN_TRANSACTION | INSERTS | MAY_WRITE},
    {"REPLACE INTO t SET a = 1", IN_TRANSACTION | INSERTS},
    {"UPDATE t SET a = '@x'", IN_TRANSACTION},
    {"DELETE FROM t", IN_TRANSACTION},
    {"DO SLEEP(1)", IN_TRANSACTION},
    {"CALL p()", IN_TRANSACTION | CALLS},
    {"CREATE TABLE t (id INT)", 0},
    {"DROP TABLE t", 0},
    {"ALTER TABLE t ADD c INT", 0},
    {"TRUNCATE t", 0},
    {"GRANT SELECT ON t TO 'a'@'b'", 0},
    {"CREATE USER a@b IDENTIFIED BY 'x'", 0},
    {"CREATE OR REPLACE USER a@b", 0},
    {"GRANT SELECT ON TABLE t TO a@b", 0},
    {"CREATE DEFINER=a@b TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @x = 1",
     0},
    {"CREATE TABLE t AS SELECT @x := 1", DENIED},
    {"CREATE OR REPLACE TABLE t SELECT@x", DENIED},
    {"CREATE TABLE t AS SELECT @@version", 0},
    {"ANALYZE SELECT @x := 1", DENIED},
    {"ANALYZE FORMAT=JSON SELECT @x := 1", DENIED},
    {"ANALYZE TABLE t", 0},
    {"GET DIAGNOSTICS @x = NUMBER", DENIED},
    {"LOAD DATA INFILE 'f' INTO TABLE t (@x) SET a = @x", DENIED},
    {"SELECT @@version", IN_TRANSACTION | READS},
    {"SELECT @@session.sql_mode", IN_TRANSACTION | READS},
    {"SELECT @x", DENIED | IN_TRANSACTION | READS},
    {"SELECT @x := 1", DENIED | IN_TRANSACTION | READS},
    {"SELECT@x", DENIED | IN_TRANSACTION | READS},
    {"SELECT @`x`", DENIED | IN_TRANSACTION | READS},
    {"SELECT 1 INTO @x", DENIED | IN_TRANSACTION | READS},
    {"UPDATE t SET a = (@n := @n + 1)", DENIED | IN_TRANSACTION},
    {"SELECT '@x', \"@y\", `@z` -- @a", IN_TRANSACTION | READS},
    {"SELECT get_lock('a', 1)", DENIED | IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT RELEASE_ALL_LOCKS()", DENIED | IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT `Get_Lock` ('a', 1)", DENIED | IN_TRANSACTION | READS | MAY_WRITE},
    {"SELECT 'get_lock' ('a')", IN_TRANSACTION | READS},
    {"SET sql_mode = ''", DENIED},
    {"set @x = 1", DENIED},
    {"USE other", DENIED},
    {"PREPARE s FROM 'COMMIT'", DENIED},
    {"EXECUTE IMMEDIATE 'COMMIT'", DENIED},
    {"LOCK TABLES t WRITE", DENIED},
    {"UNLOCK TABLES", DENIED},
    {"HANDLER t OPEN", DENIED},
    {"FLUSH TABLES WITH READ LOCK", DENIED},
    {"BACKUP STAGE START", DENIED},
    {"CREATE TEMPORARY TABLE t (id INT)", DENIED},
    {"CREATE OR REPLACE TEMPORARY TABLE t (id INT)", DENIED},
    {"DROP TEMPORARY TABLE t", DENIED},
    /* others' statements */
    {"KILL 5", DENIED},
    {"kill QUERY 5", DENIED},
    {"CREATE PROCEDURE p(n INT) KILL n", DENIED},
    {"SHOW PROCESSLIST", DENIED | IN_TRANSACTION | READS},
    {"SHOW FULL PROCESSLIST", DENIED | IN_TRANSACTION | READS},
    {"SHOW EXPLAIN FOR 5", DENIED | IN_TRANSACTION | READS},
    {"SHOW ENGINE INNODB STATUS", DENIED | IN_TRANSACTION | READS},
    {"EXPLAIN FOR CONNECTION 5", DENIED | IN_TRANSACTION | READS},
    {"SELECT info FROM information_schema.processlist",
     DENIED | IN_TRANSACTION | READS},
    {"SELECT info FROM `information_schema` . `PROCESSLIST`",
     DENIED | IN_TRANSACTION | READS},
    {"SELECT * FROM performance_schema.threads",
     DENIED | IN_TRANSACTION | READS},
    {"SELECT * FROM `performance_schema`.`events_statements_current`",
     DENIED | IN_TRANSACTION | READS},
    {"SELECT * FROM sys.session", DENIED | IN_TRANSACTION | READS},
    {"SELECT * FROM `sys`.`x$session`", DENIED | IN_TRANSACTION | READS},
    {"CREATE VIEW v AS SELECT * FROM sys.session", DENIED},
    {"SELECT argument FROM mysql.general_log", DENIED | IN_TRANSACTION | READS},
    {"SELECT 'KILL 5', \"processlist\"", IN_TRANSACTION | READS},
    {"SELECT t.kill, sys, `kill` FROM t", IN_TRANSACTION | READS},
    {"SHOW TABLES", IN_TRANSACTION | READS},
    {"SHOW COLUMNS FROM t", IN_TRANSACTION | READS},
    /* accounts, which are no variables */
    {"SHOW GRANTS FOR a@b", IN_TRANSACTION | READS},
    {"show /* */ grants for 'a'@`%`", IN_TRANSACTION | READS},
    {"SHOW GRANTS FOR a@b USING r@c", IN_TRANSACTION | READS},
    {"SHOW CREATE USER a@b", IN_TRANSACTION | READS | AS_TEXT},
    {"SHOW CREATE TABLE a@b", DENIED | IN_TRANSACTION | READS},
    {"SHOW COLUMNS FROM grants LIKE @x", DENIED | IN_TRANSACTION | READS},
    {"SHOW STATUS WHERE grants = @x", DENIED | IN_TRANSACTION | READS},
    {"SHOW CREATE VIEW user@x", DENIED | IN_TRANSACTION | READS},
    {"SELECT grants FROM t WHERE a = @x", DENIED | IN_TRANSACTION | READS},
    /* about the statement before */
    {"SHOW WARNINGS", IN_TRANSACTION | READS | AS_TEXT},
    {"show errors limit 1", IN_TRANSACTION | READS | AS_TEXT},
    {"SHOW COUNT(*) WARNINGS", IN_TRANSACTION | READS | AS_TEXT},
    {"SHOW TABLES FROM warnings", IN_TRANSACTION | READS},
    {"CHECKSUM TABLE t", IN_TRANSACTION | READS},
    {"CHECK TABLE t", 0},
    {"HELP 'select'", 0},
};

static unsigned kind_of(const char *text)
{
    const struct sl_sql_mysql_class kind =
        sl_sql_mysql_classify(sl_bytes_of(text));

    return (kind.denied != NULL ? DENIED : 0u) |
           (kind.in_transaction ? IN_TRANSACTION : 0u) |
           (kind.reads ? READS : 0u) |
           (kind.in_transaction && !kind.calls && kind.may_write ? MAY_WRITE
                                                                 : 0u) |
           (kind.inserts ? INSERTS : 0u) | (kind.calls ? CALLS : 0u) |
           (kind.as_text ? AS_TEXT : 0u);
}

static void statements_are_known_by_their_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        if (kind_of(statements[i].text) != statements[i].kind)
            fail_msg("%s: %#x, not %#x", statements[i].text,
                     kind_of(statements[i].text), statements[i].kind);
}

/* What would hide a statement from those words, and from the lexer. */
static void nothing_is_smuggled(void **state)
{
    static const char *const texts[] = {
        "SELECT 1 /*! ; DROP TABLE t */",
        "/*! SET */ SELECT 1",
        "/*!50000 COMMIT */",
        "/*M! COMMIT */",
        "/*M!100100 COMMIT */",
        "SELECT '\\'; COMMIT; -- '",
        "SELECT 1 --\t\nx; COMMIT",
        "SELECT 1; COMMIT",
        "COMMIT",
        "BEGIN",
        "BEGIN NOT ATOMIC SELECT 1; END; DROP TABLE t",
        "XA START 'x'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t placeholders = 0;
        struct sl_error err;
        bool taken = sl_sql_scan(sl_bytes_of(texts[i]), SL_SQL_MYSQL,
                                 &placeholders, &err) == SL_OK;
        /* The string with the \' in it is one, to its last quote. */
        if (taken != (strstr(texts[i], "\\'") != NULL))
            fail_msg("%s is %staken", texts[i], taken ? "" : "not ");
    }
}

/* --- Settings ----------------------------------------------------------- */

static void settings_are_checked(void **state)
{
    static const struct {
        const char *settings;
        bool good;
    } cases[] = {
        {"url = \"mysql://user:password@host:3306/database\"", true},
        {"url = \"mysqls://host\"\nca = \"ca.pem\"", true},
        {"url = \"mysqls://host\"\ncertificate = \"a\"\nkey = \"b\"", true},
        {"url = \"mysql://host\"\nca = \"ca.pem\"", false},
        {"url = \"mysql://host\"\ncertificate = \"a\"", false},
        {"url = \"postgres://host\"", false},
        {"url = \"host\"", false},
        {"url = \"mysql://h/d?ssl-mode=REQUIRED\"\nca = \"ca.pem\"", true},
        {"url = \"mysql://h/d?sslmode=verify-full\"\nca = \"ca.pem\"", true},
        {"url = \"mysql://h/d?tls=true\"\nca = \"ca.pem\"", true},
        {"url = \"mysql://h/d?tls=false\"\nca = \"ca.pem\"", false},
        {"url = \"mysqls://h/d?tls=true&charset=utf8mb4\"", true},
        {"url = \"mysqls://h/d?useSSL=false\"", false},
        {"url = \"mysql://h/d?useSSL=true&ssl-mode=DISABLED\"", false},
        {"url = \"mysql://h/d?ssl-mode=PREFERRED\"", false},
        {"url = \"mysql://h/d?tls=skip-verify\"", false},
        {"url = \"mysql://h/d?charset=latin1\"", false},
        {"url = \"mysql://h/d?connect_timeout=5\"", false},
        {"url = \"mysql://h/d?parseTime=true&loc=UTC\"", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_store store = {0};
        struct sl_error err;
        bool good = test_store_open(&store, "sql.mysql", cases[i].settings,
                                    &err) == SL_OK;
        if (good != cases[i].good)
            fail_msg("%s: %s", cases[i].settings, good ? "taken" : err.message);
        test_store_done(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_meaning),
        cmocka_unit_test(few_errors_are_internal),
        cmocka_unit_test(a_bad_certificate_is_unauthenticated),
        cmocka_unit_test(messages_hold_no_values),
        cmocka_unit_test(messages_are_lines_of_text),
        cmocka_unit_test(statements_are_known_by_their_words),
        cmocka_unit_test(nothing_is_smuggled),
        cmocka_unit_test(settings_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
