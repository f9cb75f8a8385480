/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight bindgen: what a guest compiles and links to call the interfaces.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/wit_set.h"

static enum sl_status write_file(void *context, struct sl_bytes name,
                                 struct sl_bytes content, struct sl_error *err)
{
    const char *folder = context;
    SL_CLEANUP(sl_freep)
    char *path =
        sl_asprintf("%s/%.*s", folder, (int)name.len, (const char *)name.ptr);

    enum sl_status status = sl_file_write(path, content, err);
    if (status == SL_OK)
        sl_print_line(stdout, "%s", path);
    return status;
}

static int run_bindgen(const struct sl_args *args)
{
    const char *language = sl_args_operand(args, 0);
    const char *world = sl_args_value(args, "world");
    const char *out = sl_args_value(args, "out");
    SL_CLEANUP(sl_freep) char *folder = sl_strdup(out != NULL ? out : ".");
    SL_CLEANUP(sl_wit_set_done) struct sl_wit_set set = {0};
    struct sl_error err;

    if (strcmp(language, "c") != 0) {
        sl_print_error("bindings are made for c, not for \"%s\"; other "
                       "languages have tools of their own for the WIT of "
                       "\"slight wit DIR\"",
                       language);
        return SL_EXIT_USAGE;
    }
    if (world == NULL) {
        sl_print_error("--world is missing; for example --world command");
        return SL_EXIT_USAGE;
    }
    if (sl_wit_set_read(sl_args_value(args, "wit"), &set, &err) != SL_OK ||
        sl_make_folders(folder, 0777, &err) != SL_OK ||
        sl_tool_bindgen_c(set.files, set.count, world, write_file, folder,
                          &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "world",
     .letter = 'w',
     .argument = "WORLD",
     .help = "the world that the guest is for: command, or slight:slight/"
             "command"},
    {.name = "out",
     .letter = 'o',
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "where the files go; this folder without it"},
    {.name = "wit",
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "WIT of your own, which may use slight's"},
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
    .summary = "make the C bindings of a world",
    .operands = "c --world WORLD [--out DIR] [--wit DIR]",
    .text = "Writes WORLD.c, WORLD.h and WORLD_component_type.o. Compile and "
            "link them with the\n"
            "guest for wasm32-wasip1, then make it a component with \"slight "
            "componentize\".\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_LANGUAGE,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_bindgen,
};
