/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bridge answers to files: kinds of WebAssembly, TOML with its places,
 * what cannot be compiled or made a component.  Runs of guests are tested as a
 * whole, in tests/conformance and tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "slight_bridge.h"

/* --- TOML --------------------------------------------------------------- */

enum { ERRORS_MAX = 200 };

struct errors {
    size_t count;
    struct sl_toml_place places[ERRORS_MAX];
    char first[256];
};

static void note_error(void *context, struct sl_toml_place place,
                       const char *message)
{
    struct errors *errors = context;

    assert_in_range(errors->count, 0, ERRORS_MAX - 1);
    if (errors->count == 0)
        snprintf(errors->first, sizeof(errors->first), "%s", message);
    errors->places[errors->count++] = place;
}

static struct sl_toml_document *read_toml(struct sl_bytes text,
                                          struct errors *errors)
{
    memset(errors, 0, sizeof(*errors));
    struct sl_toml_document *document =
        sl_bridge_toml_read(text, note_error, errors);
    assert_non_null(document);
    return document;
}

static void is_at(struct sl_toml_place place, uint32_t line, uint32_t column)
{
    assert_int_equal(place.line, line);
    assert_int_equal(place.column, column);
}

static void toml_has_values_and_places(void **state)
{
    struct errors errors;
    struct sl_toml_document *document = read_toml(
        SL_LITERAL("a = 1\n[t]\n\"\xc3\xa9\" = { b = \"x\" }\nf = 1.5\n"
                   "[[r]]\nn = true\n[[r]]\nd = 1979-05-27\n"),
        &errors);
    const struct sl_toml *root = sl_bridge_toml_root(document);

    (void)state;
    assert_int_equal(errors.count, 0);
    assert_int_equal(root->type, SL_TOML_TABLE);
    assert_int_equal(root->child_count, 3);
    const struct sl_toml *a = &root->children[0];
    assert_string_equal(a->key, "a");
    assert_int_equal(a->integer, 1);
    is_at(a->key_place, 1, 1);
    is_at(a->place, 1, 5);
    const struct sl_toml *table = &root->children[1];
    is_at(table->children[0].key_place, 3, 1);
    is_at(table->children[0].place, 3, 7);
    assert_string_equal(table->children[0].children[0].text, "x");
    assert_int_equal(table->children[1].type, SL_TOML_FLOAT);
    assert_string_equal(table->children[1].text, "1.5");
    const struct sl_toml *array = &root->children[2];
    assert_int_equal(array->type, SL_TOML_ARRAY);
    assert_int_equal(array->child_count, 2);
    assert_true(array->children[0].children[0].boolean);
    assert_int_equal(array->children[1].children[0].type, SL_TOML_DATETIME);
    sl_bridge_toml_free(document);
}

