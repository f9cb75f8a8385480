/* SPDX-License-Identifier: Apache-2.0 */
#include "service/attributes.h"

#include <string.h>

#include "service/check.h"

size_t sl_attributes_bytes(const struct sl_pair *pairs, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += pairs[i].name.len + pairs[i].value.len;
    return bytes;
}

const struct sl_request_field sl_pair_fields[] = {
    SL_REQUEST_BYTES(struct sl_pair, name),
    SL_REQUEST_BYTES(struct sl_pair, value),
    {0},
};

/* Services that keep attributes by their names have one value for each. */
static bool has_name_before(const struct sl_pair *pairs, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (sl_bytes_equal(pairs[j].name, pairs[i].name))
            return true;
    return false;
}

enum sl_status sl_attributes_check(const struct sl_pair *pairs, size_t count,
                                   struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (count > SL_ATTRIBUTES_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%zu attributes: at most %d are allowed", count,
                       SL_ATTRIBUTES_MAX);
    if (sl_attributes_bytes(pairs, count) > SL_ATTRIBUTE_BYTES_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "attributes of %zu bytes: at most %d are allowed",
                       sl_attributes_bytes(pairs, count),
                       SL_ATTRIBUTE_BYTES_MAX);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        status = sl_check_text("the name of an attribute", pairs[i].name, 1,
                               SL_ATTRIBUTE_NAME_MAX, err);
        if (status == SL_OK)
            status = sl_check_text("the value of an attribute", pairs[i].value,
                                   0, SL_ATTRIBUTE_BYTES_MAX, err);
        if (status == SL_OK && has_name_before(pairs, i))
            status = sl_fail(err, SL_INVALID_ARGUMENT,
                             "two attributes of the same name");
    }
    return status;
}

/* --- Attributes in one piece: each text behind its length --------------- */

static enum sl_status pack_text(struct sl_buf *out, struct sl_bytes text,
                                struct sl_error *err)
{
    uint32_t len = (uint32_t)text.len;
    enum sl_status status =
        sl_buf_append(out, SL_BYTES(&len, sizeof(len)), err);

    return status == SL_OK ? sl_buf_append(out, text, err) : status;
}

enum sl_status sl_attributes_pack(const struct sl_pair *pairs, size_t count,
                                  struct sl_buf *out, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < count; i++) {
        status = pack_text(out, pairs[i].name, err);
        if (status == SL_OK)
            status = pack_text(out, pairs[i].value, err);
    }
    return status;
}

static bool unpack_text(struct sl_bytes *bytes, struct sl_bytes *text)
{
    uint32_t len;

    if (bytes->len < sizeof(len))
        return false;
    memcpy(&len, bytes->ptr, sizeof(len));
    if (bytes->len - sizeof(len) < len)
        return false;
    *text = SL_BYTES(bytes->ptr + sizeof(len), len);
    *bytes = SL_BYTES(text->ptr + len, bytes->len - sizeof(len) - len);
    return true;
}

bool sl_attributes_unpack(struct sl_bytes bytes,
                          struct sl_pair pairs[SL_ATTRIBUTES_MAX],
                          size_t *count)
{
    *count = 0;
    while (bytes.len > 0) {
        if (*count == SL_ATTRIBUTES_MAX)
            return false;
        if (!unpack_text(&bytes, &pairs[*count].name) ||
            !unpack_text(&bytes, &pairs[*count].value))
            return false;
        (*count)++;
    }
    return true;
}
