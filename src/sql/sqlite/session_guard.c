/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the statements of guests may do: anything with this database, and
 * nothing with other files, with the connection, which is shared, or with the
 * process.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "sql/sqlite/connection.h"

enum {
    PROGRESS_OPS = 100,            /* between two checks of the deadline */
    PATTERN_MAX = 5000,            /* of LIKE and GLOB */
    LENGTH_MAX = 64 * 1024 * 1024, /* of a value, and of a row */
    TRIGGER_DEPTH_MAX = 100,
};

static bool is_name_in(const char *word, const char *const words[])
{
    for (size_t i = 0; word != NULL && words[i] != NULL; i++)
        if (strcasecmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Pragmas that describe the schema.  The others change something, or reveal
 * where files are. */
static bool may_run_pragma(const char *pragma, const char *argument)
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

    return is_name_in(pragma, of_something) ||
           (argument == NULL && is_name_in(pragma, alone));
}

static bool may_call(const char *function)
{
    static const char *const dangerous[] = {"load_extension", "fts3_tokenizer",
                                            NULL};

    return !is_name_in(function, dangerous);
}

static bool may_use_module(const char *module)
{
    static const char *const modules[] = {
        "fts3",      "fts4",  "fts4aux",   "fts5",
        "fts5vocab", "rtree", "rtree_i32", NULL,
    };

    return is_name_in(module, modules);
}

/* Tables that show other statements, or raw pages, are denied. */
static bool may_read(const char *table)
{
    static const char *const tables[] = {"sqlite_stmt", "sqlite_dbpage",
                                         "bytecode", "tables_used", NULL};

    return !is_name_in(table, tables);
}

/* Says what is denied, for a message, or NULL. */
static const char *find_denied(int action, const char *first,
                               const char *second)
{
    switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return "other files (ATTACH, DETACH, VACUUM)";
    case SQLITE_PRAGMA:
        return may_run_pragma(first, second) ? NULL : "this PRAGMA";
    case SQLITE_FUNCTION:
        return may_call(second) ? NULL : "this function";
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
        return may_use_module(second) ? NULL : "virtual tables of this module";
    case SQLITE_READ:
        return may_read(first) ? NULL : "this table";
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return "transaction statements";
    default:
        return NULL;
    }
}

/*
 * Whether this is a step of ALTER TABLE itself, which looks for temporary
 * objects that use the table.  A guest cannot make use of it: a statement that
 * begins with ALTER TABLE has no other part, and temporary objects cannot be
 * altered.
 */
static bool is_own_step(const struct sl_sql_sqlite_effects *effects, int action,
                        const char *table)
{
    static const char *const schemas[] = {"sqlite_temp_master",
                                          "sqlite_temp_schema", NULL};

    return effects->alters && action == SQLITE_UPDATE &&
           is_name_in(table, schemas);
}

/* Whether it is in the connection's temporary database, which the next call may
 * not see. */
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

/* Note whether the statement may need space, or frees some. */
static void note_growth(struct sl_sql_sqlite_effects *effects, int action,
                        const char *table)
{
    switch (action) {
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
        effects->grows |= strncasecmp(table, "sqlite_", 7) != 0;
        return;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_ALTER_TABLE:
        effects->grows = true;
        return;
    case SQLITE_DELETE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
        effects->frees = true;
        return;
    default:
        return;
    }
}

/* Note what the statement itself does to the tables of its user. */
static void note_effects(struct sl_sql_sqlite_effects *effects, int action,
                         const char *table, const char *trigger)
{
    note_growth(effects, action, table);
    switch (action) {
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        if (trigger != NULL || strncasecmp(table, "sqlite_", 7) == 0)
            return;
        effects->changes = true;
        effects->inserts |= action == SQLITE_INSERT;
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
        effects->schema = true;
        effects->alters |= action == SQLITE_ALTER_TABLE;
        return;
    default:
        return;
    }
}

static int authorize_action(void *context, int action, const char *first,
                            const char *second, const char *database,
                            const char *trigger)
{
    struct sl_sql_sqlite_conn *conn = context;

    if (conn->trusted)
        return SQLITE_OK;
    const char *denied = find_denied(action, first, second);
    if (denied == NULL && is_temporary(action, database) &&
        !is_own_step(&conn->effects, action, first))
        denied = "temporary tables, indexes, triggers and views";
    if (denied != NULL) {
        conn->effects.denied = denied;
        return SQLITE_DENY;
    }
    note_effects(&conn->effects, action, first, trigger);
    return SQLITE_OK;
}

/* Returns nonzero to stop the statement. */
static int check_deadline(void *context)
{
    return sl_sql_sqlite_is_past_deadline(context);
}

void sl_sql_sqlite_guard_session(struct sl_sql_sqlite_conn *conn)
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
    sqlite3 *handle = conn->file.handle;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        sqlite3_limit(handle, limits[i].limit, limits[i].value);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        sqlite3_db_config(handle, options[i].option, options[i].on, NULL);
    sl_sql_sqlite_limit_schema(conn); /* before the authorizer applies */
    sqlite3_set_authorizer(handle, authorize_action, conn);
    sl_sql_sqlite_add_functions(conn);
    sqlite3_progress_handler(handle, PROGRESS_OPS, check_deadline, conn);
}

int sl_sql_sqlite_exec(struct sl_sql_sqlite_conn *conn, const char *text)
{
    errno = 0; /* for sl_sqlite_explain */
    conn->trusted = true;
    int code = sqlite3_exec(conn->file.handle, text, NULL, NULL, NULL);
    conn->trusted = false;
    return code;
}
