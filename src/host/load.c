/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to a compiled component, by way of the cache.
 */
#include "host/host.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "host/cache.h"
#include "host/internal.h"
#include "host/progress.h"

/* No component is this large; a file that is was named by mistake. */
#define WASM_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define CODE_BYTES_MAX ((size_t)4 * 1024 * 1024 * 1024)

/* A sink of the bridge that fills a buffer. */
struct collect {
    struct sl_buf buf;
    enum sl_status status;
};

static void collect(void *context, struct sl_bytes bytes)
{
    struct collect *into = context;

    if (into->status == SL_OK)
        into->status = sl_buf_append(&into->buf, bytes, NULL);
}

static enum sl_status check_kind(const char *path, struct sl_bytes wasm,
                                 struct sl_error *err)
{
    switch (sl_bridge_wasm_kind_of(wasm)) {
    case SL_BRIDGE_COMPONENT:
        return SL_OK;
    case SL_BRIDGE_CORE_MODULE:
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: a core module, not a component; make it one with: "
                       "slight componentize %s -o app.wasm",
                       path, path);
    case SL_BRIDGE_WASM_TEXT:
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: WebAssembly as text; make it binary first, for "
                       "example with: wasm-tools parse %s -o app.wasm",
                       path, path);
    case SL_BRIDGE_NOT_WASM:
        break;
    }
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "%s: not WebAssembly; a component is a .wasm file that a "
                   "compiler made",
                   path);
}

/* NULL where there is to be none, or none can be had: that is not fatal. */
static struct sl_cache *open_cache(void)
{
    SL_CLEANUP(sl_freep) char *folder = sl_cache_folder();
    struct sl_cache *cache = NULL;
    struct sl_error err;

    if (folder == NULL)
        return NULL;
    if (sl_cache_open(folder, SL_CACHE_BYTES_MAX, &cache, &err) != SL_OK)
        sl_log(SL_LOG_WARN, "no-cache", SL_FIELD_STRING("reason", err.message));
    return cache;
}

static bool load_cached(struct sl_host *host,
                        struct sl_host_component *component,
                        struct sl_cache *cache, const struct sl_cache_key *key)
{
    SL_CLEANUP(sl_closep) int fd = sl_cache_find(cache, key);
    struct sl_error err;

    if (fd < 0)
        return false;
    if (sl_bridge_component_load(host->engine, fd, &component->component,
                                 &err) == SL_OK)
        return true;
    sl_log(SL_LOG_DEBUG, "cache-dropped",
           SL_FIELD_STRING("reason", err.message));
    sl_cache_drop(cache, key);
    return false;
}

static void store_cached(const struct sl_host_component *component,
                         struct sl_cache *cache, const struct sl_cache_key *key)
{
    struct collect code = {.buf = SL_BUF(CODE_BYTES_MAX)};
    const struct sl_bridge_sink sink = {&code, collect};
    SL_CLEANUP(sl_closep) int fd = -1;
    struct sl_error err;

    enum sl_status status =
        sl_bridge_component_serialize(component->component, sink, &err);
    if (status == SL_OK && code.status != SL_OK)
        status = sl_fail(&err, code.status, "the compiled code is too large");
    if (status == SL_OK)
        status = sl_cache_store(cache, key, sl_buf_bytes(&code.buf), &fd, &err);
    if (status != SL_OK)
        sl_log(SL_LOG_WARN, "not-cached",
               SL_FIELD_STRING("reason", err.message));
    sl_buf_done(&code.buf);
}

static enum sl_status compile(struct sl_host *host,
                              struct sl_host_component *component,
                              struct sl_bytes wasm, struct sl_error *err)
{
    const char *source = component->manifest->source;
    struct sl_progress *progress =
        host->progress ? sl_progress_start(source) : NULL;

    struct sl_error cause;
    enum sl_status status = sl_bridge_component_compile(
        host->engine, wasm, &component->component, &cause);
    sl_progress_end(progress);
    if (status == SL_OK)
        return SL_OK;
    return sl_fail(err, status, "%s: %s%s", source, cause.message,
                   status == SL_TOO_LARGE
                       ? "; raise memory in [component] of the manifest"
                       : "");
}

static enum sl_status load(struct sl_host *host,
                           struct sl_host_component *component,
                           struct sl_error *err)
{
    const char *path = component->manifest->source;
    SL_CLEANUP(sl_buf_done) struct sl_buf wasm = SL_BUF(WASM_BYTES_MAX);

    enum sl_status status = sl_file_read(path, &wasm, err);
    if (status == SL_OK)
        status = check_kind(path, sl_buf_bytes(&wasm), err);
    if (status != SL_OK)
        return status;

    SL_CLEANUP(sl_cache_freep) struct sl_cache *cache = open_cache();
    if (cache == NULL)
        return compile(host, component, sl_buf_bytes(&wasm), err);

    struct collect print = {.buf = SL_BUF(64 * 1024)};
    const struct sl_bridge_sink sink = {&print, collect};
    sl_bridge_engine_fingerprint(host->engine, sink);
    struct sl_cache_key key =
        sl_cache_key_of(sl_buf_bytes(&wasm), sl_buf_bytes(&print.buf));
    sl_buf_done(&print.buf);

    if (load_cached(host, component, cache, &key))
        return SL_OK;
    status = compile(host, component, sl_buf_bytes(&wasm), err);
    if (status == SL_OK)
        store_cached(component, cache, &key);
    return status;
}

enum sl_status sl_host_load(struct sl_host *host, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && host->loaded < host->manifest->component_count) {
        status = load(host, &host->components[host->loaded], err);
        host->loaded += status == SL_OK;
    }
    return status;
}

size_t sl_host_loaded(const struct sl_host *host)
{
    return host->loaded;
}
