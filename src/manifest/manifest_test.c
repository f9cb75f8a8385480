/* SPDX-License-Identifier: Apache-2.0 */
/* Valid manifests, and all problems of invalid ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/capabilities.h"
#include "manifest/shared_test.h"
#include "service/service.h"

static void test_the_least(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *manifest = manifest_good("slightfile.toml", HEAD);

    assert_string_equal(manifest->path, "slightfile.toml");
    assert_string_equal(manifest->name, "orders");
    assert_string_equal(manifest->components[0].source, "orders.wasm");
    assert_int_equal(manifest->components[0].source_place.line, 4);
    assert_int_equal(manifest->components[0].source_place.column, 10);
    assert_int_equal(manifest->components[0].memory, 64 << 20);
    assert_int_equal(manifest->components[0].timeout_ms, 0);
    assert_int_equal(manifest->components[0].arg_count, 0);
    assert_int_equal(manifest->components[0].env_count, 0);
    assert_int_equal(manifest->components[0].directory_count, 0);
    assert_int_equal(manifest->resource_count, 0);
}

static void test_everything(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *m =
        manifest_good("/etc/slightfile.toml",
                      "slight = 1\n"
                      "name = \"Orders_2.x-y\"\n"
                      "[component]\n"
                      "source = \"../orders.wasm\"\n"
                      "memory = \"1GiB\"\n"
                      "timeout = \"5s\"\n"
                      "args = [\"--all\", \"\"]\n"
                      "env = { LANG = \"C\", \"odd name\" = \"x=y\" }\n"
                      "[[component.directories]]\n"
                      "host = \"/tmp\"\n"
                      "guest = \"/data\"\n"
                      "[[component.directories]]\n"
                      "host = \".\"\n"
                      "guest = \".\"\n"
                      "writable = true\n"
                      "[[resource]]\n"
                      "name = \"cache\"\n"
                      "type = \"kv.memory\"\n"
                      "timeout = \"250ms\"\n"
                      "retry = { attempts = 5, backoff = \"1s\" }\n"
                      "[[resource]]\n"
                      "type = \"kv.memory\"\n"
                      "name = \"other\"\n");

    assert_string_equal(m->components[0].source, "/etc/../orders.wasm");
    assert_int_equal(m->components[0].memory, 1 << 30);
    assert_int_equal(m->components[0].timeout_ms, 5000);
    assert_int_equal(m->components[0].arg_count, 2);
    assert_string_equal(m->components[0].args[0], "--all");
    assert_string_equal(m->components[0].args[1], "");
    assert_int_equal(m->components[0].env_count, 2);
    assert_string_equal(m->components[0].env[0].name, "LANG");
    assert_string_equal(m->components[0].env[0].value, "C");
    assert_string_equal(m->components[0].env[1].name, "odd name");
    assert_string_equal(m->components[0].env[1].value, "x=y");
    assert_int_equal(m->components[0].directory_count, 2);
    assert_string_equal(m->components[0].directories[0].host, "/tmp");
    assert_string_equal(m->components[0].directories[0].guest, "/data");
    assert_false(m->components[0].directories[0].writable);
    assert_string_equal(m->components[0].directories[1].host, "/etc/.");
    assert_true(m->components[0].directories[1].writable);

    assert_int_equal(m->resource_count, 2);
    const struct sl_manifest_resource *cache =
        sl_manifest_resource(m, SL_LITERAL("cache"));
    assert_ptr_equal(cache, &m->resources[0]);
    assert_int_equal(cache->place.line, 16);
    assert_ptr_equal(cache->driver, sl_driver_find("kv.memory", NULL));
    assert_int_equal(cache->config->timeout_ms, 250);
    assert_int_equal(cache->config->retry_attempts, 5);
    assert_int_equal(cache->config->retry_backoff_ms, 1000);
    assert_true(
        sl_manifest_resource(m, SL_LITERAL("other"))->config->retry_attempts >
        0); /* the default */
    assert_null(sl_manifest_resource(m, SL_LITERAL("cach")));
    assert_null(sl_manifest_resource(m, SL_LITERAL("cache\0")));
}

