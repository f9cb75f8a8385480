/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the types of MySQL and MariaDB. */
#include <string.h>

#include "sql/mysql/connection.h"

enum {
    BINARY_CHARSET = 63,
    TEXT_BYTES = 4, /* at most, in a character of utf8mb4 */
    UUID_LEN = 36,
};

bool sl_sql_mysql_is_binary(const MYSQL_FIELD *field)
{
    return field->charsetnr == BINARY_CHARSET;
}

/* Whether the type is MariaDB's own of this name. */
static bool has_mariadb_attribute(const MYSQL_FIELD *field,
                                  enum mariadb_field_attr_t which,
                                  const char *name)
{
    MARIADB_CONST_STRING attribute = {NULL, 0};

    return mariadb_field_attr(&attribute, field, which) == 0 &&
           attribute.length == strlen(name) &&
           memcmp(attribute.str, name, attribute.length) == 0;
}

bool sl_sql_mysql_is_json(const MYSQL_FIELD *field)
{
    return field->type == MYSQL_TYPE_JSON ||
           has_mariadb_attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME, "json");
}

/* MySQL has no type for UUIDs, but CHAR(36). */
bool sl_sql_mysql_may_be_uuid(const MYSQL_FIELD *field)
{
    return field->type == MYSQL_TYPE_STRING &&
           (field->flags & (ENUM_FLAG | SET_FLAG)) == 0 &&
           (has_mariadb_attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME,
                                  "uuid") ||
            (!sl_sql_mysql_is_binary(field) &&
             field->length == UUID_LEN * TEXT_BYTES));
}

/* TEXT and BLOB of all sizes have the same code. */
static const char *name_of_blob(const MYSQL_FIELD *field)
{
    static const char *const names[2][4] = {
        {"tinytext", "text", "mediumtext", "longtext"},
        {"tinyblob", "blob", "mediumblob", "longblob"},
    };
    bool binary = sl_sql_mysql_is_binary(field);
    unsigned long len = field->length;

    if (!binary && len != UINT32_MAX)
        len /= TEXT_BYTES;
    return names[binary][len <= 255        ? 0
                         : len <= 65535    ? 1
                         : len <= 16777215 ? 2
                                           : 3];
}

static const char *name_of_string(const MYSQL_FIELD *field)
{
    bool fixed = field->type == MYSQL_TYPE_STRING;

    if ((field->flags & ENUM_FLAG) != 0)
        return "enum";
    if ((field->flags & SET_FLAG) != 0)
        return "set";
    if (has_mariadb_attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME, "uuid"))
        return "uuid";
    if (has_mariadb_attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME,
                              "inet6"))
        return "inet6";
    if (has_mariadb_attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME,
                              "inet4"))
        return "inet4";
    if (sl_sql_mysql_is_binary(field))
        return fixed ? "binary" : "varbinary";
    return fixed ? "char" : "varchar";
}

static const char *name_of_number(enum enum_field_types type, bool is_unsigned)
{
    switch (type) {
    case MYSQL_TYPE_TINY:
        return is_unsigned ? "tinyint unsigned" : "tinyint";
    case MYSQL_TYPE_SHORT:
        return is_unsigned ? "smallint unsigned" : "smallint";
    case MYSQL_TYPE_INT24:
        return is_unsigned ? "mediumint unsigned" : "mediumint";
    case MYSQL_TYPE_LONG:
        return is_unsigned ? "int unsigned" : "int";
    case MYSQL_TYPE_LONGLONG:
        return is_unsigned ? "bigint unsigned" : "bigint";
    case MYSQL_TYPE_FLOAT:
        return "float";
    case MYSQL_TYPE_DOUBLE:
        return "double";
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return "decimal";
    case MYSQL_TYPE_YEAR:
        return "year";
    case MYSQL_TYPE_BIT:
        return "bit";
    default:
        return NULL;
    }
}

const char *sl_sql_mysql_type_name(const MYSQL_FIELD *field)
{
    const char *number =
        name_of_number(field->type, (field->flags & UNSIGNED_FLAG) != 0);

    if (number != NULL)
        return number;
    if (sl_sql_mysql_is_json(field))
        return "json";
    switch (field->type) {
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return "date";
    case MYSQL_TYPE_TIME:
        return "time";
    case MYSQL_TYPE_DATETIME:
        return "datetime";
    case MYSQL_TYPE_TIMESTAMP:
        return "timestamp";
    case MYSQL_TYPE_GEOMETRY:
        return "geometry";
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
        return name_of_blob(field);
    case MYSQL_TYPE_NULL:
        return "null";
    default:
        return name_of_string(field);
    }
}
