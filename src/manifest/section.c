/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A setting whose name has a dot, such as "retry.attempts", is a key of an
 * inner table: retry = { attempts = 3 }.
 */
#include "manifest/section.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hide.h"
#include "manifest/excerpt.h"

enum { FULL_NAME_MAX = 256 };

struct walk {
    struct sl_manifest_reader *reader;
    const char *title;
    const struct sl_manifest_section *sections;
    const struct sl_manifest_key *others;
};

/* The value of "retry.attempts": attempts in the table retry. */
static const struct sl_toml *get_dotted(const struct sl_toml *table,
                                        const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL)
        return sl_manifest_get(table, name);

    SL_CLEANUP(sl_freep) char *first = sl_strndup(name, (size_t)(dot - name));
    const struct sl_toml *inner = sl_manifest_get(table, first);
    if (inner == NULL || inner->type != SL_TOML_TABLE)
        return NULL;
    return get_dotted(inner, dot + 1);
}

/* The value of a reference is text, which is read as a number or a boolean when
 * the option has that type. */
static void convert_filled(const struct sl_option *option, const char *text,
                           struct sl_setting_value *value)
{
    char *end;

    if (option->type == SL_OPTION_BOOLEAN &&
        (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        value->type = SL_SETTING_BOOLEAN;
        value->boolean = text[0] == 't';
    } else if (option->type == SL_OPTION_INTEGER && text[0] != '\0') {
        errno = 0;
        long long number = strtoll(text, &end, 10);
        if (errno == 0 && *end == '\0') {
            value->type = SL_SETTING_INTEGER;
            value->integer = number;
        }
    }
}

/* "an integer", "a duration" */
static const char *article_of(enum sl_option_type type)
{
    return strchr("aeiou", sl_option_type_text(type)[0]) != NULL ? "an" : "a";
}

/* False after a problem. */
static bool read_option_value(struct walk *walk, const struct sl_option *option,
                              const char *name, const struct sl_toml *node,
                              struct sl_setting_value *value, bool *filled)
{
    switch (node->type) {
    case SL_TOML_STRING:
        value->type = SL_SETTING_TEXT;
        value->text =
            option->port != 0
                ? sl_manifest_address(walk->reader, node, name, filled)
                : sl_manifest_string(walk->reader, node, name, filled);
        if (value->text == NULL)
            return false;
        if (*filled)
            convert_filled(option, value->text, value);
        if (option->type == SL_OPTION_PATH)
            value->text = sl_manifest_path(walk->reader, value->text);
        return true;
    case SL_TOML_INTEGER:
        value->type = SL_SETTING_INTEGER;
        value->integer = node->integer;
        return true;
    case SL_TOML_BOOLEAN:
        value->type = SL_SETTING_BOOLEAN;
        value->boolean = node->boolean;
        return true;
    case SL_TOML_FLOAT:
    case SL_TOML_DATETIME:
    case SL_TOML_ARRAY:
    case SL_TOML_TABLE:
        break;
    }
    sl_manifest_add_problem(
        walk->reader, node->place, "\"%s\": expected %s %s, found %s", name,
        article_of(option->type), sl_option_type_text(option->type),
        sl_manifest_type_text(node->type));
    return false;
}

static void hide_secret(struct sl_manifest_reader *reader, const char *text,
                        bool is_address)
{
    struct sl_hidden *before = reader->hidden;

    reader->hidden = sl_hidden_add(before, text, is_address);
    for (struct sl_hidden *e = reader->hidden; e != before; e = e->next)
        sl_manifest_own(reader->manifest, e);
}

static void set_option(struct walk *walk,
                       const struct sl_manifest_section *section,
                       const struct sl_option *option,
                       const struct sl_toml *node)
{
    struct sl_setting_value value = {0};
    struct sl_error err;
    bool filled = false;

    if (!read_option_value(walk, option, option->name, node, &value, &filled))
        return;
    if (filled && value.type == SL_SETTING_TEXT)
        hide_secret(walk->reader, value.text, option->port != 0);
    if (sl_option_set(option, &value, section->target, &err) == SL_OK)
        return;
    /* The message may show the value, which is a secret; the message about an
     * address never does. */
    if (filled && option->port == 0)
        sl_manifest_add_problem(walk->reader, node->place,
                                "\"%s\": the value of ${...} is not accepted; "
                                "expected %s %s: %s",
                                option->name, article_of(option->type),
                                sl_option_type_text(option->type),
                                option->help);
    else
        sl_manifest_add_problem(walk->reader, node->place, "\"%s\": %s",
                                option->name, err.message);
}

/* Every known key, for sl_nearest. */
static const char **known_names(const struct walk *walk)
{
    const char **names = sl_alloc_array(1, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; walk->sections[i].options != NULL; i++) {
        for (const struct sl_option *o = walk->sections[i].options;
             o->name != NULL; o++) {
            names = sl_realloc(names, (count + 2) * sizeof(*names));
            names[count++] = o->name;
        }
    }
    for (const struct sl_manifest_key *k = walk->others; k->name != NULL; k++) {
        names = sl_realloc(names, (count + 2) * sizeof(*names));
        names[count++] = k->name;
    }
    names[count] = NULL;
    return names;
}

static void add_unknown_key(struct walk *walk, const struct sl_toml *node,
                            const char *name)
{
    const char **names = known_names(walk);
    const char *nearest = sl_nearest(name, names);

    if (nearest != NULL) {
        sl_manifest_add_problem(
            walk->reader, node->key_place,
            "unknown key \"%s\" in %s; did you mean \"%s\"?",
            sl_manifest_excerpt(name).text, walk->title, nearest);
    } else {
        struct sl_buf list = SL_BUF(400);
        for (size_t i = 0; names[i] != NULL; i++)
            if (sl_buf_printf(&list, NULL, "%s%s", i > 0 ? ", " : "",
                              names[i]) != SL_OK)
                break;
        sl_manifest_add_problem(walk->reader, node->key_place,
                                "unknown key \"%s\" in %s; it takes %.*s",
                                sl_manifest_excerpt(name).text, walk->title,
                                (int)list.len, (const char *)list.ptr);
        sl_buf_done(&list);
    }
    free(names);
}

/* Whether a known name is name, or starts with name and a dot. */
static bool is_inner_table(const struct walk *walk, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; walk->sections[i].options != NULL; i++)
        for (const struct sl_option *o = walk->sections[i].options;
             o->name != NULL; o++)
            if (strncmp(o->name, name, len) == 0 && o->name[len] == '.')
                return true;
    return false;
}

