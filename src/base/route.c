/* SPDX-License-Identifier: Apache-2.0 */
#include "base/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* How a path is read: see route.h. */
enum reading { AS_SENT, DECODED, READINGS };

/* A prefix, in normal form. */
struct prefix {
    uint8_t *ptr;
    size_t len;
    size_t index; /* of the caller's */
};

struct sl_routes {
    struct prefix *prefixes[READINGS]; /* sorted */
    size_t count;
    size_t longest[READINGS];
};

/* --- Normal forms ------------------------------------------------------- */

/* Upper bound of a normal form: each byte may become "%XX"; and "/" of "". */
static size_t normal_room(struct sl_bytes path)
{
    return 3 * path.len + 1;
}

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

/* What may stand in a segment as it is. */
static bool is_segment_byte(uint8_t byte)
{
    return is_unreserved(byte) ||
           (byte != '\0' && strchr("!$&'()*+,;=:@", byte) != NULL);
}

static int read_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The next byte of a path; is_encoded: it was "%XX".  A "%" of anything else is
 * itself. */
static uint8_t next_byte(struct sl_bytes *path, bool *is_encoded)
{
    uint8_t byte = path->ptr[0];
    int high = -1, low = -1;

    if (byte == '%' && path->len >= 3) {
        high = read_digit(path->ptr[1]);
        low = read_digit(path->ptr[2]);
    }
    *is_encoded = high >= 0 && low >= 0;
    size_t used = *is_encoded ? 3 : 1;
    path->ptr += used;
    path->len -= used;
    return *is_encoded ? (uint8_t)(high * 16 + low) : byte;
}

static size_t write_byte(uint8_t *out, uint8_t byte, bool is_encoded,
                         enum reading reading)
{
    static const char digits[] = "0123456789ABCDEF";

    if (reading == DECODED || is_unreserved(byte) ||
        (!is_encoded && is_segment_byte(byte))) {
        out[0] = byte;
        return 1;
    }
    out[0] = '%';
    out[1] = (uint8_t)digits[byte >> 4];
    out[2] = (uint8_t)digits[byte & 15];
    return 3;
}

/* A segment has ended at len, and begun behind the last slash before it: where
 * it is "." or "..", it goes, with the one before it. */
static size_t resolve_dots(const uint8_t *out, size_t len)
{
    size_t begin = len;

    while (out[begin - 1] != '/')
        begin--;
    if (len - begin == 1 && out[begin] == '.')
        return begin;
    if (len - begin != 2 || out[begin] != '.' || out[begin + 1] != '.')
        return len;
    if (begin > 1) /* its slash */
        begin--;
    while (out[begin - 1] != '/')
        begin--;
    return begin;
}

/* Write the normal form of path, and return its length. */
static size_t normalize_path(struct sl_bytes path, enum reading reading,
                             uint8_t *out)
{
    size_t len = 1;

    out[0] = '/';
    while (path.len > 0) {
        bool is_encoded;
        uint8_t byte = next_byte(&path, &is_encoded);

        if (reading == DECODED && byte == '\0')
            break;
        if (byte == '/' ? !is_encoded || reading == DECODED
                        : byte == '\\' && reading == DECODED) {
            len = resolve_dots(out, len);
            if (out[len - 1] != '/')
                out[len++] = '/';
        } else {
            len += write_byte(out + len, byte, is_encoded, reading);
        }
    }
    return resolve_dots(out, len);
}

/* Whether a path is its own normal form, however it is read, as most are. */
static bool is_plain(struct sl_bytes path)
{
    uint8_t before = 0;

    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.ptr[i];
        if (byte == '/' ? before == '/' : !is_segment_byte(byte))
            return false;
        if (byte == '.' && before == '/') /* perhaps a hidden file only */
            return false;
        before = byte;
    }
    return path.len > 0 && path.ptr[0] == '/';
}

/* --- Prefixes ----------------------------------------------------------- */

