/* SPDX-License-Identifier: Apache-2.0 */
/* Which servers a component may reach, and at which addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "manifest/allowed_host.h"

enum { ENTRIES_MAX = 4 };

struct given {
    struct sl_allowed_host hosts[ENTRIES_MAX];
    size_t count;
};

static struct given parse_all(const char *const texts[])
{
    struct given given = {0};
    struct sl_error err;

    for (; texts[given.count] != NULL; given.count++)
        assert_int_equal(sl_allowed_host_parse(texts[given.count],
                                               &given.hosts[given.count], &err),
                         SL_OK);
    return given;
}

#define GIVEN(...) parse_all((const char *const[]){__VA_ARGS__, NULL})

static bool allows_host(const struct given *given, bool is_tls,
                        const char *host, uint16_t port)
{
    const struct sl_destination to = {
        sl_bytes_of(host), port, is_tls ? SL_SCHEME_HTTPS : SL_SCHEME_HTTP};

    return sl_allowed_hosts_have(given->hosts, given->count, &to);
}

static bool reaches_address(const struct given *given, const char *host,
                            const char *address)
{
    const struct sl_destination to = {sl_bytes_of(host), 80, SL_SCHEME_HTTP};
    uint8_t octets[16];
    bool is_v4 = inet_pton(AF_INET, address, octets) == 1;

    assert_true(is_v4 || inet_pton(AF_INET6, address, octets) == 1);
    return sl_allowed_hosts_reach(
        given->hosts, given->count, &to,
        (struct sl_bytes){octets, is_v4 ? (size_t)4 : (size_t)16});
}

static void test_names(void **state)
{
    struct given one = GIVEN("https://api.example.com", "http://plain:8080");

    (void)state;
    assert_true(allows_host(&one, true, "api.example.com", 443));
    assert_true(allows_host(&one, true, "API.Example.COM", 443));
    assert_true(allows_host(&one, true, "api.example.com.", 443));
    assert_false(allows_host(&one, false, "api.example.com", 443));
    assert_false(allows_host(&one, true, "api.example.com", 8443));
    assert_false(allows_host(&one, true, "example.com", 443));
    assert_false(allows_host(&one, true, "x.api.example.com", 443));
    assert_false(allows_host(&one, true, "api.example.com.evil.net", 443));
    assert_false(allows_host(&one, true, "evilapi.example.com", 443));
    assert_false(allows_host(&one, true, "", 443));
    assert_true(allows_host(&one, false, "plain", 8080));
    assert_false(allows_host(&one, false, "plain", 80));
}

static void test_wildcards(void **state)
{
    struct given below = GIVEN("https://*.example.com:*");
    struct given any = GIVEN("https://*");

    (void)state;
    assert_true(allows_host(&below, true, "a.example.com", 443));
    assert_true(allows_host(&below, true, "a.b.example.com", 9));
    assert_false(allows_host(&below, true, "example.com", 443));
    assert_false(allows_host(&below, true, ".example.com", 443));
    assert_false(allows_host(&below, true, "evilexample.com", 443));
    assert_false(allows_host(&below, false, "a.example.com", 443));
    assert_true(allows_host(&any, true, "anything", 443));
    assert_true(allows_host(&any, true, "10.0.0.1", 443));
    assert_false(allows_host(&any, true, "anything", 444));
    assert_false(allows_host(&any, false, "anything", 443));
}

static void test_addresses(void **state)
{
    struct given one = GIVEN("http://10.1.2.3", "http://[fd00::1]:80");

    (void)state;
    assert_true(allows_host(&one, false, "10.1.2.3", 80));
    assert_false(allows_host(&one, false, "10.1.2.4", 80));
    assert_true(allows_host(&one, false, "::ffff:10.1.2.3", 80)); /* the same */
    assert_true(allows_host(&one, false, "fd00:0::1", 80));
    assert_true(reaches_address(&one, "10.1.2.3", "10.1.2.3"));
    assert_true(reaches_address(&one, "fd00::1", "fd00::1"));
    assert_false(reaches_address(&one, "10.1.2.3", "10.1.2.4"));
}

