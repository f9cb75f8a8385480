/* SPDX-License-Identifier: Apache-2.0 */
#include "net/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum sl_status sl_base64_append(struct sl_buf *out, struct sl_bytes bytes,
                                struct sl_error *err)
{
    const uint8_t *from = bytes.ptr;
    size_t left = bytes.len;
    enum sl_status status = sl_buf_reserve(out, (bytes.len + 2) / 3 * 4, err);

    if (status != SL_OK || bytes.len == 0)
        return status;
    uint8_t *to = out->ptr + out->len;
    for (; left > 0; from += 3, to += 4) {
        size_t have = left < 3 ? left : 3;
        uint32_t group = (uint32_t)from[0] << 16;
        if (have > 1)
            group |= (uint32_t)from[1] << 8;
        if (have > 2)
            group |= from[2];
        to[0] = (uint8_t)alphabet[group >> 18];
        to[1] = (uint8_t)alphabet[group >> 12 & 63];
        to[2] = have > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        to[3] = have > 2 ? (uint8_t)alphabet[group & 63] : '=';
        left -= have;
    }
    out->len += (bytes.len + 2) / 3 * 4;
    return SL_OK;
}

/* What a character stands for; 64: nothing. */
static uint32_t value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - (uint32_t)'A';
    if (c >= 'a' && c <= 'z')
        return c - (uint32_t)'a' + 26;
    if (c >= '0' && c <= '9')
        return c - (uint32_t)'0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* The bytes of four characters, of which the last `padding` are '='. */
static bool decode_group(const uint8_t *from, size_t padding, uint8_t out[3])
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t value = i < 4 - padding ? value_of(from[i]) : 0;
        if (value > 63)
            return false;
        group = group << 6 | value;
    }
    out[0] = (uint8_t)(group >> 16);
    out[1] = (uint8_t)(group >> 8);
    out[2] = (uint8_t)group;
    /* What padding hides must be nothing. */
    return padding == 0 || (group & (padding == 1 ? 0xffU : 0xffffU)) == 0;
}

enum sl_status sl_base64_decode(struct sl_bytes text, struct sl_buf *out,
                                struct sl_error *err)
{
    const size_t before = out->len;
    size_t padding = 0;

    if (text.len % 4 != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "no base64");
    if (text.len > 0 && text.ptr[text.len - 1] == '=')
        padding = text.ptr[text.len - 2] == '=' ? 2 : 1;
    enum sl_status status = sl_buf_reserve(out, text.len / 4 * 3, err);
    if (status != SL_OK || text.len == 0)
        return status;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        if (!decode_group(text.ptr + i, last ? padding : 0,
                          out->ptr + out->len)) {
            out->len = before;
            return sl_fail(err, SL_INVALID_ARGUMENT, "no base64");
        }
        out->len += last ? 3 - padding : 3;
    }
    return SL_OK;
}
