/* SPDX-License-Identifier: Apache-2.0 */
/* The program as a shell runs it: $SLIGHT is its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "cli/command.h"

struct fixture {
    char folder[64];
    struct sl_buf out; /* both streams of the last run, NUL-terminated */
};

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    f->out = (struct sl_buf)SL_BUF(1 << 20);
    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-cli-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    sl_buf_done(&f->out);
    free(f);
    return 0;
}

/* Run a line of shell in the fixture's folder; returns the exit code. */
static int run_shell(struct fixture *f, const char *line)
{
    SL_CLEANUP(sl_freep)
    char *command =
        sl_asprintf("cd '%s' && export SLIGHT_CACHE_DIR=\"$PWD/cache\" && "
                    "export SLIGHT_LOG_FORMAT=text && { %s ; } 2>&1 "
                    "</dev/null",
                    f->folder, line);
    char piece[4096];
    size_t got;

    sl_buf_clear(&f->out);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while ((got = fread(piece, 1, sizeof(piece), pipe)) > 0)
        assert_int_equal(sl_buf_append(&f->out, SL_BYTES(piece, got), NULL),
                         SL_OK);
    assert_int_equal(sl_buf_append(&f->out, SL_LITERAL("\0"), NULL), SL_OK);
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *output_text(const struct fixture *f)
{
    return (const char *)f->out.ptr;
}

/* Run a line; the code must be as expected, and the output contain a text. */
static void expect_output(struct fixture *f, const char *line, int code,
                          const char *expected)
{
    int got = run_shell(f, line);

    if (got != code || strstr(output_text(f), expected) == NULL)
        fail_msg("%s\nexit code %d, expected %d; said:\n%s\nexpected:\n%s",
                 line, got, code, output_text(f), expected);
}

static void test_help_of_everything(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\"", 0, "Commands\n");
    expect_output(f, "\"$SLIGHT\" help", 0, "Commands\n");
    expect_output(f, "\"$SLIGHT\" --help", 0, "Commands\n");
    expect_output(f, "\"$SLIGHT\" -h", 0, "Commands\n");
    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        const char *name = sl_commands[i]->name;
        SL_CLEANUP(sl_freep)
        char *usage = sl_asprintf("Usage\n  slight %s", name);
        SL_CLEANUP(sl_freep)
        char *help = sl_asprintf("\"$SLIGHT\" help %s", name);
        SL_CLEANUP(sl_freep)
        char *option = sl_asprintf("\"$SLIGHT\" %s --help", name);
        SL_CLEANUP(sl_freep)
        char *letter = sl_asprintf("\"$SLIGHT\" %s -h", name);

        expect_output(f, "\"$SLIGHT\"", 0, name);
        expect_output(f, help, 0, usage);
        expect_output(f, option, 0, usage);
        expect_output(f, letter, 0, usage);
    }
}

/* Help fits a terminal of 80 columns. */
static void test_help_is_80_columns_wide(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        SL_CLEANUP(sl_freep)
        char *line =
            sl_asprintf("\"$SLIGHT\" help %s | awk 'length > 80'; "
                        "\"$SLIGHT\" help slightfile.toml | "
                        "awk 'length > 80'; \"$SLIGHT\" | awk 'length > 80'",
                        sl_commands[i]->name);
        assert_int_equal(run_shell(f, line), 0);
        assert_string_equal(output_text(f), "");
    }
}

static void test_manual_pages(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" help --man-pages pages", 0,
                  "pages/slight.1\n");
    expect_output(f, "cat pages/slight.1", 0, ".TH \"SLIGHT\" 1");
    expect_output(f, "cat pages/slightfile.toml.5", 0, "\\fBmax\\-header\\fR");
    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        const struct sl_command *c = sl_commands[i];
        SL_CLEANUP(sl_freep)
        char *line =
            sl_asprintf("sed 's/\\\\-/-/g' pages/slight-%s.1", c->name);
        expect_output(f, line, 0, c->summary);
        for (const struct sl_command_option *o = c->options; o->name != NULL;
             o++)
            expect_output(f, line, 0, o->help);
    }
    expect_output(f, "\"$SLIGHT\" help run --man-pages pages", 2,
                  "remove \"run\"");
    expect_output(f, ": > file; \"$SLIGHT\" help --man-pages file", 1,
                  "error: file");
}