static void test_format(void **state)
{
    (void)state;
    manifest_bad("", "1:1: the manifest needs the number of its format in the "
                     "first line: slight = 1\n"
                     "1:1: the manifest needs \"name\": the name of the "
                     "component in messages and metrics\n"
                     "1:1: the manifest needs [component] with \"source\"\n");
    /* The rest of a newer format cannot be checked. */
    manifest_bad(
        "slight = 2\nunknown = true\n",
        "1:10: \"slight\": this file has format 2, this slight reads format 1; "
        "use a newer slight\n");
    manifest_bad(
        "slight = \"1\"\nname = \"a\"\n[component]\nsource = \"a.wasm\"\n",
        "1:10: \"slight\": expected the number of the format: slight = 1\n");
    manifest_bad(
        "slight = 0\nname = \"a\"\n[component]\nsource = \"a.wasm\"\n",
        "1:10: \"slight\": expected the number of the format: slight = 1\n");
}

static void test_unknown_keys(void **state)
{
    (void)state;
    manifest_bad(
        "slight = 1\nnmae = \"a\"\n[component]\nsource = \"a.wasm\"\n",
        "1:1: the manifest needs \"name\": the name of the component in "
        "messages and metrics\n"
        "2:1: unknown key \"nmae\" in the manifest; did you mean \"name\"?\n");
    manifest_bad(HEAD "memroy = \"1MiB\"\n",
                 "5:1: unknown key \"memroy\" in [component]; did you mean "
                 "\"memory\"?\n");
    manifest_bad(
        HEAD "frobnicate = 1\n",
        "5:1: unknown key \"frobnicate\" in [component]; it takes source, "
        "memory, host-memory, table-elements, timeout, max-size, "
        "compile-timeout, "
        "compile-memory, output-rate, max-response-fields, unanswered, args, "
        "env, "
        "directories, resources, allowed-hosts, "
        "allowed-sockets\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n"
             "retry = { atempts = 3 }\n",
        "8:11: unknown key \"retry.atempts\" in [[resource]]; did you mean "
        "\"retry.attempts\"?\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n"
             "\"retry.attempts\" = 3\n",
        "8:1: unknown key \"retry.attempts\" in [[resource]]; did you mean "
        "\"retry.attempts\"?\n");
    manifest_bad(
        HEAD "\"a\\nb\" = 1\n[resources]\n",
        "5:1: unknown key \"a?b\" in [component]; it takes source, memory, "
        "host-memory, table-elements, timeout, max-size, compile-timeout, "
        "compile-memory, "
        "output-rate, max-response-fields, unanswered, args, env, "
        "directories, resources, allowed-hosts, "
        "allowed-sockets\n"
        "6:2: unknown key \"resources\" in the manifest; did you mean "
        "\"resource\"?\n");
}

static void test_wrong_types(void **state)
{
    (void)state;
    manifest_bad(
        "slight = 1\nname = 7\ncomponent = \"a.wasm\"\nresource = \"x\"\n",
        "2:8: \"name\": expected a string\n"
        "3:13: \"component\": expected a table: [component], or "
        "[[component]] for each of several\n"
        "4:12: resources are a list: write [[resource]], with two brackets\n");
    manifest_bad(
        "slight = 1\nname = \"a\"\n[[component]]\nsource = \"a.wasm\"\n"
        "[resource]\n",
        "3:1: [[component]] needs \"name\": the name of the component\n"
        "5:1: resources are a list: write [[resource]], with two brackets\n");
    manifest_bad(
        HEAD "memory = 64\ntimeout = [1]\nargs = \"x\"\nenv = [\"A=1\"]\n"
             "directories = { host = \"/\" }\n",
        "5:10: \"memory\": expected a size such as \"512B\", \"64KiB\", "
        "\"16MiB\" or \"1GiB\"\n"
        "6:11: \"timeout\": expected a duration, found an array\n"
        "7:8: \"args\": expected an array of strings, found a string\n"
        "8:7: \"env\": expected a table of strings, found an array\n"
        "9:15: \"directories\": expected an array of tables, found a table\n");
    manifest_bad(
        HEAD "args = [\"a\", 1, 2.5]\nenv = { A = 1979-05-27, \"\" = \"x\", "
             "\"A=B\" = \"x\" }\n",
        "5:14: \"args\": expected a string, found an integer\n"
        "5:17: \"args\": expected a string, found a float\n"
        "6:13: \"env\": expected a string, found a date\n"
        "6:25: \"env\": the name of a variable must not be empty or contain "
        "\"=\"\n"
        "6:35: \"env\": the name of a variable must not be empty or contain "
        "\"=\"\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\nretry = 3\n",
        "8:9: \"retry\": expected a table, found an integer\n");
    manifest_bad("resource = [1]\n" HEAD,
                 "1:13: \"resource\": expected a table, found an integer\n");
}

