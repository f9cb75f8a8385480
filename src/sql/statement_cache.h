/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prepared statements that a connection keeps for the next time, least
 * recently used first.  The statements are the driver's, which also frees them.
 */
#ifndef SL_SQL_STATEMENT_CACHE_H
#define SL_SQL_STATEMENT_CACHE_H

#include "base/bytes.h"

enum {
    SL_SQL_STATEMENT_CACHE_MAX = 128,
    SL_SQL_STATEMENT_TEXT_MAX = 16384, /* bytes; a longer one is not kept */
};

/* The first member of a driver's statement. */
struct sl_sql_cached_statement {
    char *text; /* NUL-terminated */
    size_t len;
    const void *owner; /* who may use it; NULL: every component */
};

struct sl_sql_statement_cache {
    struct sl_sql_cached_statement *statements[SL_SQL_STATEMENT_CACHE_MAX];
    size_t count;
};

/* Copy the text; sl_sql_cached_statement_done frees it. */
void sl_sql_cached_statement_init(struct sl_sql_cached_statement *statement,
                                  const void *owner, struct sl_bytes text);
void sl_sql_cached_statement_done(struct sl_sql_cached_statement *statement);

/* Whether the text is short enough to be kept. */
bool sl_sql_cached_statement_fits(
    const struct sl_sql_cached_statement *statement);

/* Remove the owner's statement with this text.  NULL: there is none. */
void *sl_sql_statement_cache_take(struct sl_sql_statement_cache *cache,
                                  const void *owner, struct sl_bytes text);

/* Remove the least recently used one.  NULL: the cache is empty. */
void *sl_sql_statement_cache_pop(struct sl_sql_statement_cache *cache);

/*
 * Add a statement as the most recently used of at most `capacity`, which is at
 * most SL_SQL_STATEMENT_CACHE_MAX.  Returns the one that made way for it, which
 * is the caller's then, or NULL.
 */
void *sl_sql_statement_cache_add(struct sl_sql_statement_cache *cache,
                                 size_t capacity,
                                 struct sl_sql_cached_statement *statement);

#endif
