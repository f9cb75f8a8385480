/* SPDX-License-Identifier: Apache-2.0 */
/* Triggers and the components that they call. */
#include "base/alloc.h"
#include "manifest/shared_test.h"

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
    /* One of several may only open the resources that it names. */
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
    manifest_bad(TWO "name = \"web\"\nsource = \"a.wasm\"\n"
                     "[[trigger]]\ntype = \"http\"\ncomponent = \"web\"\n",
                 "7:8: the name \"web\" is already used by the component in "
                 "line 3; choose another\n");
    manifest_bad(TWO "name = \"b\"\nsource = \"a.wasm\"\n",
                 "6:1: a manifest with several components needs [[trigger]]s, "
                 "which call them\n");
    manifest_bad(TWO "name = \"b\"\nsource = \"a.wasm\"\nresources = [\"x\"]\n"
                     "[[trigger]]\ntype = \"http\"\n",
                 "9:14: \"resources\": there is no [[resource]] \"x\"\n"
                 "10:1: with several components, [[trigger]] needs "
                 "\"component\": the name of the one to call\n");
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
    manifest_bad(HEAD "[[trigger]]\ntype = \"cron\"\n",
                 "6:8: unknown type \"cron\" of [[trigger]]; expected "
                 "\"http\", \"mq\" or "
                 "\"pubsub\"\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"http\"\nroute = \"api\"\n",
                 "7:9: \"route\": a route must begin with \"/\" and not "
                 "contain \"?\", \"#\" or a space\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\n",
        "7:1: the trigger in line 5 already has this route at this address\n");
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/caf%c3%a9\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"//x/../café\"\n",
        "10:1: the trigger in line 7 already has this route at this address\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"http\"\n"
                      "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
                      "timeout = \"1s\"\n",
                 "7:1: the trigger in line 5 listens at the same address with "
                 "other limits; give both the same limits\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"http\"\n"
                      "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
                      "max-connections-per-peer = 3\n",
                 "7:1: the trigger in line 5 listens at the same address with "
                 "other limits; give both the same limits\n");
    /* It shares its route with the second trigger of that address. */
    manifest_bad(
        HEAD "[[trigger]]\ntype = \"http\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n"
             "[[trigger]]\ntype = \"http\"\nroute = \"/a\"\n",
        "10:1: the trigger in line 7 already has this route at this address\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"mq\"\nresource = \"jobs\"\n",
                 "7:12: there is no [[resource]] \"jobs\"\n");
    manifest_bad(HEAD "[[trigger]]\ntype = \"mq\"\nresource = \"jobs\"\n"
                      "[[resource]]\nname = \"jobs\"\ntype = \"kv.memory\"\n",
                 "7:12: the resource \"jobs\" has the type kv.*; this trigger "
                 "needs one of the type mq.*\n");
}

/* An invalid address is a problem of the trigger, or of [management]. */
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
        {":80", "the host is missing: \"127.0.0.1:80\" accepts connections "
                "from this machine only, \"0.0.0.0:80\" from anywhere"},
        {"127.0.0.1:",
         "expected a port from 0 to 65535; with 0 the system chooses one"},
        {"127.0.0.1:99999",
         "expected a port from 0 to 65535; with 0 the system chooses one"},
        {"localhost:http",
         "expected a port from 0 to 65535; with 0 the system chooses one"},
        {"::1:80", "put an IPv6 address in brackets, as in \"[::1]:8080\""},
        {"[1.2.3.4]:80",
         "expected an IPv6 address in the brackets, as in \"[::1]:8080\""},
        {"300.1.1.1:80",
         "expected an address of this machine or a name as the host"},
        {"http://a:80",
         "put an IPv6 address in brackets, as in \"[::1]:8080\""},
        {"a/b:80", "expected an address of this machine or a name as the host"},
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

/* Servers of a manifest must not share a port. */
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
        char *expected =
            sl_asprintf("10:10: \"listen\": line 7 already listens at this "
                        "port (\"%s\"); write both addresses alike to share "
                        "the server, or use another port\n",
                        cases[i].first);
        if (cases[i].taken)
            manifest_bad(text, expected);
        else
            sl_manifest_free(manifest_good("slightfile.toml", text));
    }
    manifest_bad(HEAD "[management]\nlisten = \"127.0.0.1:8080\"\n"
                      "[[trigger]]\ntype = \"http\"\n",
                 "6:10: \"listen\": line 7 already listens at this port "
                 "(\"127.0.0.1:8080\"); give [management] another one\n");
}

/* A trigger without a timeout has that of its component. */
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
        "6:1: the component's \"timeout\" exceeds the maximum of this trigger; "
        "give [[trigger]] its own \"timeout\" of at most 24 hours\n");
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