static void test_values(void **state)
{
    (void)state;
    manifest_bad(
        HEAD "memory = \"64MB\"\ntimeout = \"5 s\"\n",
        "5:10: \"memory\": expected a size such as \"512B\", \"64KiB\", "
        "\"16MiB\" or \"1GiB\"\n"
        "6:11: \"timeout\": expected a duration such as \"500ms\", \"5s\", "
        "\"2m\" or \"1h\"\n");
    manifest_bad(HEAD "memory = \"1KiB\"\n",
                 "5:10: \"memory\": expected 64KiB to 4GiB\n");
    manifest_bad(
        "slight = 1\nname = \"a b\"\n[component]\nsource = \"a.wasm\"\n",
        "2:8: \"name\": a name is 1 to 128 letters, digits, \".\", \"_\" and "
        "\"-\"\n");
    manifest_bad(
        "slight = 1\nname = \"\"\n[component]\nsource = \"\"\n",
        "2:8: \"name\": a name is 1 to 128 letters, digits, \".\", \"_\" and "
        "\"-\"\n"
        "4:10: \"source\": a path must not be empty\n");
}

static void test_directories(void **state)
{
    (void)state;
    manifest_bad(
        HEAD "directories = [{ host = \"/tmp\" }, { guest = \"\" }, 3,\n"
             "{ host = \"/nowhere/at/all\", guest = \"x\", write = true }]\n",
        "5:16: \"directories\" needs \"guest\": the path at which the "
        "component sees it\n"
        "5:35: \"directories\" needs \"host\": the folder on this machine\n"
        "5:45: \"guest\": a path must not be empty\n"
        "5:51: \"directories\": expected a table, found an integer\n"
        "6:10: \"host\": there is no folder \"/nowhere/at/all\"\n"
        "6:42: unknown key \"write\" in \"directories\"; it takes "
        "host, guest, writable\n");
}

static void test_resources(void **state)
{
    (void)state;
    manifest_bad(HEAD "[[resource]]\n",
                 "5:1: [[resource]] needs \"type\", for example \"kv.sqlite\"\n"
                 "5:1: [[resource]] needs \"name\": the name by which "
                 "components open it\n");
    manifest_bad(HEAD "[[resource]]\ntype = \"kv.memory\"\n",
                 "5:1: [[resource]] needs \"name\": the name by which "
                 "components open it\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.memroy\"\n",
        "7:8: unknown type \"kv.memroy\"; did you mean \"kv.memory\"?\n");
    manifest_bad(HEAD "[[resource]]\nname = \"a\"\ntype = 3\n",
                 "7:8: \"type\": expected a string, found an integer\n");
    manifest_bad(HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n"
                      "[[resource]]\nname = \"b\"\ntype = \"kv.memory\"\n"
                      "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n",
                 "12:8: the name \"a\" is already used by the resource in line "
                 "5; choose another\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a/b\"\ntype = \"kv.memory\"\n"
             "timeout = \"soon\"\n",
        "6:8: \"name\": a name is 1 to 128 letters, digits, \".\", \"_\" and "
        "\"-\"\n"
        "8:11: \"timeout\": expected a duration such as \"500ms\", \"5s\", "
        "\"2m\" or \"1h\"\n");
}