static void test_every_table_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        const struct sl_command *c = sl_commands[i];
        assert_non_null(c->summary);
        assert_non_null(c->operands);
        assert_non_null(c->text);
        assert_non_null(c->options);
        assert_non_null(c->examples);
        assert_non_null(c->run);
        assert_true(c->operands_min <= c->operands_max);
        assert_ptr_equal(sl_command_find(c->name), c);
        for (const struct sl_command_option *o = c->options; o->name != NULL;
             o++)
            assert_non_null(o->help);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sl_commands[j]->name, c->name);
    }
}

static void test_version(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" version", 0, "slight ");
    expect_output(f, "\"$SLIGHT\" --version", 0, "wasmtime ");
    expect_output(f, "\"$SLIGHT\" -V", 0, "sqlite 3.");
    expect_output(f, "\"$SLIGHT\" version --licenses", 0,
                  "(SQLite): blessing\n");
    expect_output(f, "\"$SLIGHT\" version --licenses", 0, "\n  wasmtime 4");
    expect_output(f, "\"$SLIGHT\" version --licenses | head -n 1", 0,
                  "slight ");
    assert_null(strstr(output_text(f), "error"));
}

static void test_usage(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" rnu", 2,
                  "error: unknown command \"rnu\"; did you mean \"run\"?\n");
    expect_output(
        f, "\"$SLIGHT\" frobnicate", 2,
        "error: unknown command \"frobnicate\"; \"slight help\" lists");
    expect_output(f, "\"$SLIGHT\" help frobnicate", 2,
                  "error: unknown command");
    expect_output(f, "\"$SLIGHT\" --frobnicate", 2, "error: unknown option");
    expect_output(f, "\"$SLIGHT\" run --evn A=B", 2,
                  "error: unknown option --evn; did you mean --env?\n");
    expect_output(f, "\"$SLIGHT\" run a.wasm b", 2, "error: unexpected \"b\"");
    expect_output(f, "\"$SLIGHT\" run --env A a.wasm", 2,
                  "error: --env A: expected NAME=VALUE\n");
    expect_output(f, "\"$SLIGHT\" run --env =A a.wasm", 2,
                  "expected NAME=VALUE\n");
    expect_output(f, "\"$SLIGHT\" run --timeout soon a.wasm", 2,
                  "error: --timeout soon: expected a duration");
    expect_output(
        f, "\"$SLIGHT\" run --dir nowhere::/data a.wasm", 2,
        "error: --dir nowhere::/data: there is no folder \"nowhere\"\n");
    expect_output(f, "\"$SLIGHT\" run --dir ::/data a.wasm", 2,
                  "error: --dir ::/data: expected HOST::GUEST");
    expect_output(f, "\"$SLIGHT\" run . --manifest a.toml", 2,
                  "error: --manifest needs a component; . is a folder\n");
    expect_output(f, "\"$SLIGHT\" providers kv.rdis", 2,
                  "did you mean \"kv.redis\"?");
    expect_output(f, "\"$SLIGHT\" completion tcsh", 2, "bash, zsh or fish");
    expect_output(f, "\"$SLIGHT\" completion", 2, "usage: slight completion");
    expect_output(f, "\"$SLIGHT\" bindgen rust --world command", 2,
                  "only for c");
    expect_output(f, "\"$SLIGHT\" bindgen c", 2, "--world is missing");
    expect_output(f, "\"$SLIGHT\" componentize a.wasm", 2, "--out is missing");
    expect_output(f, "SLIGHT_LOG=loud \"$SLIGHT\" version", 2,
                  "error: SLIGHT_LOG is \"loud\"");
}

