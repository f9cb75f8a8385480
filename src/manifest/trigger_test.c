/* SPDX-License-Identifier: Apache-2.0 */
/* Triggers, and the components that they call. */
#include "base/alloc.h"
#include "manifest/shared_test.h"

/* What is missing may stand in the part that could not be read. */
static void test_triggers(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *m =
        manifest_good("slightfile.toml", HEAD "[[trigger]]\n"
                                              "type = \"http\"\n"
                                              "[[trigger]]\n"
                                              "type = \"http\"\n"
                                              "route = \"/api\"\n"
                                              "[[trigger]]\n"
                                              "type = \"mq\"\n"
                                              "resource = \"jobs\"\n"
                                              "backoff = \"2s\"\n"
                                              "[[trigger]]\n"
                                              "type = \"pubsub\"\n"
                                              "resource = \"events\"\n"
                                              "topic = \"t\"\n"
                                              "group = \"g\"\n"
                                              "[[resource]]\n"
                                              "name = \"jobs\"\n"
                                              "type = \"mq.sqlite\"\n"
                                              "path = \"x\"\n"
                                              "[[resource]]\n"
                                              "name = \"events\"\n"
                                              "type = \"pubsub.sqlite\"\n"
                                              "path = \"y\"\n");

    assert_int_equal(m->trigger_count, 4);
    assert_int_equal(m->triggers[0].type, SL_TRIGGER_HTTP);
    assert_string_equal(m->triggers[0].listen, "127.0.0.1:8080");
    assert_string_equal(m->triggers[0].route, "/");
    assert_int_equal(m->triggers[0].max_body, 8 << 20);
    assert_string_equal(m->triggers[1].route, "/api");
    assert_ptr_equal(m->triggers[2].resource, &m->resources[0]);
    assert_int_equal(m->triggers[2].concurrency, 16);
    assert_int_equal(m->triggers[2].backoff_ms, 2000);
    assert_ptr_equal(m->triggers[3].resource, &m->resources[1]);
    assert_string_equal(m->triggers[3].topic, "t");
    assert_string_equal(m->triggers[3].start, "earliest");
    assert_null(m->triggers[3].dead_letter);
}

static void test_components(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *m =
        manifest_good("slightfile.toml", "slight = 1\n"
                                         "name = \"orders\"\n"
                                         "[[component]]\n"
                                         "name = \"web\"\n"
                                         "source = \"web.wasm\"\n"
                                         "resources = [\"b\"]\n"
                                         "[[component]]\n"
                                         "name = \"worker\"\n"
                                         "source = \"worker.wasm\"\n"
                                         "memory = \"1MiB\"\n"
                                         "[[resource]]\n"
                                         "name = \"a\"\n"
                                         "type = \"kv.memory\"\n"
                                         "[[resource]]\n"
                                         "name = \"b\"\n"
                                         "type = \"kv.memory\"\n"
                                         "[[trigger]]\n"
                                         "type = \"http\"\n"
                                         "component = \"worker\"\n");

    assert_int_equal(m->component_count, 2);
    assert_string_equal(m->components[0].name, "web");
    assert_int_equal(m->components[1].memory, 1 << 20);
    assert_ptr_equal(m->triggers[0].component, &m->components[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            sl_manifest_grants(m, &m->components[0], &m->resources[i]), i == 1);
    /* One of several may open nothing but what it names. */
    assert_false(sl_manifest_grants(m, &m->components[1], &m->resources[0]));
}

#define TWO                                                                    \
    "slight = 1\n"                                                             \
    "name = \"orders\"\n"                                                      \
    "[[component]]\n"                                                          \
    "name = \"web\"\n"                                                         \
    "source = \"web.wasm\"\n"                                                  \
    "[[component]]\n"

static void test_wrong_components(void **state)
{
    (void)state;
    manifest_bad(
        TWO "name = \"web\"\nsource = \"a.wasm\"\n"
            "[[trigger]]\ntype = \"http\"\ncomponent = \"web\"\n",
        "7:8: the component in line 3 has the name \"web\" already; give this "
        "one another\n");
    manifest_bad(
        TWO "name = \"b\"\nsource = \"a.wasm\"\n",
        "6:1: several components are run by [[trigger]]s, and there is none\n");
    manifest_bad(
        TWO "name = \"b\"\nsource = \"a.wasm\"\nresources = [\"x\"]\n"
            "[[trigger]]\ntype = \"http\"\n",
        "9:14: \"resources\": there is no [[resource]] \"x\"\n"
        "10:1: there are several components: [[trigger]] needs \"component\", "
        "the name of the one to call\n");
    manifest_bad(TWO "name = \"b\"\nsource = \"a.wasm\"\n"
                     "[[trigger]]\ntype = \"http\"\ncomponent = \"c\"\n",
                 "11:13: there is no component \"c\"\n");
}

static void test_wrong_triggers(void **state)
{
    (void)state;
    manifest_bad(
        HEAD "[trigger]\ntype = \"http\"\n",
        "5:1: triggers are a list: write [[trigger]], with two brackets\n");
    manifest_bad(
        HEAD "[[trigger]]\n",
        "5:1: [[trigger]] needs \"type\": \"http\", \"mq\" or \"pubsub\"\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"cron\"\n",
        "6:8: there is no trigger \"cron\"; expected \"http\", \"mq\" or "
        "\"pubsub\"\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\nroute = \"api\"\n",
        "7:9: \"route\": a route begins with \"/\", and has no \"?\", \"#\" or "
        "space\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\n",
        "7:1: the trigger in line 5 has this route at this address already\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/caf%c3%a9\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"//x/../café\"\n",
        "10:1: the trigger in line 7 has this route at this address already\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
             "timeout = \"1s\"\n",
        "7:1: the trigger in line 5 listens there too, with other limits; give "
        "both the same\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
             "max-connections-per-peer = 3\n",
        "7:1: the trigger in line 5 listens there too, with other limits; give "
        "both the same\n");
    /* Not the first one of that listener. */
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n",
        "10:1: the trigger in line 7 has this route at this address already\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"mq\"\nresource = \"jobs\"\n",
                 "7:12: there is no [[resource]] \"jobs\"\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"mq\"\nresource = \"jobs\"\n"
             "[[resource]]\nname = \"jobs\"\ntype = \"kv.memory\"\n",
        "7:12: the resource \"jobs\" is of the kind kv; this trigger needs one "
        "of the kind mq\n");
}

