/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/alloc.h"
#include "sql/statement_cache.h"

static struct sl_sql_cached_statement *make_statement(const void *owner,
                                                      const char *text)
{
    struct sl_sql_cached_statement *statement = sl_alloc(sizeof(*statement));

    sl_sql_cached_statement_init(statement, owner, sl_bytes_of(text));
    return statement;
}

static void free_cached(struct sl_sql_cached_statement *statement)
{
    assert_non_null(statement);
    sl_sql_cached_statement_done(statement);
    free(statement);
}

static void the_least_recently_used_makes_way(void **state)
{
    enum { CAPACITY = 2 };
    struct sl_sql_statement_cache cache = {.count = 0};
    struct sl_sql_cached_statement *first = make_statement(NULL, "SELECT 1");
    struct sl_sql_cached_statement *second = make_statement(NULL, "SELECT 2");
    struct sl_sql_cached_statement *third = make_statement(NULL, "SELECT 3");

    (void)state;
    assert_null(sl_sql_statement_cache_add(&cache, CAPACITY, first));
    assert_null(sl_sql_statement_cache_add(&cache, CAPACITY, second));
    assert_ptr_equal(
        sl_sql_statement_cache_take(&cache, NULL, sl_bytes_of("SELECT 1")),
        first);
    assert_null(sl_sql_statement_cache_add(&cache, CAPACITY, first));
    assert_ptr_equal(sl_sql_statement_cache_add(&cache, CAPACITY, third),
                     second);
    free_cached(second);
    free_cached(sl_sql_statement_cache_pop(&cache)); /* first */
    free_cached(sl_sql_statement_cache_pop(&cache)); /* third */
    assert_null(sl_sql_statement_cache_pop(&cache));
}

static void statements_are_found_by_owner_and_text(void **state)
{
    static const int one, other;
    struct sl_sql_statement_cache cache = {.count = 0};
    const struct sl_bytes text = SL_LITERAL("SELECT 1");

    (void)state;
    assert_null(sl_sql_statement_cache_add(&cache, SL_SQL_STATEMENT_CACHE_MAX,
                                           make_statement(&one, "SELECT 1")));
    assert_null(sl_sql_statement_cache_take(&cache, &other, text));
    assert_null(sl_sql_statement_cache_take(&cache, &one, sl_bytes_of("S")));
    free_cached(sl_sql_statement_cache_take(&cache, &one, text));
    assert_null(sl_sql_statement_cache_take(&cache, &one, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_makes_way),
        cmocka_unit_test(statements_are_found_by_owner_and_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
