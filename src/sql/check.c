/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of calls to databases: the limits of wit/sql/sql.wit. */
#include "sql/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "service/check.h"
#include "sql/literal.h"

/* --- Values ------------------------------------------------------------- */

static bool is_timestamp(struct sl_bytes text)
{
    return sl_sql_is_timestamp(text, 'T');
}

/* The literal syntax of each type. */
static const struct literal {
    bool (*is_valid)(struct sl_bytes text); /* NULL: any text */
    const char *expected;
} literals[SL_SQL_TYPE_COUNT] = {
    [SL_SQL_DECIMAL] = {sl_sql_is_decimal, "digits such as -12.50 or 1e-7"},
    [SL_SQL_TEXT] = {NULL, "UTF-8 without NUL"},
    [SL_SQL_DATE] = {sl_sql_is_date, "a day such as 2026-11-23"},
    [SL_SQL_TIME] = {sl_sql_is_time, "a time such as 13:37:00.5"},
    [SL_SQL_TIMESTAMP] = {is_timestamp,
                          "a timestamp such as 2026-11-23T13:37:00Z, with or "
                          "without an offset"},
    [SL_SQL_UUID] = {sl_sql_is_uuid,
                     "digits such as 123e4567-e89b-12d3-a456-426614174000"},
    [SL_SQL_JSON] = {sl_sql_is_json, "JSON, nested at most 100 deep"},
};

/* Names a parameter in a message, which must not contain its value. */
struct place {
    size_t set; /* from 0; not named where set_count is 1 */
    size_t set_count;
    size_t parameter;
};

static enum sl_status fail_parameter(const struct place *place,
                                     enum sl_status status, const char *what,
                                     struct sl_error *err)
{
    if (place->set_count > 1)
        return sl_fail(err, status, "parameter %zu of list %zu: %s",
                       place->parameter + 1, place->set + 1, what);
    return sl_fail(err, status, "parameter %zu: %s", place->parameter + 1,
                   what);
}

static enum sl_status check_float(const struct sl_sql_driver *driver,
                                  const struct place *place, double number,
                                  struct sl_error *err)
{
    unsigned features = driver->driver.features;

    if (isnan(number) && (features & SL_SQL_FEATURE_NAN) == 0)
        return fail_parameter(place, SL_UNSUPPORTED, "this database has no NaN",
                              err);
    if (isinf(number) && (features & SL_SQL_FEATURE_INFINITY) == 0)
        return fail_parameter(place, SL_UNSUPPORTED,
                              "this database has no infinities", err);
    return SL_OK;
}

static enum sl_status check_literal(const struct place *place,
                                    const struct sl_sql_value *value,
                                    struct sl_error *err)
{
    const struct literal *literal = &literals[value->type];
    char what[128];

    if (value->type == SL_SQL_BYTES ||
        (sl_check_is_text(value->bytes) &&
         (literal->is_valid == NULL || literal->is_valid(value->bytes))))
        return SL_OK;
    snprintf(what, sizeof(what), "a %s must be %s",
             sl_sql_type_text(value->type), literal->expected);
    return fail_parameter(place, SL_INVALID_ARGUMENT, what, err);
}

static enum sl_status check_parameter(const struct sl_sql_driver *driver,
                                      const struct sl_sql_config *config,
                                      const struct place *place,
                                      const struct sl_sql_value *value,
                                      struct sl_error *err)
{
    char what[128];

    if (value->type >= SL_SQL_TYPE_COUNT)
        return fail_parameter(place, SL_INVALID_ARGUMENT, "unknown type", err);
    if (value->type == SL_SQL_FLOAT64)
        return check_float(driver, place, value->float64, err);
    if (value->type < SL_SQL_DECIMAL)
        return SL_OK;
    if (value->bytes.len > (size_t)config->max_value) {
        snprintf(what, sizeof(what),
                 "%zu bytes exceed the manifest's max-value of %" PRId64,
                 value->bytes.len, config->max_value);
        return fail_parameter(place, SL_TOO_LARGE, what, err);
    }
    return check_literal(place, value, err);
}

/* --- Sets --------------------------------------------------------------- */

static enum sl_status check_count(const struct sl_sql_request *request,
                                  size_t set, size_t placeholders,
                                  struct sl_error *err)
{
    size_t count = request->sets[set].count;

