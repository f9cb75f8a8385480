/* SPDX-License-Identifier: Apache-2.0 */
#include "host/confine.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/port.h"
#include "host/cache.h"

enum { DNS_PORT = 53 };

/* --- Files -------------------------------------------------------------- */

/* Names of interfaces stand in a component as they are. */
static bool may_import(const char *component, const char *const packages[])
{
    struct stat info;
    bool found = false;
    SL_CLEANUP(sl_closep) int fd = open(component, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size == 0)
        return false;
    size_t len = (size_t)info.st_size;
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    for (size_t i = 0; packages[i] != NULL && !found; i++)
        found = memmem(bytes, len, packages[i], strlen(packages[i])) != NULL;
    munmap(bytes, len);
    return found;
}

/* It is needed only where something may be stored. */
static bool needs_folder(const struct sl_manifest *manifest)
{
    static const char *const packages[] = {"slight:kv/", "wasi:keyvalue/",
                                           NULL};

    return manifest->path != NULL ||
           may_import(manifest->components[0].source, packages);
}

/* The file comes and goes with others beside it, so it is the folder. */
static void allow_store(struct sl_sandbox *sandbox, const char *path,
                        bool may_make)
{
    SL_CLEANUP(sl_freep) char *copy = sl_strdup(path);
    const char *folder = dirname(copy);

    if (may_make)
        sl_sandbox_make(sandbox, folder);
    else
        sl_sandbox_allow(sandbox, folder, SL_SANDBOX_READ | SL_SANDBOX_WRITE);
    /* A link leads to where the database and what is beside it are. */
    SL_CLEANUP(sl_freep) char *target = realpath(path, NULL);
    if (target != NULL)
        sl_sandbox_allow(sandbox, dirname(target),
                         SL_SANDBOX_READ | SL_SANDBOX_WRITE);
    /* Large sorts go to files there, which have no name: as good a disk as any,
     * and the only one that may be written. */
    if (access(folder, W_OK | X_OK) == 0)
        setenv("SQLITE_TMPDIR", folder, 0);
}

static void allow_options(const struct sl_manifest *manifest,
                          const struct sl_option *table, const void *values,
                          struct sl_sandbox *sandbox)
{
    for (const struct sl_option *o = table; o != NULL && o->name != NULL; o++) {
        if (o->type != SL_OPTION_PATH)
            continue;
        const char *path =
            *(const char *const *)((const char *)values + o->offset);
        if (path != NULL && o->is_store)
            allow_store(sandbox, path, needs_folder(manifest));
        else if (path != NULL)
            sl_sandbox_allow(sandbox, path,
                             SL_SANDBOX_READ | SL_SANDBOX_REPLACED);
    }
}

static void allow_directories(struct sl_sandbox *sandbox,
                              const struct sl_manifest_directory directories[],
                              size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sandbox_allow(sandbox, directories[i].host,
                         directories[i].writable
                             ? SL_SANDBOX_READ | SL_SANDBOX_WRITE
                             : SL_SANDBOX_READ);
}

/* Why it cannot be had, the host tells when it opens it. */
static void allow_cache(struct sl_sandbox *sandbox)
{
    SL_CLEANUP(sl_freep) char *folder = sl_cache_folder();
    SL_CLEANUP(sl_cache_freep) struct sl_cache *cache = NULL;

    if (folder != NULL &&
        sl_cache_open(folder, SL_CACHE_BYTES_MAX, &cache, NULL) == SL_OK)
        sl_sandbox_allow(sandbox, folder, SL_SANDBOX_READ | SL_SANDBOX_WRITE);
}

/* --- Ports -------------------------------------------------------------- */

/* The port of an authority, or otherwise. */
static uint16_t port_of(const char *authority, size_t len, uint16_t otherwise)
{
    const char *at = memrchr(authority, '@', len);
    const char *host = at != NULL ? at + 1 : authority;
    const char *end = authority + len;
    const char *bracket = memrchr(host, ']', (size_t)(end - host));
    const char *from = bracket != NULL ? bracket : host;
    const char *colon = memchr(from, ':', (size_t)(end - from));

    if (colon != NULL)
        (void)!sl_port_parse(SL_BYTES(colon + 1, (size_t)(end - colon - 1)),
                             &otherwise);
    return otherwise;
}

/* The ports of a URL, or of a list with commas. */
static void allow_addresses(struct sl_sandbox *sandbox, const char *text,
                            uint16_t usual)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        const char *slashes = memmem(text, len, "://", 3);
        const char *authority = slashes != NULL ? slashes + 3 : text;
        size_t rest = len - (size_t)(authority - text);
        size_t host = strcspn(authority, "/?#,");
        sl_sandbox_allow_connect(
            sandbox, port_of(authority, host < rest ? host : rest, usual));
        text += len + (text[len] == ',');
    }
}

