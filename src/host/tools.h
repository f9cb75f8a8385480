/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bridge can do for the makers of components, for the command line.
 */
#ifndef SL_HOST_TOOLS_H
#define SL_HOST_TOOLS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

/* A WIT file.  Its path, "kv/kv.wit", tells the folder of its package. */
struct sl_tool_file {
    struct sl_bytes path;
    struct sl_bytes text;
};

/* Called for each file that is made. */
typedef enum sl_status sl_tool_file_fn(void *context, struct sl_bytes name,
                                       struct sl_bytes content,
                                       struct sl_error *err);

/*
 * C bindings of a world: NAME.c, NAME.h, NAME_component_type.o.  features: of
 * the @unstable items to bind, separated by commas; or NULL.
 */
SL_MUST_CHECK enum sl_status
sl_tool_bindgen_c(const struct sl_tool_file *files, size_t count,
                  const char *world, const char *features,
                  sl_tool_file_fn *visit, void *context, struct sl_error *err);

/*
 * Make a core module for wasm32-wasip1 a component.  world is NULL where the
 * module carries it, as one that was linked with NAME_component_type.o does.
 */
SL_MUST_CHECK enum sl_status
sl_tool_componentize(struct sl_bytes core, const struct sl_tool_file *files,
                     size_t count, const char *world, const char *features,
                     struct sl_buf *out, struct sl_error *err);

/* What the file exports that slight can call: a set of these.  None where it
 * cannot be read. */
enum {
    SL_TOOL_EXPORTS_RUN = 1,  /* wasi:cli/run */
    SL_TOOL_EXPORTS_HTTP = 2, /* a handler of wasi:http */
};
unsigned sl_tool_exports(const char *path);

/* Append "wasmtime 48.0.8", one line for each part of the bridge. */
SL_MUST_CHECK enum sl_status sl_tool_versions(struct sl_buf *out,
                                              struct sl_error *err);

#endif
