/* SPDX-License-Identifier: Apache-2.0 */
#include "host/externs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "slight_bridge.h"

enum { EXTERNS_MAX = 100000 /* what is beyond is left to the linker */ };

/* A part of the name, in the copy of it. */
static struct sl_bytes part_in(const char *copy, struct sl_bytes part,
                               struct sl_bytes name)
{
    if (part.len == 0)
        return SL_BYTES(copy, 0);
    return SL_BYTES(copy + (part.ptr - name.ptr), part.len);
}

static void add_extern(void *context, const struct sl_bridge_extern *item)
{
    struct sl_externs *externs = context;

    if (externs->count == EXTERNS_MAX)
        return;
    if (externs->count == externs->capacity) {
        externs->capacity = externs->capacity * 2 + 16;
        externs->list = sl_realloc(externs->list,
                                   externs->capacity * sizeof(*externs->list));
    }
    char *name = sl_strndup(item->name.ptr, item->name.len);
    externs->list[externs->count++] = (struct sl_extern){
        .name = name,
        .parts = {part_in(name, item->package, item->name),
                  part_in(name, item->interface, item->name),
                  part_in(name, item->version, item->name)},
    };
}

void sl_externs_read_imports(struct sl_externs *externs, struct sl_bytes wasm)
{
    sl_bridge_wasm_imports(wasm, add_extern, externs);
}

void sl_externs_read_exports(struct sl_externs *externs, struct sl_bytes wasm)
{
    sl_bridge_wasm_exports(wasm, add_extern, externs);
}

void sl_externs_done(struct sl_externs *externs)
{
    for (size_t i = 0; i < externs->count; i++)
        free(externs->list[i].name);
    free(externs->list);
}
