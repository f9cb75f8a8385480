/* SPDX-License-Identifier: Apache-2.0 */
/* The types that every PostgreSQL database has, by their OIDs. */
#include "sql/postgres/connection.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Sorted by OID. */
static const struct sl_sql_postgres_type types[] = {
    {16, SL_SQL_POSTGRES_BOOL, "bool"},
    {17, SL_SQL_POSTGRES_BYTEA, "bytea"},
    {18, SL_SQL_POSTGRES_OTHER, "char"},
    {19, SL_SQL_POSTGRES_TEXT, "name"},
    {20, SL_SQL_POSTGRES_INT8, "int8"},
    {21, SL_SQL_POSTGRES_INT2, "int2"},
    {23, SL_SQL_POSTGRES_INT4, "int4"},
    {25, SL_SQL_POSTGRES_TEXT, "text"},
    {26, SL_SQL_POSTGRES_OID, "oid"},
    {114, SL_SQL_POSTGRES_JSON, "json"},
    {142, SL_SQL_POSTGRES_OTHER, "xml"},
    {199, SL_SQL_POSTGRES_OTHER, "json[]"},
    {600, SL_SQL_POSTGRES_OTHER, "point"},
    {650, SL_SQL_POSTGRES_OTHER, "cidr"},
    {700, SL_SQL_POSTGRES_FLOAT4, "float4"},
    {701, SL_SQL_POSTGRES_FLOAT8, "float8"},
    {705, SL_SQL_POSTGRES_TEXT, "unknown"},
    {790, SL_SQL_POSTGRES_OTHER, "money"},
    {829, SL_SQL_POSTGRES_OTHER, "macaddr"},
    {869, SL_SQL_POSTGRES_OTHER, "inet"},
    {1000, SL_SQL_POSTGRES_OTHER, "bool[]"},
    {1001, SL_SQL_POSTGRES_OTHER, "bytea[]"},
    {1005, SL_SQL_POSTGRES_OTHER, "int2[]"},
    {1007, SL_SQL_POSTGRES_OTHER, "int4[]"},
    {1009, SL_SQL_POSTGRES_OTHER, "text[]"},
    {1014, SL_SQL_POSTGRES_OTHER, "bpchar[]"},
    {1015, SL_SQL_POSTGRES_OTHER, "varchar[]"},
    {1016, SL_SQL_POSTGRES_OTHER, "int8[]"},
    {1021, SL_SQL_POSTGRES_OTHER, "float4[]"},
    {1022, SL_SQL_POSTGRES_OTHER, "float8[]"},
    {1042, SL_SQL_POSTGRES_TEXT, "bpchar"},
    {1043, SL_SQL_POSTGRES_TEXT, "varchar"},
    {1082, SL_SQL_POSTGRES_DATE, "date"},
    {1083, SL_SQL_POSTGRES_TIME, "time"},
    {1114, SL_SQL_POSTGRES_TIMESTAMP, "timestamp"},
    {1115, SL_SQL_POSTGRES_OTHER, "timestamp[]"},
    {1182, SL_SQL_POSTGRES_OTHER, "date[]"},
    {1184, SL_SQL_POSTGRES_TIMESTAMPTZ, "timestamptz"},
    {1185, SL_SQL_POSTGRES_OTHER, "timestamptz[]"},
    {1186, SL_SQL_POSTGRES_OTHER, "interval"},
    {1231, SL_SQL_POSTGRES_OTHER, "numeric[]"},
    {1266, SL_SQL_POSTGRES_OTHER, "timetz"},
    {1560, SL_SQL_POSTGRES_OTHER, "bit"},
    {1562, SL_SQL_POSTGRES_OTHER, "varbit"},
    {1700, SL_SQL_POSTGRES_NUMERIC, "numeric"},
    {2249, SL_SQL_POSTGRES_OTHER, "record"},
    {2278, SL_SQL_POSTGRES_OTHER, "void"},
    {2950, SL_SQL_POSTGRES_UUID, "uuid"},
    {2951, SL_SQL_POSTGRES_OTHER, "uuid[]"},
    {3614, SL_SQL_POSTGRES_OTHER, "tsvector"},
    {3615, SL_SQL_POSTGRES_OTHER, "tsquery"},
    {3802, SL_SQL_POSTGRES_JSONB, "jsonb"},
    {3807, SL_SQL_POSTGRES_OTHER, "jsonb[]"},
};

static int compare_oid(const void *key, const void *entry)
{
    Oid oid = *(const Oid *)key;
    Oid other = ((const struct sl_sql_postgres_type *)entry)->oid;

    return (oid > other) - (oid < other);
}

const struct sl_sql_postgres_type *sl_sql_postgres_find_type(Oid oid)
{
    return bsearch(&oid, types, sizeof(types) / sizeof(types[0]),
                   sizeof(types[0]), compare_oid);
}

/* http://howardhinnant.github.io/date_algorithms.html */
int64_t sl_sql_postgres_days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

void sl_sql_postgres_date_from_days(int64_t days, int64_t *year, int *month,
                                    int *day)
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

void sl_sql_postgres_columns_init(const PGresult *from,
                                  struct sl_sql_postgres_columns *columns)
{
    size_t count = (size_t)PQnfields(from);

    columns->list = sl_alloc_array(count, sizeof(*columns->list));
    columns->count = count;
    columns->binary = true;
    for (size_t i = 0; i < count; i++) {
        Oid oid = PQftype(from, (int)i);
        const struct sl_sql_postgres_type *type =
            sl_sql_postgres_find_type(oid);
        columns->list[i].oid = oid;
        columns->list[i].kind =
            type != NULL ? type->kind : SL_SQL_POSTGRES_OTHER;
        if (columns->list[i].kind == SL_SQL_POSTGRES_OTHER)
            columns->binary = false; /* libpq has one format for all columns */
    }
}

void sl_sql_postgres_columns_done(struct sl_sql_postgres_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free(columns->list[i].type_name);
    free(columns->list);
    *columns = (struct sl_sql_postgres_columns){0};
}
