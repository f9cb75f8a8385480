/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight providers: the drivers of this build, from their own tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/option.h"
#include "cli/command.h"
#include "cli/help_text.h"
#include "cli/print.h"
#include "manifest/capabilities.h"

static const char *yes_or(const struct sl_driver_info *driver,
                          const struct sl_feature *feature, const char *no)
{
    return (driver->features & feature->bit) != 0 ? "yes" : no;
}

/* The widest name and service of all drivers, so that the tables line up. */
static void find_widths(int *name, int *service)
{
    const struct sl_capability *capability;
    const struct sl_driver *driver;

    *name = (int)strlen("PROVIDER");
    *service = (int)strlen("SERVICE");
    for (size_t i = 0; (driver = sl_driver_at(i, &capability)) != NULL; i++) {
        const struct sl_driver_info info = sl_driver_info(driver);
        if ((int)strlen(info.name) > *name)
            *name = (int)strlen(info.name);
        if ((int)strlen(info.service) > *service)
            *service = (int)strlen(info.service);
    }
}

static void print_left_out(const struct sl_capability *capability, int name)
{
    const char *left_out;

    for (size_t i = 0;
         (left_out = sl_capability_left_out(capability, i)) != NULL; i++)
        printf("%-*s  not built in\n", name, left_out);
}

static void print_capability(const struct sl_capability *capability, int name,
                             int service)
{
    const struct sl_capability_info info = sl_capability_info(capability);
    const struct sl_feature *f;
    const struct sl_driver *driver;

    printf("%s%-*s  %-*s", sl_style_on(stdout, SL_STYLE_BOLD), name, "PROVIDER",
           service, "SERVICE");
    for (f = info.features; f->name != NULL; f++)
        printf("  %s", f->name);
    printf("%s\n", sl_style_off(stdout));
    for (size_t i = 0; (driver = sl_capability_driver(capability, i)) != NULL;
         i++) {
        const struct sl_driver_info row = sl_driver_info(driver);
        printf("%-*s  %-*s", name, row.name, service, row.service);
        for (f = info.features; f->name != NULL; f++)
            printf("  %-*s", (int)strlen(f->name), yes_or(&row, f, "-"));
        putchar('\n');
    }
    print_left_out(capability, name);
    putchar('\n');
}

static void print_all_providers(void)
{
    int name, service;

    find_widths(&name, &service);
    for (size_t i = 0; sl_capabilities[i] != NULL; i++)
        print_capability(sl_capabilities[i], name, service);
    printf("\"slight providers NAME\" lists the settings of one.\n");
}

static void print_options(const char *title, const struct sl_option *table)
{
    if (title != NULL)
        printf("\n%s%s%s\n", sl_style_on(stdout, SL_STYLE_BOLD), title,
               sl_style_off(stdout));
    for (const struct sl_option *o = table; o->name != NULL; o++) {
        SL_CLEANUP(sl_freep) char *attributes = sl_help_attributes(o);
        printf("  %-16s %s\n  %-16s   %s\n", o->name, attributes, "", o->help);
    }
}

static void print_driver(const struct sl_driver_info *driver,
                         const struct sl_capability_info *capability)
{
    printf("%s: %s\n%s\n", driver->name, driver->service, driver->summary);
    printf("\n%sFeatures%s\n", sl_style_on(stdout, SL_STYLE_BOLD),
           sl_style_off(stdout));
    for (const struct sl_feature *f = capability->features; f->name != NULL;
         f++)
        printf("  %-4s%-14s %s\n", yes_or(driver, f, "no"), f->name, f->help);
    print_options("Settings", driver->options);
    SL_CLEANUP(sl_freep)
    char *title =
        sl_asprintf("Settings of every %s resource", capability->name);
    print_options(title, sl_service_options);
    print_options(NULL, capability->options);
}

static void markdown_head(void)
{
    printf("| setting | type | default | |\n|---|---|---|---|\n");
}

