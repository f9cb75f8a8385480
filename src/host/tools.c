/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge's tools, without its header: see tools.h.
 */
#include "host/tools.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "host/externs.h"
#include "slight_bridge.h"

struct output_sink {
    struct sl_buf *out;
    struct sl_error *err;
    enum sl_status status;
};

static void append_output(void *context, struct sl_bytes bytes)
{
    struct output_sink *into = context;

    if (into->status == SL_OK)
        into->status = sl_buf_append(into->out, bytes, into->err);
}

static struct sl_bridge_wit_file *bridge_files(const struct sl_tool_file *files,
                                               size_t count)
{
    struct sl_bridge_wit_file *list = sl_alloc_array(count + 1, sizeof(*list));

    for (size_t i = 0; i < count; i++)
        list[i] = (struct sl_bridge_wit_file){files[i].path, files[i].text};
    return list;
}

enum sl_status sl_tool_bindgen_c(const struct sl_tool_file *files, size_t count,
                                 const char *world, const char *features,
                                 sl_tool_file_fn *visit, void *context,
                                 struct sl_error *err)
{
    SL_CLEANUP(sl_freep)
    struct sl_bridge_wit_file *list = bridge_files(files, count);

    return sl_bridge_bindgen_c(list, count, sl_bytes_of(world),
                               sl_bytes_of(features != NULL ? features : ""),
                               visit, context, err);
}

enum sl_status sl_tool_componentize(struct sl_bytes core,
                                    const struct sl_tool_file *files,
                                    size_t count, const char *world,
                                    const char *features, struct sl_buf *out,
                                    struct sl_error *err)
{
    SL_CLEANUP(sl_freep)
    struct sl_bridge_wit_file *list = bridge_files(files, count);
    struct output_sink into = {.out = out, .err = err};
    const struct sl_bridge_sink sink = {&into, append_output};
    const struct sl_bridge_componentize request = {
        .core = core,
        .files = list,
        .file_count = world != NULL ? count : 0,
        .world = sl_bytes_of(world != NULL ? world : ""),
        .features = sl_bytes_of(features != NULL ? features : ""),
    };

    if (sl_bridge_wasm_kind_of(core) == SL_BRIDGE_COMPONENT)
        return sl_fail(err, SL_INVALID_ARGUMENT, "it is a component already");
    if (sl_bridge_wasm_kind_of(core) != SL_BRIDGE_CORE_MODULE)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "it is not a core module of WebAssembly");
    enum sl_status status = sl_bridge_componentize(&request, sink, err);
    return status != SL_OK ? status : into.status;
}

#define COMPONENT_BYTES_MAX ((size_t)256 * 1024 * 1024) /* default max-size */

static bool is_part(struct sl_bytes part, const char *text)
{
    return sl_bytes_equal(part, sl_bytes_of(text));
}

static unsigned export_bit(const struct sl_import_name *name)
{
    if (is_part(name->package, "wasi:cli") && is_part(name->interface, "run"))
        return SL_TOOL_EXPORTS_RUN;
    if (is_part(name->package, "wasi:http") &&
        (is_part(name->interface, "incoming-handler") ||
         is_part(name->interface, "handler")))
        return SL_TOOL_EXPORTS_HTTP;
    return 0;
}

unsigned sl_tool_exports(const char *path)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf wasm = SL_BUF(COMPONENT_BYTES_MAX);
    SL_CLEANUP(sl_externs_done) struct sl_externs exports = {0};
    unsigned bits = 0;

    if (sl_file_read(path, &wasm, NULL) != SL_OK ||
        sl_bridge_wasm_kind_of(sl_buf_bytes(&wasm)) != SL_BRIDGE_COMPONENT)
        return 0;
    sl_externs_read_exports(&exports, sl_buf_bytes(&wasm));
    for (size_t i = 0; i < exports.count; i++)
        bits |= export_bit(&exports.list[i].parts);
    return bits;
}

enum sl_status sl_tool_versions(struct sl_buf *out, struct sl_error *err)
{
    struct output_sink into = {.out = out, .err = err};
    const struct sl_bridge_sink sink = {&into, append_output};

    sl_bridge_versions(sink);
    return into.status;
}