    if (count == placeholders)
        return SL_OK;
    if (request->set_count > 1)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the statement has %zu placeholders, but list %zu has "
                       "%zu parameters",
                       placeholders, set + 1, count);
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "the statement has %zu placeholders, but there are %zu "
                   "parameters",
                   placeholders, count);
}

static size_t counted_bytes(const struct sl_sql_value *value)
{
    return sizeof(*value) +
           (value->type >= SL_SQL_DECIMAL ? value->bytes.len : 0);
}

/* All values together. */
static enum sl_status check_total(const struct sl_sql_request *request,
                                  struct sl_error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < request->set_count; i++)
        for (size_t j = 0; j < request->sets[i].count; j++) {
            bytes += counted_bytes(&request->sets[i].values[j]);
            if (bytes > SL_SQL_CALL_BYTES_MAX)
                return sl_fail(err, SL_TOO_LARGE,
                               "the parameters of a call exceed %zu bytes, "
                               "which count 24 for each value and its "
                               "content; make several calls",
                               SL_SQL_CALL_BYTES_MAX);
        }
    return SL_OK;
}

static enum sl_status check_all_sets(const struct sl_sql_driver *driver,
                                     const struct sl_sql_config *config,
                                     const struct sl_sql_request *request,
                                     size_t placeholders, struct sl_error *err)
{
    enum sl_status status;
    struct place place = {.set_count = request->set_count};

    /* Before any value is read: all may share the same memory. */
    status = check_total(request, err);
    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        const struct sl_sql_parameters *set = &request->sets[i];
        status = check_count(request, i, placeholders, err);
        place.set = i;
        for (size_t j = 0; status == SL_OK && j < set->count; j++) {
            place.parameter = j;
            status =
                check_parameter(driver, config, &place, &set->values[j], err);
        }
    }
    return status;
}

/* --- Requests ----------------------------------------------------------- */

static enum sl_status check_statement(const struct sl_sql_driver *driver,
                                      const struct sl_sql_config *config,
                                      const struct sl_sql_request *request,
                                      struct sl_error *err)
{
    size_t placeholders = 0;

    if (request->statement.len > SL_SQL_STATEMENT_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "the statement has %zu bytes; at most %d are allowed",
                       request->statement.len, SL_SQL_STATEMENT_MAX);
    if (!sl_bytes_are_text(request->statement))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the statement must be UTF-8 without NUL");
    if (request->set_count > SL_SQL_SETS_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "%zu lists of parameters; at most %d are allowed in a "
                       "call",
                       request->set_count, SL_SQL_SETS_MAX);
    enum sl_status status =
        sl_sql_scan(request->statement, driver->dialect, &placeholders, err);
    if (status != SL_OK)
        return status;
    if (placeholders > SL_SQL_PARAMETERS_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "the statement has %zu placeholders; at most %d are "
                       "allowed",
                       placeholders, SL_SQL_PARAMETERS_MAX);
    return check_all_sets(driver, config, request, placeholders, err);
}

enum sl_status sl_sql_check(const struct sl_sql_driver *driver,
                            const struct sl_sql_config *config,
                            const struct sl_sql_request *request,
                            struct sl_error *err)
{
    switch (request->verb) {
    case SL_SQL_QUERY:
    case SL_SQL_EXECUTE:
    case SL_SQL_EXECUTE_MANY:
    case SL_SQL_CURSOR_OPEN:
        if (request->verb != SL_SQL_EXECUTE_MANY && request->set_count != 1)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "%zu lists of parameters; this call takes one",
                           request->set_count);
        return check_statement(driver, config, request, err);
    case SL_SQL_BEGIN:
        if (request->isolation >= SL_SQL_ISOLATION_COUNT)
            return sl_fail(err, SL_INVALID_ARGUMENT, "unknown isolation level");
        return SL_OK;
    case SL_SQL_CURSOR_NEXT:
        if (request->limit < 1 || request->limit > SL_SQL_BATCH_MAX)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "a batch of %" PRIu32 " rows; 1 to %d are allowed",
                           request->limit, SL_SQL_BATCH_MAX);
        return SL_OK;
    default:
        return SL_OK;
    }
}
