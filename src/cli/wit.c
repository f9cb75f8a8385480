/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight wit: the WIT that this program implements, as files.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/embedded_files.h"
#include "cli/print.h"

static enum sl_status write_file(const char *folder,
                                 const struct sl_embedded_file *file,
                                 struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", folder, file->path);
    char *slash = strrchr(path, '/');

    *slash = '\0';
    enum sl_status status = sl_make_folders(path, 0777, err);
    *slash = '/';
    if (status != SL_OK)
        return status;
    return sl_file_write(path, SL_BYTES(file->text, file->len), err);
}

static int run_wit(const struct sl_args *args)
{
    const char *folder = sl_args_operand(args, 0);
    struct sl_error err;

    for (size_t i = 0; i < sl_wit_file_count; i++) {
        const struct sl_embedded_file *file = &sl_wit_files[i];
        if (folder == NULL)
            printf("%s// %s\n%s", i > 0 ? "\n" : "", file->path, file->text);
        else if (write_file(folder, file, &err) != SL_OK)
            return sl_print_failure(&err, SL_EXIT_FAILED);
        else
            sl_print_line(stdout, "%s/%s", folder, file->path);
    }
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {{0}};
static const char *const examples[] = {
    "slight wit | less",
    "slight wit wit/deps",
    NULL,
};

extern const struct sl_command sl_command_wit;
const struct sl_command sl_command_wit = {
    .name = "wit",
    .summary = "print the interfaces that components can import",
    .operands = "[DIR]",
    .text = "With DIR, each package is written into a folder of its own below "
            "it, as the\n"
            "tools of most languages expect. Otherwise all are printed.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FOLDER,
    .operands_max = 1,
    .run = run_wit,
};
