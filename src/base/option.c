/* SPDX-License-Identifier: Apache-2.0 */
/* Declarative settings: parse, default, validate; and the nearest word. */
#include "base/option.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", (int64_t)1 << 10},
    {"MiB", (int64_t)1 << 20},
    {"GiB", (int64_t)1 << 30},
    {"TiB", (int64_t)1 << 40},
    {NULL, 0},
};

/* Digits and a unit, nothing else. False: it is not that, or too large. */
static bool parse_with_unit(const char *text, const struct unit *units,
                            int64_t *out)
{
    if (text[0] < '0' || text[0] > '9')
        return false;

    char *end;
    errno = 0;
    intmax_t number = strtoimax(text, &end, 10);
    if (errno != 0)
        return false;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        int64_t amount;
        if (strcmp(end, unit->name) != 0)
            continue;
        if (__builtin_mul_overflow((int64_t)number, unit->factor, &amount))
            return false;
        *out = amount;
        return true;
    }
    return false;
}

enum sl_status sl_parse_duration(const char *text, int64_t *ms,
                                 struct sl_error *err)
{
    if (!parse_with_unit(text, duration_units, ms))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a duration such as \"500ms\", \"5s\", \"2m\" "
                       "or \"1h\"");
    return SL_OK;
}

enum sl_status sl_parse_size(const char *text, int64_t *bytes,
                             struct sl_error *err)
{
    if (!parse_with_unit(text, size_units, bytes))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a size such as \"512B\", \"64KiB\", "
                       "\"16MiB\" or \"1GiB\"");
    return SL_OK;
}

const struct sl_option *sl_option_find(const struct sl_option *table,
                                       const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

const char *sl_option_type_text(enum sl_option_type type)
{
    switch (type) {
    case SL_OPTION_STRING:
        return "string";
    case SL_OPTION_INTEGER:
        return "integer";
    case SL_OPTION_BOOLEAN:
        return "boolean";
    case SL_OPTION_DURATION_MS:
        return "duration";
    case SL_OPTION_SIZE:
        return "size";
    case SL_OPTION_PATH:
        return "path";
    }
    return "unknown";
}

void sl_option_write_amount(enum sl_option_type type, int64_t amount, char *out,
                            size_t size)
{
    const struct unit *units = type == SL_OPTION_SIZE ? size_units
                               : type == SL_OPTION_DURATION_MS
                                   ? duration_units
                                   : (const struct unit[]){{"", 1}, {0}};
    const struct unit *best = &units[0];

    for (const struct unit *unit = units; unit->name != NULL; unit++)
        if (amount != 0 && amount % unit->factor == 0)
            best = unit;
    snprintf(out, size, "%" PRId64 "%s", amount / best->factor, best->name);
}

static enum sl_status check_bounds(const struct sl_option *option,
                                   int64_t amount, struct sl_error *err)
{
    char low[32], high[32];

    if ((option->min == 0 && option->max == 0) ||
        (amount >= option->min && amount <= option->max))
        return SL_OK;
    sl_option_write_amount(option->type, option->min, low, sizeof(low));
    sl_option_write_amount(option->type, option->max, high, sizeof(high));
    return sl_fail(err, SL_INVALID_ARGUMENT, "expected %s to %s", low, high);
}

static enum sl_status parse_amount(const struct sl_option *option,
                                   const struct sl_setting_value *value,
                                   int64_t *amount, struct sl_error *err)
{
    if (option->type == SL_OPTION_INTEGER) {
        if (value->type != SL_SETTING_INTEGER)
            return sl_fail(err, SL_INVALID_ARGUMENT, "expected an integer");
        *amount = value->integer;
        return SL_OK;
    }
    /* A bare number has no unit.  The parsers refuse it as they do empty text. */
    const char *text = value->type == SL_SETTING_TEXT ? value->text : "";
    return option->type == SL_OPTION_SIZE
               ? sl_parse_size(text, amount, err)
               : sl_parse_duration(text, amount, err);
}

static enum sl_status check_field(const struct sl_option *option,
                                  const void *field, struct sl_error *err)
{
    return option->check == NULL ? SL_OK : option->check(field, err);
}

static enum sl_status set_text(const struct sl_option *option,
                               const struct sl_setting_value *value,
                               void *field, struct sl_error *err)
{
    if (value->type != SL_SETTING_TEXT)
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected a string");
    enum sl_status status = check_field(option, &value->text, err);
    if (status == SL_OK)
        *(const char **)field = value->text;
    return status;
}

static enum sl_status set_amount(const struct sl_option *option,
                                 const struct sl_setting_value *value,
                                 void *field, struct sl_error *err)
{
    int64_t amount = 0;
    enum sl_status status = parse_amount(option, value, &amount, err);

    if (status == SL_OK)
        status = check_bounds(option, amount, err);
    if (status == SL_OK)
        status = check_field(option, &amount, err);
    if (status == SL_OK)
        *(int64_t *)field = amount;
    return status;
}

enum sl_status sl_option_set(const struct sl_option *option,
                             const struct sl_setting_value *value, void *target,
                             struct sl_error *err)
{
    void *field = (char *)target + option->offset;

    if (option->or_boolean && value->type == SL_SETTING_BOOLEAN) {
        *(const char **)field = value->boolean ? "true" : "false";
        return SL_OK;
    }
    switch (option->type) {
    case SL_OPTION_STRING:
    case SL_OPTION_PATH:
        return set_text(option, value, field, err);
    case SL_OPTION_BOOLEAN:
        if (value->type != SL_SETTING_BOOLEAN)
            return sl_fail(err, SL_INVALID_ARGUMENT, "expected true or false");
        *(bool *)field = value->boolean;
        return SL_OK;
    case SL_OPTION_INTEGER:
    case SL_OPTION_DURATION_MS:
    case SL_OPTION_SIZE:
        return set_amount(option, value, field, err);
    }
    return sl_fail(err, SL_INTERNAL, "option of unknown type %d",
                   (int)option->type);
}

struct sl_setting_value sl_option_fallback(const struct sl_option *option)
{
    struct sl_setting_value value = {.type = SL_SETTING_TEXT,
                                     .text = option->fallback};

    if (option->type == SL_OPTION_INTEGER) {
        value.type = SL_SETTING_INTEGER;
        value.integer = strtoll(option->fallback, NULL, 10);
    } else if (option->type == SL_OPTION_BOOLEAN) {
        value.type = SL_SETTING_BOOLEAN;
        value.boolean = strcmp(option->fallback, "true") == 0;
    }
    return value;
}

void sl_options_default(const struct sl_option *table, void *target)
{
    for (; table->name != NULL; table++) {
        if (table->fallback == NULL)
            continue;
        struct sl_setting_value value = sl_option_fallback(table);
        struct sl_error err;
        enum sl_status status = sl_option_set(table, &value, target, &err);
        assert(status == SL_OK); /* kv_test looks at every table */
        (void)status;
    }
}

/* Edits (insert, delete, replace, swap two neighbours) from a to b. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > LONGEST || b_len > LONGEST)
        return LONGEST;
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

const char *sl_nearest(const char *word, const char *const candidates[])
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 1; /* a slip, not another word */

    for (size_t i = 0; candidates[i] != NULL; i++) {
        size_t edits = edit_distance(word, candidates[i]);
        if (edits < strlen(candidates[i]) &&
            (edits < best || (edits == best && nearest == NULL))) {
            best = edits;
            nearest = candidates[i];
        }
    }
    return nearest;
}