/* The owner of a name decides which addresses it resolves to. */
static void test_private(void **state)
{
    static const char *const private[] = {
        "0.0.0.0",         "10.0.0.1",         "100.64.0.1",  "127.0.0.1",
        "127.255.0.1",     "169.254.169.254",  "172.16.0.1",  "172.31.255.255",
        "192.0.0.1",       "192.0.2.1",        "192.168.1.1", "198.18.0.1",
        "198.19.255.255",  "198.51.100.1",     "203.0.113.1", "224.0.0.1",
        "240.0.0.1",       "255.255.255.255",  "::",          "::1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1",
        "64:ff9b:1::1",    "100::1",           "2001::1",     "2001:db8::1",
        "2002:a00:1::",    "2002:7f00:1::",    "3fff::1",     "fc00::1",
        "fd00::1",         "fe80::1",          "fec0::1",     "ff02::1",
    };
    static const char *const public[] = {
        "1.1.1.1",          "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",     "172.15.255.255",
        "172.32.0.0",       "192.0.1.0",       "198.17.255.255",
        "198.20.0.0",       "223.255.255.255", "2606:4700::1111",
        "2001:200::1",      "2002:101:101::1", "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    };
    struct given any = GIVEN("http://*", "http://name");

    (void)state;
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++)
        if (reaches_address(&any, "name", private[i]))
            fail_msg("%s was reached", private[i]);
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
        if (!reaches_address(&any, "name", public[i]))
            fail_msg("%s was not reached", public[i]);
}

static void test_ranges(void **state)
{
    struct given ten = GIVEN("http://db.internal", "10.128.0.0/9", "fd00::/8");
    struct given local = GIVEN("http://localhost:*", "http://*");
    struct given nothing = GIVEN("10.0.0.0/8");
    struct given all = GIVEN("http://*", "0.0.0.0/0");

    (void)state;
    assert_true(reaches_address(&ten, "db.internal", "10.128.0.1"));
    assert_true(reaches_address(&ten, "db.internal", "10.255.255.255"));
    assert_true(reaches_address(&ten, "db.internal", "fd12::1"));
    assert_false(reaches_address(&ten, "db.internal", "10.127.255.255"));
    assert_false(reaches_address(&ten, "db.internal", "127.0.0.1"));
    assert_false(reaches_address(&ten, "other", "10.128.0.1"));
    assert_true(reaches_address(&local, "localhost", "127.0.0.1"));
    assert_true(reaches_address(&local, "localhost", "::1"));
    assert_false(reaches_address(&local, "localhost", "10.0.0.1"));
    assert_false(reaches_address(&local, "name", "127.0.0.1"));
    assert_false(reaches_address(&nothing, "10.0.0.1", "10.0.0.1"));
    assert_true(reaches_address(&all, "name", "127.0.0.1"));
    assert_false(reaches_address(&all, "name", "::1"));
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "expected http:// or https://"},
        {"example.com", "expected http:// or https://"},
        {"ftp://example.com", "expected http:// or https://"},
        {"https://", "expected a name, an address"},
        {"https://example.com/", "expected a name, an address"},
        {"https://example.com:443/x", "expected a port"},
        {"https://user@example.com", "expected a name, an address"},
        {"https://a..b", "expected a name, an address"},
        {"https://.a", "expected a name, an address"},
        {"https://*a.com", "expected a name, an address"},
        {"https://a.*.com", "expected a name, an address"},
        {"https://*.", "expected a name, an address"},
        {"https://a:0", "expected a port"},
        {"https://a:65536", "expected a port"},
        {"https://a:+1", "expected a port"},
        {"https://a:", "expected a port"},
        {"https://a:99999999999999999999", "expected a port"},
        {"https://[::1", "put an IPv6 address in [ and ]"},
        {"https://[::1]x", "after the host"},
        {"https://[name", "put an IPv6 address in [ and ]"},
        {"10.0.0.0/33", "at most 32"},
        {"fd00::/129", "at most 128"},
        {"10.0.0.0/", "a prefix length"},
        {"10.0.0/8", "a range of addresses"},
        {"/8", "a range of addresses"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_allowed_host host;
        struct sl_error err = {0};
        if (sl_allowed_host_parse(cases[i].text, &host, &err) == SL_OK)
            fail_msg("\"%s\" was taken", cases[i].text);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("\"%s\": %s", cases[i].text, err.message);
    }
}

