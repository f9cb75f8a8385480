/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/excerpt.h"

#include <string.h>

struct sl_manifest_excerpt sl_manifest_excerpt(const char *text)
{
    struct sl_manifest_excerpt excerpt = {{0}};
    size_t len = 0;

    for (; text[len] != '\0' && len < 64; len++)
        excerpt.text[len] = (unsigned char)text[len] < ' ' || text[len] == 0x7f
                                ? '?'
                                : text[len];
    if (text[len] == '\0')
        return excerpt;
    /* Not in the middle of a character. */
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(excerpt.text + len, "...", sizeof("..."));
    return excerpt;
}
