/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests made of anything: whatever the text, it is either accepted, and
 * then complete, or told to be wrong in places that exist and in lines that can
 * be shown.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    struct sl_toml_place last;
    uint32_t lines;
    size_t count;
};

static void check_problem(void *context, struct sl_toml_place place,
                          const char *message)
{
    struct told *told = context;

    if (place.line == 0 || place.column == 0 || place.line > told->lines)
        abort();
    if (place.line < told->last.line ||
        (place.line == told->last.line && place.column < told->last.column))
        abort(); /* not in the order of the file */
    if (message[0] == '\0' || strchr(message, '\n') != NULL)
        abort();
    told->last = place;
    told->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told told = {.lines = 1};
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    for (size_t i = 0; i < size; i++)
        told.lines += data[i] == '\n';
    /* The folder has nothing in it that a ${file:} could find. */
    enum sl_status status =
        sl_manifest_parse("/nonexistent/slightfile.toml", SL_BYTES(data, size),
                          check_problem, &told, &manifest, &err);
    if ((status == SL_INVALID_ARGUMENT) != (told.count > 0))
        abort();
    if ((status == SL_OK) != (manifest != NULL))
        abort();
    if (manifest != NULL &&
        (manifest->name == NULL || manifest->component_count == 0 ||
         manifest->components[0].source == NULL))
        abort();
    sl_manifest_free(manifest);
    return 0;
}
