/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight providers: the drivers of this build, from their own tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/command.h"
#include "cli/print.h"
#include "kv/info.h"

static const char *yes_or(const struct sl_kv_info *driver,
                          const struct sl_kv_feature_info *feature,
                          const char *no)
{
    return (driver->features & feature->bit) != 0 ? "yes" : no;
}

static int widest_service(void)
{
    size_t widest = strlen("SERVICE");

    for (size_t i = 0; sl_kv_driver_at(i) != NULL; i++) {
        size_t len = strlen(sl_kv_driver_info(sl_kv_driver_at(i)).service);
        if (len > widest)
            widest = len;
    }
    return (int)widest;
}

static void print_table(void)
{
    const struct sl_kv_feature_info *f;
    int width = widest_service();

    printf("%s%-10s  %-*s", sl_style_on(stdout, SL_STYLE_BOLD), "PROVIDER",
           width, "SERVICE");
    for (f = sl_kv_features; f->name != NULL; f++)
        printf("  %s", f->name);
    printf("%s\n", sl_style_off(stdout));
    for (size_t i = 0; sl_kv_driver_at(i) != NULL; i++) {
        const struct sl_kv_info driver = sl_kv_driver_info(sl_kv_driver_at(i));
        printf("%-10s  %-*s", driver.name, width, driver.service);
        for (f = sl_kv_features; f->name != NULL; f++)
            printf("  %-*s", (int)strlen(f->name), yes_or(&driver, f, "-"));
        putchar('\n');
    }
    printf("\n\"slight providers NAME\" lists the settings of one.\n");
}

static void print_options(const char *title, const struct sl_option *table)
{
    printf("\n%s%s%s\n", sl_style_on(stdout, SL_STYLE_BOLD), title,
           sl_style_off(stdout));
    for (const struct sl_option *o = table; o->name != NULL; o++) {
        printf("  %-16s %s", o->name, sl_option_type_text(o->type));
        if (o->required)
            printf(", required");
        else if (o->fallback != NULL && o->fallback[0] != '\0')
            printf(", default %s", o->fallback);
        printf("%s\n  %-16s   %s\n", o->secret ? ", secret" : "", "", o->help);
    }
}

static void print_driver(const struct sl_kv_info *driver)
{
    printf("%s: %s\n%s\n", driver->name, driver->service, driver->summary);
    printf("\n%sIt has%s\n", sl_style_on(stdout, SL_STYLE_BOLD),
           sl_style_off(stdout));
    for (const struct sl_kv_feature_info *f = sl_kv_features; f->name != NULL;
         f++)
        printf("  %-4s%-14s %s\n", yes_or(driver, f, "no"), f->name, f->help);
    print_options("Its settings", driver->options);
    print_options("Settings of every kv resource", sl_kv_options);
}

static void markdown_options(const struct sl_option *table)
{
    printf("| setting | type | default | |\n|---|---|---|---|\n");
    for (const struct sl_option *o = table; o->name != NULL; o++) {
        printf("| `%s` | %s | ", o->name, sl_option_type_text(o->type));
        if (o->required)
            printf("required");
        else if (o->fallback != NULL && o->fallback[0] != '\0')
            printf("`%s`", o->fallback);
        printf(" | %s%s |\n", o->help, o->secret ? " (a secret)" : "");
    }
}

static void markdown_driver(const struct sl_kv_info *driver)
{
    printf("| feature | | |\n|---|---|---|\n");
    for (const struct sl_kv_feature_info *f = sl_kv_features; f->name != NULL;
         f++)
        printf("| %s | %s | %s |\n", f->name, yes_or(driver, f, "no"), f->help);
    putchar('\n');
    markdown_options(driver->options);
    printf("\nand of every kv resource:\n\n");
    markdown_options(sl_kv_options);
}

static int unknown_provider(const char *name)
{
    const char *nearest = sl_kv_driver_nearest(name);

    if (nearest != NULL)
        sl_print_error("there is no provider \"%s\"; did you mean \"%s\"?",
                       name, nearest);
    else
        sl_print_error("there is no provider \"%s\"; \"slight providers\" "
                       "lists them",
                       name);
    return SL_EXIT_USAGE;
}

static int run_providers(const struct sl_args *args)
{
    const char *name = sl_args_operand(args, 0);

    if (name == NULL && sl_args_has(args, "markdown")) {
        sl_print_error("--markdown goes with the name of a provider");
        return SL_EXIT_USAGE;
    }
    if (name == NULL) {
        print_table();
        return SL_EXIT_OK;
    }
    const struct sl_kv_driver *driver = sl_kv_driver_find(name);
    if (driver == NULL)
        return unknown_provider(name);
    const struct sl_kv_info info = sl_kv_driver_info(driver);
    if (sl_args_has(args, "markdown"))
        markdown_driver(&info);
    else
        print_driver(&info);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "markdown",
     .help = "the tables of one, as docs/providers/ has them"},
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
    .summary = "list the services that a resource can be bound to",
    .operands = "[NAME]",
    .text = "NAME is the type of a [[resource]], for example kv.redis. What a "
            "provider has not\n"
            "is answered to the component with the error \"unsupported\".\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_PROVIDER,
    .operands_max = 1,
    .run = run_providers,
};