static void allow_services(const struct sl_manifest *manifest,
                           struct sl_sandbox *sandbox)
{
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        const struct sl_driver_info info = sl_driver_info(resource->driver);
        for (const struct sl_option *o = info.options;
             o != NULL && o->name != NULL; o++) {
            const char *text =
                o->port == 0
                    ? NULL
                    : *(const char *const *)((const char *)resource->options +
                                             o->offset);
            if (text != NULL)
                allow_addresses(sandbox, text, (uint16_t)o->port);
        }
    }
}

static void allow_requests(const struct sl_manifest *manifest,
                           struct sl_sandbox *sandbox)
{
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_manifest_component *component =
            &manifest->components[i];
        for (size_t j = 0; j < component->allowed_host_count; j++)
            if (component->allowed_hosts[j].kind != SL_ALLOWED_RANGE)
                sl_sandbox_allow_connect(
                    sandbox, (uint16_t)component->allowed_hosts[j].port);
    }
}

static void allow_sockets(const struct sl_manifest_component *component,
                          struct sl_sandbox *sandbox)
{
    for (size_t i = 0; i < component->allowed_socket_count; i++) {
        const struct sl_allowed_host *allowed = &component->allowed_sockets[i];
        uint16_t port = (uint16_t)allowed->port;
        if (allowed->kind == SL_ALLOWED_RANGE)
            continue;
        if (allowed->scheme == SL_SCHEME_TCP_LISTEN ||
            allowed->scheme == SL_SCHEME_UDP_LISTEN) {
            sl_sandbox_allow_bind(sandbox, port);
            sandbox->uses_udp |= allowed->scheme == SL_SCHEME_UDP_LISTEN;
            continue;
        }
        /* The sandbox does not tell UDP from TCP. */
        sl_sandbox_allow_connect(sandbox, port);
        sl_sandbox_allow_bind(sandbox, 0);
    }
}

static void allow_listeners(const struct sl_manifest *manifest,
                            struct sl_sandbox *sandbox)
{
    const char *listen =
        manifest->management != NULL ? manifest->management->listen : NULL;

    if (listen != NULL)
        sl_sandbox_allow_bind(sandbox, port_of(listen, strlen(listen), 0));
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        listen = manifest->triggers[i].listen;
        if (listen != NULL)
            sl_sandbox_allow_bind(sandbox, port_of(listen, strlen(listen), 0));
    }
}

static bool is_any_port(const struct sl_allowed_host *allowed)
{
    return allowed->kind != SL_ALLOWED_RANGE && allowed->port == 0 &&
           allowed->scheme != SL_SCHEME_TCP_LISTEN &&
           allowed->scheme != SL_SCHEME_UDP_LISTEN;
}

bool sl_host_connects_anywhere(const struct sl_manifest *manifest)
{
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (sl_driver_info(manifest->resources[i].driver).connects_anywhere)
            return true;
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_manifest_component *component =
            &manifest->components[i];
        for (size_t j = 0; j < component->allowed_host_count; j++)
            if (is_any_port(&component->allowed_hosts[j]))
                return true;
        for (size_t j = 0; j < component->allowed_socket_count; j++)
            if (is_any_port(&component->allowed_sockets[j]))
                return true;
    }
    return false;
}

void sl_host_allow(const struct sl_manifest *manifest,
                   const struct sl_host_run *run, struct sl_sandbox *sandbox)
{
    sl_sandbox_allow_system(sandbox);
    for (size_t i = 0; i < manifest->component_count; i++) {
        const struct sl_manifest_component *component =
            &manifest->components[i];
        sl_sandbox_allow(sandbox, component->source, SL_SANDBOX_READ);
        allow_directories(sandbox, component->directories,
                          component->directory_count);
    }
    allow_directories(sandbox, run->directories, run->directory_count);
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        allow_options(manifest, sl_driver_info(resource->driver).options,
                      resource->options, sandbox);
        allow_options(manifest,
                      sl_capability_info(resource->capability).options,
                      resource->config, sandbox);
    }
    allow_cache(sandbox);
    if (getenv("SQLITE_TMPDIR") != NULL)
        sl_sandbox_allow(sandbox, getenv("SQLITE_TMPDIR"),
                         SL_SANDBOX_READ | SL_SANDBOX_WRITE);

    allow_listeners(manifest, sandbox);
    sandbox->connects_anywhere = sl_host_connects_anywhere(manifest);
    allow_services(manifest, sandbox);
    allow_requests(manifest, sandbox);
    for (size_t i = 0; i < manifest->component_count; i++)
        allow_sockets(&manifest->components[i], sandbox);
    if (sandbox->connect_count > 0) /* names may be asked for by TCP as well */
        sl_sandbox_allow_connect(sandbox, DNS_PORT);
}
