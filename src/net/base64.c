/* SPDX-License-Identifier: Apache-2.0 */
#include "net/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

enum { LENGTH_MAX = INT_MAX / 4 * 3 }; /* OpenSSL counts in int */

static enum sl_status check_length(size_t len, struct sl_error *err)
{
    return len <= LENGTH_MAX
               ? SL_OK
               : sl_fail(err, SL_TOO_LARGE, "base64 of more than %d bytes",
                         LENGTH_MAX);
}

enum sl_status sl_base64_append(struct sl_buf *out, struct sl_bytes bytes,
                                struct sl_error *err)
{
    const size_t encoded = (bytes.len + 2) / 3 * 4;
    enum sl_status status = check_length(bytes.len, err);
    unsigned char last[5];

    if (status == SL_OK)
        status = sl_buf_reserve(out, encoded, err);
    if (status != SL_OK || bytes.len == 0)
        return status;
    /* EVP_EncodeBlock also writes a NUL, for which the last group has room. */
    size_t head = (bytes.len - 1) / 3 * 3;
    uint8_t *to = out->ptr + out->len;
    EVP_EncodeBlock(to, bytes.ptr, (int)head);
    EVP_EncodeBlock(last, bytes.ptr + head, (int)(bytes.len - head));
    memcpy(to + encoded - 4, last, 4);
    out->len += encoded;
    return SL_OK;
}

/* EVP_DecodeBlock skips white space and stops at other characters. */
static bool is_alphabet(struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return false;
    }
    return true;
}

/* Whether the bits of the last group that padding hides are 0. */
static bool is_canonical(const uint8_t *group, const uint8_t *decoded,
                         size_t len)
{
    unsigned char again[5];

    EVP_EncodeBlock(again, decoded, (int)len);
    return memcmp(group, again, 4) == 0;
}

enum sl_status sl_base64_decode(struct sl_bytes text, struct sl_buf *out,
                                struct sl_error *err)
{
    size_t padding = 0;
    enum sl_status status = check_length(text.len, err);

    if (status == SL_OK && text.len % 4 != 0)
        status = sl_fail(err, SL_INVALID_ARGUMENT, "invalid base64");
    if (status == SL_OK)
        status = sl_buf_reserve(out, text.len / 4 * 3, err);
    if (status != SL_OK || text.len == 0)
        return status;
    if (text.ptr[text.len - 1] == '=')
        padding = text.ptr[text.len - 2] == '=' ? 2 : 1;
    uint8_t *to = out->ptr + out->len;
    const size_t whole = text.len / 4 * 3;
    if (!is_alphabet(SL_BYTES(text.ptr, text.len - padding)) ||
        EVP_DecodeBlock(to, text.ptr, (int)text.len) != (int)whole ||
        !is_canonical(text.ptr + text.len - 4, to + whole - 3, 3 - padding))
        return sl_fail(err, SL_INVALID_ARGUMENT, "invalid base64");
    out->len += whole - padding;
    return SL_OK;
}
