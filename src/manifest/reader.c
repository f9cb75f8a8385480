/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "manifest/fill.h"

void sl_manifest_add_problem(struct sl_manifest_reader *reader,
                             struct sl_toml_place place, const char *fmt, ...)
{
    char message[SL_ERROR_MESSAGE_MAX];
    va_list args;

    if (reader->problem_count == SL_MANIFEST_PROBLEMS_MAX)
        return;
    /* The values of a line with a syntax error are not what was written. */
    for (size_t i = 0; i < reader->syntax_count; i++)
        if (reader->problems[i].place.line == place.line)
            return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    reader->problems[reader->problem_count++] = (struct sl_manifest_problem){
        .place = place,
        .message = sl_strdup(message),
    };
}

void *sl_manifest_own(struct sl_manifest *manifest, void *block)
{
    manifest->owned = sl_realloc(manifest->owned, (manifest->owned_count + 1) *
                                                      sizeof(*manifest->owned));
    manifest->owned[manifest->owned_count++] = block;
    return block;
}

const char *sl_manifest_path(struct sl_manifest_reader *reader,
                             const char *path)
{
    if (path[0] == '/' || path[0] == '\0' || reader->folder[0] == '\0')
        return path;
    return sl_manifest_own(reader->manifest,
                           sl_asprintf("%s%s", reader->folder, path));
}

static const char *read_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *key,
                               bool is_address, bool *filled)
{
    const struct sl_manifest_filling filling = {reader->folder, is_address};
    struct sl_buf text = SL_BUF(SL_MANIFEST_TEXT_MAX);
    struct sl_error err;
    bool was_filled = false;

    if (value->type != SL_TOML_STRING) {
        sl_manifest_add_problem(reader, value->place,
                                "\"%s\": expected a string, found %s", key,
                                sl_manifest_type_text(value->type));
        return NULL;
    }
    if (sl_manifest_fill(value->text, &filling, &text, &was_filled, &err) !=
        SL_OK) {
        sl_manifest_add_problem(reader, value->place, "\"%s\": %s", key,
                                err.message);
        sl_buf_done(&text);
        return NULL;
    }
    if (filled != NULL)
        *filled = was_filled;
    char *owned = sl_strndup(text.ptr, text.len);
    sl_buf_done(&text);
    return sl_manifest_own(reader->manifest, owned);
}

const char *sl_manifest_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *key,
                               bool *filled)
{
    return read_string(reader, value, key, false, filled);
}

const char *sl_manifest_address(struct sl_manifest_reader *reader,
                                const struct sl_toml *value, const char *key,
                                bool *filled)
{
    return read_string(reader, value, key, true, filled);
}

const struct sl_toml *sl_manifest_get(const struct sl_toml *table,
                                      const char *key)
{
    for (size_t i = 0; i < table->child_count; i++)
        if (strcmp(table->children[i].key, key) == 0)
            return &table->children[i];
    return NULL;
}

struct sl_toml_place sl_manifest_place(const struct sl_toml *table,
                                       const char *key)
{
    const struct sl_toml *child = sl_manifest_get(table, key);

    return child != NULL ? child->place : table->place;
}

const char *sl_manifest_type_text(enum sl_toml_type type)
{
    switch (type) {
    case SL_TOML_STRING:
        return "a string";
    case SL_TOML_INTEGER:
        return "an integer";
    case SL_TOML_FLOAT:
        return "a float";
    case SL_TOML_BOOLEAN:
        return "a boolean";
    case SL_TOML_DATETIME:
        return "a date";
    case SL_TOML_ARRAY:
        return "an array";
    case SL_TOML_TABLE:
        return "a table";
    }
    return "something else";
}

enum sl_status sl_manifest_check_name(const void *field, struct sl_error *err)
{
    const char *name = *(const char *const *)field;

    if (sl_manifest_is_name(sl_bytes_of(name)))
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a name is 1 to %d letters, digits, \".\", \"_\" and \"-\"",
                   SL_MANIFEST_NAME_MAX);
}