static void test_management(void **state)
{
    (void)state;
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *manifest =
        manifest_good("slightfile.toml", HEAD "[management]\n");

    assert_string_equal(manifest->management->listen, "127.0.0.1:9090");
    assert_int_equal(manifest->management->max_peer_connections, 64);
    manifest_bad(HEAD "[management]\nallowed-hosts = [\"http://x\"]\n",
                 "6:18: \"allowed-hosts\": expected names of this machine, "
                 "without scheme and port\n");
    manifest_bad(HEAD "[management]\nlisten = 9090\nlissen = \"x\"\n",
                 "6:10: \"listen\": expected a string\n"
                 "7:1: unknown key \"lissen\" in [management]; did you mean "
                 "\"listen\"?\n");
    manifest_bad("management = true\n" HEAD,
                 "1:14: \"management\": expected a table, found a boolean\n");
}

static void test_broken_text(void **state)
{
    (void)state;
    manifest_bad(
        "slight = 1\nname = \n[component]\nsource = \"a.wasm\"\nmemroy = 1\n",
        "2:8: string values must be quoted, expected literal string\n"
        "5:1: unknown key \"memroy\" in [component]; did you mean "
        "\"memory\"?\n");
}

static void test_too_many_problems(void **state)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(1 << 20);
    SL_CLEANUP(sl_buf_done) struct sl_buf told = SL_BUF(1 << 20);
    struct sl_manifest *manifest = NULL;
    struct sl_error err;
    size_t lines = 0;

    (void)state;
    assert_int_equal(sl_buf_append(&text, sl_bytes_of(HEAD), NULL), SL_OK);
    for (int i = 0; i < 500; i++)
        assert_int_equal(sl_buf_printf(&text, NULL, "frobnicate%d = 1\n", i),
                         SL_OK);
    assert_int_equal(sl_manifest_parse("slightfile.toml", sl_buf_bytes(&text),
                                       manifest_add_problem, &told, &manifest,
                                       &err),
                     SL_INVALID_ARGUMENT);
    assert_string_equal(err.message, "slightfile.toml has at least 100 errors");
    for (size_t i = 0; i < told.len; i++)
        lines += told.ptr[i] == '\n';
    assert_int_equal(lines, SL_MANIFEST_PROBLEMS_MAX);
}

static void test_too_large(void **state)
{
    static uint8_t text[SL_MANIFEST_SIZE_MAX + 1];
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    (void)state;
    memset(text, '\n', sizeof(text));
    assert_int_equal(
        sl_manifest_parse("slightfile.toml", SL_BYTES(text, sizeof(text)),
                          manifest_add_problem, NULL, &manifest, &err),
        SL_TOO_LARGE);
}

static void test_filled_in(void **state)
{
    char folder[] = "/tmp/slight-manifest-XXXXXX";
    struct sl_error err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    SL_CLEANUP(sl_freep) char *secret = sl_asprintf("%s/secret", folder);
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/slightfile.toml", folder);
    assert_int_equal(sl_file_write(secret, SL_LITERAL("se\ncret\n\n"), &err),
                     SL_OK);
    setenv("SL_TEST_A", "${env:SL_TEST_B}", 1);
    setenv("SL_TEST_TIME", "3s", 1);
    setenv("SL_TEST_COUNT", "7", 1);
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf(
        HEAD "timeout = \"${env:SL_TEST_TIME}\"\n"
             "args = [\"<${env:SL_TEST_A}>\", \"${file:secret}\", "
             "\"${file:%s}|\", \"$${env:X} $5 $$ ${env:SL_TEST_COUNT}$\"]\n"
             "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n"
             "retry = { attempts = \"${env:SL_TEST_COUNT}\" }\n",
        secret);

    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *m = manifest_good(path, text);
    assert_int_equal(m->components[0].timeout_ms, 3000);
    /* Values of references are not searched for references. */
    assert_string_equal(m->components[0].args[0], "<${env:SL_TEST_B}>");
    assert_string_equal(m->components[0].args[1],
                        "se\ncret\n"); /* without one newline */
    assert_string_equal(m->components[0].args[2], "se\ncret\n|");
    assert_string_equal(m->components[0].args[3], "${env:X} $5 $$ 7$");
    assert_int_equal(m->resources[0].config->retry_attempts, 7);
    unlink(secret);
    rmdir(folder);
}

