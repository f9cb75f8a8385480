/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to a compiled component, by way of the cache.
 */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "host/cache.h"
#include "host/compile.h"
#include "host/internal.h"
#include "host/progress.h"

#define CODE_BYTES_MAX ((size_t)4 * 1024 * 1024 * 1024)

void sl_host_source_done(struct sl_host_source *source)
{
    if (source->bytes.len > 0)
        munmap((void *)(uintptr_t)source->bytes.ptr, source->bytes.len);
    source->bytes.len = 0;
    sl_closep(&source->fd);
}

/* All bytes of a descriptor; none where there are none, or an error. */
static struct sl_bytes map_all(int fd)
{
    struct stat info;
    void *map = MAP_FAILED;

    if (fstat(fd, &info) == 0 && info.st_size > 0)
        map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    return map == MAP_FAILED ? SL_BYTES(NULL, 0)
                             : SL_BYTES(map, (size_t)info.st_size);
}

static enum sl_status open_source(const struct sl_manifest_component *component,
                                  struct sl_host_source *source,
                                  struct sl_error *err)
{
    struct sl_error cause;

    source->fd = memfd_create("slight-source", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (source->fd < 0)
        return sl_fail(err, SL_UNAVAILABLE, "%s: memfd: %s", component->source,
                       strerror(errno));
    enum sl_status status = sl_file_copy(component->source, source->fd,
                                         (uint64_t)component->max_size, &cause);
    if (status != SL_OK)
        return sl_fail(err, status, "%s%s", cause.message,
                       status == SL_TOO_LARGE
                           ? "; raise max-size in [component] of the manifest"
                           : "");
    (void)fcntl(source->fd, F_ADD_SEALS,
                F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    source->bytes = map_all(source->fd);
    return SL_OK;
}

/* A sink of the bridge that fills a buffer. */
struct code_sink {
    struct sl_buf buf;
    enum sl_status status;
};

static void append_code(void *context, struct sl_bytes bytes)
{
    struct code_sink *into = context;

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

/* A descriptor of the entry; -1 where it is not kept. */
static int store_cached(struct sl_cache *cache, const struct sl_cache_key *key,
                        struct sl_bytes code)
{
    struct sl_error err;
    int fd = -1;

    if (sl_cache_store(cache, key, code, &fd, &err) != SL_OK)
        sl_log(SL_LOG_WARN, "not-cached",
               SL_FIELD_STRING("reason", err.message));
    return fd;
}

/* From another process: see compile.h. */
static enum sl_status compile_apart(struct sl_host *host,
                                    struct sl_host_component *component,
                                    const struct sl_host_source *source,
                                    int *code, struct sl_error *err)
{
    const struct sl_manifest_component *of = component->manifest;
    const struct sl_host_compiling *limits = &host->compiling;
    bool is_shown =
        isatty(STDERR_FILENO) == 1 && sl_log_format() == SL_LOG_TEXT;
    const struct sl_compile compile = {
        .source = of->source,
        .wasm = source->fd,
        .engine = &host->engine_config,
        .timeout_ms = limits->timeout_ms >= 0 ? limits->timeout_ms
                                              : of->compile_timeout_ms,
        .memory = limits->memory >= 0 ? limits->memory : of->compile_memory,
        .interrupt = limits->interrupt,
        .tell = host->progress && !is_shown,
    };
    struct sl_progress *progress =
        host->progress && is_shown ? sl_progress_start(of->source) : NULL;

    enum sl_status status = sl_compile(&compile, code, err);
    sl_progress_end(progress);
    return status;
}

static enum sl_status fail_compiled(const struct sl_host_component *component,
                                    const struct sl_error *cause,
                                    struct sl_error *err)
{
    return sl_fail(err, cause->status, "%s: %s%s", component->manifest->source,
                   cause->message,
                   cause->status == SL_TOO_LARGE
                       ? "; raise memory in [component] of the manifest"
                       : "");
}

static enum sl_status compile_here(struct sl_host *host,
                                   struct sl_host_component *component,
                                   struct sl_bytes wasm, struct sl_cache *cache,
                                   const struct sl_cache_key *key,
                                   struct sl_error *err)
{
    struct code_sink code = {.buf = SL_BUF(CODE_BYTES_MAX)};
    const struct sl_bridge_sink sink = {&code, append_code};
    struct sl_error cause;

    if (sl_bridge_component_compile(host->engine, wasm, &component->component,
                                    &cause) != SL_OK)
        return fail_compiled(component, &cause, err);
    if (cache != NULL &&
        sl_bridge_component_serialize(component->component, sink, &cause) ==
            SL_OK &&
        code.status == SL_OK) {
        int fd = store_cached(cache, key, sl_buf_bytes(&code.buf));
        sl_closep(&fd);
    }
    sl_buf_done(&code.buf);
    return SL_OK;
}

static enum sl_status
compile_component(struct sl_host *host, struct sl_host_component *component,
                  const struct sl_host_source *source, struct sl_cache *cache,
                  const struct sl_cache_key *key, struct sl_error *err)
{
    SL_CLEANUP(sl_closep) int code = -1;
    SL_CLEANUP(sl_closep) int kept = -1;
    struct sl_error cause;

    if (!host->compiling.apart)
        return compile_here(host, component, source->bytes, cache, key, err);
    enum sl_status status = compile_apart(host, component, source, &code, err);
    if (status != SL_OK)
        return status;
    if (cache != NULL) {
        struct sl_bytes bytes = map_all(code);
        kept = store_cached(cache, key, bytes);
        if (bytes.len > 0)
            munmap((void *)(uintptr_t)bytes.ptr, bytes.len);
    }
    if (sl_bridge_component_load(host->engine, kept >= 0 ? kept : code,
                                 &component->component, &cause) != SL_OK)
        return fail_compiled(component, &cause, err);
    return SL_OK;
}

static struct sl_cache_key key_of(const struct sl_host *host,
                                  struct sl_bytes wasm)
{
    struct code_sink print = {.buf = SL_BUF(64 * 1024)};
    const struct sl_bridge_sink sink = {&print, append_code};

    sl_bridge_engine_fingerprint(host->engine, sink);
    struct sl_cache_key key = sl_cache_key_of(wasm, sl_buf_bytes(&print.buf));
    sl_buf_done(&print.buf);
    return key;
}

static enum sl_status read_component(struct sl_host_component *component,
                                     struct sl_error *err)
{
    struct sl_host_source *source = &component->source;

    enum sl_status status = open_source(component->manifest, source, err);
    if (status == SL_OK)
        status = check_kind(component->manifest->source, source->bytes, err);
    if (status != SL_OK)
        return status;
    sl_externs_read_imports(&component->imports, source->bytes);
    sl_externs_read_exports(&component->exports, source->bytes);
    return SL_OK;
}

static enum sl_status load_component(struct sl_host *host,
                                     struct sl_host_component *component,
                                     struct sl_error *err)
{
    struct sl_host_source *source = &component->source;
    SL_CLEANUP(sl_cache_freep) struct sl_cache *cache = open_cache();
    const struct sl_cache_key key = key_of(host, source->bytes);
    enum sl_status status = SL_OK;

    if (cache == NULL || !load_cached(host, component, cache, &key))
        status = compile_component(host, component, source, cache, &key, err);
    sl_host_source_done(source);
    return status;
}

enum sl_status sl_host_read(struct sl_host *host, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && host->read < host->manifest->component_count) {
        status = read_component(&host->components[host->read], err);
        host->read += status == SL_OK;
    }
    return status;
}

enum sl_status sl_host_load(struct sl_host *host, struct sl_error *err)
{
    enum sl_status status = sl_host_read(host, err);

    while (status == SL_OK && host->loaded < host->manifest->component_count) {
        status = load_component(host, &host->components[host->loaded], err);
        host->loaded += status == SL_OK;
    }
    return status;
}

size_t sl_host_at(const struct sl_host *host)
{
    return host->read < host->manifest->component_count ? host->read
                                                        : host->loaded;
}
