/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema of a file may use: its views, triggers, CHECK constraints,
 * generated columns, defaults and indexes, which anybody may have written.
 *
 * SQLite has a switch for schemas that are not trusted.  It refuses full-text
 * search, R*Trees and, in some versions, JSON with what may do harm, and cannot
 * be told otherwise.  So it is on, and what SQLite does not call innocuous is
 * there only if it is known here, whoever put it into the library.  Functions
 * and tables that SQLite keeps from schemas by itself stay, as statements may
 * use them; the authorizer (sqlite_guard.c) judges views and triggers like the
 * statement.
 */
#include <stdlib.h>

#include "sql/sqlite/state.h"

/* Tables with code behind them.  All but the last three need nothing but the
 * file; those the authorizer denies by name, for they have no other. */
static const char *modules[] = {
    "fts3",      "fts4",        "fts4aux",     "fts3tokenize", "fts5",
    "fts5vocab", "rtree",       "rtree_i32",   "json_each",    "json_tree",
    "dbstat",    "sqlite_stmt", "tables_used", "bytecode",     NULL,
};

/*
 * Functions that are neither innocuous nor kept from schemas (flags
 * SQLITE_INNOCUOUS, SQLITE_DIRECTONLY), and not known to need nothing but their
 * arguments, or the file.
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

/* A function without code is none. */
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
    /* The first row has the names of the columns. */
    for (int i = columns; code == SQLITE_OK && i < (rows + 1) * columns; i += 2)
        code = remove_function(handle, table[i], table[i + 1]);
    sqlite3_free_table(table);
    return code;
}

void sl_sql_sqlite_limit_schema(struct sl_sql_sqlite *sqlite)
{
    sqlite3 *handle = sqlite->file.handle;
    int known = remove_unknown_functions(handle) == SQLITE_OK &&
                sqlite3_drop_modules(handle, modules) == SQLITE_OK;

    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, known, NULL);
}