static void test_what_cannot_be_filled_in(void **state)
{
    (void)state;
    unsetenv("SL_TEST_NONE");
    manifest_bad(
        HEAD "args = [\"${env:SL_TEST_NONE}\", \"${file:/no/such}\",\n"
             "\"${env:}\", \"${vault:x}\", \"${env:A\", \"${file:/tmp}\"]\n",
        "5:9: \"args\": the environment variable \"SL_TEST_NONE\" is not set; "
        "set it, or write $${ for a literal ${\n"
        "5:32: \"args\": /no/such: no such file or folder\n"
        "6:1: \"args\": \"${env:}\" is neither ${env:NAME} nor ${file:PATH}; "
        "write $${ for a literal ${\n"
        "6:12: \"args\": \"${vault:x}\" is neither ${env:NAME} nor "
        "${file:PATH}; write $${ for a literal ${\n"
        "6:26: \"args\": \"${\" without \"}\"; write $${ for a literal ${\n"
        "6:37: \"args\": /tmp: is a folder\n");
}

/* No message shows a secret, whatever the problem with it is. */
static void test_no_message_shows_a_secret(void **state)
{
    (void)state;
    setenv("SL_TEST_SECRET", "hunter2", 1);
    manifest_bad(
        "slight = 1\nname = \"${env:SL_TEST_SECRET} !\"\n"
        "[component]\nsource = \"a.wasm\"\n"
        "memory = \"${env:SL_TEST_SECRET}\"\n"
        "[[resource]]\nname = \"a\"\ntype = \"kv.memory\"\n"
        "retry = { attempts = \"${env:SL_TEST_SECRET}\" }\n",
        "2:8: \"name\": the value of ${...} is not accepted; expected a "
        "string: "
        "the name of the component in messages and metrics\n"
        "5:10: \"memory\": the value of ${...} is not accepted; expected a "
        "size: "
        "maximum linear memory\n"
        "9:22: \"retry.attempts\": the value of ${...} is not accepted; "
        "expected "
        "an integer: how often a call is tried in all, where a repeat is "
        "safe\n");
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"${env:SL_TEST_SECRET}\"\n",
        "7:8: the value of ${...} is not a type; \"slight providers\" lists "
        "the "
        "types\n");
}

static void test_default(void **state)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(
        sl_manifest_default("out/word count.debug.wasm", NULL, &manifest, &err),
        SL_OK);
    assert_null(manifest->path);
    assert_string_equal(manifest->name, "word-count");
    assert_string_equal(manifest->components[0].source,
                        "out/word count.debug.wasm");
    assert_int_equal(manifest->components[0].source_place.line, 0);
    assert_int_equal(manifest->resource_count, 1);
    assert_string_equal(manifest->resources[0].name, "default");
    assert_string_equal(sl_driver_info(manifest->resources[0].driver).name,
                        "kv.sqlite");
    /* One request must not fill the disk of a new user. */
    const struct sl_option *limit = sl_option_find(
        sl_driver_info(manifest->resources[0].driver).options, "max-bytes");
    assert_int_equal(
        *(const int64_t *)(const void *)((const char *)manifest->resources[0]
                                             .options +
                                         limit->offset),
        INT64_C(1) << 30);
}

static void test_file(void **state)
{
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_manifest_read("/no/slightfile.toml",
                                      manifest_add_problem, NULL, &manifest,
                                      &err),
                     SL_NOT_FOUND);
    assert_string_equal(err.message,
                        "/no/slightfile.toml: no such file or folder");
    assert_null(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_least),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_management),
        cmocka_unit_test(test_broken_text),
        cmocka_unit_test(test_too_many_problems),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_filled_in),
        cmocka_unit_test(test_what_cannot_be_filled_in),
        cmocka_unit_test(test_no_message_shows_a_secret),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
