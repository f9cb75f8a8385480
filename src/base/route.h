/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several prefixes the path of a request belongs to.
 *
 * Paths are compared as RFC 3986, section 6.2.2, wants it: "%61" is "a", "%c3"
 * is
 * "%C3", "." and ".." are resolved; what may not stand in a path is what it
 * would be encoded as.  Slashes in a row are one.  "%2F" is a character of its
 * segment, and no slash.
 *
 * A component may read its path in another way.  So that nobody reaches one
 * component with what is another one's, a path that belongs elsewhere once it
 * is decoded whole ("%2F" and "\" a slash, NUL its end) belongs nowhere.
 */
#ifndef SL_BASE_ROUTE_H
#define SL_BASE_ROUTE_H

#include "base/bytes.h"

/* No prefix matches; it depends on how the path is read. */
#define SL_ROUTE_NONE SIZE_MAX
#define SL_ROUTE_UNCLEAR (SIZE_MAX - 1)

struct sl_routes;

/* Prefixes begin with "/" and are copied. */
struct sl_routes *sl_routes_new(const struct sl_bytes *prefixes, size_t count);
void sl_routes_free(struct sl_routes *routes);

/*
 * The index of the longest prefix that ends where a segment of the path does;
 * or SL_ROUTE_NONE, SL_ROUTE_UNCLEAR.  The path is any bytes, without its
 * query.  Any thread; linear in the length of the path.
 */
size_t sl_routes_find(const struct sl_routes *routes, struct sl_bytes path);

/* Whether two prefixes are the same, in one of the ways to read them. */
bool sl_route_equal(struct sl_bytes a, struct sl_bytes b);

#endif
