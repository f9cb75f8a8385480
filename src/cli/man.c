/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages in the man macros of groff (groff_man(7)).  Text goes through
 * write_roff, so that no character of it is markup.
 */
#include "cli/man.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/help_text.h"
#include "cli/print.h"
#include "manifest/manifest.h"

static void write_roff(FILE *out, const char *text, size_t len)
{
    if (len > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
    }
}

static void write_text(FILE *out, const char *text)
{
    write_roff(out, text, strlen(text));
}

static void write_font(FILE *out, char font, const char *text)
{
    fprintf(out, "\\f%c", font);
    write_text(out, text);
    fputs("\\fR", out);
}

/* Paragraphs are separated by empty lines; indented lines are shown as they
 * are. */
static void write_paragraphs(FILE *out, const char *text)
{
    bool is_verbatim = false;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        bool is_indented = len > 2 && strncmp(text, "  ", 2) == 0;
        if (is_indented != is_verbatim)
            fputs(is_indented ? ".RS 4\n.nf\n" : ".fi\n.RE\n", out);
        is_verbatim = is_indented;
        if (len == 0) {
            fputs(".PP", out);
        } else {
            size_t skipped = is_indented ? 2 : 0;
            write_roff(out, text + skipped, len - skipped);
        }
        fputc('\n', out);
        text += len + (text[len] == '\n');
    }
    if (is_verbatim)
        fputs(".fi\n.RE\n", out);
}

static void write_section(FILE *out, const char *title)
{
    fprintf(out, ".SH \"%s\"\n", title);
}

/* The first lines: the title, in capitals as is usual, and the name. */
static void write_head(FILE *out, const char *name, int section,
                       const char *summary)
{
    fputs(".TH \"", out);
    for (const char *c = name; *c != '\0'; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, "\" %d \"\" \"slight " SL_VERSION "\" \"slight\"\n", section);
    write_section(out, "NAME");
    write_text(out, name);
    fputs(" \\- ", out);
    write_text(out, summary);
    fputc('\n', out);
}

static void write_man_entry(FILE *out, const char *term, const char *text)
{
    fputs(".TP\n", out);
    write_font(out, 'B', term);
    fputc('\n', out);
    write_text(out, text);
    fputc('\n', out);
}

static void write_items(FILE *out, const char *title,
                        const struct sl_help_item *items)
{
    write_section(out, title);
    for (; items->name != NULL; items++)
        write_man_entry(out, items->name, items->help);
}

static void write_option(FILE *out, const struct sl_command_option *option)
{
    fputs(".TP\n", out);
    if (option->letter != 0)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    write_text(out, option->name);
    fputs("\\fR", out);
    if (option->argument != NULL) {
        fputc(' ', out);
        write_font(out, 'I', option->argument);
    }
    fputc('\n', out);
    write_text(out, option->help);
    fputc('\n', out);
}

static void write_options(FILE *out, const struct sl_command_option *options)
{
    for (; options->name != NULL; options++)
        write_option(out, options);
}

static void write_examples(FILE *out, const char *const examples[])
{
    if (examples[0] == NULL)
        return;
    write_section(out, "EXAMPLES");
    fputs(".nf\n", out);
    for (size_t i = 0; examples[i] != NULL; i++) {
        write_text(out, examples[i]);
        fputc('\n', out);
    }
    fputs(".fi\n", out);
}

static void write_command(FILE *out, const void *context)
{
    const struct sl_command *command = context;
    SL_CLEANUP(sl_freep) char *name = sl_asprintf("slight-%s", command->name);

    write_head(out, name, 1, command->summary);
    write_section(out, "SYNOPSIS");
    fputs("\\fBslight ", out);
    write_text(out, command->name);
    fputs("\\fR ", out);
    write_text(out, command->operands);
    fputc('\n', out);
    if (command->text[0] != '\0') {
        write_section(out, "DESCRIPTION");
        write_paragraphs(out, command->text);
    }
    write_section(out, "OPTIONS");
    write_options(out, command->options);
    write_option(out, &sl_help_option);
    write_examples(out, command->examples);
    write_section(out, "SEE ALSO");
    fputs("\\fBslight\\fR(1), \\fBslightfile.toml\\fR(5)\n", out);
}

