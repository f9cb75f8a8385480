/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hide.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"

static const char mark[] = "${...}";

static struct sl_hidden *add_hidden(struct sl_hidden *list, const char *text,
                                    size_t len)
{
    if (len == 0)
        return list;
    struct sl_hidden *entry = sl_alloc(sizeof(*entry) + len + 1);
    memcpy(entry->text, text, len);
    entry->next = list;
    return entry;
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr(digits, tolower((unsigned char)c));

    return c == '\0' || at == NULL ? -1 : (int)(at - digits);
}

/* A part of a URL: as it is written, and as it is meant. */
static struct sl_hidden *add_part(struct sl_hidden *list, const char *text,
                                  size_t len)
{
    list = add_hidden(list, text, len);
    if (len == 0 || memchr(text, '%', len) == NULL)
        return list;
    SL_CLEANUP(sl_freep) char *meant = sl_alloc(len + 1);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? digit_of(text[i + 1]) : -1;
        int low = high >= 0 ? digit_of(text[i + 2]) : -1;
        meant[used++] = low >= 0 ? (char)(high * 16 + low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    return add_hidden(list, meant, strnlen(meant, used));
}

/* [user[:password]@]host[:port] */
static struct sl_hidden *add_authority(struct sl_hidden *list, const char *text,
                                       size_t len)
{
    const char *at = memrchr(text, '@', len);

    if (at != NULL) {
        size_t user = (size_t)(at - text);
        const char *colon = memchr(text, ':', user);
        list =
            add_part(list, text, colon != NULL ? (size_t)(colon - text) : user);
        if (colon != NULL)
            list = add_part(list, colon + 1, (size_t)(at - colon) - 1);
        len -= user + 1;
        text = at + 1;
    }
    const char *bracket =
        len > 0 && text[0] == '[' ? memchr(text, ']', len) : NULL;
    if (bracket != NULL)
        return add_hidden(list, text + 1, (size_t)(bracket - text) - 1);
    const char *colon = memchr(text, ':', len);
    return add_hidden(list, text, colon != NULL ? (size_t)(colon - text) : len);
}

static struct sl_hidden *add_address(struct sl_hidden *list, const char *text,
                                     size_t len)
{
    const char *slashes = memmem(text, len, "://", 3);
    const char *authority = slashes != NULL ? slashes + 3 : text;
    size_t rest = len - (size_t)(authority - text);
    const char *query = memchr(authority, '?', rest);

    if (query != NULL) {
        list =
            add_hidden(list, query + 1, rest - (size_t)(query - authority) - 1);
        rest = (size_t)(query - authority);
    }
    const char *slash = memchr(authority, '/', rest);
    if (slash == NULL)
        return add_authority(list, authority, rest);
    list = add_part(list, slash + 1, rest - (size_t)(slash - authority) - 1);
    return add_authority(list, authority, (size_t)(slash - authority));
}

struct sl_hidden *sl_hidden_add(struct sl_hidden *list, const char *value,
                                bool is_address)
{
    list = add_hidden(list, value, strlen(value));
    while (is_address && *value != '\0') {
        size_t len = strcspn(value, ",");
        list = add_address(list, value, len);
        value += len + (value[len] == ',');
    }
    return list;
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The length of the longest that stands here; 0: none does. */
static size_t find_hidden(const struct sl_hidden *list, const char *start,
                          const char *at)
{
    size_t longest = 0;

    for (; list != NULL; list = list->next) {
        size_t len = strlen(list->text);
        if (len <= longest || strncmp(at, list->text, len) != 0)
            continue;
        bool begins =
            at == start || !is_of_word(at[-1]) || !is_of_word(list->text[0]);
        bool ends = !is_of_word(at[len]) || !is_of_word(list->text[len - 1]);
        if (begins && ends)
            longest = len;
    }
    return longest;
}

void sl_hide(const struct sl_hidden *list, struct sl_error *err)
{
    char shown[SL_ERROR_MESSAGE_MAX];
    size_t len = 0;

    if (list == NULL || err == NULL)
        return;
    for (const char *at = err->message;
         *at != '\0' && len < sizeof(shown) - 1;) {
        size_t found = find_hidden(list, err->message, at);
        if (found == 0) {
            shown[len++] = *at++;
            continue;
        }
        for (size_t i = 0; mark[i] != '\0' && len < sizeof(shown) - 1; i++)
            shown[len++] = mark[i];
        at += found;
    }
    shown[len] = '\0';
    memcpy(err->message, shown, len + 1);
}