static void every_error_of_toml_has_its_place(void **state)
{
    const struct {
        struct sl_bytes text;
        uint32_t line, column;
    } cases[] = {
        {SL_LITERAL("a = 1\na = 2\n"), 2, 1},
        {SL_LITERAL("a = 99999999999999999999\n"), 1, 5},
        {SL_LITERAL("a = \"\\u0000\"\n"), 1, 5},
        {SL_LITERAL("a = 1\nb = \"\xff\"\n"), 2, 6},
        {SL_LITERAL("a = \n"), 1, 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct errors errors;
        sl_bridge_toml_free(read_toml(cases[i].text, &errors));
        if (errors.count == 0 || errors.places[0].line != cases[i].line ||
            errors.places[0].column != cases[i].column)
            fail_msg("case %zu: %zu errors, the first at %u:%u: %s", i,
                     errors.count, errors.places[0].line,
                     errors.places[0].column, errors.first);
    }
}

static void all_errors_are_told_and_no_depth_is_too_much(void **state)
{
    enum { DEEP = 100000 };
    struct errors errors;
    char *deep = sl_alloc(DEEP + 8);

    (void)state;
    sl_bridge_toml_free(read_toml(SL_LITERAL("a = \nb = 1\nc = [\n"), &errors));
    assert_true(errors.count >= 2);
    memcpy(deep, "a = ", 4);
    memset(deep + 4, '[', DEEP);
    sl_bridge_toml_free(read_toml(SL_BYTES(deep, DEEP + 4), &errors));
    assert_true(errors.count >= 1);
    free(deep);
}

/* --- WebAssembly -------------------------------------------------------- */

static void kinds_are_told_by_the_first_bytes(void **state)
{
    const struct {
        struct sl_bytes bytes;
        enum sl_bridge_wasm_kind kind;
    } cases[] = {
        {SL_LITERAL("\0asm\1\0\0\0rest"), SL_BRIDGE_CORE_MODULE},
        {SL_LITERAL("\0asm\x0d\0\1\0"), SL_BRIDGE_COMPONENT},
        {SL_LITERAL("\0asm"), SL_BRIDGE_NOT_WASM},
        {SL_LITERAL(""), SL_BRIDGE_NOT_WASM},
        {SL_LITERAL(";; a comment\n\n (component)"), SL_BRIDGE_WASM_TEXT},
        {SL_LITERAL("(module"), SL_BRIDGE_WASM_TEXT},
        {SL_LITERAL("#!/bin/sh"), SL_BRIDGE_NOT_WASM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(sl_bridge_wasm_kind_of(cases[i].bytes), cases[i].kind);
}

static void append(void *context, struct sl_bytes bytes)
{
    struct sl_error err;

    assert_int_equal(sl_buf_append(context, bytes, &err), SL_OK);
}

static void what_is_no_component_is_refused(void **state)
{
    static const struct sl_bridge_engine_config config = {.threads = 1,
                                                          .max_instances = 1};
    struct sl_bridge_engine *engine;
    struct sl_bridge_component *component = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_bridge_engine_new(&config, &engine, &err), SL_OK);
    assert_int_equal(
        sl_bridge_component_compile(
            engine, SL_LITERAL("\0asm\x0d\0\1\0\xff\xff"), &component, &err),
        SL_INVALID_ARGUMENT);
    assert_int_equal(sl_bridge_component_load(engine, -1, &component, &err),
                     SL_INVALID_ARGUMENT);
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(sl_bridge_component_load(engine, fd, &component, &err),
                     SL_INVALID_ARGUMENT);
    close(fd);
    assert_null(component);

    /* An empty one is a component, but no program. */
    assert_int_equal(sl_bridge_component_compile(engine,
                                                 SL_LITERAL("\0asm\x0d\0\1\0"),
                                                 &component, &err),
                     SL_OK);
    static const struct sl_bridge_host host;
    static const struct sl_bridge_limits limits;
    struct sl_bridge_program *program = NULL;
    assert_int_equal(sl_bridge_program_new(engine, component, &host, &limits,
                                           NULL, 0, NULL, &program, &err),
                     SL_OK);
    assert_int_equal(sl_bridge_program_exports(program), 0);
    sl_bridge_program_free(program);
    sl_bridge_component_free(component);
    sl_bridge_engine_free(engine);
}

/* The code of an empty component that has this text in a section of its own. */
static void compile_with(struct sl_bridge_engine *engine, const char *text,
                         struct sl_buf *code)
{
    char wasm[64] = "\0asm\x0d\0\1"; /* and a zero */
    struct sl_bridge_component *component;
    struct sl_error err;
    size_t len = strlen(text);

    wasm[9] = (char)(len + 2); /* of the section, whose number is 0 */
    wasm[10] = 1;              /* of its name */
    wasm[11] = 'n';
    memcpy(wasm + 12, text, len);
    assert_int_equal(sl_bridge_component_compile(
                         engine, SL_BYTES(wasm, len + 12), &component, &err),
                     SL_OK);
    const struct sl_bridge_sink sink = {code, append};
    assert_int_equal(sl_bridge_component_serialize(component, sink, &err),
                     SL_OK);
    sl_bridge_component_free(component);
}

static void only_wasi_0_3_makes_it_asynchronous(void **state)
{
    static const struct sl_bridge_engine_config config = {.threads = 1,
                                                          .max_instances = 1};
    static const struct {
        const char *name;
        bool asynchronous;
    } cases[] = {
        {"slight:kv/store@0.3.0", false},
        {"slight:mq/handler@0.3.1", false},
        {"@0.3.0", false},
        {"wasi cli/run@0.3.0", false},
        {"wasi:cli/run@0.3.0", true},
        {"Awasi:http/types@0.3.7", true},
        {"wasi:io/poll@0.2.3", false},
    };
    struct sl_bridge_engine *engine;
    struct sl_buf plain = SL_BUF(1 << 20);
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_bridge_engine_new(&config, &engine, &err), SL_OK);
    compile_with(engine, "nothing", &plain);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf code = SL_BUF(1 << 20);
        compile_with(engine, cases[i].name, &code);
        bool same = sl_bytes_equal(sl_buf_bytes(&code), sl_buf_bytes(&plain));
        assert_int_equal(same, !cases[i].asynchronous);
        sl_buf_done(&code);
    }
    sl_buf_done(&plain);
    sl_bridge_engine_free(engine);
}

static void componentize_says_what_it_got(void **state)
{
    const struct {
        struct sl_bytes core;
        const char *says;
    } cases[] = {
        {SL_LITERAL("\0asm\x0d\0\1\0"), "already"},
        {SL_LITERAL("(module)"), "text format"},
        {SL_LITERAL("nothing"), "not a WebAssembly module"},
        {SL_LITERAL("\0asm\1\0\0\0\xff\xff\xff\xff\xff\xff"), ""},
    };
    struct sl_buf out = SL_BUF(1 << 20);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_bridge_componentize request = {.core = cases[i].core};
        const struct sl_bridge_sink sink = {&out, append};
        struct sl_error err;
        assert_int_equal(sl_bridge_componentize(&request, sink, &err),
                         SL_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, cases[i].says));
    }
    assert_int_equal(out.len, 0);
}

static void versions_are_told(void **state)
{
    struct sl_buf out = SL_BUF(4096);

    (void)state;
    sl_bridge_versions((struct sl_bridge_sink){&out, append});
    assert_non_null(memmem(out.ptr, out.len, "wasmtime 48.", 12));
    sl_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(toml_has_values_and_places),
        cmocka_unit_test(every_error_of_toml_has_its_place),
        cmocka_unit_test(all_errors_are_told_and_no_depth_is_too_much),
        cmocka_unit_test(kinds_are_told_by_the_first_bytes),
        cmocka_unit_test(what_is_no_component_is_refused),
        cmocka_unit_test(only_wasi_0_3_makes_it_asynchronous),
        cmocka_unit_test(componentize_says_what_it_got),
        cmocka_unit_test(versions_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
