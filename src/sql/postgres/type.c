/* SPDX-License-Identifier: Apache-2.0 */
/* The types that every PostgreSQL has, by their numbers in its catalogue. */
#include "sql/postgres/state.h"

#include <stdlib.h>

/* In the order of their numbers. */
static const struct sl_sql_pg_type types[] = {
    {16, SL_SQL_PG_BOOL, "bool"},
    {17, SL_SQL_PG_BYTEA, "bytea"},
    {18, SL_SQL_PG_OTHER, "char"},
    {19, SL_SQL_PG_TEXT, "name"},
    {20, SL_SQL_PG_INT8, "int8"},
    {21, SL_SQL_PG_INT2, "int2"},
    {23, SL_SQL_PG_INT4, "int4"},
    {25, SL_SQL_PG_TEXT, "text"},
    {26, SL_SQL_PG_OID, "oid"},
    {114, SL_SQL_PG_JSON, "json"},
    {142, SL_SQL_PG_OTHER, "xml"},
    {199, SL_SQL_PG_OTHER, "json[]"},
    {600, SL_SQL_PG_OTHER, "point"},
    {650, SL_SQL_PG_OTHER, "cidr"},
    {700, SL_SQL_PG_FLOAT4, "float4"},
    {701, SL_SQL_PG_FLOAT8, "float8"},
    {705, SL_SQL_PG_TEXT, "unknown"},
    {790, SL_SQL_PG_OTHER, "money"},
    {829, SL_SQL_PG_OTHER, "macaddr"},
    {869, SL_SQL_PG_OTHER, "inet"},
    {1000, SL_SQL_PG_OTHER, "bool[]"},
    {1001, SL_SQL_PG_OTHER, "bytea[]"},
    {1005, SL_SQL_PG_OTHER, "int2[]"},
    {1007, SL_SQL_PG_OTHER, "int4[]"},
    {1009, SL_SQL_PG_OTHER, "text[]"},
    {1014, SL_SQL_PG_OTHER, "bpchar[]"},
    {1015, SL_SQL_PG_OTHER, "varchar[]"},
    {1016, SL_SQL_PG_OTHER, "int8[]"},
    {1021, SL_SQL_PG_OTHER, "float4[]"},
    {1022, SL_SQL_PG_OTHER, "float8[]"},
    {1042, SL_SQL_PG_TEXT, "bpchar"},
    {1043, SL_SQL_PG_TEXT, "varchar"},
    {1082, SL_SQL_PG_DATE, "date"},
    {1083, SL_SQL_PG_TIME, "time"},
    {1114, SL_SQL_PG_TIMESTAMP, "timestamp"},
    {1115, SL_SQL_PG_OTHER, "timestamp[]"},
    {1182, SL_SQL_PG_OTHER, "date[]"},
    {1184, SL_SQL_PG_TIMESTAMPTZ, "timestamptz"},
    {1185, SL_SQL_PG_OTHER, "timestamptz[]"},
    {1186, SL_SQL_PG_OTHER, "interval"},
    {1231, SL_SQL_PG_OTHER, "numeric[]"},
    {1266, SL_SQL_PG_OTHER, "timetz"},
    {1560, SL_SQL_PG_OTHER, "bit"},
    {1562, SL_SQL_PG_OTHER, "varbit"},
    {1700, SL_SQL_PG_NUMERIC, "numeric"},
    {2249, SL_SQL_PG_OTHER, "record"},
    {2278, SL_SQL_PG_OTHER, "void"},
    {2950, SL_SQL_PG_UUID, "uuid"},
    {2951, SL_SQL_PG_OTHER, "uuid[]"},
    {3614, SL_SQL_PG_OTHER, "tsvector"},
    {3615, SL_SQL_PG_OTHER, "tsquery"},
    {3802, SL_SQL_PG_JSONB, "jsonb"},
    {3807, SL_SQL_PG_OTHER, "jsonb[]"},
};

static int compare(const void *key, const void *entry)
{
    Oid oid = *(const Oid *)key;
    Oid other = ((const struct sl_sql_pg_type *)entry)->oid;

    return (oid > other) - (oid < other);
}

const struct sl_sql_pg_type *sl_sql_pg_find_type(Oid oid)
{
    return bsearch(&oid, types, sizeof(types) / sizeof(types[0]),
                   sizeof(types[0]), compare);
}

/* http://howardhinnant.github.io/date_algorithms.html */
int64_t sl_sql_pg_days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

void sl_sql_pg_date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = years + era * 400 + (*month <= 2);
}

void sl_sql_pg_columns_done(struct sl_sql_pg_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free(columns->list[i].type_name);
    free(columns->list);
    *columns = (struct sl_sql_pg_columns){0};
}