static bool is_other(const struct walk *walk, const char *name)
{
    for (const struct sl_manifest_key *k = walk->others; k->name != NULL; k++)
        if (strcmp(k->name, name) == 0)
            return true;
    return false;
}

static const struct sl_manifest_section *
find_section(const struct walk *walk, const char *name,
             const struct sl_option **option)
{
    for (size_t i = 0; walk->sections[i].options != NULL; i++) {
        *option = sl_option_find(walk->sections[i].options, name);
        if (*option != NULL)
            return &walk->sections[i];
    }
    return NULL;
}

static void read_table(struct walk *walk, const struct sl_toml *table,
                       const char *prefix);

static void read_key(struct walk *walk, const struct sl_toml *node,
                     const char *prefix)
{
    SL_CLEANUP(sl_freep) char *name = sl_asprintf("%s%s", prefix, node->key);
    const struct sl_option *option = NULL;
    /* A dot in a quoted key does not separate names. */
    bool plain = strchr(node->key, '.') == NULL;
    const struct sl_manifest_section *section =
        plain ? find_section(walk, name, &option) : NULL;

    if (section != NULL)
        set_option(walk, section, option, node);
    else if (plain && is_inner_table(walk, name) && node->type == SL_TOML_TABLE)
        read_table(walk, node, name);
    else if (plain && is_inner_table(walk, name))
        sl_manifest_add_problem(walk->reader, node->place,
                                "\"%s\": expected a table, found %s", name,
                                sl_manifest_type_text(node->type));
    else if (!is_other(walk, name))
        add_unknown_key(walk, node, name);
}

static void read_table(struct walk *walk, const struct sl_toml *table,
                       const char *prefix)
{
    char dotted[FULL_NAME_MAX] = "";

    if (prefix[0] != '\0')
        snprintf(dotted, sizeof(dotted), "%s.", prefix);
    for (size_t i = 0; i < table->child_count; i++)
        read_key(walk, &table->children[i], dotted);
}

static void check_required(struct walk *walk, const struct sl_toml *table,
                           const struct sl_manifest_section *section)
{
    for (const struct sl_option *o = section->options; o->name != NULL; o++)
        if (o->required && get_dotted(table, o->name) == NULL)
            sl_manifest_add_problem(walk->reader, table->place,
                                    "%s needs \"%s\": %s", walk->title, o->name,
                                    o->help);
}

/* The default of a path is relative to the manifest like any other path. */
static void set_defaults(struct walk *walk,
                         const struct sl_manifest_section *section)
{
    sl_options_default(section->options, section->target);
    for (const struct sl_option *o = section->options; o->name != NULL; o++) {
        if (o->type != SL_OPTION_PATH || o->fallback == NULL)
            continue;
        const char **field =
            (const char **)((char *)section->target + o->offset);
        *field = sl_manifest_path(walk->reader, o->fallback);
    }
}

void sl_manifest_read_section(struct sl_manifest_reader *reader,
                              const struct sl_toml *table, const char *title,
                              const struct sl_manifest_section *sections,
                              const struct sl_manifest_key *others)
{
    struct walk walk = {
        .reader = reader,
        .title = title,
        .sections = sections,
        .others = others,
    };

    for (size_t i = 0; sections[i].options != NULL; i++)
        set_defaults(&walk, &sections[i]);
    read_table(&walk, table, "");
    for (size_t i = 0; reader->syntax_count == 0 && sections[i].options != NULL;
         i++)
        check_required(&walk, table, &sections[i]);
}
