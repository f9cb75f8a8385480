/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows under construction.  Bytes are in chunks that do not move, columns and
 * values in two arrays that grow.
 */
#include "sql/result.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/tsan_boundary.h"

enum { CHUNK_MIN = 4096, CHUNK_MAX = 256 * 1024 };

struct chunk {
    struct chunk *before;
    size_t used;
    size_t size;
    uint8_t bytes[];
};

struct sl_sql_result {
    struct chunk *chunk; /* the last one */
    struct sl_sql_column *columns;
    size_t column_count, column_capacity;
    struct sl_sql_value *values;
    size_t value_count, value_capacity;
    size_t row_values; /* values up to the end of the last row */
    size_t rows;
    size_t budget;     /* what is left of it */
    size_t row_budget; /* what was left at the end of the last row */
    size_t limit;
};

struct sl_sql_result *sl_sql_result_new(size_t budget)
{
    struct sl_sql_result *result = sl_alloc(sizeof(*result));

    result->budget = result->row_budget = result->limit = budget;
    return result;
}

void sl_sql_result_free(struct sl_sql_result *result)
{
    if (result == NULL)
        return;
    while (result->chunk != NULL) {
        struct chunk *before = result->chunk->before;
        free(result->chunk);
        result->chunk = before;
    }
    free(result->columns);
    free(result->values);
    free(result);
}

static enum sl_status fail_memory(size_t len, struct sl_error *err)
{
    return sl_fail(err, SL_TOO_LARGE, "out of memory for %zu bytes", len);
}

enum sl_status sl_sql_result_fail_full(size_t budget, struct sl_error *err)
{
    return sl_fail(err, SL_TOO_LARGE,
                   "the result exceeds %zu bytes, the manifest's max-result; "
                   "select less, or use a cursor",
                   budget);
}

static enum sl_status spend_budget(struct sl_sql_result *result, size_t len,
                                   struct sl_error *err)
{
    if (len > result->budget)
        return sl_sql_result_fail_full(result->limit, err);
    result->budget -= len;
    return SL_OK;
}

/* Make space for one more in an array.  NULL: out of memory. */
static void *grow_array(void *array, size_t count, size_t *capacity,
                        size_t size)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = reallocarray(array, wanted, size);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

static struct chunk *find_chunk(struct sl_sql_result *result, size_t len)
{
    struct chunk *last = result->chunk;

    if (last != NULL && last->size - last->used >= len)
        return last;
    size_t size = last == NULL             ? CHUNK_MIN
                  : last->size < CHUNK_MAX ? last->size * 2
                                           : CHUNK_MAX;
    if (size < len)
        size = len;
    struct chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct chunk){.before = last, .size = size};
    result->chunk = chunk;
    return chunk;
}

static enum sl_status copy_bytes(struct sl_sql_result *result,
                                 struct sl_bytes bytes, struct sl_bytes *out,
                                 struct sl_error *err)
{
    *out = SL_LITERAL("");
    if (bytes.len == 0)
        return SL_OK;
    struct chunk *chunk = find_chunk(result, bytes.len);
    if (chunk == NULL)
        return fail_memory(bytes.len, err);
    *out = SL_BYTES(chunk->bytes + chunk->used, bytes.len);
    memcpy(chunk->bytes + chunk->used, bytes.ptr, bytes.len);
    chunk->used += bytes.len;
    return SL_OK;
}

/* Copy what the database says is text. */
static enum sl_status copy_text(struct sl_sql_result *result,
                                struct sl_bytes name, struct sl_bytes *out,
                                struct sl_error *err)
{
    enum sl_status status = copy_bytes(result, name, out, err);

    if (status != SL_OK || sl_bytes_are_text(*out))
        return status;
    uint8_t *bytes = result->chunk->bytes + result->chunk->used - out->len;
    for (size_t i = 0; i < out->len; i++)
        if (bytes[i] == 0 || bytes[i] >= 0x80)
            bytes[i] = '?';
    return SL_OK;
}

enum sl_status sl_sql_result_column(struct sl_sql_result *result,
                                    struct sl_bytes name,
                                    struct sl_bytes type_name,
                                    struct sl_error *err)
{
    struct sl_sql_column column;
    enum sl_status status =
        spend_budget(result, sizeof(column) + name.len + type_name.len, err);

    if (status == SL_OK)
        status = copy_text(result, name, &column.name, err);
    if (status == SL_OK)
        status = copy_text(result, type_name, &column.type_name, err);
    if (status != SL_OK)
        return status;
    void *grown = grow_array(result->columns, result->column_count,
                             &result->column_capacity, sizeof(column));
    if (grown == NULL)
        return fail_memory(sizeof(column), err);
    result->columns = grown;
    result->columns[result->column_count++] = column;
    result->row_budget = result->budget;
    return SL_OK;
}

enum sl_status sl_sql_result_type_name(struct sl_sql_result *result, size_t i,
                                       struct sl_bytes type_name,
                                       struct sl_error *err)
{
    enum sl_status status = spend_budget(result, type_name.len, err);

    return status == SL_OK ? copy_text(result, type_name,
                                       &result->columns[i].type_name, err)
                           : status;
}

enum sl_status sl_sql_result_value(struct sl_sql_result *result,
                                   const struct sl_sql_value *value,
                                   struct sl_error *err)
{
    struct sl_sql_value mine = *value;
    bool has_bytes = value->type >= SL_SQL_DECIMAL;
    size_t len = has_bytes ? value->bytes.len : 0;

    if (len > SIZE_MAX - sizeof(mine))
        return fail_memory(len, err);
    enum sl_status status = spend_budget(result, sizeof(mine) + len, err);
    if (status == SL_OK && has_bytes)
        status = copy_bytes(result, value->bytes, &mine.bytes, err);
    if (status != SL_OK)
        return status;
    void *grown = grow_array(result->values, result->value_count,
                             &result->value_capacity, sizeof(mine));
    if (grown == NULL)
        return fail_memory(sizeof(mine), err);
    result->values = grown;
    result->values[result->value_count++] = mine;
    return SL_OK;
}

void sl_sql_result_end_row(struct sl_sql_result *result)
{
    result->rows++;
    result->row_values = result->value_count;
    result->row_budget = result->budget;
}

void sl_sql_result_drop_row(struct sl_sql_result *result)
{
    result->value_count = result->row_values;
    result->budget = result->row_budget;
}

size_t sl_sql_result_rows(const struct sl_sql_result *result)
{
    return result->rows;
}

/* The bridge may call this. */
static void release_result(void *result)
{
    SL_CALLED_BY_BRIDGE;
    sl_sql_result_free(result);
}

size_t sl_sql_result_bytes(const struct sl_sql_answer *answer)
{
    const struct sl_sql_result *result = answer->memory.owner;

    return result != NULL ? result->limit - result->budget : 0;
}

enum sl_status sl_sql_result_finish(struct sl_sql_result *result,
                                    enum sl_status status,
                                    struct sl_sql_answer *answer)
{
    if (status != SL_OK || result == NULL) {
        sl_sql_result_free(result);
        return status;
    }
    answer->columns = result->columns;
    /* A batch of a cursor has rows, but no columns. */
    answer->column_count = result->rows > 0 ? result->row_values / result->rows
                                            : result->column_count;
    answer->values = result->values;
    answer->row_count = result->rows;
    answer->memory.owner = result; /* handed over */
    answer->memory.release = release_result;
    return SL_OK;
}