static struct given parse_sockets(const char *const texts[])
{
    struct given given = {0};
    struct sl_error err;

    for (; texts[given.count] != NULL; given.count++)
        assert_int_equal(sl_allowed_socket_parse(texts[given.count],
                                                 &given.hosts[given.count],
                                                 &err),
                         SL_OK);
    return given;
}

#define SOCKETS(...) parse_sockets((const char *const[]){__VA_ARGS__, NULL})

static bool looks_up(const struct given *given, const char *name)
{
    return sl_allowed_sockets_look_up(given->hosts, given->count,
                                      sl_bytes_of(name));
}

/* What the resolver would decode is no name that was granted. */
static void test_socket_names(void **state)
{
    struct given one = SOCKETS("tcp://*.example.com:5432", "udp://10.0.0.1:53",
                               "tcp-listen://*:0", "10.0.0.0/8");
    struct given all = SOCKETS("tcp://*:*");

    (void)state;
    assert_true(looks_up(&one, "db.example.com"));
    assert_true(looks_up(&one, "DB.Example.COM."));
    assert_true(looks_up(&one, "10.0.0.1"));
    assert_false(looks_up(&one, "10.0.0.2"));
    assert_false(looks_up(&one, "example.com"));
    assert_false(looks_up(&one, "evil.net"));
    assert_false(looks_up(&one, "evil%2enet.example.com"));
    assert_false(looks_up(&one, "evil\xe3\x80\x82net.example.com"));
    assert_false(looks_up(&one, "evil.net/.example.com"));
    assert_true(looks_up(&all, "evil.net"));
    assert_false(looks_up(&all, "evil%2enet"));
    assert_false(looks_up(&all, ""));
}

static bool reaches_socket(const struct given *given, enum sl_scheme scheme,
                           const char *host, uint16_t port, const char *address)
{
    const struct sl_destination to = {sl_bytes_of(host), port, scheme};
    uint8_t octets[16];
    bool is_v4 = inet_pton(AF_INET, address, octets) == 1;

    assert_true(is_v4 || inet_pton(AF_INET6, address, octets) == 1);
    return sl_allowed_hosts_reach(
        given->hosts, given->count, &to,
        (struct sl_bytes){octets, is_v4 ? (size_t)4 : (size_t)16});
}

static void test_sockets(void **state)
{
    struct given one = SOCKETS("tcp://db.example.com:5432", "udp://*:53");

    (void)state;
    assert_true(reaches_socket(&one, SL_SCHEME_TCP, "db.example.com", 5432,
                               "93.184.216.34"));
    assert_false(reaches_socket(&one, SL_SCHEME_TCP, "db.example.com", 5433,
                                "93.184.216.34"));
    assert_false(reaches_socket(&one, SL_SCHEME_UDP, "db.example.com", 5432,
                                "93.184.216.34"));
    assert_false(reaches_socket(&one, SL_SCHEME_TCP, "93.184.216.34", 5432,
                                "93.184.216.34"));
    /* A name that leads to where clouds serve credentials. */
    assert_false(reaches_socket(&one, SL_SCHEME_TCP, "db.example.com", 5432,
                                "169.254.169.254"));
    assert_false(reaches_socket(&one, SL_SCHEME_TCP, "db.example.com", 5432,
                                "::ffff:169.254.169.254"));
    assert_true(reaches_socket(&one, SL_SCHEME_UDP, "8.8.8.8", 53, "8.8.8.8"));
    assert_false(
        reaches_socket(&one, SL_SCHEME_UDP, "127.0.0.1", 53, "127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_addresses),    cmocka_unit_test(test_private),
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_socket_names), cmocka_unit_test(test_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
