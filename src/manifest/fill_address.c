/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of ${...} within the address of a service is data.  A user, a
 * password, a path or a parameter of a URL is percent-encoded, so that none of
 * its characters ends that part.  A value that is more than one part, such as a
 * whole URL or everything behind "://", is not changed.
 */
#include "manifest/fill.h"

#include <string.h>

enum url_part {
    WHOLE, /* an address, or a list of them */
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

/* The text behind this character, or behind the reference that begins with
 * it. */
static const char *skip_character(const char *text)
{
    const char *close =
        text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;

    return close != NULL ? close + 1 : text + 1;
}

/* The last @ of the authority in the text behind the reference, or NULL. */
static const char *find_at(const char *after)
{
    const char *found = NULL;

    for (; *after != '\0' && strchr("/?#", *after) == NULL;
         after = skip_character(after))
        if (*after == '@')
            found = after;
    return found;
}

static enum url_part find_part(struct sl_bytes authority, const char *after)
{
    for (size_t i = 0; i < authority.len; i++)
        if (strchr("/?#", authority.ptr[i]) != NULL)
            return REST;
    if (find_at(after) != NULL)
        return USER;
    return authority.len == 0 && *after == '\0' ? WHOLE : HOST;
}

/* Whether the text around the reference has the colon between user and
 * password, so that one in the value is data. */
static bool has_colon(struct sl_bytes authority, const char *after)
{
    const char *at = find_at(after);

    if (authority.len > 0 && memchr(authority.ptr, ':', authority.len) != NULL)
        return true;
    for (; after < at; after = skip_character(after))
        if (*after == ':')
            return true;
    return false;
}

static bool needs_no_encoding(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

/* kept: one more character that is not encoded, or 0. */
static enum sl_status percent_encode(struct sl_bytes value, unsigned char kept,
                                     struct sl_buf *out, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (needs_no_encoding(c) || (kept != 0 && c == kept))
            status = sl_buf_append(out, SL_BYTES(&c, 1), err);
        else
            status = sl_buf_printf(out, err, "%%%02X", c);
    }
    return status;
}

/* Hosts are not encoded.  Right behind "://" the value may begin with
 * user:password@. */
static enum sl_status append_host(struct sl_bytes value, bool first,
                                  struct sl_buf *out, struct sl_error *err)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (needs_no_encoding(c) || (c != '\0' && strchr(":,[]%", c) != NULL) ||
            (first && c == '@'))
            continue;
        return sl_fail(
            err, SL_INVALID_ARGUMENT,
            "the value of ${...} is used as the host of a URL and has more "
            "than a host; write each part as a ${...} of its own, which is "
            "percent-encoded: scheme://${env:USER}:${env:PASSWORD}@${env:HOST}"
            "/${env:DATABASE}, or give the whole URL in one ${...}");
    }
    return sl_buf_append(out, value, err);
}

/* Whether the value is the next URL of a list. */
static bool is_next_url(struct sl_bytes authority, struct sl_bytes value)
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
    if (is_next_url(authority, value))
        return sl_buf_append(out, value, err);
    switch (find_part(authority, after)) {
    case USER:
        return percent_encode(value, has_colon(authority, after) ? 0 : ':', out,
                              err);
    case HOST:
        return append_host(value, authority.len == 0, out, err);
    case REST:
        return percent_encode(value, 0, out, err);
    case WHOLE:
        break;
    }
    return sl_buf_append(out, value, err);
}
