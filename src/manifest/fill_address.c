/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ${...} gives within the address of a service is data: it is
 * percent-encoded where it is the user, the password, the path or a parameter
 * of a URL, so that none of its characters ends that part.  Nothing is changed
 * where it stands for more than one part: for a whole URL, or for all that is
 * behind "://".
 */
#include "manifest/reader.h"

#include <string.h>

enum place {
    WHOLE, /* the value is an address, or a list of them */
    USER,  /* before the @ */
    HOST,  /* with its port; several with commas */
    REST,  /* path, parameters */
};

/* Behind the last "://", or NULL. */
static const unsigned char *find_authority(struct sl_bytes before)
{
    const unsigned char *found = NULL, *at = before.ptr;
    const unsigned char *end = before.ptr + before.len;

    while (before.len > 0 &&
           (at = memmem(at, (size_t)(end - at), "://", 3)) != NULL)
        found = at += 3;
    return found;
}

/* What is written behind this character, or this reference: such a one says
 * nothing of itself. */
static const char *step(const char *text)
{
    const char *close =
        text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;

    return close != NULL ? close + 1 : text + 1;
}

/* Up to where what is written behind the reference has the last @ of the
 * authority; NULL: there is none. */
static const char *find_at(const char *after)
{
    const char *found = NULL;

    for (; *after != '\0' && strchr("/?#", *after) == NULL; after = step(after))
        if (*after == '@')
            found = after;
    return found;
}

static enum place place_of(struct sl_bytes authority, const char *after)
{
    for (size_t i = 0; i < authority.len; i++)
        if (strchr("/?#", authority.ptr[i]) != NULL)
            return REST;
    if (find_at(after) != NULL)
        return USER;
    return authority.len == 0 && *after == '\0' ? WHOLE : HOST;
}

/* Whether what is written has a colon between user and password, so that one
 * in the value is none. */
static bool has_colon(struct sl_bytes authority, const char *after)
{
    const char *at = find_at(after);

    if (authority.len > 0 && memchr(authority.ptr, ':', authority.len) != NULL)
        return true;
    for (; after < at; after = step(after))
        if (*after == ':')
            return true;
    return false;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

/* kept: one more that stays as it is, or 0. */
static enum sl_status encode(struct sl_bytes value, unsigned char kept,
                             struct sl_buf *out, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (is_plain(c) || (kept != 0 && c == kept))
            status = sl_buf_append(out, SL_BYTES(&c, 1), err);
        else
            status = sl_buf_printf(out, err, "%%%02X", c);
    }
    return status;
}

/* Hosts are not encoded, so that there is nothing to change.  Right behind
 * "://" there may be user:password@ in front of them. */
static enum sl_status append_host(struct sl_bytes value, bool first,
                                  struct sl_buf *out, struct sl_error *err)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (is_plain(c) || (c != '\0' && strchr(":,[]%", c) != NULL) ||
            (first && c == '@'))
            continue;
        return sl_fail(
            err, SL_INVALID_ARGUMENT,
            "what ${...} gives is put where a URL has its host, and is more "
            "than that; write the parts as ${...} of their own, which are "
            "percent-encoded: scheme://${env:USER}:${env:PASSWORD}@${env:HOST}"
            "/${env:DATABASE}, or let one ${...} give the whole URL");
    }
    return sl_buf_append(out, value, err);
}

/* A list goes on with another URL. */
static bool begins_next(struct sl_bytes authority, struct sl_bytes value)
{
    unsigned char last =
        authority.len > 0 ? authority.ptr[authority.len - 1] : 0;

    return (last == ',' || last == ' ') && value.len > 0 &&
           memmem(value.ptr, value.len, "://", 3) != NULL;
}

enum sl_status sl_manifest_append_to_address(struct sl_bytes value,
                                             const char *after,
                                             struct sl_buf *out,
                                             struct sl_error *err)
{
    struct sl_bytes before = sl_buf_bytes(out);
    const unsigned char *start = find_authority(before);

    if (start == NULL)
        return sl_buf_append(out, value, err);
    struct sl_bytes authority =
        SL_BYTES(start, before.len - (size_t)(start - before.ptr));
    if (begins_next(authority, value))
        return sl_buf_append(out, value, err);
    switch (place_of(authority, after)) {
    case USER:
        return encode(value, has_colon(authority, after) ? 0 : ':', out, err);
    case HOST:
        return append_host(value, authority.len == 0, out, err);
    case REST:
        return encode(value, 0, out, err);
    case WHOLE:
        break;
    }
    return sl_buf_append(out, value, err);
}
