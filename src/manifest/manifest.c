/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest that was read: what it holds, and its end. */
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

bool sl_manifest_is_name(struct sl_bytes name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < name.len && i <= SL_MANIFEST_NAME_MAX; i++)
        if (memchr(allowed, name.ptr[i], sizeof(allowed) - 1) == NULL)
            return false;
    return name.len > 0 && name.len <= SL_MANIFEST_NAME_MAX;
}

const struct sl_manifest_resource *
sl_manifest_resource(const struct sl_manifest *manifest, struct sl_bytes name)
{
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (sl_bytes_equal(sl_bytes_of(manifest->resources[i].name), name))
            return &manifest->resources[i];
    return NULL;
}

bool sl_manifest_grants(const struct sl_manifest *manifest,
                        const struct sl_manifest_component *component,
                        const struct sl_manifest_resource *resource)
{
    return component->granted == NULL ||
           component->granted[resource - manifest->resources];
}

void sl_manifest_free(struct sl_manifest *manifest)
{
    if (manifest == NULL)
        return;
    for (size_t i = 0; i < manifest->owned_count; i++)
        free(manifest->owned[i]);
    free(manifest->owned);
    free(manifest);
}
