/* SPDX-License-Identifier: Apache-2.0 */
/* What Redis' replies mean, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/redis/redis.h"

static void every_error_has_its_meaning(void **state)
{
    const struct {
        const char *reply;
        enum sl_status status;
        bool unchanged;
    } cases[] = {
        {"-WRONGTYPE Operation against a key\r\n", SL_CONFLICT, true},
        {"-NOAUTH Authentication required.\r\n", SL_UNAUTHENTICATED, true},
        {"-WRONGPASS invalid\r\n", SL_UNAUTHENTICATED, true},
        {"-ERR AUTH <password> called without\r\n", SL_UNAUTHENTICATED, true},
        {"-ERR invalid password\r\n", SL_UNAUTHENTICATED, true},
        {"-NOPERM this user has no\r\n", SL_PERMISSION_DENIED, true},
        {"-DENIED Redis is running in protected mode\r\n", SL_PERMISSION_DENIED,
         true},
        {"-OOM command not allowed\r\n", SL_RESOURCE_EXHAUSTED, true},
        {"-LOADING Redis is loading\r\n", SL_UNAVAILABLE, true},
        {"-BUSY Redis is busy\r\n", SL_UNAVAILABLE, true},
        {"-MASTERDOWN Link\r\n", SL_UNAVAILABLE, true},
        {"-READONLY You can't write\r\n", SL_UNAVAILABLE, true},
        {"-MISCONF Redis is configured\r\n", SL_UNAVAILABLE, true},
        {"-NOREPLICAS Not enough\r\n", SL_UNAVAILABLE, true},
        {"-CLUSTERDOWN Hash slot\r\n", SL_UNAVAILABLE, true},
        {"-TRYAGAIN Multiple keys\r\n", SL_UNAVAILABLE, true},
        {"-ERR max number of clients reached\r\n", SL_UNAVAILABLE, true},
        {"-MOVED 3999 127.0.0.1:6381\r\n", SL_UNSUPPORTED, true},
        {"-ASK 3999 127.0.0.1:6381\r\n", SL_UNSUPPORTED, true},
        {"-ERR unknown command 'X'\r\n", SL_UNSUPPORTED, true},
        {"-ERR value is not an integer or out of range\r\n",
         SL_INVALID_ARGUMENT, true},
        {"-ERR increment or decrement would overflow\r\n", SL_INVALID_ARGUMENT,
         true},
        {"-ERR invalid cursor\r\n", SL_INVALID_ARGUMENT, true},
        {"-ERR invalid expire time in 'set' command\r\n", SL_INVALID_ARGUMENT,
         true},
        {"-ERR string exceeds maximum allowed size\r\n", SL_TOO_LARGE, true},
        {"-ERR Protocol error: invalid bulk length\r\n", SL_TOO_LARGE, true},
        {"-ERR DB index is out of range\r\n", SL_INVALID_ARGUMENT, true},
        {"-NOSCRIPT No matching script.\r\n", SL_UNAVAILABLE, true},
        {"-UNKILLABLE Sorry the script already\r\n", SL_UNAVAILABLE, true},
        {"-ERR The user executing the script can't run this\r\n",
         SL_PERMISSION_DENIED, false},
        {"-OOM command not allowed. script: f0, on @user_script:1.\r\n",
         SL_RESOURCE_EXHAUSTED, true},
        {"-ERR Error running script (call to f_ab): @user_script:1: "
         "@user_script: 12: -OOM command not allowed\r\n",
         SL_RESOURCE_EXHAUSTED, true},
        {"-ERR Error running script (call to f_ab): @user_script:1: WRONGTYPE "
         "Operation\r\n",
         SL_CONFLICT, true},
        {"-ERR Error running script (call to f_ab): @user_script:3: "
         "something new\r\n",
         SL_INTERNAL, false},
        {"-ERR Error running script\r\n", SL_INTERNAL, false},
        {"-ERR Error running script user_script:\r\n", SL_INTERNAL, false},
        {"-ERR something new\r\n", SL_INTERNAL, false},
        {"-\r\n", SL_INTERNAL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        redisReader *reader = sl_redis_reader_new();
        void *reply = NULL;
        struct sl_error err;
        bool unchanged = !cases[i].unchanged;

        redisReaderFeed(reader, cases[i].reply, strlen(cases[i].reply));
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        redisReaderFree(reader);
        assert_non_null(reply);
        enum sl_status status = sl_redis_fail(reply, "", &unchanged, &err);
        freeReplyObject(reply);
        if (status != cases[i].status || err.status != status)
            fail_msg("%s is %s", cases[i].reply, sl_status_text(status));
        assert_int_equal(unchanged, cases[i].unchanged);
    }
}

static void a_huge_array_is_refused(void **state)
{
    redisReader *reader = sl_redis_reader_new();
    void *reply = NULL;

    (void)state;
    redisReaderFeed(reader, "*2147483647\r\n", 13);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_ERR);
    redisReaderFree(reader);
}

static void urls(void **state)
{
    static const char *const right[] = {
        "redis://host",
        "rediss://user:pw@host:6380/3",
        "redis://[::1]:1/",
        "redis://host?db=3",
        "rediss://h?ssl_cert_reqs=required&protocol=3",
    };
    static const char *const wrong[] = {"http://host",
                                        "redis:host",
                                        "redis://host/name",
                                        "",
                                        "redis://host?db=x",
                                        "redis://host/1?db=2",
                                        "redis://host?ssl=true",
                                        "rediss://host?ssl_cert_reqs=none",
                                        "redis://host?socket_timeout=5",
                                        "redis://host?hunter2"};
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        assert_int_equal(sl_redis_check_url(&right[i], &err), SL_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sl_redis_check_url(&wrong[i], &err),
                         SL_INVALID_ARGUMENT);
        assert_null(strstr(err.message, "hunter2"));
    }
}

static void the_database_is_a_parameter_too(void **state)
{
    const struct sl_redis_options options = {.url = "redis://h?db=3", .db = -1};
    const struct sl_redis_options own = {.url = "redis://h?db=3", .db = 4};
    struct sl_redis_server server = {0}, second = {0};
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_redis_server_init(&server, &options, &err), SL_OK);
    assert_int_equal(server.db, 3);
    sl_redis_server_done(&server);
    assert_int_equal(sl_redis_server_init(&second, &own, &err), SL_OK);
    assert_int_equal(second.db, 4);
    sl_redis_server_done(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_meaning),
        cmocka_unit_test(a_huge_array_is_refused),
        cmocka_unit_test(urls),
        cmocka_unit_test(the_database_is_a_parameter_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
