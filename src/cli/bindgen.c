/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight bindgen: bindings that a guest in C is compiled and linked with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/embedded_files.h"
#include "cli/print.h"
#include "cli/wit_set.h"

/* What the generated files show of the world. */
struct bindings {
    const char *folder;
    char *world;      /* as files and names have it: "my_world" */
    bool is_called;   /* it exports something, so that it has no main */
    bool has_handler; /* of HTTP requests */
};

static enum sl_status write_in(const char *folder, struct sl_bytes name,
                               struct sl_bytes content, struct sl_error *err)
{
    SL_CLEANUP(sl_freep)
    char *path =
        sl_asprintf("%s/%.*s", folder, (int)name.len, (const char *)name.ptr);

    enum sl_status status = sl_file_write(path, content, err);
    if (status == SL_OK)
        sl_print_line(stdout, "%s", path);
    return status;
}

static bool has_text(struct sl_bytes bytes, const char *text)
{
    return memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
}

static enum sl_status write_bindings(void *context, struct sl_bytes name,
                                     struct sl_bytes content,
                                     struct sl_error *err)
{
    struct bindings *bindings = context;

    if (name.len > 2 && memcmp(name.ptr + name.len - 2, ".h", 2) == 0) {
        free(bindings->world);
        bindings->world = sl_strndup((const char *)name.ptr, name.len - 2);
        bindings->is_called = has_text(content, " exports_");
        bindings->has_handler =
            has_text(content, " exports_wasi_http_incoming_handler_handle(");
    }
    return write_in(bindings->folder, name, content, err);
}

static struct sl_bytes guest_file(const char *path)
{
    for (size_t i = 0; i < sl_guest_file_count; i++)
        if (strcmp(sl_guest_files[i].path, path) == 0)
            return SL_BYTES(sl_guest_files[i].text, sl_guest_files[i].len);
    return SL_LITERAL("");
}

/* What a guest needs beside the bindings: its start and, for a handler of HTTP
 * requests, helpers with the names of its world. */
static enum sl_status write_support(const struct bindings *bindings,
                                    struct sl_error *err)
{
    enum sl_status status = write_in(
        bindings->folder, SL_LITERAL("start.c"),
        guest_file(bindings->is_called ? "reactor.c" : "start.c"), err);

    if (status != SL_OK || !bindings->has_handler)
        return status;
    struct sl_bytes helpers = guest_file("http_reply.h");
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf("#define SLIGHT_WORLD(name) %s_##name\n"
                             "#define SLIGHT_WORLD_HEADER \"%s.h\"\n%.*s",
                             bindings->world, bindings->world, (int)helpers.len,
                             (const char *)helpers.ptr);
    return write_in(bindings->folder, SL_LITERAL("http_reply.h"),
                    sl_bytes_of(text), err);
}

static void bindings_done(struct bindings *bindings)
{
    free(bindings->world);
}

static int run_bindgen(const struct sl_args *args)
{
    const char *language = sl_args_operand(args, 0);
    const char *world = sl_args_value(args, "world");
    const char *out = sl_args_value(args, "out");
    SL_CLEANUP(sl_freep) char *folder = sl_strdup(out != NULL ? out : ".");
    SL_CLEANUP(sl_wit_set_done) struct sl_wit_set set = {0};
    SL_CLEANUP(bindings_done)
    struct bindings bindings = {.folder = folder};
    struct sl_error err;

    if (strcmp(language, "c") != 0) {
        sl_print_error(
            "no bindings for \"%s\", only for c; for other languages, use "
            "their own tools with the WIT of \"slight wit DIR\"",
            language);
        return SL_EXIT_USAGE;
    }
    if (world == NULL) {
        sl_print_error("--world is missing, for example --world command");
        return SL_EXIT_USAGE;
    }
    if (sl_wit_set_read(sl_args_value(args, "wit"), world, &set, &err) !=
            SL_OK ||
        sl_make_folders(folder, 0777, &err) != SL_OK ||
        sl_tool_bindgen_c(set.files, set.count, world,
                          sl_args_value(args, "features"), write_bindings,
                          &bindings, &err) != SL_OK ||
        write_support(&bindings, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "world",
     .letter = 'w',
     .argument = "WORLD",
     .help = "the world of the guest, for example command, "
             "slight:kv/imports or slight:kv/imports@0.2.0"},
    {.name = "out",
     .letter = 'o',
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "the folder of the files; default: the working directory"},
    {.name = "wit",
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "a folder with WIT of your own, which may use that of slight"},
    {.name = "features",
     .argument = "NAMES",
     .help = "bind the items that are @unstable(feature = NAME), too; "
             "separated by commas"},
    {0},
};

static const char *const examples[] = {
    "slight bindgen c --world command --out build",
    "slight bindgen c --world my:app/main --wit wit --out build",
    NULL,
};

extern const struct sl_command sl_command_bindgen;
const struct sl_command sl_command_bindgen = {
    .name = "bindgen",
    .summary = "generate C bindings for a world",
    .operands = "c --world WORLD [--out DIR] [--wit DIR] [--features NAMES]",
    .text =
        "Writes what a guest in C needs: the bindings WORLD.c, WORLD.h and\n"
        "WORLD_component_type.o, the entry point start.c and, for a world that "
        "handles\n"
        "HTTP requests, http_reply.h. Compile and link them with the guest, "
        "and make the\n"
        "result a component (Debian: clang-19 lld-19 wasi-libc\n"
        "libclang-rt-19-dev-wasm32):\n"
        "\n"
        "  clang-19 --target=wasm32-wasi -O2 -nostartfiles -Wl,--no-entry \\\n"
        "      -Wl,--stack-first -Wl,-z,stack-size=262144 hello.c start.c \\\n"
        "      command.c command_component_type.o -o hello.core.wasm\n"
        "  slight componentize hello.core.wasm -o hello.wasm\n"
        "\n"
        "With --stack-first, a stack overflow traps instead of overwriting "
        "data.\n"
        "\n"
        "A world with a version is bound in that version and no other. Only "
        "packages that\n"
        "the world uses count: where two versions of one are used, the names "
        "in the\n"
        "bindings contain them.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_LANGUAGE,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_bindgen,
};
