/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of requests, as they are compared with routes. */
#include <stdlib.h>

#include "base/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sl_bytes prefixes[] = {
        SL_LITERAL("/"), SL_LITERAL("/a"), SL_LITERAL("/a/b/"),
        SL_LITERAL("/caf\xc3\xa9"), SL_LITERAL("/%2F.")};
    enum { COUNT = sizeof(prefixes) / sizeof(prefixes[0]) };
    struct sl_routes *routes = sl_routes_new(prefixes, COUNT);
    struct sl_bytes path = SL_BYTES(data, size);
    size_t found = sl_routes_find(routes, path);

    /* "/" is of every path, unless that can be read in two ways. */
    if (found != SL_ROUTE_UNCLEAR && found >= COUNT)
        abort();
    sl_routes_free(routes);

    /* The path as a prefix is that of itself. */
    routes = sl_routes_new(&path, 1);
    if (!sl_route_equal(path, path) || sl_routes_find(routes, path) != 0)
        abort();
    sl_routes_free(routes);
    return 0;
}