static int compare_prefixes(const void *a, const void *b)
{
    const struct prefix *one = a, *other = b;
    size_t shared = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->ptr, other->ptr, shared);

    return order != 0 ? order
                      : (one->len > other->len) - (one->len < other->len);
}

struct sl_routes *sl_routes_new(const struct sl_bytes *prefixes, size_t count)
{
    struct sl_routes *routes = sl_alloc(sizeof(*routes));

    routes->count = count;
    for (int reading = 0; reading < READINGS; reading++) {
        struct prefix *normal = sl_alloc_array(count + 1, sizeof(*normal));
        for (size_t i = 0; i < count; i++) {
            normal[i].index = i;
            normal[i].ptr = sl_alloc(normal_room(prefixes[i]));
            normal[i].len = normalize_path(prefixes[i], (enum reading)reading,
                                           normal[i].ptr);
            if (normal[i].len > routes->longest[reading])
                routes->longest[reading] = normal[i].len;
        }
        qsort(normal, count, sizeof(*normal), compare_prefixes);
        routes->prefixes[reading] = normal;
    }
    return routes;
}

void sl_routes_free(struct sl_routes *routes)
{
    if (routes == NULL)
        return;
    for (int reading = 0; reading < READINGS; reading++) {
        for (size_t i = 0; i < routes->count; i++)
            free(routes->prefixes[reading][i].ptr);
        free(routes->prefixes[reading]);
    }
    free(routes);
}

static size_t find_prefix(const struct sl_routes *routes, enum reading reading,
                          const uint8_t *ptr, size_t len)
{
    const struct prefix wanted = {.ptr = (uint8_t *)(uintptr_t)ptr, .len = len};
    const struct prefix *found =
        bsearch(&wanted, routes->prefixes[reading], routes->count,
                sizeof(wanted), compare_prefixes);

    return found != NULL ? found->index : SL_ROUTE_NONE;
}

/* Of a path in normal form: the longest prefix that is the path, ends with a
 * slash of it, or before one. */
static size_t find_longest(const struct sl_routes *routes, enum reading reading,
                           const uint8_t *path, size_t path_len)
{
    size_t len = path_len, longest = routes->longest[reading];

    for (len = len < longest ? len : longest; len > 0; len--) {
        bool ends = len == path_len || path[len] == '/' || path[len - 1] == '/';
        size_t found =
            ends ? find_prefix(routes, reading, path, len) : SL_ROUTE_NONE;
        if (found != SL_ROUTE_NONE)
            return found;
    }
    return SL_ROUTE_NONE;
}

static size_t find_normal(const struct sl_routes *routes, enum reading reading,
                          struct sl_bytes path)
{
    SL_CLEANUP(sl_freep) uint8_t *normal = sl_alloc(normal_room(path));

    return find_longest(routes, reading, normal,
                        normalize_path(path, reading, normal));
}

size_t sl_routes_find(const struct sl_routes *routes, struct sl_bytes path)
{
    if (is_plain(path))
        return find_longest(routes, AS_SENT, path.ptr, path.len);
    size_t found = find_normal(routes, AS_SENT, path);
    if (found == SL_ROUTE_NONE || found == find_normal(routes, DECODED, path))
        return found;
    return SL_ROUTE_UNCLEAR;
}

bool sl_route_equal(struct sl_bytes a, struct sl_bytes b)
{
    for (int reading = 0; reading < READINGS; reading++) {
        SL_CLEANUP(sl_freep) uint8_t *one = sl_alloc(normal_room(a));
        SL_CLEANUP(sl_freep) uint8_t *other = sl_alloc(normal_room(b));
        size_t one_len = normalize_path(a, (enum reading)reading, one);
        size_t other_len = normalize_path(b, (enum reading)reading, other);

        if (one_len == other_len && memcmp(one, other, one_len) == 0)
            return true;
    }
    return false;
}