static void test_nothing_to_run(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" run", 3,
                  "error: there is no slightfile.toml in this folder;");
    expect_output(f, "mkdir empty; \"$SLIGHT\" run empty", 3,
                  "error: there is no slightfile.toml in empty;");
    expect_output(f, "\"$SLIGHT\" check other.toml", 3,
                  "error: other.toml: no such file or folder\n");
    expect_output(f, "\"$SLIGHT\" run app.wasm", 4,
                  "error: app.wasm: no such file or folder\n");
    expect_output(f, "\"$SLIGHT\" run app.wasm --manifest none.toml", 3,
                  "error: none.toml: no such file or folder\n");
}

static void test_wrong_manifest(void **state)
{
    struct fixture *f = *state;

    expect_output(
        f,
        "printf 'slight = 1\\nnmae = \"a\"\\n[component]\\n' "
        "> slightfile.toml; \"$SLIGHT\" run",
        3,
        "slightfile.toml:1:1: error: the manifest needs \"name\": the name "
        "of the component in messages and metrics\n"
        "slightfile.toml:2:1: error: unknown key \"nmae\" in the manifest; "
        "did you mean \"name\"?\n"
        "slightfile.toml:3:1: error: [component] needs \"source\": the file "
        "of the component (.wasm)\n");
    expect_output(f, "cd /; \"$SLIGHT\" check \"$OLDPWD\"", 3,
                  "/slightfile.toml:1:1: error: ");
    expect_output(
        f,
        "printf 'slight = 1\\nname = \"a\"\\n[component]\\n"
        "source = \"a.wasm\"\\n' > slightfile.toml; \"$SLIGHT\" run",
        4, "slightfile.toml:4:10: error: a.wasm: no such file or folder\n");
}

static void test_invalid_components(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "echo hello > a.wasm; \"$SLIGHT\" run a.wasm", 4,
                  "error: a.wasm: not WebAssembly;");
    expect_output(f, ": > a.wasm; \"$SLIGHT\" check a.wasm", 4,
                  "error: a.wasm: not WebAssembly;");
    expect_output(f, "echo '(component)' > a.wasm; \"$SLIGHT\" run a.wasm", 4,
                  "error: a.wasm: WebAssembly as text;");
    expect_output(
        f, "printf '\\0asm\\01\\0\\0\\0' > a.wasm; \"$SLIGHT\" run a.wasm", 4,
        "slight componentize a.wasm");
    expect_output(f,
                  "printf '\\0asm\\015\\0\\01\\0nonsense' > a.wasm; "
                  "\"$SLIGHT\" run a.wasm",
                  4, "error: a.wasm: ");
    expect_output(
        f, "echo hello > a.wasm; \"$SLIGHT\" componentize a.wasm -o b.wasm", 1,
        "error: a.wasm: it is not a core module of WebAssembly\n");
}

#define EMPTY_COMPONENT "printf '\\0asm\\015\\0\\01\\0' > a.wasm; "

static void test_compiled_code_is_cached(void **state)
{
    struct fixture *f = *state;
    const char *nothing_to_run = "error: a.wasm: the component exports no "
                                 "wasi:cli/run";

    expect_output(f, EMPTY_COMPONENT "\"$SLIGHT\" check a.wasm", 4,
                  nothing_to_run);
    expect_output(f, "stat -c %a cache cache/*.code", 0, "700\n600\n");
    expect_output(f, "\"$SLIGHT\" run a.wasm", 4, nothing_to_run);
    expect_output(f, "ls cache | wc -l", 0, "1\n");

    /* Damage is detected and repaired. */
    expect_output(
        f, "printf X | dd of=$(ls cache/*) bs=1 seek=999 conv=notrunc", 0, "");
    expect_output(f, "sum cache/* > damaged; \"$SLIGHT\" run a.wasm", 4,
                  nothing_to_run);
    expect_output(f, "sum cache/* | diff -q - damaged", 1, "differ");
}

