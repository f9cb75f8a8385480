/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by Jansson: a struct sl_json is its json_t. */
#include "net/http/json.h"

#include <jansson.h>
#include <string.h>

#include "net/base64.h"

enum { DEPTH_MAX = 64 };

static const json_t *to_jansson(const struct sl_json *json)
{
    return (const json_t *)(const void *)json;
}

static const struct sl_json *from_jansson(const json_t *json)
{
    return (const struct sl_json *)(const void *)json;
}

/* Jansson's own limit is 2048 levels, and each level takes stack. */
static bool is_deep(struct sl_bytes text)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MAX)
            return true;
    }
    return false;
}

enum sl_status sl_json_parse(struct sl_bytes text, struct sl_json **out,
                             struct sl_error *err)
{
    json_error_t error;

    if (is_deep(text))
        return sl_fail(err, SL_INVALID_ARGUMENT, "JSON of more than %d levels",
                       DEPTH_MAX);
    json_t *json = json_loadb(text.len == 0 ? "" : (const char *)text.ptr,
                              text.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "invalid JSON at byte %d",
                       error.position);
    *out = (struct sl_json *)(void *)json;
    return SL_OK;
}

void sl_json_free(struct sl_json *json)
{
    json_decref((json_t *)(void *)json);
}

const struct sl_json *sl_json_get(const struct sl_json *object,
                                  const char *name)
{
    return from_jansson(json_object_get(to_jansson(object), name));
}

size_t sl_json_count(const struct sl_json *array)
{
    return json_array_size(to_jansson(array));
}

const struct sl_json *sl_json_at(const struct sl_json *array, size_t index)
{
    return from_jansson(json_array_get(to_jansson(array), index));
}

struct sl_bytes sl_json_text(const struct sl_json *object, const char *name)
{
    const json_t *text = json_object_get(to_jansson(object), name);

    if (!json_is_string(text))
        return SL_BYTES(NULL, 0);
    return SL_BYTES(json_string_value(text), json_string_length(text));
}

bool sl_json_true(const struct sl_json *object, const char *name)
{
    return json_is_true(json_object_get(to_jansson(object), name));
}

int64_t sl_json_integer(const struct sl_json *object, const char *name)
{
    const json_t *number = json_object_get(to_jansson(object), name);
    int64_t value = 0;

    if (json_is_integer(number))
        return json_integer_value(number);
    if (!sl_bytes_to_integer(sl_json_text(object, name), &value))
        return 0;
    return value;
}

enum sl_status sl_json_base64(const struct sl_json *object, const char *name,
                              struct sl_buf *out, struct sl_error *err)
{
    return sl_base64_decode(sl_json_text(object, name), out, err);
}

enum sl_status sl_json_append(struct sl_buf *out, struct sl_bytes text,
                              struct sl_error *err)
{
    enum sl_status status = sl_buf_append(out, SL_LITERAL("\""), err);

    for (size_t i = 0; i < text.len && status == SL_OK; i++) {
        uint8_t c = text.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            status = sl_buf_printf(out, err, "\\u%04x", c);
        else
            status = sl_buf_append(out, SL_BYTES(&text.ptr[i], 1), err);
    }
    if (status == SL_OK)
        status = sl_buf_append(out, SL_LITERAL("\""), err);
    return status;
}