static void write_program(FILE *out, const void *context)
{
    (void)context;
    write_head(out, "slight", 1, sl_help_summary);
    write_section(out, "SYNOPSIS");
    fputs("\\fBslight\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n", out);
    write_section(out, "DESCRIPTION");
    write_paragraphs(out, sl_help_intro);
    write_section(out, "COMMANDS");
    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        SL_CLEANUP(sl_freep)
        char *page = sl_asprintf("slight-%s(1)", sl_commands[i]->name);
        write_man_entry(out, page, sl_commands[i]->summary);
    }
    write_section(out, "OPTIONS");
    write_options(out, sl_help_options);
    write_items(out, "ENVIRONMENT", sl_help_environment);
    write_items(out, "EXIT STATUS", sl_help_exit_codes);
    write_section(out, "SEE ALSO");
    fputs("\\fBslightfile.toml\\fR(5)\n", out);
}

static void write_key(FILE *out, const char *name, const char *attributes,
                      const char *help)
{
    fputs(".TP\n", out);
    write_font(out, 'B', name);
    fputs(" (", out);
    write_text(out, attributes);
    fputs(")\n", out);
    write_text(out, help);
    fputc('\n', out);
}

static void write_table(FILE *out, const struct sl_manifest_table *table)
{
    fputs(".SS\n", out);
    write_text(out, table->title);
    fputc('\n', out);
    if (table->text != NULL) {
        write_text(out, table->text);
        fputc('\n', out);
    }
    for (size_t i = 0; i < 2; i++)
        for (const struct sl_option *o = table->options[i];
             o != NULL && o->name != NULL; o++) {
            SL_CLEANUP(sl_freep) char *text = sl_help_attributes(o);
            write_key(out, o->name, text, o->help);
        }
    for (const struct sl_manifest_key *k = table->keys;
         k != NULL && k->name != NULL; k++)
        write_key(out, k->name, k->type, k->help);
}

static void write_manifest(FILE *out, const void *context)
{
    struct sl_manifest_table table;

    (void)context;
    write_head(out, SL_HELP_MANIFEST, 5, sl_help_manifest_summary);
    write_section(out, "DESCRIPTION");
    write_paragraphs(out, sl_help_manifest_intro);
    write_section(out, "TABLES");
    for (size_t i = 0; (table = sl_manifest_table(i)).title != NULL; i++)
        write_table(out, &table);
    write_section(out, "SEE ALSO");
    fputs("\\fBslight\\-run\\fR(1), \\fBslight\\-check\\fR(1), "
          "\\fBslight\\-providers\\fR(1)\n",
          out);
}

typedef void write_page_fn(FILE *out, const void *context);

static enum sl_status write_page(const char *folder, const char *file,
                                 write_page_fn *write, const void *context,
                                 struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", folder, file);
    SL_CLEANUP(sl_freep) char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL)
        return sl_fail(err, SL_INTERNAL, "%s: out of memory", path);
    write(out, context);
    if (fclose(out) != 0)
        return sl_fail(err, SL_INTERNAL, "%s: out of memory", path);
    enum sl_status status = sl_file_write(path, SL_BYTES(text, len), err);
    if (status == SL_OK)
        sl_print_line(stdout, "%s", path);
    return status;
}

enum sl_status sl_man_write_pages(const char *folder, struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *copy = sl_strdup(folder);
    enum sl_status status = sl_make_folders(copy, 0777, err);

    if (status == SL_OK)
        status = write_page(folder, "slight.1", write_program, NULL, err);
    for (size_t i = 0; status == SL_OK && sl_commands[i] != NULL; i++) {
        SL_CLEANUP(sl_freep)
        char *file = sl_asprintf("slight-%s.1", sl_commands[i]->name);
        status = write_page(folder, file, write_command, sl_commands[i], err);
    }
    if (status == SL_OK)
        status = write_page(folder, SL_HELP_MANIFEST ".5", write_manifest, NULL,
                            err);
    return status;
}