static void markdown_options(const struct sl_option *table)
{
    for (const struct sl_option *o = table; o->name != NULL; o++) {
        printf("| `%s` | %s | ", o->name, sl_option_type_text(o->type));
        if (o->required)
            printf("required");
        else if (o->fallback != NULL && o->fallback[0] != '\0')
            printf("`%s`", o->fallback);
        printf(" | %s%s |\n", o->help, o->secret ? " (a secret)" : "");
    }
}

static void markdown_driver(const struct sl_driver_info *driver,
                            const struct sl_capability_info *capability)
{
    printf("| feature | | |\n|---|---|---|\n");
    for (const struct sl_feature *f = capability->features; f->name != NULL;
         f++)
        printf("| %s | %s | %s |\n", f->name, yes_or(driver, f, "no"), f->help);
    putchar('\n');
    markdown_head();
    markdown_options(driver->options);
    printf("\nand of every %s resource:\n\n", capability->name);
    markdown_head();
    markdown_options(sl_service_options);
    markdown_options(capability->options);
}

/* One table for a capability: its drivers, and what each supports. */
static void markdown_capability(const struct sl_capability *capability)
{
    const struct sl_capability_info info = sl_capability_info(capability);
    const struct sl_driver *driver;

    printf("\n## %s\n\n| provider | service |", info.name);
    for (const struct sl_feature *f = info.features; f->name != NULL; f++)
        printf(" %s |", f->name);
    printf("\n|---|---|");
    for (const struct sl_feature *f = info.features; f->name != NULL; f++)
        printf("---|");
    putchar('\n');
    for (size_t i = 0; (driver = sl_capability_driver(capability, i)) != NULL;
         i++) {
        const struct sl_driver_info row = sl_driver_info(driver);
        printf("| [%s](%s.md) | %s |", row.name, row.name, row.service);
        for (const struct sl_feature *f = info.features; f->name != NULL; f++)
            printf(" %s |", yes_or(&row, f, "no"));
        putchar('\n');
    }
    printf("\n| feature | |\n|---|---|\n");
    for (const struct sl_feature *f = info.features; f->name != NULL; f++)
        printf("| %s | %s |\n", f->name, f->help);
}

static int fail_unknown_provider(const char *name)
{
    const char *nearest = sl_driver_nearest(name);

    if (sl_driver_is_left_out(name))
        sl_print_error("this slight was built without %s", name);
    else if (nearest != NULL)
        sl_print_error("unknown provider \"%s\"; did you mean \"%s\"?", name,
                       nearest);
    else
        sl_print_error("unknown provider \"%s\"; \"slight providers\" lists "
                       "them",
                       name);
    return SL_EXIT_USAGE;
}

static int run_providers(const struct sl_args *args)
{
    const char *name = sl_args_operand(args, 0);

    if (name == NULL && sl_args_has(args, "markdown")) {
        for (size_t i = 0; sl_capabilities[i] != NULL; i++)
            markdown_capability(sl_capabilities[i]);
        return SL_EXIT_OK;
    }
    if (name == NULL) {
        print_all_providers();
        return SL_EXIT_OK;
    }
    const struct sl_capability *capability;
    const struct sl_driver *driver = sl_driver_find(name, &capability);
    if (driver == NULL)
        return fail_unknown_provider(name);
    const struct sl_driver_info info = sl_driver_info(driver);
    const struct sl_capability_info all = sl_capability_info(capability);
    if (sl_args_has(args, "markdown"))
        markdown_driver(&info, &all);
    else
        print_driver(&info, &all);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "markdown",
     .help = "print the tables in Markdown, as in docs/providers/"},
    {0},
};

static const char *const examples[] = {
    "slight providers",
    "slight providers kv.redis",
    NULL,
};

extern const struct sl_command sl_command_providers;
const struct sl_command sl_command_providers = {
    .name = "providers",
    .summary = "list the services that a resource can use",
    .operands = "[NAME]",
    .text = "NAME is the type of a [[resource]], for example kv.redis. Calls "
            "of a feature\n"
            "that a provider lacks fail with \"unsupported\".\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_PROVIDER,
    .operands_max = 1,
    .run = run_providers,
};
