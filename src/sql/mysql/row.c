/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values out, by the binary protocol: each as the nearest type of
 * wit/sql/sql.wit, or as text where there is none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/literal.h"
#include "sql/mysql/connection.h"

enum { FRACTION_MAX = 6 };

/* Long enough for a number, and for a date with its time. */
struct scratch {
    char text[64];
};

/* --- Columns ------------------------------------------------------------ */

/* Bind a slot to a column. */
static void bind_slot(MYSQL_BIND *bind, struct sl_sql_mysql_slot *slot,
                      const MYSQL_FIELD *field)
{
    *bind = (MYSQL_BIND){.length = &slot->len,
                         .is_null = &slot->is_null,
                         .error = &slot->truncated,
                         .buffer = slot->bytes,
                         .buffer_length = sizeof(slot->bytes),
                         .buffer_type = MYSQL_TYPE_BLOB};
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
        return;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        return;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        bind->buffer_type = field->type;
        return;
    default:
        return;
    }
}

/* The library indexes tables by type without checking for unknown ones. */
static bool is_known_type(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_NULL:
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_JSON:
    case MYSQL_TYPE_NEWDECIMAL:
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_GEOMETRY:
        return true;
    default:
        return false;
    }
}

static enum sl_status check_types(const MYSQL_FIELD *fields, unsigned count,
                                  struct sl_error *err)
{
    for (unsigned i = 0; i < count; i++)
        if (!is_known_type(fields[i].type))
            return sl_fail(err, SL_UNSUPPORTED,
                           "column %u has a type that the client library does "
                           "not know (%d); CAST it in the statement",
                           i + 1, (int)fields[i].type);
    return SL_OK;
}

/* A hash of the columns' definitions; never 0. */
static uint64_t hash_columns(const MYSQL_FIELD *fields, unsigned count)
{
    uint64_t hash = 14695981039346656037u; /* FNV */

    for (unsigned i = 0; i < count; i++) {
        const uint64_t parts[] = {(uint64_t)fields[i].type, fields[i].length,
                                  fields[i].flags, fields[i].charsetnr,
                                  fields[i].decimals};
        for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++)
            hash = (hash ^ parts[j]) * 1099511628211u;
    }
    return hash | 1;
}

/*
 * MariaDB sends the details of its own types only when a statement is prepared.
 * When the columns have changed since, these are wrong.
 */
static bool is_outdated(const struct sl_sql_mysql_conn *conn,
                        struct sl_sql_mysql_statement *statement,
                        const MYSQL_FIELD *fields)
{
    uint64_t hash = hash_columns(fields, statement->column_count);
    bool changed =
        statement->columns_hash != 0 && statement->columns_hash != hash;

    statement->columns_hash = hash;
    return changed && conn->mariadb && statement->class.reads &&
           !statement->class.may_write;
}

/* Make enough slots for the columns. */
static void alloc_slots(struct sl_sql_mysql_statement *statement)
{
    unsigned count = statement->column_count;

    if (count <= statement->slot_count)
        return;
    free(statement->binds);
    free(statement->slots);
    statement->binds = sl_alloc(count * sizeof(statement->binds[0]));
    statement->slots = sl_alloc(count * sizeof(statement->slots[0]));
    statement->slot_count = count;
}

