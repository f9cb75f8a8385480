/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help_text.h"

#include "base/alloc.h"

const char sl_help_summary[] = "run WebAssembly components";

const char sl_help_intro[] =
    "slight runs WebAssembly components and gives them what a cloud gives: "
    "key-value\n"
    "stores, databases, locks, queues and topics. A component names what it "
    "needs,\n"
    "and slightfile.toml binds each name to a service.\n";

const struct sl_command_option sl_help_option = {
    .name = "help", .letter = 'h', .help = "print this help"};

const struct sl_command_option sl_help_options[] = {
    {.name = "help", .letter = 'h', .help = "print this help"},
    {.name = "version", .letter = 'V', .help = "print versions"},
    {0},
};

const struct sl_help_item sl_help_environment[] = {
    {"SLIGHT_LOG", "error, warn, info or debug; as --log-level of run"},
    {"SLIGHT_LOG_FORMAT", "text or json; as --log-format of run"},
    {"SLIGHT_CACHE_DIR",
     "the folder for compiled components, or \"off\"; default: slight/code in "
     "XDG_CACHE_HOME, or in ~/.cache"},
    {"NO_COLOR", "when not empty, terminals get no colours"},
    {0},
};

const struct sl_help_item sl_help_exit_codes[] = {
    {"0", "success"},
    {"1", "a failure without a code of its own"},
    {"2", "the command line is wrong"},
    {"3", "the manifest is wrong or missing"},
    {"4", "the component cannot be loaded, linked or started"},
    {"5", "the component trapped"},
    {"6", "the component timed out"},
    {"128+N", "ended by signal N"},
    {0},
};

const char sl_help_manifest_summary[] =
    "the component to run, and the services that it may use";

const char sl_help_manifest_intro[] =
    "A file in TOML 1.0. Unknown keys, wrong types and missing settings are "
    "errors.\n"
    "Durations are strings such as \"250ms\", \"5s\", \"2m\" or \"1h\"; sizes "
    "are strings\n"
    "such as \"512B\", \"64KiB\", \"16MiB\" or \"1GiB\". Paths are relative to "
    "the folder of\n"
    "the file.\n"
    "\n"
    "In any string, ${env:NAME} is replaced by an environment variable of "
    "slight and\n"
    "${file:PATH} by the content of a file; $${ is a literal ${.\n";

char *sl_help_attributes(const struct sl_option *option)
{
    bool has_default = option->fallback != NULL && option->fallback[0] != '\0';

    return sl_asprintf("%s%s%s%s%s", sl_option_type_text(option->type),
                       option->required ? ", required" : "",
                       has_default && !option->required ? ", default " : "",
                       has_default && !option->required ? option->fallback : "",
                       option->secret ? ", secret" : "");
}
