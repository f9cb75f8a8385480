/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What statements of guests may do: anything with this database, and nothing
 * with another file, with the connection, which is shared, or with the process.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "sql/sqlite/state.h"

enum {
    PROGRESS_OPS = 100,            /* between two looks at the deadline */
    PATTERN_MAX = 5000,            /* of LIKE and GLOB */
    LENGTH_MAX = 64 * 1024 * 1024, /* of a value, and of a row */
    TRIGGER_DEPTH_MAX = 100,
};

static bool is_one_of(const char *word, const char *const words[])
{
    for (size_t i = 0; word != NULL && words[i] != NULL; i++)
        if (strcasecmp(word, words[i]) == 0)
            return true;
    return false;
}

/* What tells about the schema; the rest changes, or tells where files are. */
static bool may_ask(const char *pragma, const char *argument)
{
    static const char *const of_something[] = {
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "foreign_key_check",
        "integrity_check",
        "quick_check",
        NULL,
    };
    static const char *const alone[] = {
        "application_id", "collation_list", "data_version",
        "encoding",       "foreign_keys",   "freelist_count",
        "function_list",  "journal_mode",   "module_list",
        "page_count",     "page_size",      "pragma_list",
        "schema_version", "user_version",   NULL,
    };

    return is_one_of(pragma, of_something) ||
           (argument == NULL && is_one_of(pragma, alone));
}

static bool may_call(const char *function)
{
    static const char *const dangerous[] = {"load_extension", "fts3_tokenizer",
                                            NULL};

    return !is_one_of(function, dangerous);
}

static bool may_use_module(const char *module)
{
    static const char *const modules[] = {
        "fts3",      "fts4",  "fts4aux",   "fts5",
        "fts5vocab", "rtree", "rtree_i32", NULL,
    };

    return is_one_of(module, modules);
}

/* Tables that show what other statements, and pages, there are. */
static bool may_read(const char *table)
{
    static const char *const tables[] = {"sqlite_stmt", "sqlite_dbpage",
                                         "bytecode", "tables_used", NULL};

    return !is_one_of(table, tables);
}

/* What is denied, in words, or NULL. */
static const char *find_denied(int action, const char *first,
                               const char *second)
{
    switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return "other files (ATTACH, DETACH, VACUUM)";
    case SQLITE_PRAGMA:
        return may_ask(first, second) ? NULL : "this PRAGMA";
    case SQLITE_FUNCTION:
        return may_call(second) ? NULL : "this function";
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
        return may_use_module(second) ? NULL : "virtual tables of this module";
    case SQLITE_READ:
        return may_read(first) ? NULL : "this table";
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return "statements for transactions";
    default:
        return NULL;
    }
}

/*
 * What SQLite itself does within ALTER TABLE: it looks for what is temporary
 * and uses the table.  No statement of a guest comes this far: one that begins
 * with ALTER TABLE holds nothing else, and nothing temporary can be altered.
 */
static bool is_own_step(const struct sl_sql_sqlite_seen *seen, int action,
                        const char *table)
{
    static const char *const schemas[] = {"sqlite_temp_master",
                                          "sqlite_temp_schema", NULL};

    return seen->alters && action == SQLITE_UPDATE && is_one_of(table, schemas);
}

/* The connection's own database, which is not there for the next call. */
static bool is_temporary(int action, const char *database)
{
    switch (action) {
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
        return true;
    default:
        return action != SQLITE_READ && database != NULL &&
               strcasecmp(database, "temp") == 0;
    }
}

/* Note whether it may take room, or gives some back. */
static void note_room(struct sl_sql_sqlite_seen *seen, int action,
                      const char *table)
{
    switch (action) {
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
        seen->grows |= strncasecmp(table, "sqlite_", 7) != 0;
        return;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_ALTER_TABLE:
        seen->grows = true;
        return;
    case SQLITE_DELETE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
        seen->frees = true;
        return;
    default:
        return;
    }
}

/* Note what the statement does by itself, to which table of its user. */
static void note(struct sl_sql_sqlite_seen *seen, int action, const char *table,
                 const char *trigger)
{
    note_room(seen, action, table);
    switch (action) {
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        if (trigger != NULL || strncasecmp(table, "sqlite_", 7) == 0)
            return;
        seen->changes = true;
        seen->inserts |= action == SQLITE_INSERT;
        return;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ALTER_TABLE:
        seen->schema = true;
        seen->alters |= action == SQLITE_ALTER_TABLE;
        return;
    default:
        return;
    }
}

static int authorize(void *context, int action, const char *first,
                     const char *second, const char *database,
                     const char *trigger)
{
    struct sl_sql_sqlite *sqlite = context;

    if (sqlite->trusted)
        return SQLITE_OK;
    const char *denied = find_denied(action, first, second);
    if (denied == NULL && is_temporary(action, database) &&
        !is_own_step(&sqlite->seen, action, first))
        denied = "temporary tables, indexes, triggers and views";
    if (denied != NULL) {
        sqlite->seen.denied = denied;
        return SQLITE_DENY;
    }
    note(&sqlite->seen, action, first, trigger);
    return SQLITE_OK;
}

bool sl_sql_sqlite_is_late(const struct sl_sql_sqlite *sqlite)
{
    return !sqlite->trusted && sl_deadline_passed(sqlite->file.deadline);
}

/* Not 0: stop. */
static int look_at_deadline(void *context)
{
    return sl_sql_sqlite_is_late(context);
}

void sl_sql_sqlite_guard(struct sl_sql_sqlite *sqlite)
{
    static const struct {
        int limit, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, LENGTH_MAX},
        {SQLITE_LIMIT_SQL_LENGTH, SL_SQL_STATEMENT_MAX},
        {SQLITE_LIMIT_VARIABLE_NUMBER, SL_SQL_PARAMETERS_MAX},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_TRIGGER_DEPTH, TRIGGER_DEPTH_MAX},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_MAX},
    };
    static const struct {
        int option, on;
    } options[] = {
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
    };
    sqlite3 *handle = sqlite->file.handle;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        sqlite3_limit(handle, limits[i].limit, limits[i].value);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        sqlite3_db_config(handle, options[i].option, options[i].on, NULL);
    sl_sql_sqlite_limit_schema(sqlite); /* not under the rules below */
    sqlite3_set_authorizer(handle, authorize, sqlite);
    sl_sql_sqlite_add_functions(sqlite);
    sqlite3_progress_handler(handle, PROGRESS_OPS, look_at_deadline, sqlite);
}

int sl_sql_sqlite_exec(struct sl_sql_sqlite *sqlite, const char *text)
{
    errno = 0; /* for sl_sqlite_explain */
    sqlite->trusted = true;
    int code = sqlite3_exec(sqlite->file.handle, text, NULL, NULL, NULL);
    sqlite->trusted = false;
    return code;
}
