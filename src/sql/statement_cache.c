/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/statement_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void sl_sql_cached_statement_init(struct sl_sql_cached_statement *statement,
                                  const void *owner, struct sl_bytes text)
{
    statement->text = sl_strndup(text.ptr, text.len);
    statement->len = text.len;
    statement->owner = owner;
}

void sl_sql_cached_statement_done(struct sl_sql_cached_statement *statement)
{
    free(statement->text);
    statement->text = NULL;
}

bool sl_sql_cached_statement_fits(
    const struct sl_sql_cached_statement *statement)
{
    return statement->len <= SL_SQL_STATEMENT_TEXT_MAX;
}

static struct sl_sql_cached_statement *
remove_statement(struct sl_sql_statement_cache *cache, size_t index)
{
    struct sl_sql_cached_statement *statement = cache->statements[index];

    cache->count--;
    memmove(&cache->statements[index], &cache->statements[index + 1],
            (cache->count - index) * sizeof(cache->statements[0]));
    return statement;
}

void *sl_sql_statement_cache_take(struct sl_sql_statement_cache *cache,
                                  const void *owner, struct sl_bytes text)
{
    for (size_t i = cache->count; i-- > 0;) {
        const struct sl_sql_cached_statement *statement = cache->statements[i];
        if (statement->owner == owner &&
            sl_bytes_equal(SL_BYTES(statement->text, statement->len), text))
            return remove_statement(cache, i);
    }
    return NULL;
}

void *sl_sql_statement_cache_pop(struct sl_sql_statement_cache *cache)
{
    return cache->count > 0 ? remove_statement(cache, 0) : NULL;
}

void *sl_sql_statement_cache_add(struct sl_sql_statement_cache *cache,
                                 size_t capacity,
                                 struct sl_sql_cached_statement *statement)
{
    void *evicted =
        cache->count >= capacity ? remove_statement(cache, 0) : NULL;

    cache->statements[cache->count++] = statement;
    return evicted;
}
