/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes: borrowed, owned and growing, held. */
#include "base/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct sl_bytes sl_bytes_of(const char *text)
{
    return SL_BYTES(text, strlen(text));
}

bool sl_bytes_equal(struct sl_bytes a, struct sl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool sl_bytes_start_with(struct sl_bytes bytes, struct sl_bytes prefix)
{
    return bytes.len >= prefix.len &&
           sl_bytes_equal(SL_BYTES(bytes.ptr, prefix.len), prefix);
}

/*
 * How long a character of UTF-8 starting at s is, with `left` bytes there; 0
 * where it is malformed.  Unicode 15, table 3-7: no surrogates, nothing
 * overlong, nothing past U+10FFFF.
 */
static size_t utf8_len(const uint8_t *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

bool sl_bytes_are_text(struct sl_bytes bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        size_t len = utf8_len(bytes.ptr + i, bytes.len - i);
        if (len == 0 || bytes.ptr[i] == '\0')
            return false;
        i += len;
    }
    return true;
}

bool sl_bytes_to_integer(struct sl_bytes text, int64_t *out)
{
    char copy[24], written[24];

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    int64_t number = strtoll(copy, NULL, 10);
    snprintf(written, sizeof(written), "%" PRId64, number);
    if (!sl_bytes_equal(text, sl_bytes_of(written)))
        return false;
    *out = number;
    return true;
}

enum sl_status sl_buf_reserve(struct sl_buf *buf, size_t more,
                              struct sl_error *err)
{
    if (more > buf->limit || buf->len > buf->limit - more)
        return sl_fail(err, SL_TOO_LARGE, "more than the limit of %zu bytes",
                       buf->limit);

    size_t needed = buf->len + more;
    if (needed <= buf->capacity)
        return SL_OK;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buf->limit)
        capacity = buf->limit;

    /* Sized by others, so running out of memory is an answer, not the end. */
    uint8_t *ptr = realloc(buf->ptr, capacity);
    if (ptr == NULL)
        return sl_fail(err, SL_TOO_LARGE, "no memory for %zu bytes", capacity);
    buf->ptr = ptr;
    buf->capacity = capacity;
    return SL_OK;
}

enum sl_status sl_buf_append(struct sl_buf *buf, struct sl_bytes bytes,
                             struct sl_error *err)
{
    enum sl_status status = sl_buf_reserve(buf, bytes.len, err);

    if (status != SL_OK || bytes.len == 0)
        return status;
    memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
    buf->len += bytes.len;
    return SL_OK;
}

enum sl_status sl_buf_printf(struct sl_buf *buf, struct sl_error *err,
                             const char *fmt, ...)
{
    SL_CLEANUP(sl_freep) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        text = NULL; /* vasprintf leaves it undefined */
        return sl_fail(err, SL_TOO_LARGE, "no memory for a text");
    }
    return sl_buf_append(buf, SL_BYTES(text, (size_t)len), err);
}

uint64_t sl_bytes_hash(struct sl_bytes bytes, uint64_t before)
{
    uint64_t hash = before ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

struct sl_bytes sl_buf_bytes(const struct sl_buf *buf)
{
    return SL_BYTES(buf->ptr, buf->len);
}

void sl_buf_clear(struct sl_buf *buf)
{
    buf->len = 0;
}

void sl_buf_done(struct sl_buf *buf)
{
    free(buf->ptr);
    *buf = (struct sl_buf)SL_BUF(buf->limit);
}

void sl_held_done(struct sl_held *held)
{
    if (held->release != NULL)
        held->release(held->owner);
    *held = (struct sl_held){0};
}

void sl_held_take_buf(struct sl_held *held, struct sl_buf *buf)
{
    *held = (struct sl_held){
        .bytes = sl_buf_bytes(buf),
        .owner = buf->ptr,
        .release = free,
    };
    *buf = (struct sl_buf)SL_BUF(buf->limit); /* handed over */
}

enum sl_status sl_held_copy(struct sl_held *held, struct sl_bytes bytes,
                            struct sl_error *err)
{
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);

    if (copy == NULL)
        return sl_fail(err, SL_TOO_LARGE, "no memory for %zu bytes", bytes.len);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    *held = (struct sl_held){
        .bytes = SL_BYTES(copy, bytes.len),
        .owner = copy,
        .release = free,
    };
    return SL_OK;
}