static void test_limits_of_compiling(void **state)
{
    struct fixture *f = *state;

    expect_output(
        f, EMPTY_COMPONENT "\"$SLIGHT\" check a.wasm --compile-timeout x", 2,
        "error: --compile-timeout x: ");
    expect_output(f,
                  EMPTY_COMPONENT "\"$SLIGHT\" run a.wasm --compile-memory 1MB",
                  2, "error: --compile-memory 1MB: ");
    expect_output(f, "\"$SLIGHT\" compile-child", 79, "is for slight itself");
    expect_output(
        f, "truncate -s 300M a.wasm; \"$SLIGHT\" check a.wasm", 4,
        "error: a.wasm: larger than 268435456 bytes; raise max-size in "
        "[component] of the manifest\n");
}

static void test_without_cache(void **state)
{
    struct fixture *f = *state;
    const char *nothing_to_run = "error: a.wasm: the component exports no "
                                 "wasi:cli/run";

    expect_output(f,
                  EMPTY_COMPONENT "SLIGHT_CACHE_DIR=off \"$SLIGHT\" run a.wasm",
                  4, nothing_to_run);
    assert_string_equal(output_text(f) + strcspn(output_text(f), "\n"),
                        "\n"); /* no more */
    expect_output(f, "test ! -e cache", 0, "");
    expect_output(f,
                  "mkdir open; chmod 777 open; SLIGHT_CACHE_DIR=$PWD/open "
                  "\"$SLIGHT\" run a.wasm",
                  4, "level=warn event=no-cache reason=\"");
    assert_non_null(strstr(output_text(f), nothing_to_run));
    expect_output(f, "SLIGHT_CACHE_DIR=/dev/null/x \"$SLIGHT\" run a.wasm", 4,
                  nothing_to_run);
}

static void test_providers(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" providers", 0, "\nkv.sqlite ");
    expect_output(f, "\"$SLIGHT\" providers", 0, "\nkv.memory ");
    expect_output(f, "\"$SLIGHT\" providers", 0, "\nkv.redis ");
    expect_output(f, "\"$SLIGHT\" providers kv.memory", 0, "retry.attempts");
    expect_output(f, "\"$SLIGHT\" providers --markdown", 0,
                  "| [kv.memory](kv.memory.md) | ");
    expect_output(f, "\"$SLIGHT\" providers kv.redis --markdown", 0,
                  "| setting | type | default | |\n");
}

/* Without letters; e2e.deliveries has the rest. */
static void test_dead_letters(void **state)
{
    struct fixture *f = *state;

    expect_output(f,
                  "printf 'slight = 1\\nname = \"a\"\\n[component]\\nsource = "
                  "\"a.wasm\"\\n"
                  "[[resource]]\\nname = \"jobs\"\\ntype = \"mq.sqlite\"\\n"
                  "path = \"q.db\"\\n[[resource]]\\nname = \"store\"\\n"
                  "type = \"kv.memory\"\\n' > slightfile.toml",
                  0, "");
    expect_output(f, "\"$SLIGHT\" dead-letters list jobs", 0,
                  "no dead letters\n");
    expect_output(f, "\"$SLIGHT\" dead-letters list jobs --json | wc -c", 0,
                  "0\n");
    expect_output(f, "\"$SLIGHT\" dead-letters drop jobs --all", 0,
                  "no dead letters\n");
    expect_output(f, "\"$SLIGHT\" dead-letters drop jobs 17 17 x", 1,
                  "2 of these dead letters do not exist");
    expect_output(f, "\"$SLIGHT\" dead-letters replay jobs", 2,
                  "name the IDs of dead letters");
    expect_output(f, "\"$SLIGHT\" dead-letters drop jobs 1 --all", 2,
                  "not both");
    expect_output(f, "\"$SLIGHT\" dead-letters list jobs --all", 2,
                  "--all is for replay and drop");
    expect_output(f, "\"$SLIGHT\" dead-letters list jobs 1", 2,
                  "IDs are for replay and drop");
    expect_output(f, "\"$SLIGHT\" dead-letters lost jobs", 2,
                  "did you mean \"list\"?");
    expect_output(
        f, "\"$SLIGHT\" dead-letters list job", 2,
        "slightfile.toml has no resource \"job\"; did you mean \"jobs\"?");
    expect_output(f, "\"$SLIGHT\" dead-letters list store", 2,
                  "only queues (mq.*)");
    expect_output(f, "\"$SLIGHT\" dead-letters list", 2, "error: ");
    expect_output(f, "\"$SLIGHT\" dead-letters list jobs --manifest no.toml", 3,
                  "no.toml");
    expect_output(f,
                  "echo text > q.db; rm -f q.db-*; "
                  "\"$SLIGHT\" dead-letters list jobs",
                  1, "error: resource \"jobs\": ");
}

