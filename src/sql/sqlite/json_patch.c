/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_patch and jsonb_patch: SQLite's own, whose time grows with the product of
 * the members of both arguments.  A call with too many is refused; SQLite runs
 * the others, in a database of its own, since a function that replaces SQLite's
 * hides it.
 */
#include "sql/sqlite/function.h"

/* About 0.3 s, at 1 to 4 ns each. */
#define PATCH_STEPS_MAX (UINT64_C(1) << 27)

/* What a step costs in bytes that are moved, where SQLite edits JSON in place.
 */
enum { BYTES_PER_STEP = 64 };

/* At least as many as there are.  Binary JSON has no commas. */
static uint64_t count_members(sqlite3_value *value)
{
    bool is_binary = sqlite3_value_type(value) == SQLITE_BLOB;
    const unsigned char *text =
        is_binary ? sqlite3_value_blob(value) : sqlite3_value_text(value);
    size_t len = text != NULL ? (size_t)sqlite3_value_bytes(value) : 0;
    uint64_t members = is_binary ? len / 2 : 0;

    for (size_t i = 0; !is_binary && i < len; i++)
        members += text[i] == ',' || text[i] == '{';
    return members;
}

static bool takes_too_long(sqlite3_value **values)
{
    uint64_t target = count_members(values[0]);
    uint64_t patch = count_members(values[1]);
    uint64_t bytes = (uint64_t)sqlite3_value_bytes(values[0]) +
                     (uint64_t)sqlite3_value_bytes(values[1]);

    return patch * (target + patch + bytes / BYTES_PER_STEP) > PATCH_STEPS_MAX;
}

/* SQLite's own function, in a database of its own. */
static int prepare_helper(struct sl_sql_sqlite_function *function, int longest)
{
    if (function->helper_statement != NULL)
        return SQLITE_OK;
    if (function->helper == NULL) {
        int code = sqlite3_open(":memory:", &function->helper);
        if (code != SQLITE_OK)
            return code;
    }
    sqlite3_limit(function->helper, SQLITE_LIMIT_LENGTH, longest);
    return sqlite3_prepare_v2(function->helper, function->helper_sql, -1,
                              &function->helper_statement, NULL);
}

static int run_helper(struct sl_sql_sqlite_function *function, int count,
                      sqlite3_value **values)
{
    int code = SQLITE_OK;

    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = sqlite3_bind_value(function->helper_statement, i + 1, values[i]);
    return code == SQLITE_OK ? sqlite3_step(function->helper_statement) : code;
}

void sl_sql_sqlite_run_json_patch(sqlite3_context *context, int count,
                                  sqlite3_value **values)
{
    enum { JSON_SUBTYPE = 'J' };
    struct sl_sql_sqlite_function *function = sqlite3_user_data(context);
    int longest = sqlite3_limit(sqlite3_context_db_handle(context),
                                SQLITE_LIMIT_LENGTH, -1);

    if (takes_too_long(values)) {
        sqlite3_result_error(context, SL_SQL_SQLITE_PATCH_TOO_LARGE, -1);
        sqlite3_result_error_code(context, SQLITE_TOOBIG);
        return;
    }
    int code = prepare_helper(function, longest);
    if (code == SQLITE_OK)
        code = run_helper(function, count, values);
    sqlite3_stmt *statement = function->helper_statement;
    if (code != SQLITE_ROW) {
        sqlite3_result_error(context, sqlite3_errmsg(function->helper), -1);
        sqlite3_result_error_code(context, code);
    } else {
        sqlite3_result_value(context, sqlite3_column_value(statement, 0));
        if (sqlite3_column_type(statement, 0) == SQLITE_TEXT)
            sqlite3_result_subtype(context, JSON_SUBTYPE);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}
