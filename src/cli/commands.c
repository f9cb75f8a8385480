/* SPDX-License-Identifier: Apache-2.0 */
/* The commands.  A new one is a file and two lines here. */
#include "cli/command.h"

#include <string.h>

extern const struct sl_command sl_command_run;
extern const struct sl_command sl_command_check;
extern const struct sl_command sl_command_dead_letters;
extern const struct sl_command sl_command_providers;
extern const struct sl_command sl_command_wit;
extern const struct sl_command sl_command_bindgen;
extern const struct sl_command sl_command_componentize;
extern const struct sl_command sl_command_completion;
extern const struct sl_command sl_command_version;
extern const struct sl_command sl_command_help;

const struct sl_command *const sl_commands[] = {
    &sl_command_run,
    &sl_command_check,
    &sl_command_dead_letters,
    &sl_command_providers,
    &sl_command_wit,
    &sl_command_bindgen,
    &sl_command_componentize,
    &sl_command_completion,
    &sl_command_version,
    &sl_command_help,
    NULL,
};

enum { COMMAND_COUNT = sizeof(sl_commands) / sizeof(sl_commands[0]) - 1 };

const struct sl_command *sl_command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(sl_commands[i]->name, name) == 0)
            return sl_commands[i];
    return NULL;
}

const char *const *sl_command_names(void)
{
    static const char *names[COMMAND_COUNT + 1];

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = sl_commands[i]->name;
    return names;
}
