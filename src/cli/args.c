/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, switches,
 * operands anywhere, and the rest behind "--".
 */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/option.h"
#include "cli/help_text.h"

struct parser {
    struct sl_args *args;
    const char *const *argv;
    size_t argc;
    size_t at;
};

static const struct sl_command_option *
find_long(const struct sl_command *command, const char *name, size_t len)
{
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    if (len == strlen("help") && strncmp(name, "help", len) == 0)
        return &sl_help_option;
    return NULL;
}

static const struct sl_command_option *
find_short(const struct sl_command *command, char letter)
{
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        if (o->letter == letter)
            return o;
    return letter == 'h' ? &sl_help_option : NULL;
}

static enum sl_status fail_unknown_option(const struct sl_command *command,
                                          const char *name,
                                          struct sl_error *err)
{
    const char *names[32] = {"help"};
    size_t count = 1;

    for (const struct sl_command_option *o = command->options;
         o->name != NULL && count < 31; o++)
        names[count++] = o->name;
    const char *nearest = sl_nearest(name, names);
    if (nearest != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "unknown option --%s; did you mean --%s?", name,
                       nearest);
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "unknown option --%s; \"slight help %s\" lists the options",
                   name, command->name);
}

static enum sl_status add_option(struct sl_args *args,
                                 const struct sl_command_option *option,
                                 const char *value, struct sl_error *err)
{
    if (option == &sl_help_option) {
        args->help = true;
        return SL_OK;
    }
    for (size_t i = 0; !option->repeats && i < args->option_count; i++)
        if (args->options[i].option == option)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "--%s was given more than once", option->name);
    args->options[args->option_count++] = (struct sl_arg){option, value};
    return SL_OK;
}

/* attached: the value in the same argument, or NULL. */
static enum sl_status take_option(struct parser *parser,
                                  const struct sl_command_option *option,
                                  const char *attached, struct sl_error *err)
{
    if (option->argument == NULL && attached != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "--%s takes no value",
                       option->name);
    if (option->argument != NULL && attached == NULL) {
        if (parser->at == parser->argc ||
            strcmp(parser->argv[parser->at], "--") == 0)
            return sl_fail(err, SL_INVALID_ARGUMENT, "--%s needs a value: %s",
                           option->name, option->argument);
        attached = parser->argv[parser->at++];
    }
    return add_option(parser->args, option, attached, err);
}

static enum sl_status take_long(struct parser *parser, const char *text,
                                struct sl_error *err)
{
    const struct sl_command *command = parser->args->command;
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const struct sl_command_option *option = find_long(command, text, len);

    if (option == NULL) {
        SL_CLEANUP(sl_freep) char *name = sl_strndup(text, len);
        return fail_unknown_option(command, name, err);
    }
    return take_option(parser, option, equals != NULL ? equals + 1 : NULL, err);
}

static enum sl_status take_short(struct parser *parser, const char *text,
                                 struct sl_error *err)
{
    const struct sl_command *command = parser->args->command;

    for (; *text != '\0'; text++) {
        const struct sl_command_option *option = find_short(command, *text);
        if (option == NULL)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "unknown option -%c; \"slight help %s\" lists the "
                           "options",
                           *text, command->name);
        if (option->argument != NULL)
            return take_option(parser, option,
                               text[1] != '\0' ? text + 1 : NULL, err);
        enum sl_status status = add_option(parser->args, option, NULL, err);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

static enum sl_status check_operands(const struct sl_args *args,
                                     struct sl_error *err)
{
    const struct sl_command *command = args->command;

    if (args->help)
        return SL_OK;
    if (args->operand_count > command->operands_max)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "unexpected \"%s\"%s; usage: slight %s %s",
                       args->operands[command->operands_max],
                       command->takes_rest
                           ? "; arguments of the component go after \"--\""
                           : "",
                       command->name, command->operands);
    if (args->operand_count < command->operands_min)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "missing argument; usage: slight %s %s", command->name,
                       command->operands);
    if (args->rest != NULL && args->rest_count > 0 && !command->takes_rest)
        return sl_fail(err, SL_INVALID_ARGUMENT, "unexpected \"%s\"",
                       args->rest[0]);
    return SL_OK;
}

enum sl_status sl_args_parse(const struct sl_command *command, size_t argc,
                             const char *const argv[], struct sl_args *out,
                             struct sl_error *err)
{
    struct parser parser = {.args = out, .argv = argv, .argc = argc};
    enum sl_status status = SL_OK;

    *out = (struct sl_args){
        .command = command,
        .options = sl_alloc_array(argc + 1, sizeof(*out->options)),
        .operands = sl_alloc_array(argc + 1, sizeof(*out->operands)),
    };
    while (status == SL_OK && parser.at < argc) {
        const char *text = argv[parser.at++];
        if (strcmp(text, "--") == 0) {
            out->rest = argv + parser.at;
            out->rest_count = argc - parser.at;
            break;
        }
        if (text[0] == '-' && text[1] == '-')
            status = take_long(&parser, text + 2, err);
        else if (text[0] == '-' && text[1] != '\0')
            status = take_short(&parser, text + 1, err);
        else
            out->operands[out->operand_count++] = text;
    }
    return status == SL_OK ? check_operands(out, err) : status;
}

void sl_args_done(struct sl_args *args)
{
    free(args->options);
    free(args->operands);
}

const char *sl_args_value(const struct sl_args *args, const char *name)
{
    for (size_t i = args->option_count; i > 0; i--)
        if (strcmp(args->options[i - 1].option->name, name) == 0)
            return args->options[i - 1].value;
    return NULL;
}

bool sl_args_has(const struct sl_args *args, const char *name)
{
    for (size_t i = 0; i < args->option_count; i++)
        if (strcmp(args->options[i].option->name, name) == 0)
            return true;
    return false;
}

const char *sl_args_operand(const struct sl_args *args, size_t index)
{
    return index < args->operand_count ? args->operands[index] : NULL;
}