enum sl_status
sl_sql_mysql_load_columns(struct sl_sql_mysql_conn *conn,
                          struct sl_sql_mysql_statement *statement,
                          struct sl_error *err)
{
    if (statement->columns != NULL)
        mysql_free_result(statement->columns);
    statement->columns = mysql_stmt_result_metadata(statement->handle);
    statement->column_count =
        statement->columns != NULL ? mysql_num_fields(statement->columns) : 0;
    if (statement->column_count == 0)
        return SL_OK;
    const MYSQL_FIELD *fields = mysql_fetch_fields(statement->columns);
    enum sl_status status = check_types(fields, statement->column_count, err);
    if (status != SL_OK)
        return status;
    conn->stale_columns = is_outdated(conn, statement, fields);
    if (conn->stale_columns)
        return sl_fail(err, SL_ABORTED,
                       "the table was altered since the statement was "
                       "prepared; run the transaction again");
    alloc_slots(statement);
    for (unsigned i = 0; i < statement->column_count; i++)
        bind_slot(&statement->binds[i], &statement->slots[i], &fields[i]);
    if (mysql_stmt_bind_result(statement->handle, statement->binds) != 0)
        return sl_sql_mysql_explain(conn, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

enum sl_status
sl_sql_mysql_add_columns(const struct sl_sql_mysql_statement *statement,
                         struct sl_sql_result *result, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (unsigned i = 0; status == SL_OK && i < statement->column_count; i++) {
        const MYSQL_FIELD *field =
            mysql_fetch_field_direct(statement->columns, i);
        status = sl_sql_result_column(
            result, SL_BYTES(field->name, field->name_length),
            sl_bytes_of(sl_sql_mysql_type_name(field)), err);
    }
    return status;
}

/* --- Numbers ------------------------------------------------------------ */

/* An unsigned number that does not fit into an int64 is a decimal. */
static void read_unsigned(uint64_t number, struct sl_sql_value *value,
                          struct scratch *scratch)
{
    if (number <= INT64_MAX) {
        value->type = SL_SQL_INT64;
        value->int64 = (int64_t)number;
        return;
    }
    int len =
        snprintf(scratch->text, sizeof(scratch->text), "%" PRIu64, number);
    value->type = SL_SQL_DECIMAL;
    value->bytes = SL_BYTES(scratch->text, (size_t)len);
}

static void read_mysql_integer(const MYSQL_FIELD *field,
                               const struct sl_sql_mysql_slot *slot,
                               struct sl_sql_value *value,
                               struct scratch *scratch)
{
    bool is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;

    /* MySQL's BOOLEAN is TINYINT(1). */
    if (field->type == MYSQL_TYPE_TINY && field->length == 1 && !is_unsigned &&
        (slot->int64 == 0 || slot->int64 == 1)) {
        value->type = SL_SQL_BOOLEAN;
        value->boolean = slot->int64 == 1;
    } else if (is_unsigned) {
        read_unsigned((uint64_t)slot->int64, value, scratch);
    } else {
        value->type = SL_SQL_INT64;
        value->int64 = slot->int64;
    }
}

/* The most significant byte first. */
static void read_bits(const MYSQL_FIELD *field, struct sl_bytes bytes,
                      struct sl_sql_value *value, struct scratch *scratch)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++)
        number = number << 8 | bytes.ptr[i];
    if (field->length == 1) {
        value->type = SL_SQL_BOOLEAN;
        value->boolean = number != 0;
    } else {
        read_unsigned(number, value, scratch);
    }
}

/* --- Times -------------------------------------------------------------- */

/* The fraction of a second, with the digits of the column. */
static int write_fraction(const MYSQL_FIELD *field, unsigned long part,
                          char *out, size_t size)
{
    unsigned digits =
        field->decimals <= FRACTION_MAX ? field->decimals : FRACTION_MAX;

    out[0] = '\0';
    if (field->decimals > FRACTION_MAX && part == 0)
        return 0;
    for (unsigned i = digits; i < FRACTION_MAX; i++)
        part /= 10;
    return digits == 0 ? 0 : snprintf(out, size, ".%0*lu", (int)digits, part);
}

/* What is not a time of day or not a date becomes a text as MySQL writes it. */
static void read_mysql_time(const MYSQL_FIELD *field, const MYSQL_TIME *time,
                            struct sl_sql_value *value, struct scratch *scratch)
{
    enum { DAY = 24 };
    char fraction[16];
    bool is_date = field->type != MYSQL_TYPE_TIME;
    bool is_time = field->type != MYSQL_TYPE_DATE;
    bool is_day = time->year > 0 && time->month > 0 && time->day > 0;
    unsigned hours = time->hour + (is_date ? 0 : time->day * DAY);
    bool fits = is_date ? is_day : !time->neg && hours < DAY;
    int len = 0;

    write_fraction(field, time->second_part, fraction, sizeof(fraction));
    if (is_date)
        len = snprintf(scratch->text, sizeof(scratch->text), "%04u-%02u-%02u%s",
                       time->year, time->month, time->day,
                       !is_time ? ""
                       : fits   ? "T"
                                : " ");
    if (is_time)
        len +=
            snprintf(scratch->text + len, sizeof(scratch->text) - (size_t)len,
                     "%s%02u:%02u:%02u%s%s", !is_date && time->neg ? "-" : "",
                     hours, time->minute, time->second, fraction,
                     fits && field->type == MYSQL_TYPE_TIMESTAMP ? "Z" : "");
    value->bytes = SL_BYTES(scratch->text, (size_t)len);
    value->type = !fits      ? SL_SQL_TEXT
                  : !is_date ? SL_SQL_TIME
                  : is_time  ? SL_SQL_TIMESTAMP
                             : SL_SQL_DATE;
}

/* --- Texts -------------------------------------------------------------- */