static void test_wit(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" wit", 0, "package slight:kv@");
    expect_output(f,
                  "\"$SLIGHT\" wit out/wit > /dev/null; cat out/wit/kv/kv.wit",
                  0, "interface store {");
    expect_output(f, ": > file; \"$SLIGHT\" wit file", 1, "error: file");
}

static void test_bindgen(void **state)
{
    struct fixture *f = *state;

    expect_output(f,
                  "\"$SLIGHT\" bindgen c --world command --out gen && ls gen",
                  0, "command.c\ncommand.h\ncommand_component_type.o\n");
    expect_output(f, "\"$SLIGHT\" bindgen c --world comand --out gen", 1,
                  "error: ");
    /* A custom world uses slight's packages without a copy of them. */
    expect_output(
        f,
        "mkdir wit; printf 'package my:app;\\nworld main {\\n"
        "  import slight:kv/store@0.2.0;\\n}\\n' > wit/app.wit; "
        "\"$SLIGHT\" bindgen c -w my:app/main --wit wit -o own && ls own",
        0, "main.c\nmain.h\nmain_component_type.o\n");
    expect_output(f, "\"$SLIGHT\" bindgen c -w x --wit nowhere", 1,
                  "error: nowhere");
    expect_output(f, "mkdir none; \"$SLIGHT\" bindgen c -w x --wit none", 1,
                  "error: none: there is no .wit file\n");
}

static void test_completion(void **state)
{
    struct fixture *f = *state;

    expect_output(f, "\"$SLIGHT\" completion bash > c.bash && bash -n c.bash",
                  0, "");
    expect_output(
        f,
        "cat > try <<'END'\n"
        "source c.bash\n"
        "complete_line() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
        "COMPREPLY=(); _slight; echo \"<${COMPREPLY[*]}>\"; }\n"
        "complete_line slight comp\n"
        "complete_line slight run --t\n"
        "complete_line slight providers kv.m\n"
        "complete_line slight completion ''\n"
        "complete_line slight dead-letters ''\n"
        "END\n"
        "bash try",
        0,
        "<componentize completion>\n<--timeout>\n<kv.memory>\n"
        "<bash zsh fish>\n<list replay drop>\n");
    expect_output(f, "\"$SLIGHT\" completion zsh", 0, "#compdef slight\n");
    expect_output(f, "\"$SLIGHT\" completion fish", 0,
                  "complete -c slight -f\n");
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run_shell(f, "\"$SLIGHT\" wit > /dev/full"),
                     SL_EXIT_FAILED);
}

static void test_no_colour_without_a_terminal(void **state)
{
    struct fixture *f = *state;

    run_shell(f, "\"$SLIGHT\" help; \"$SLIGHT\" rnu; \"$SLIGHT\" providers");
    assert_null(strchr(output_text(f), '\033'));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_help_of_everything),
        CASE(test_help_is_80_columns_wide),
        CASE(test_manual_pages),
        cmocka_unit_test(test_every_table_is_complete),
        CASE(test_version),
        CASE(test_usage),
        CASE(test_nothing_to_run),
        CASE(test_wrong_manifest),
        CASE(test_invalid_components),
        CASE(test_compiled_code_is_cached),
        CASE(test_limits_of_compiling),
        CASE(test_without_cache),
        CASE(test_providers),
        CASE(test_dead_letters),
        CASE(test_wit),
        CASE(test_bindgen),
        CASE(test_completion),
        CASE(test_full_disk),
        CASE(test_no_colour_without_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
