/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema of a file may use: its views, triggers, CHECK constraints,
 * generated columns, defaults and indexes, which may come from an attacker.
 *
 * SQLite's switch for untrusted schemas refuses full-text search, R*Trees and,
 * in some versions, JSON along with what is harmful, and has no exceptions.  So
 * schemas are trusted, and every function and module that is neither innocuous
 * for SQLite nor listed here is removed.  Those that SQLite itself keeps from
 * schemas stay, because statements may use them; the authorizer
 * (session_guard.c) judges views and triggers like the statement.
 */
#include <stdlib.h>

#include "sql/sqlite/connection.h"

/* Modules of virtual tables.  All but the last three need nothing but the file.
 * The authorizer denies those three by name. */
static const char *modules[] = {
    "fts3",      "fts4",        "fts4aux",     "fts3tokenize", "fts5",
    "fts5vocab", "rtree",       "rtree_i32",   "json_each",    "json_tree",
    "dbstat",    "sqlite_stmt", "tables_used", "bytecode",     NULL,
};

/*
 * Functions to remove: neither innocuous nor kept from schemas (flags
 * SQLITE_INNOCUOUS, SQLITE_DIRECTONLY), nor known to need only their arguments
 * or the file.
 */
static const char unknown_functions[] =
    "SELECT DISTINCT name, narg FROM pragma_function_list "
    "WHERE (flags & 0x280000) = 0 AND lower(name) NOT IN ("
    "'->', '->>', 'json', 'json_array', 'json_array_length', 'json_extract', "
    "'json_group_array', 'json_group_object', 'json_insert', 'json_object', "
    "'json_patch', 'json_quote', 'json_remove', 'json_replace', 'json_set', "
    "'json_type', 'json_valid', "
    "'match', 'matchinfo', 'offsets', 'optimize', 'snippet', "
    "'bm25', 'highlight', 'fts5', 'fts5_source_id', 'fts5_locale', "
    "'fts5_get_locale', 'fts5_insttoken', "
    "'rtreecheck', 'rtreedepth', 'rtreenode')";

_Static_assert((SQLITE_INNOCUOUS | SQLITE_DIRECTONLY) == 0x280000,
               "the flags in unknown_functions");

/* SQLite removes a function that is created without code. */
static int remove_function(sqlite3 *handle, const char *name, const char *count)
{
    return sqlite3_create_function_v2(handle, name,
                                      (int)strtol(count, NULL, 10), SQLITE_UTF8,
                                      NULL, NULL, NULL, NULL, NULL);
}

static int remove_unknown_functions(sqlite3 *handle)
{
    char **table = NULL;
    int rows = 0, columns = 0;

    int code = sqlite3_get_table(handle, unknown_functions, &table, &rows,
                                 &columns, NULL);
    /* The first row has the column names. */
    for (int i = columns; code == SQLITE_OK && i < (rows + 1) * columns; i += 2)
        code = remove_function(handle, table[i], table[i + 1]);
    sqlite3_free_table(table);
    return code;
}

void sl_sql_sqlite_limit_schema(struct sl_sql_sqlite_conn *conn)
{
    sqlite3 *handle = conn->file.handle;
    int known = remove_unknown_functions(handle) == SQLITE_OK &&
                sqlite3_drop_modules(handle, modules) == SQLITE_OK;

    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, known, NULL);
}