/* What no server could listen at is told with its place, of every trigger and
 * of [management]. */
static void test_wrong_listen(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *expected;
    } cases[] = {
        {"nonsense", "expected \"HOST:PORT\", such as \"127.0.0.1:8080\""},
        {"", "expected \"HOST:PORT\", such as \"127.0.0.1:8080\""},
        {"[::1]", "expected \"HOST:PORT\", such as \"127.0.0.1:8080\""},
        {"[:80", "expected \"HOST:PORT\", such as \"127.0.0.1:8080\""},
        {":80",
         "there is no host: \"127.0.0.1:80\" listens for this machine alone, "
         "\"0.0.0.0:80\" for all that reach it"},
        {"127.0.0.1:", "the port is a number from 0 to 65535; with 0 the "
                       "system chooses one"},
        {"127.0.0.1:99999", "the port is a number from 0 to 65535; with 0 the "
                            "system chooses one"},
        {"localhost:http", "the port is a number from 0 to 65535; with 0 the "
                           "system chooses one"},
        {"::1:80", "an IPv6 address stands in brackets, as in \"[::1]:8080\""},
        {"[1.2.3.4]:80",
         "in brackets stands an IPv6 address, such as \"[::1]:8080\""},
        {"300.1.1.1:80", "the host is an address of this machine, or a name"},
        {"http://a:80",
         "an IPv6 address stands in brackets, as in \"[::1]:8080\""},
        {"a/b:80", "the host is an address of this machine, or a name"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SL_CLEANUP(sl_freep)
        char *text = sl_asprintf(HEAD "[management]\nlisten = \"%s\"\n"
                                      "[[trigger]]\ntype = \"http\"\n"
                                      "listen = \"%s\"\n",
                                 cases[i].listen, cases[i].listen);
        SL_CLEANUP(sl_freep)
        char *expected =
            sl_asprintf("6:10: \"listen\": %s\n9:10: \"listen\": %s\n",
                        cases[i].expected, cases[i].expected);
        manifest_bad(text, expected);
    }
}

/* Two servers of one manifest never want the same port. */
static void test_shared_ports(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool taken;
    } cases[] = {
        {"127.0.0.1:80", "0.0.0.0:80", true},
        {"[::]:80", "127.0.0.1:80", true},
        {"localhost:80", "127.0.0.1:80", true},
        {"[::1]:80", "localhost:80", true},
        {"LOCALHOST:80", "localhost:80", true},
        {"127.0.0.1:80", "127.0.0.2:80", false},
        {"127.0.0.1:80", "[::1]:80", false},
        {"127.0.0.1:80", "127.0.0.1:81", false},
        {"127.0.0.1:0", "0.0.0.0:0", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SL_CLEANUP(sl_freep)
        char *text = sl_asprintf(HEAD "[[trigger]]\ntype = \"http\"\n"
                                      "listen = \"%s\"\n"
                                      "[[trigger]]\ntype = \"http\"\n"
                                      "listen = \"%s\"\n",
                                 cases[i].first, cases[i].second);
        SL_CLEANUP(sl_freep)
        char *expected = sl_asprintf(
            "10:10: \"listen\": in line 7 \"%s\" listens at this port already; "
            "write both alike to share it, or give this one another\n",
            cases[i].first);
        if (cases[i].taken)
            manifest_bad(text, expected);
        else
            sl_manifest_free(manifest_good("slightfile.toml", text));
    }
    manifest_bad(HEAD "[management]\nlisten = \"127.0.0.1:8080\"\n"
                      "[[trigger]]\ntype = \"http\"\n",
                 "6:10: \"listen\": in line 7 \"127.0.0.1:8080\" listens at "
                 "this port already; give [management] another one\n");
}

/* The component's timeout is its triggers', unless they have one. */
static void test_timeouts(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *m =
        manifest_good("slightfile.toml", HEAD "timeout = \"7s\"\n"
                                              "[[trigger]]\ntype = \"http\"\n"
                                              "[[trigger]]\ntype = \"http\"\n"
                                              "listen = \"127.0.0.1:0\"\n"
                                              "timeout = \"9s\"\n");

    assert_int_equal(m->triggers[0].timeout_ms, 7000);
    assert_int_equal(m->triggers[1].timeout_ms, 9000);
    manifest_bad(
        HEAD "timeout = \"25h\"\n[[trigger]]\ntype = \"http\"\n",
        "6:1: the component's \"timeout\" is longer than one of this "
        "type may be; give [[trigger]] its own, of at most 24 hours\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_wrong_components),
        cmocka_unit_test(test_wrong_triggers),
        cmocka_unit_test(test_wrong_listen),
        cmocka_unit_test(test_shared_ports),
        cmocka_unit_test(test_timeouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