/* The bytes of a value.  A long one is fetched into conn->scratch. */
static enum sl_status
fetch_bytes(struct sl_sql_mysql_conn *conn,
            const struct sl_sql_mysql_statement *statement, unsigned column,
            size_t budget, struct sl_bytes *bytes, struct sl_error *err)
{
    struct sl_sql_mysql_slot *slot = &statement->slots[column];
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_BLOB,
                       .length = &slot->len,
                       .is_null = &slot->is_null,
                       .error = &slot->truncated};

    if (slot->len <= sizeof(slot->bytes)) {
        *bytes = SL_BYTES(slot->bytes, slot->len);
        return SL_OK;
    }
    if (slot->len > budget)
        return sl_sql_result_fail_full(budget, err);
    sl_buf_clear(&conn->scratch);
    enum sl_status status = sl_buf_reserve(&conn->scratch, slot->len, err);
    if (status != SL_OK)
        return status;
    bind.buffer = conn->scratch.ptr;
    bind.buffer_length = slot->len;
    *bytes = SL_BYTES(conn->scratch.ptr, slot->len);
    if (mysql_stmt_fetch_column(statement->handle, &bind, column, 0) != 0)
        return sl_sql_mysql_explain(conn, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

enum sl_sql_type sl_sql_mysql_type_of_bytes(const MYSQL_FIELD *field,
                                            struct sl_bytes bytes)
{
    if (field->type == MYSQL_TYPE_NEWDECIMAL ||
        field->type == MYSQL_TYPE_DECIMAL)
        return sl_sql_is_decimal(bytes) ? SL_SQL_DECIMAL : SL_SQL_TEXT;
    if (!sl_bytes_are_text(bytes))
        return SL_SQL_BYTES;
    if (sl_sql_mysql_is_json(field))
        return sl_sql_is_json(bytes) ? SL_SQL_JSON : SL_SQL_TEXT;
    if (sl_sql_mysql_may_be_uuid(field) && sl_sql_is_uuid(bytes))
        return SL_SQL_UUID;
    if (field->type == MYSQL_TYPE_GEOMETRY)
        return SL_SQL_BYTES;
    /* Some of MariaDB's own types are binary, but come as text. */
    return sl_sql_mysql_is_binary(field) &&
                   (field->flags & (ENUM_FLAG | SET_FLAG)) == 0
               ? SL_SQL_BYTES
               : SL_SQL_TEXT;
}

static enum sl_status read_slot(struct sl_sql_mysql_conn *conn,
                                const struct sl_sql_mysql_statement *statement,
                                unsigned column, size_t budget,
                                struct sl_sql_value *value,
                                struct scratch *scratch, struct sl_error *err)
{
    const MYSQL_FIELD *field =
        mysql_fetch_field_direct(statement->columns, column);
    const struct sl_sql_mysql_slot *slot = &statement->slots[column];
    struct sl_bytes bytes;

    value->type = SL_SQL_NULL;
    if (slot->is_null)
        return SL_OK;
    switch (statement->binds[column].buffer_type) {
    case MYSQL_TYPE_LONGLONG:
        read_mysql_integer(field, slot, value, scratch);
        return SL_OK;
    case MYSQL_TYPE_DOUBLE:
        value->type = SL_SQL_FLOAT64;
        value->float64 = slot->float64;
        return SL_OK;
    case MYSQL_TYPE_BLOB:
        break;
    default:
        read_mysql_time(field, &slot->time, value, scratch);
        return SL_OK;
    }
    enum sl_status status =
        fetch_bytes(conn, statement, column, budget, &bytes, err);
    if (status != SL_OK)
        return status;
    if (field->type == MYSQL_TYPE_BIT) {
        read_bits(field, bytes, value, scratch);
        return SL_OK;
    }
    value->bytes = bytes;
    value->type = sl_sql_mysql_type_of_bytes(field, bytes);
    return SL_OK;
}

enum sl_status
sl_sql_mysql_add_row(struct sl_sql_mysql_conn *conn,
                     const struct sl_sql_mysql_statement *statement,
                     size_t budget, struct sl_sql_result *result,
                     struct sl_error *err)
{
    enum sl_status status = SL_OK;
    struct sl_sql_value value;
    struct scratch scratch;

    for (unsigned i = 0; status == SL_OK && i < statement->column_count; i++) {
        status = read_slot(conn, statement, i, budget, &value, &scratch, err);
        if (status == SL_OK)
            status = sl_sql_result_value(result, &value, err);
    }
    if (status == SL_OK)
        sl_sql_result_end_row(result);
    return status;
}
