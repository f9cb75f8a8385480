/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.mysql while somebody else alters a table: a statement that ran before
 * writes what one that is new would.
 */
#include "faults/sql_mysql.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define TEXT(is, bytes) {.type = SL_SQL_##is, .text = (bytes)}
#define INTEGER(is) {.type = SL_SQL_INT64, .number = (is)}
#define FLOAT(is) {.type = SL_SQL_FLOAT64, .real = (is)}

/* A value, as a table of cases has it. */
struct plain {
    enum sl_sql_type type;
    const char *text;
    int64_t number;
    double real;
};

static enum sl_status run_with(struct test_store *store, enum sl_sql_verb verb,
                               const char *text, const struct plain *plain)
{
    struct sl_sql_value value = {.type = plain->type};
    const struct sl_sql_parameters sets[] = {{&value, 1}, {&value, 1}};

    if (plain->type == SL_SQL_INT64)
        value.int64 = plain->number;
    else if (plain->type == SL_SQL_FLOAT64)
        value.float64 = plain->real;
    else
        value.bytes = sl_bytes_of(plain->text);
    return sql_call(
        &(struct sql_call){.store = store,
                           .verb = verb,
                           .text = text,
                           .sets = sets,
                           .set_count = verb == SL_SQL_EXECUTE_MANY ? 2 : 1});
}

static const struct {
    const char *was, *is;
    struct plain before, value;
    const char *after;
} alterations[] = {
    {"DATE", "DATETIME(6)", TEXT(DATE, "2026-11-23"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00.25Z"), "2026-11-23 13:37:00.250000"},
    {"DATETIME", "DATETIME(6)", TEXT(TIMESTAMP, "2026-11-23T13:37:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00.25+02:00"),
     "2026-11-23 11:37:00.250000"},
    {"TIME", "DATETIME", TEXT(TIME, "13:37:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00"), "2026-11-23 13:37:00"},
    {"FLOAT", "DOUBLE", FLOAT(0.5), FLOAT(0.30000000000000004),
     "0.30000000000000004"},
    {"FLOAT", "DECIMAL(30, 20)", FLOAT(0.5),
     TEXT(DECIMAL, "0.12345678901234567"), "0.12345678901234567000"},
    {"INT", "BIGINT", INTEGER(1), INTEGER(5000000000), "5000000000"},
    {"SMALLINT", "DECIMAL(20, 2)", INTEGER(1), TEXT(DECIMAL, "70000.25"),
     "70000.25"},
    {"INT", "DOUBLE", INTEGER(1), FLOAT(1.25), "1.25"},
    {"INT", "VARCHAR(20)", INTEGER(1), TEXT(TEXT, "007"), "007"},
    {"INT", "VARCHAR(20)", TEXT(TEXT, "1"), TEXT(TEXT, "007"), "007"},
    {"INT", "VARCHAR(20)", INTEGER(1), TEXT(DECIMAL, "1.50"), "1.50"},
    {"TIME", "VARCHAR(20)", INTEGER(1), INTEGER(7), "7"},
    {"DATE", "VARCHAR(60)", TEXT(DATE, "2026-11-23"),
     FLOAT(0.30000000000000004), "0.30000000000000004"},
    {"VARCHAR(20)", "TEXT", FLOAT(0.5), TEXT(TEXT, "007.50"), "007.50"},
    {"DOUBLE", "VARCHAR(20)", TEXT(TEXT, "1"), TEXT(TEXT, "007.50"), "007.50"},
    {"CHAR(6)", "VARCHAR(20)", TEXT(TEXT, "ab"), TEXT(TEXT, "abcdefghi  "),
     "abcdefghi  "},
    {"VARCHAR(3)", "TEXT", TEXT(TEXT, "ab"), TEXT(TEXT, "abcdefghi"),
     "abcdefghi"},
    {"BINARY(4)", "VARBINARY(9)", TEXT(BYTES, "ab"), TEXT(BYTES, "abcdefghi"),
     "abcdefghi"},
    {"JSON", "TEXT", TEXT(JSON, "[1]"), TEXT(JSON, "[1,  2]"), "[1,  2]"},
    {"ENUM('a')", "ENUM('b', 'a')", TEXT(TEXT, "a"), TEXT(TEXT, "b"), "b"},
    {"ENUM('a')", "VARCHAR(9)", TEXT(TEXT, "a"), TEXT(TEXT, "abc"), "abc"},
};

static void alter_to(const char *type)
{
    SL_CLEANUP(sl_freep)
    char *anew =
        sl_asprintf("ALTER TABLE slight.altered DROP v, ADD v %s", type);

    tell("TRUNCATE slight.altered");
    tell("%s", anew);
}

void mysql_columns_that_change(void **state)
{
    static const enum sl_sql_verb verbs[] = {SL_SQL_EXECUTE,
                                             SL_SQL_EXECUTE_MANY};
    static const char insert[] = "INSERT INTO altered (v) VALUES (?)";
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(run(&store, "CREATE TABLE altered (id INT, v INT)"));
    for (size_t i = 0; i < sizeof(alterations) / sizeof(alterations[0]); i++)
        for (size_t j = 0; j < 2; j++) {
            alter_to(alterations[i].was);
            for (int again = 0; again < 2; again++)
                OK(run_with(&store, verbs[j], insert, &alterations[i].before));
            alter_to(alterations[i].is);
            OK(run_with(&store, verbs[j], insert, &alterations[i].value));
            OK(sql_query(&store, NULL,
                         "SELECT CAST(v AS CHAR) FROM altered LIMIT 1"));
            if (strcmp(said.value, alterations[i].after) != 0)
                fail_msg("%s to %s: %s, not %s", alterations[i].was,
                         alterations[i].is, said.value, alterations[i].after);
        }
    OK(run(&store, "DROP TABLE altered"));
    test_store_done(&store);
}

void mysql_rows_that_are_looked_for(void **state)
{
    static const char delete[] = "DELETE FROM altered WHERE v = ?";
    const struct plain day = TEXT(DATE, "2026-11-23");
    const struct plain instant = TEXT(TIMESTAMP, "2026-11-23T13:37:00");
    const struct plain one = INTEGER(1), part = TEXT(DECIMAL, "1.25");
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(run(&store, "CREATE TABLE altered (id INT, v DATE)"));
    OK(run_with(&store, SL_SQL_EXECUTE, delete, &day));
    alter_to("DATETIME");
    tell("INSERT INTO slight.altered (v) VALUES ('2026-11-23'), ('2026-11-23 "
         "13:37')");
    OK(run_with(&store, SL_SQL_EXECUTE, delete, &instant));
    OK(sql_query(&store, NULL, "SELECT CAST(v AS CHAR) FROM altered"));
    assert_string_equal(said.value, "2026-11-23 00:00:00");
    assert_int_equal(said.rows, 1);
    alter_to("INT");
    OK(run_with(&store, SL_SQL_EXECUTE, delete, &one));
    alter_to("DECIMAL(9, 2)");
    tell("INSERT INTO slight.altered (v) VALUES (1), (1.25)");
    OK(run_with(&store, SL_SQL_EXECUTE, delete, &part));
    OK(sql_query(&store, NULL, "SELECT CAST(v AS CHAR) FROM altered"));
    assert_string_equal(said.value, "1.00");
    assert_int_equal(said.rows, 1);
    OK(run(&store, "DROP TABLE altered"));
    test_store_done(&store);
}
