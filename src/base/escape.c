/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escapes.  Runs of characters that are shown as they are go out as one piece.
 */
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/*
 * Unicode 16: Cc, Cf, Zl, Zp, the noncharacters of the first plane, and what is
 * Default_Ignorable; without U+FE00 to U+FE0F.  In order.
 */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},
    {0x034f, 0x034f},   {0x0600, 0x0605},   {0x061c, 0x061c},
    {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x0890, 0x0891},
    {0x08e2, 0x08e2},   {0x115f, 0x1160},   {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f},   {0x3164, 0x3164},   {0xd800, 0xdfff},
    {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

bool sl_is_printable(uint32_t character)
{
    size_t low = 0, high = sizeof(hidden) / sizeof(hidden[0]);

    if (character >= ' ' && character < 0x7f)
        return true;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (character > hidden[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return (low == sizeof(hidden) / sizeof(hidden[0]) ||
            character < hidden[low].first) &&
           (character & 0xfffe) != 0xfffe && character <= 0x10ffff;
}

/* How many bytes a character has that begins so; 0: none does. */
static size_t length_of(uint8_t first)
{
    return first < 0x80                    ? 1
           : first >= 0xc2 && first < 0xe0 ? 2
           : (first & 0xf0) == 0xe0        ? 3
           : first >= 0xf0 && first < 0xf5 ? 4
                                           : 0;
}

/* The length of the character that text begins with; 0: it is not UTF-8. */
static size_t decode_character(struct sl_bytes text, uint32_t *character)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const uint8_t *p = text.ptr;
    size_t len = length_of(p[0]);

    if (len == 0 || len > text.len)
        return 0;
    *character = p[0] & masks[len];
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (p[i] & 0x3f);
    }
    /* No longer than need be, no surrogate, nothing beyond the last one. */
    if ((len == 3 && *character < 0x800) ||
        (len == 4 && (*character < 0x10000 || *character > 0x10ffff)) ||
        (*character >= 0xd800 && *character <= 0xdfff))
        return 0;
    return len;
}

static bool is_shown(uint32_t character, enum sl_escape how)
{
    switch (how) {
    case SL_ESCAPE_LINE:
        return sl_is_printable(character);
    case SL_ESCAPE_LINES:
        return character == '\n' || character == '\t' ||
               sl_is_printable(character);
    case SL_ESCAPE_QUOTED:
        return character != '"' && character != '\\' &&
               sl_is_printable(character);
    }
    return false;
}

static void put_escape(FILE *out, uint32_t character, enum sl_escape how)
{
    if (character == '"' || character == '\\')
        fprintf(out, "\\%c", (int)character);
    else if (character == '\n')
        fputs("\\n", out);
    else if (character == '\r')
        fputs("\\r", out);
    else if (character == '\t')
        fputs("\\t", out);
    else if (character <= 0xffff)
        fprintf(out, "\\u%04x", (unsigned)character);
    else if (how != SL_ESCAPE_QUOTED)
        fprintf(out, "\\U%08x", (unsigned)character);
    else
        fprintf(out, "\\u%04x\\u%04x",
                (unsigned)(0xd800 + ((character - 0x10000) >> 10)),
                (unsigned)(0xdc00 + ((character - 0x10000) & 0x3ff)));
}

static void put_byte(FILE *out, uint8_t byte, enum sl_escape how)
{
    if (how == SL_ESCAPE_QUOTED)
        fputs("\xef\xbf\xbd", out);
    else
        fprintf(out, "\\x%02x", byte);
}

void sl_escape(FILE *out, struct sl_bytes text, enum sl_escape how)
{
    size_t begin = 0, at = 0;

    while (at < text.len) {
        uint32_t character = 0;
        size_t len = decode_character(SL_BYTES(text.ptr + at, text.len - at),
                                      &character);
        if (len > 0 && is_shown(character, how)) {
            at += len;
            continue;
        }
        fwrite(text.ptr + begin, 1, at - begin, out);
        if (len > 0)
            put_escape(out, character, how);
        else
            put_byte(out, text.ptr[at], how);
        at += len > 0 ? len : 1;
        begin = at;
    }
    if (at > begin)
        fwrite(text.ptr + begin, 1, at - begin, out);
}

char *sl_escaped(struct sl_bytes text, enum sl_escape how)
{
    char *shown = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&shown, &len);

    if (out == NULL)
        return sl_strdup("");
    sl_escape(out, text, how);
    if (fclose(out) == 0)
        return shown;
    free(shown);
    return sl_strdup("");
}

size_t sl_escape_incomplete(struct sl_bytes text)
{
    for (size_t back = 1; back <= 3 && back <= text.len; back++) {
        uint8_t byte = text.ptr[text.len - back];
        if ((byte & 0xc0) != 0x80)
            return length_of(byte) > back ? back : 0;
    }
    return 0;
}
