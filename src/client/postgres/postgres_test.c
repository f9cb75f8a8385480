/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, and what every error of PostgreSQL's documentation means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/postgres/postgres.h"
#include "client/postgres/tables.h"

/* Appendix A of the documentation of PostgreSQL 15, all but what is no error;
 * and two codes that are not in it. */
static const struct {
    enum sl_status status;
    const char *codes;
} errors[] = {
    {SL_INVALID_ARGUMENT,
     "03000 0F000 0F001 0P000 0Z000 0Z002 20000 21000 22000 2202E 22021 22008 "
     "22012 22005 2200B 22022 22015 2201E 22014 22016 2201F 2201G 22018 22007 "
     "22019 2200D 22025 22P06 22010 22023 22013 2201B 2201W 2201X 2202H 2202G "
     "22009 2200C 2200G 22004 22002 22003 2200H 22026 22001 22011 22027 22024 "
     "2200F 22P01 22P02 22P03 22P04 2200L 2200M 2200N 2200S 2200T 22030 22031 "
     "22032 22033 22034 22035 22036 22037 22038 22039 2203A 2203B 2203C 2203D "
     "2203E 2203F 2203G 24000 25001 26000 2D000 2F000 2F005 2F002 2F003 "
     "2F004 34000 38000 38001 38002 38003 38004 39000 39001 39004 39P01 39P02 "
     "39P03 3B000 3B001 3F000 42000 42601 42846 42803 42P20 42P19 42830 42602 "
     "42622 42939 42804 42P18 42P21 42P22 42809 428C9 42703 42883 42P01 42P02 "
     "42704 42P03 42P05 42712 42702 42725 42P08 42P09 42P10 42611 42P11 42P12 "
     "42P13 42P14 42P15 42P16 42P17 55P02 55P04 58P01 58P02"},
    {SL_UNAVAILABLE,
     "25006 08000 08003 08006 08001 08004 08007 08P01 25P03 3D000 40003 53000 "
     "53300 57000 57P01 57P02 57P03 57P04 57P05 HV000 HV005 HV002 HV010 "
     "HV021 HV024 HV007 HV008 HV004 HV006 HV091 HV00B HV00C HV00D HV090 HV00A "
     "HV009 HV014 HV001 HV00P HV00J HV00K HV00Q HV00R HV00L HV00M HV00N"},
    {SL_CONFLICT,
     "09000 0B000 23000 23001 23502 23503 23514 23P01 25000 25002 25008 25003 "
     "25004 25005 25007 25P01 25P02 27000 2B000 2BP01 40000 40002 "
     "44000 55000 55006 P0000 P0001 P0002 P0003 P0004"},
    {SL_ABORTED, "40001 40P01 55P03 72000"},
    {SL_RESOURCE_EXHAUSTED, "53100 53200"},
    {SL_UNSUPPORTED, "0A000 22P05"},
    {SL_PERMISSION_DENIED, "0L000 0LP01 42501"},
    {SL_ALREADY_EXISTS, "23505 42701 42P04 42723 42P06 42P07 42710"},
    {SL_UNAUTHENTICATED, "28000 28P01"},
    {SL_TOO_LARGE, "53400 54000 54001 54011 54023"},
    {SL_TIMEOUT, "57014"},
    {SL_INTERNAL, "58000 58030 F0000 F0001 XX000 XX001 XX002 99999 ZZ000"},
};

static void every_error_has_a_meaning(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        for (const char *code = errors[i].codes; code != NULL; count++) {
            char text[8];
            snprintf(text, sizeof(text), "%.5s", code);
            if (sl_pg_status_of(text) != errors[i].status)
                fail_msg("%s is %s", text,
                         sl_status_text(sl_pg_status_of(text)));
            const char *space = strchr(code, ' ');
            code = space != NULL ? space + 1 : NULL;
        }
    assert_int_equal(count, 251);
}

