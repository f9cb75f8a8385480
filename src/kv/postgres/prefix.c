/* SPDX-License-Identifier: Apache-2.0 */
/* The order of UTF-8 by bytes is that of its code points. */
#include "kv/postgres/prefix.h"

#include <string.h>

enum {
    LAST = 0x10ffff,
    BEFORE_SURROGATES = 0xd7ff,
    BEHIND_SURROGATES = 0xe000
};

/* The last character of text, which is not empty; its size. */
static size_t last_of(struct sl_bytes text, uint32_t *point)
{
    size_t size = 1;

    while ((text.ptr[text.len - size] & 0xc0) == 0x80)
        size++;
    const uint8_t *c = text.ptr + text.len - size;
    *point = size == 1 ? c[0] : c[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++)
        *point = *point << 6 | (c[i] & 0x3fu);
    return size;
}

static size_t write_point(char *out, uint32_t point)
{
    unsigned more = point < 0x80      ? 0
                    : point < 0x800   ? 1
                    : point < 0x10000 ? 2
                                      : 3;
    unsigned mark = more == 0 ? 0 : 0xff00u >> (more + 1) & 0xffu;

    out[0] = (char)(uint8_t)(mark | point >> (6 * more));
    for (unsigned i = 1; i <= more; i++)
        out[i] = (char)(uint8_t)(0x80 | (point >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

bool sl_kv_postgres_prefix_end(struct sl_bytes prefix,
                               char end[SL_KV_KEY_MAX + 1], size_t *len)
{
    struct sl_bytes rest = prefix;
    uint32_t point = LAST;

    while (rest.len > 0 && point == LAST)
        rest.len -= last_of(rest, &point);
    if (point == LAST)
        return false;
    point = point == BEFORE_SURROGATES ? BEHIND_SURROGATES : point + 1;
    if (rest.len > 0)
        memcpy(end, rest.ptr, rest.len);
    *len = rest.len + write_point(end + rest.len, point);
    return true;
}
