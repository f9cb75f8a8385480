/* SPDX-License-Identifier: Apache-2.0 */
/* Databases: what all drivers have in common. */
#include "sql/sql.h"

#include <stdlib.h>
#include <string.h>

#include "sql/check.h"
#include "sql/driver.h"
#include "sql/result.h"

static const struct sl_option option_table[] = {
    {.name = "max-value",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_sql_config, max_value),
     .min = 1,
     .max = 32 * 1024 * 1024,
     .fallback = "16MiB",
     .help = "the most bytes of a parameter, such as a text"},
    {.name = "max-result",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_sql_config, max_result),
     .min = 4096,
     .max = 1024 * 1024 * 1024,
     .fallback = "64MiB",
     .help = "the most bytes of the rows of an answer: 24 for each value, and "
             "its content"},
    {.name = "max-transactions",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_sql_config, service.max_sessions),
     .min = 1,
     .max = 1000,
     .fallback = "64",
     .help = "the most transactions, and cursors outside of one, that may be "
             "open at once; each takes a connection and a thread"},
    {0},
};

static const struct sl_feature feature_table[] = {
    {SL_SQL_FEATURE_NAN, "nan", "NaN as a floating-point value"},
    {SL_SQL_FEATURE_INFINITY, "infinity", "infinite floating-point values"},
    {SL_SQL_FEATURE_LAST_INSERT_ID, "last-insert-id",
     "the id of an inserted row without RETURNING"},
    {SL_SQL_FEATURE_WRITERS, "parallel-writers",
     "transactions that write concurrently"},
    {SL_SQL_FEATURE_SHARED, "shared", "other processes see the same data"},
    {SL_SQL_FEATURE_RETURNING, "returning",
     "rows of writing statements, with RETURNING"},
    {SL_SQL_FEATURE_SCHEMAS, "schemas-in-transactions",
     "CREATE, ALTER and DROP in transactions, undone by a rollback"},
    {0},
};

static const char *const verbs[SL_SQL_VERB_COUNT] = {
    [SL_SQL_QUERY] = "query",
    [SL_SQL_EXECUTE] = "execute",
    [SL_SQL_EXECUTE_MANY] = "execute-many",
    [SL_SQL_BEGIN] = "begin",
    [SL_SQL_COMMIT] = "commit",
    [SL_SQL_ROLLBACK] = "rollback",
    [SL_SQL_CURSOR_OPEN] = "open-cursor",
    [SL_SQL_CURSOR_NEXT] = "next",
    [SL_SQL_CURSOR_CLOSE] = "close-cursor",
};

const char *sl_sql_type_text(uint32_t type)
{
    static const char *const texts[SL_SQL_TYPE_COUNT] = {
        [SL_SQL_NULL] = "null",       [SL_SQL_BOOLEAN] = "boolean",
        [SL_SQL_INT64] = "int64",     [SL_SQL_FLOAT64] = "float64",
        [SL_SQL_DECIMAL] = "decimal", [SL_SQL_TEXT] = "text",
        [SL_SQL_BYTES] = "bytes",     [SL_SQL_DATE] = "date",
        [SL_SQL_TIME] = "time",       [SL_SQL_TIMESTAMP] = "timestamp",
        [SL_SQL_UUID] = "uuid",       [SL_SQL_JSON] = "json",
    };

    return type < SL_SQL_TYPE_COUNT ? texts[type] : "unknown";
}

/* --- Answers ------------------------------------------------------------ */

/* Field by field, because most of an answer is the buffer of a message. */
static void sql_answer_init(void *answer)
{
    struct sl_sql_answer *mine = answer;

    mine->err.status = SL_OK;
    mine->err.message[0] = '\0';
    mine->retryable = false;
    mine->refused = false;
    mine->has_last_insert_id = false;
    mine->columns = NULL;
    mine->column_count = 0;
    mine->values = NULL;
    mine->row_count = 0;
    mine->affected = 0;
    mine->last_insert_id = 0;
    mine->cursor = 0;
    mine->memory = (struct sl_held){0};
}

static void sql_answer_done(void *answer)
{
    struct sl_sql_answer *mine = answer;

    sl_held_done(&mine->memory);
}

/* --- Requests ----------------------------------------------------------- */

static bool has_bytes(const void *value)
{
    return ((const struct sl_sql_value *)value)->type >= SL_SQL_DECIMAL;
}

static const struct sl_request_field value_fields[] = {
    {.kind = SL_REQUEST_FIELD_BYTES,
     .offset = offsetof(struct sl_sql_value, bytes),
     .is_set = has_bytes},
    {0},
};

static const struct sl_request_field set_fields[] = {
    SL_REQUEST_ARRAY(struct sl_sql_parameters, values, count, value_fields),
    {0},
};

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_ARRAY(struct sl_sql_request, sets, set_count, set_fields),
    SL_REQUEST_BYTES(struct sl_sql_request, statement),
    {0},
};

static enum sl_status check_request(const struct sl_driver *driver,
                                    const void *config, const void *request,
                                    struct sl_error *err)
{
    const struct sl_sql_driver *mine = (const void *)driver;

    return sl_sql_check(mine, config, request, err);
}

/* Only requests that end something in the session: even a SELECT may write. */
static bool is_repeatable_verb(const void *config, const void *request)
{
    const struct sl_sql_request *mine = request;

    (void)config;
    return mine->verb == SL_SQL_ROLLBACK || mine->verb == SL_SQL_CURSOR_CLOSE;
}

static size_t answer_budget(const void *config, size_t count)
{
    const struct sl_sql_config *mine = config;

    (void)count;
    return (size_t)mine->max_result;
}

static struct sl_held *answer_memory(void *pointer, size_t *bytes)
{
    struct sl_sql_answer *answer = pointer;

    *bytes = sl_sql_result_bytes(answer);
    return &answer->memory;
}

const struct sl_capability sl_sql = {
    .name = "sql",
    .drivers = sl_sql_drivers,
    .left_out = sl_sql_drivers_left_out,
    .features = feature_table,
    .options = option_table,
    .config_size = sizeof(struct sl_sql_config),
    .verbs = verbs,
    .verb_count = SL_SQL_VERB_COUNT,
    .request_size = sizeof(struct sl_sql_request),
    .answer_size = sizeof(struct sl_sql_answer),
    .answer_init = sql_answer_init,
    .answer_done = sql_answer_done,
    .request_fields = request_fields,
    .check = check_request,
    .is_repeatable = is_repeatable_verb,
    .answer_budget = answer_budget,
    .answer_memory = answer_memory,
};