static void a_failed_connection_is_explained(void **state)
{
    static const struct {
        const char *text;
        enum sl_status status;
        const char *says;
    } cases[] = {
        {"connection to server at \"::1\", port 5432 failed: FATAL:  28P01: "
         "password authentication failed for user \"a\"\nLOCATION:  x, y:1\n",
         SL_UNAUTHENTICATED,
         "here: password authentication failed for user "
         "\"a\" (28P01)"},
        {"connection to server at \"::1\", port 5432 failed: FATALE:  53300: "
         "troppi\n",
         SL_UNAVAILABLE, "here: troppi (53300)"},
        {"connection to server at \"h\" (1.2.3.4), port 1 failed: Connection "
         "refused\n\tIs the server running on that host\n",
         SL_UNAVAILABLE, "is the server running there? (Connection refused)"},
        {"connection to server at \"h\", port 1 failed: SSL error: unexpected "
         "eof while reading\n",
         SL_UNAVAILABLE, "the connection was lost"},
        {"connection to server at \"h\", port 1 failed: SSL error: certificate "
         "verify failed\n",
         SL_UNAUTHENTICATED, "not trusted; set ca"},
        {"x failed: server certificate for \"a\" does not match host name "
         "\"b\"\n",
         SL_UNAUTHENTICATED, "for another name"},
        {"x failed: server does not support SSL, but SSL was required\n",
         SL_UNAUTHENTICATED, "no TLS"},
        {"x failed: fe_sendauth: no password supplied\n", SL_UNAUTHENTICATED,
         "requires a password"},
        {"what is this\x01\nand more", SL_UNAVAILABLE, "here: what is this "},
        {"bad \xff bytes", SL_UNAVAILABLE, "here: bad ? bytes"},
        {"", SL_UNAVAILABLE, "here: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_error err;
        assert_int_equal(sl_pg_explain_connect(cases[i].text, "here", &err),
                         cases[i].status);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s", err.message);
        assert_null(strpbrk(err.message, "\r\n\x01"));
    }
}

/* --- Settings ----------------------------------------------------------- */

static void urls(void **state)
{
    static const char *const good[] = {
        "postgres://h/d",
        "postgresql://u:p@h:1/d",
        "postgres://[::1]:5432/d",
        "postgres://u%40x:p%2Fq@h/d%20e",
        "postgres://h/d?sslmode=require",
        "postgres://h/d?sslmode=verify-full&sslrootcert=system",
        "postgres://h/d?application_name=shop%20one&channel_binding=require",
        "postgres://h/d?ssl=true&",
    };
    static const char *const bad[] = {
        "postgres://h",
        "postgres://h/",
        "postgres://h/a/b",
        "mysql://h/d",
        "h/d",
        "",
        "postgres://h/d?sslmode=allow",
        "postgres://h/d?sslmode=",
        "postgres://h/d?sslmode=require&sslmode=disable",
        "postgres://h/d?connect_timeout=10",
        "postgres://h/d?sslrootcert=/ca.pem",
        "postgres://h/d?options=-c%20geqo%3Doff",
        "postgres://h/d?pgbouncer=true",
        "postgres://h/d?hunter2=1",
        "postgres://u:pa/hunter2@h/d",
        "postgres://u:12/hunter2@h/d",
        "postgres://u:pa?hunter2@h/d",
        "postgres://u:pa#hunter2@h/d",
    };
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(sl_pg_check_url(&good[i], &err), SL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sl_pg_check_url(&bad[i], &err), SL_INVALID_ARGUMENT);
        assert_null(strstr(err.message, "hunter2"));
    }
}

