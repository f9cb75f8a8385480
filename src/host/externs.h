/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a component imports and exports, by the names in its file.
 */
#ifndef SL_HOST_EXTERNS_H
#define SL_HOST_EXTERNS_H

#include <stddef.h>

#include "base/bytes.h"
#include "host/imports.h"

/* One of them; name is owned, and the parts point into it. */
struct sl_extern {
    char *name;
    struct sl_import_name parts;
};

struct sl_externs {
    struct sl_extern *list;
    size_t count;
    size_t capacity;
};

/* The names that can be read; what is broken behind them is not told. */
void sl_externs_read_imports(struct sl_externs *externs, struct sl_bytes wasm);
void sl_externs_read_exports(struct sl_externs *externs, struct sl_bytes wasm);
void sl_externs_done(struct sl_externs *externs);

#endif
