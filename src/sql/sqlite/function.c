/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL functions whose time can grow with the product of their arguments.
 * SQLite does not check the clock inside a function, so these replace its own:
 * instr and replace take linear time; trim, LIKE and GLOB (pattern.c) stop at
 * the deadline; json_patch (json_patch.c) refuses what takes too long.  Their
 * results are those of SQLite's own functions.
 */
#include <string.h>

#include "sql/sqlite/function.h"

enum { STEPS = 4096 }; /* between two checks of the clock */

bool sl_sql_sqlite_count_step(struct sl_sql_sqlite_steps *steps)
{
    if (++steps->taken % STEPS != 0 ||
        !sl_sql_sqlite_is_past_deadline(steps->conn))
        return true;
    steps->late = true;
    return false;
}

struct sl_sql_sqlite_steps sl_sql_sqlite_steps(sqlite3_context *context)
{
    return (struct sl_sql_sqlite_steps){
        .conn =
            ((const struct sl_sql_sqlite_function *)sqlite3_user_data(context))
                ->conn,
    };
}

bool sl_sql_sqlite_fail_if_late(sqlite3_context *context,
                                const struct sl_sql_sqlite_steps *steps)
{
    if (steps->late)
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    return steps->late;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* --- instr -------------------------------------------------------------- */

static int find_bytes(struct sl_bytes hay, struct sl_bytes needle)
{
    const unsigned char *at = memmem(hay.ptr, hay.len, needle.ptr, needle.len);

    return at == NULL ? 0 : (int)(at - hay.ptr) + 1;
}

/* The position in characters.  A match begins at a character, or at the first
 * byte. */
static int find_text(struct sl_bytes hay, struct sl_bytes needle)
{
    int position = 1;

    if (is_continuation(needle.ptr[0])) /* not UTF-8 */
        return needle.len <= hay.len &&
               memcmp(hay.ptr, needle.ptr, needle.len) == 0;
    const unsigned char *at = memmem(hay.ptr, hay.len, needle.ptr, needle.len);
    if (at == NULL)
        return 0;
    for (const unsigned char *p = hay.ptr + 1; p <= at; p++)
        position += !is_continuation(*p);
    return position;
}

static struct sl_bytes value_bytes(sqlite3_value *value, bool as_text)
{
    const void *ptr =
        as_text ? sqlite3_value_text(value) : sqlite3_value_blob(value);

    return SL_BYTES(ptr, (size_t)sqlite3_value_bytes(value));
}

static void run_instr(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    int hay_type = sqlite3_value_type(values[0]);
    int needle_type = sqlite3_value_type(values[1]);
    bool text = hay_type != SQLITE_BLOB || needle_type != SQLITE_BLOB;

    (void)count;
    if (hay_type == SQLITE_NULL || needle_type == SQLITE_NULL)
        return;
    struct sl_bytes hay = value_bytes(values[0], text);
    struct sl_bytes needle = value_bytes(values[1], text);
    if ((hay.ptr == NULL && hay.len > 0) ||
        (needle.ptr == NULL && needle.len > 0))
        sqlite3_result_error_nomem(context);
    else if (needle.len == 0)
        sqlite3_result_int(context, 1);
    else if (hay.len < needle.len)
        sqlite3_result_int(context, 0);
    else
        sqlite3_result_int(context, text ? find_text(hay, needle)
                                         : find_bytes(hay, needle));
}

/* --- replace ------------------------------------------------------------ */

/* The next match of `what`.  Matches do not overlap. */
static const unsigned char *find_match(struct sl_sql_sqlite_steps *steps,
                                       const unsigned char *from,
                                       const unsigned char *end,
                                       struct sl_bytes what)
{
    if (!sl_sql_sqlite_count_step(steps) || from == end)
        return NULL;
    return memmem(from, (size_t)(end - from), what.ptr, what.len);
}

static uint64_t count_places(struct sl_sql_sqlite_steps *steps,
                             struct sl_bytes text, struct sl_bytes what)
{
    const unsigned char *end = text.ptr + text.len;
    const unsigned char *at = find_match(steps, text.ptr, end, what);
    uint64_t count = 0;

    for (; at != NULL; at = find_match(steps, at + what.len, end, what))
        count++;
    return count;
}

/* `to` is large enough. */
static void copy_replaced(struct sl_sql_sqlite_steps *steps,
                          struct sl_bytes text, struct sl_bytes what,
                          struct sl_bytes with, unsigned char *to)
{
    const unsigned char *from = text.ptr, *end = text.ptr + text.len;
    const unsigned char *at = find_match(steps, from, end, what);

    for (; at != NULL; at = find_match(steps, from, end, what)) {
        memcpy(to, from, (size_t)(at - from));
        to += at - from;
        if (with.len > 0)
            memcpy(to, with.ptr, with.len);
        to += with.len;
        from = at + what.len;
    }
    if (!steps->late)
        memcpy(to, from, (size_t)(end - from));
}

static void replace_text(sqlite3_context *context, struct sl_bytes text,
                         struct sl_bytes what, struct sl_bytes with)
{
    struct sl_sql_sqlite_steps steps = sl_sql_sqlite_steps(context);
    uint64_t count = count_places(&steps, text, what);
    uint64_t size = text.len + count * with.len - count * what.len;

    if (sl_sql_sqlite_fail_if_late(context, &steps))
        return;
    if (size > (uint64_t)sqlite3_limit(sqlite3_context_db_handle(context),
                                       SQLITE_LIMIT_LENGTH, -1)) {
        sqlite3_result_error_toobig(context);
        return;
    }
    unsigned char *to = sqlite3_malloc64(size + 1);
    if (to == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    copy_replaced(&steps, text, what, with, to);
    if (sl_sql_sqlite_fail_if_late(context, &steps))
        sqlite3_free(to);
    else
        sqlite3_result_text64(context, (char *)to, size, sqlite3_free,
                              SQLITE_UTF8);
}

static void run_replace(sqlite3_context *context, int count,
                        sqlite3_value **values)
{
    (void)count;
    struct sl_bytes text = value_bytes(values[0], true);
    if (text.ptr == NULL)
        return;
    struct sl_bytes what = value_bytes(values[1], true);
    if (what.ptr == NULL)
        return;
    if (what.ptr[0] == '\0') {
        sqlite3_result_value(context, values[0]);
        return;
    }
    struct sl_bytes with = value_bytes(values[2], true);
    if (with.ptr != NULL)
        replace_text(context, text, what, with);
}

/* --- trim --------------------------------------------------------------- */

/* The length of the character of set with which text begins, or ends.  0: no
 * character of it.  set is NUL-terminated. */
static size_t find_in_set(struct sl_sql_sqlite_steps *steps,
                          struct sl_bytes text, const unsigned char *set,
                          bool at_end)
{
    while (*set != '\0' && sl_sql_sqlite_count_step(steps)) {
        const unsigned char *first = set++;
        if (*first >= 0xc0)
            while (is_continuation(*set))
                set++;
        size_t len = (size_t)(set - first);
        if (len > text.len)
            continue;
        if (memcmp(at_end ? text.ptr + text.len - len : text.ptr, first, len) ==
            0)
            return len;
    }
    return 0;
}

static void run_trim(sqlite3_context *context, int count,
                     sqlite3_value **values)
{
    const struct sl_sql_sqlite_function *function = sqlite3_user_data(context);
    struct sl_sql_sqlite_steps steps = sl_sql_sqlite_steps(context);
    const unsigned char *set = (const unsigned char *)" ";
    size_t len;

    struct sl_bytes text = value_bytes(values[0], true);
    if (text.ptr == NULL)
        return;
    if (count > 1)
        set = sqlite3_value_text(values[1]);
    if (set == NULL)
        return;
    while (function->at_begin &&
           (len = find_in_set(&steps, text, set, false)) > 0)
        text = SL_BYTES(text.ptr + len, text.len - len);
    while (function->at_end && (len = find_in_set(&steps, text, set, true)) > 0)
        text.len -= len;
    if (!sl_sql_sqlite_fail_if_late(context, &steps))
        sqlite3_result_text(context, (const char *)text.ptr, (int)text.len,
                            SQLITE_TRANSIENT);
}

/* --- Registration ------------------------------------------------------- */

/* Of newer SQLite: a function must say that its result may be marked as JSON. */
#ifdef SQLITE_RESULT_SUBTYPE
enum {
    FUNCTION_FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS |
                     SQLITE_RESULT_SUBTYPE
};
#else
enum { FUNCTION_FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS };
#endif

static void free_function(void *pointer)
{
    struct sl_sql_sqlite_function *function = pointer;

    sqlite3_finalize(function->helper_statement);
    sqlite3_close(function->helper);
    sqlite3_free(function);
}

/* The first SQLite that has binary JSON. */
enum { SQLITE_WITH_JSONB = 3045000 };

void sl_sql_sqlite_add_functions(struct sl_sql_sqlite_conn *conn)
{
    static const struct {
        const char *name;
        int count;
        void (*run)(sqlite3_context *, int, sqlite3_value **);
        struct sl_sql_sqlite_function function;
    } all[] = {
        {"instr", 2, run_instr, {0}},
        {"replace", 3, run_replace, {0}},
        {"trim", 1, run_trim, {.at_begin = true, .at_end = true}},
        {"trim", 2, run_trim, {.at_begin = true, .at_end = true}},
        {"ltrim", 1, run_trim, {.at_begin = true}},
        {"ltrim", 2, run_trim, {.at_begin = true}},
        {"rtrim", 1, run_trim, {.at_end = true}},
        {"rtrim", 2, run_trim, {.at_end = true}},
        {"like", 2, sl_sql_sqlite_run_like, {0}},
        {"like", 3, sl_sql_sqlite_run_like, {0}},
        {"glob", 2, sl_sql_sqlite_run_glob, {0}},
        {"json_patch",
         2,
         sl_sql_sqlite_run_json_patch,
         {.helper_sql = "SELECT json_patch(?, ?)"}},
        {"jsonb_patch",
         2,
         sl_sql_sqlite_run_json_patch,
         {.helper_sql = "SELECT jsonb_patch(?, ?)"}},
    };
    size_t count = sizeof(all) / sizeof(all[0]);

    if (sqlite3_libversion_number() < SQLITE_WITH_JSONB)
        count--;

    for (size_t i = 0; i < count; i++) {
        struct sl_sql_sqlite_function *function =
            sqlite3_malloc64(sizeof(*function));
        if (function == NULL) /* as SQLite does when memory is short */
            continue;
        *function = all[i].function;
        function->conn = conn;
        sqlite3_create_function_v2(conn->file.handle, all[i].name, all[i].count,
                                   FUNCTION_FLAGS, function, all[i].run, NULL,
                                   NULL, free_function);
    }
}