/* The setting comes first, then the URL, then where the server is. */
static void tls_of_the_url(void **state)
{
    static const struct {
        const char *url, *tls, *ca, *mode;
    } cases[] = {
        {"postgres://h/d", "auto", NULL, "verify-full"},
        {"postgres://localhost/d", "auto", NULL, "prefer"},
        {"postgres://localhost/d", "auto", "ca.pem", "verify-full"},
        {"postgres://h/d?sslmode=require", "auto", NULL, "require"},
        {"postgres://h/d?sslmode=disable", "auto", "ca.pem", "disable"},
        {"postgres://h/d?sslmode=disable", "verify-ca", NULL, "verify-ca"},
        {"postgres://localhost/d?ssl=true", "auto", NULL, "require"},
        {"postgres://localhost/d?sslrootcert=system", "auto", NULL,
         "verify-full"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_pg_options options = {.tls = cases[i].tls,
                                              .ca = cases[i].ca};
        struct sl_url url;
        struct sl_error err;
        assert_int_equal(sl_url_parse(cases[i].url, &url, &err), SL_OK);
        assert_string_equal(sl_pg_tls_mode(&options, &url), cases[i].mode);
        sl_url_done(&url);
    }
}

static void count_risk(void *context, const char *text)
{
    (void)text;
    ++*(int *)context;
}

static void risks_of_the_url(void **state)
{
    static const struct {
        const char *url, *tls;
        int risks;
    } cases[] = {
        {"postgres://u:p@h/d", "auto", 0},
        {"postgres://u:p@h/d?sslmode=disable", "auto", 1},
        {"postgres://u:p@h/d?sslmode=prefer", "auto", 1},
        {"postgres://u:p@h/d?sslmode=prefer", "verify-full", 0},
        {"postgres://u:p@localhost/d?sslmode=disable", "auto", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_pg_options options = {.url = cases[i].url,
                                              .tls = cases[i].tls};
        int told = 0;
        sl_pg_risks(&options, count_risk, &told);
        assert_int_equal(told, cases[i].risks);
    }
}

static void modes_and_names(void **state)
{
    static const char *const modes[] = {"auto", "verify-full", "disable"};
    static const char *const bad_modes[] = {"", "on", "VERIFY-FULL", "allow"};
    static const char *const names[] = {"a", "A \"b\" \\ c", "gr\xc3\xbc"};
    const char *const bad_names[] = {
        "", "\xff",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sl_pg_check_tls(&modes[i], &err), SL_OK);
        assert_int_equal(sl_pg_check_name(&names[i], &err), SL_OK);
        assert_int_equal(sl_pg_check_name(&bad_names[i], &err),
                         SL_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(sl_pg_check_tls(&bad_modes[i], &err),
                         SL_INVALID_ARGUMENT);
}

static void files_must_be_there(void **state)
{
    struct sl_pg_options options = {.url = "postgres://h/d", .tls = "auto"};
    struct sl_pg_target *target = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_pg_target_new(&options, "", &target, &err), SL_OK);
    sl_pg_target_free(target);
    options.ca = "/nonexistent/ca.pem";
    assert_int_equal(sl_pg_target_new(&options, "", &target, &err),
                     SL_INVALID_ARGUMENT);
    options.ca = NULL;
    options.certificate = "/dev/null";
    assert_int_equal(sl_pg_target_new(&options, "", &target, &err),
                     SL_INVALID_ARGUMENT);
    options.key = "/dev/null";
    assert_int_equal(sl_pg_target_new(&options, "", &target, &err), SL_OK);
    sl_pg_target_free(target);
}

static void names_of_tables(void **state)
{
    static const char *const good[] = {
        "slight", "A_b-9", "0123456789012345678901234567890123456789"};
    static const char *const bad[] = {
        "",    "a b",        "a\"b",
        "a'b", "a;b",        "a.b",
        "{t}", "gr\xc3\xbc", "01234567890123456789012345678901234567890"};
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(sl_pg_check_table(&good[i], &err), SL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sl_pg_check_table(&bad[i], &err), SL_INVALID_ARGUMENT);
}

static void hosts_of_a_url(void **state)
{
    static const struct {
        const char *url;
        size_t index;
        const char *one; /* NULL: none */
    } cases[] = {
        {"postgres://h/d", 0, "postgres://h/d"},
        {"postgres://h/d", 1, NULL},
        {"postgres://u:p,q@a:1,b:2/d?sslmode=a,b", 0,
         "postgres://u:p,q@a:1/d?sslmode=a,b"},
        {"postgres://u:p,q@a:1,b:2/d?sslmode=a,b", 1,
         "postgres://u:p,q@b:2/d?sslmode=a,b"},
        {"postgres://u:p,q@a:1,b:2/d?sslmode=a,b", 2, NULL},
        {"postgres://[::1]:5,b,c/d", 1, "postgres://b/d"},
        {"postgres://[::1]:5,b,c/d", 2, "postgres://c/d"},
    };
    static const char *const good[] = {
        "postgres://u:p@a,b:2,[::1]:3/d?target_session_attrs=primary",
        "postgres://a,a/d?target_session_attrs=prefer-standby",
    };
    static const char *const bad[] = {
        "postgres://a,/d",
        "postgres://,a/d",
        "postgres://a,b:0/d",
        "postgres://a,b/d?target_session_attrs=master",
        "postgres://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/d",
    };
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *one = sl_pg_url_of_host(cases[i].url, cases[i].index);
        if (cases[i].one == NULL)
            assert_null(one);
        else
            assert_string_equal(one, cases[i].one);
        free(one);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(sl_pg_check_url(&good[i], &err), SL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sl_pg_check_url(&bad[i], &err), SL_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_a_url),
        cmocka_unit_test(every_error_has_a_meaning),
        cmocka_unit_test(a_failed_connection_is_explained),
        cmocka_unit_test(urls),
        cmocka_unit_test(tls_of_the_url),
        cmocka_unit_test(risks_of_the_url),
        cmocka_unit_test(modes_and_names),
        cmocka_unit_test(files_must_be_there),
        cmocka_unit_test(names_of_tables),
    };

    return cmocka_run_group_tests_name("client.postgres", tests, NULL, NULL);
}
