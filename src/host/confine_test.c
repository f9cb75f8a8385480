/* SPDX-License-Identifier: Apache-2.0 */
/* From a manifest to what the process may still reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "host/confine.h"

#define COMPONENT                                                              \
    "slight = 1\nname = \"x\"\n[component]\nsource = \"app.wasm\"\n"

static void no_problem(void *context, struct sl_toml_place place,
                       const char *message)
{
    (void)context;
    fail_msg("%u: %s", place.line, message);
}

static struct sl_sandbox *allow(const char *text)
{
    static const struct sl_host_run run = {.timeout_ms = -1};
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    struct sl_sandbox *sandbox = sl_sandbox_new();
    struct sl_error err;

    assert_int_equal(sl_manifest_parse("./slightfile.toml", sl_bytes_of(text),
                                       no_problem, NULL, &manifest, &err),
                     SL_OK);
    sl_host_allow(manifest, &run, sandbox);
    return sandbox;
}

static unsigned access_of(const struct sl_sandbox *sandbox, const char *path)
{
    for (size_t i = 0; i < sandbox->path_count; i++)
        if (strcmp(sandbox->paths[i].path, path) == 0)
            return sandbox->paths[i].access;
    return 0;
}

static bool has_port(const uint16_t ports[], size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* The folder of the database, which is made; nothing else is written. */
static void test_files(void **state)
{
    const unsigned both = SL_SANDBOX_READ | SL_SANDBOX_WRITE;
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *sandbox =
        allow(COMPONENT "directories = [{ host = \"in\", guest = \"/in\" }, "
                        "{ host = \"out\", guest = \"/out\", writable = true "
                        "}]\n"
                        "[[resource]]\nname = \"a\"\ntype = \"kv.sqlite\"\n"
                        "path = \"data/a.db\"\n"
                        "[[resource]]\nname = \"b\"\ntype = \"kv.redis\"\n"
                        "url = \"rediss://h\"\nca = \"ca.pem\"\n");
    struct stat info;

    (void)state;
    assert_int_equal(access_of(sandbox, "./app.wasm"), SL_SANDBOX_READ);
    assert_int_equal(access_of(sandbox, "./in"), SL_SANDBOX_READ);
    assert_int_equal(access_of(sandbox, "./out"), both);
    assert_int_equal(access_of(sandbox, "./data"), both);
    assert_int_equal(access_of(sandbox, "./ca.pem"), SL_SANDBOX_READ);
    assert_int_equal(access_of(sandbox, "."), SL_SANDBOX_EMPTY);
    assert_int_equal(stat("data", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_string_equal(getenv("SQLITE_TMPDIR"), "./data");
}

/* The implicit store has a folder where the component may open a store. */
static void test_folder_of_the_implicit_store(void **state)
{
    static const struct sl_host_run run = {.timeout_ms = -1};
    static const char *const contents[] = {"nothing",
                                           "..slight:kv/store@0.2.."};
    struct stat info;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
        SL_CLEANUP(sl_sandbox_freep)
        struct sl_sandbox *sandbox = sl_sandbox_new();
        struct sl_error err;
        FILE *file = fopen("app.wasm", "w");

        assert_non_null(file);
        fputs(contents[i], file);
        fclose(file);
        assert_int_equal(sl_manifest_default("app.wasm", NULL, &manifest, &err),
                         SL_OK);
        sl_host_allow(manifest, &run, sandbox);
        assert_int_equal(stat(".slight", &info), i == 0 ? -1 : 0);
    }
}

static void test_no_network(void **state)
{
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *sandbox =
        allow(COMPONENT "[[resource]]\nname = \"a\"\ntype = \"kv.sqlite\"\n"
                        "path = \"data/a.db\"\n");

    (void)state;
    assert_false(sandbox->connects_anywhere);
    assert_int_equal(sandbox->connect_count, 0);
    assert_int_equal(sandbox->bind_count, 0);
}

static void test_ports(void **state)
{
    static const struct {
        const char *text;
        uint16_t ports[3];
    } cases[] = {
        {"type = \"kv.redis\"\nurl = \"redis://h\"\n", {6379}},
        {"type = \"kv.redis\"\nurl = \"redis://u:p,1@[::1]:7000/2\"\n", {7000}},
        {"type = \"sql.postgres\"\nurl = \"postgres://u@h/db\"\n", {5432}},
        {"type = \"kv.redis\"\nurl = \"redis://h:7001?db=3\"\n", {7001}},
        {"type = \"sql.mysql\"\nurl = \"mysql://h:3308?tls=true\"\n", {3308}},
        {"type = \"sql.mysql\"\nurl = \"mysql://h:3307/db\"\n", {3307}},
        {"type = \"kv.etcd\"\nendpoints = "
         "\"http://a,https://b\"\n",
         {2379}},
        {"type = \"lockd.zookeeper\"\nservers = \"a,b:2182/root\"\n",
         {2181, 2182}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SL_CLEANUP(sl_freep)
        char *text = sl_asprintf(COMPONENT "[[resource]]\nname = \"a\"\n%s",
                                 cases[i].text);
        SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = allow(text);
        assert_false(sandbox->connects_anywhere);
        for (size_t j = 0; j < 3; j++)
            if (cases[i].ports[j] != 0)
                assert_true(has_port(sandbox->connect_ports,
                                     sandbox->connect_count,
                                     cases[i].ports[j]));
        assert_true(
            has_port(sandbox->connect_ports, sandbox->connect_count, 53));
    }
}

static void test_ports_that_are_not_known(void **state)
{
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *kafka =
        allow(COMPONENT "[[resource]]\nname = \"a\"\ntype = \"pubsub.kafka\"\n"
                        "brokers = \"h:9092\"\n");
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *any =
        allow(COMPONENT "allowed-hosts = [\"https://example.com:*\"]\n");
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *one =
        allow(COMPONENT "allowed-hosts = [\"https://example.com\"]\n");

    (void)state;
    assert_true(kafka->connects_anywhere);
    assert_true(any->connects_anywhere);
    assert_false(one->connects_anywhere);
    assert_true(has_port(one->connect_ports, one->connect_count, 443));
}

static void test_listeners(void **state)
{
    SL_CLEANUP(sl_sandbox_freep)
    struct sl_sandbox *sandbox =
        allow(COMPONENT "[[trigger]]\ntype = \"http\"\n"
                        "listen = \"[::1]:8080\"\n"
                        "[management]\nlisten = \"127.0.0.1:9090\"\n");

    (void)state;
    assert_int_equal(sandbox->bind_count, 2);
    assert_true(has_port(sandbox->bind_ports, 2, 8080));
    assert_true(has_port(sandbox->bind_ports, 2, 9090));
}

static int enter_folder(void **state)
{
    static char folder[] = "/tmp/slight-confine-XXXXXX";

    *state = folder;
    unsetenv("SQLITE_TMPDIR");
    setenv("SLIGHT_CACHE_DIR", "off", 1);
    return mkdtemp(folder) != NULL && chdir(folder) == 0 &&
                   mkdir("in", 0700) == 0 && mkdir("out", 0700) == 0
               ? 0
               : -1;
}

static int leave_folder(void **state)
{
    unlink("app.wasm");
    rmdir(".slight");
    rmdir("data");
    rmdir("in");
    rmdir("out");
    return rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_folder_of_the_implicit_store),
        cmocka_unit_test(test_no_network),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_ports_that_are_not_known),
        cmocka_unit_test(test_listeners),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
