/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight componentize: from a core module to a component.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/wit_set.h"

#define CORE_BYTES_MAX ((size_t)1024 * 1024 * 1024)

static enum sl_status make_component(const struct sl_args *args,
                                     struct sl_error *err)
{
    const char *from = sl_args_operand(args, 0);
    const char *world = sl_args_value(args, "world");
    SL_CLEANUP(sl_buf_done) struct sl_buf core = SL_BUF(CORE_BYTES_MAX);
    SL_CLEANUP(sl_buf_done) struct sl_buf out = SL_BUF(CORE_BYTES_MAX);
    SL_CLEANUP(sl_wit_set_done) struct sl_wit_set set = {0};

    enum sl_status status = sl_file_read(from, &core, err);
    if (status == SL_OK && world != NULL)
        status = sl_wit_set_read(sl_args_value(args, "wit"), world, &set, err);
    if (status != SL_OK)
        return status;
    status =
        sl_tool_componentize(sl_buf_bytes(&core), set.files, set.count, world,
                             sl_args_value(args, "features"), &out, err);
    if (status != SL_OK)
        return sl_fail_in(err, "%s", from);
    return sl_file_write(sl_args_value(args, "out"), sl_buf_bytes(&out), err);
}

static int run_componentize(const struct sl_args *args)
{
    static const char *const of_world[] = {"wit", "features"};
    struct sl_error err;

    if (sl_args_value(args, "out") == NULL) {
        sl_print_error("--out is missing: slight componentize %s -o app.wasm",
                       sl_args_operand(args, 0));
        return SL_EXIT_USAGE;
    }
    for (size_t i = 0; i < 2; i++) {
        if (sl_args_value(args, of_world[i]) == NULL ||
            sl_args_value(args, "world") != NULL)
            continue;
        sl_print_error("--%s needs --world", of_world[i]);
        return SL_EXIT_USAGE;
    }
    if (make_component(args, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "out",
     .letter = 'o',
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "the component to write"},
    {.name = "world",
     .letter = 'w',
     .argument = "WORLD",
     .help = "the world, for a module that was not linked with "
             "WORLD_component_type.o"},
    {.name = "wit",
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "a folder with WIT of your own for --world"},
    {.name = "features",
     .argument = "NAMES",
     .help = "items of that WIT that are @unstable(feature = NAME); separated "
             "by commas"},
    {0},
};

static const char *const examples[] = {
    "slight componentize core.wasm -o app.wasm",
    NULL,
};

extern const struct sl_command sl_command_componentize;
const struct sl_command sl_command_componentize = {
    .name = "componentize",
    .summary = "make a component from a core module",
    .operands = "CORE.wasm -o APP.wasm",
    .text = "CORE.wasm is the output of a compiler for wasm32-wasip1. Its "
            "calls of WASI\n"
            "preview 1 are adapted to WASI 0.2.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FILE,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_componentize,
};
