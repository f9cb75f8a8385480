/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that calls slight's interfaces with anything (guests/lifting.c),
 * in the real host, with embedded drivers.  Whatever the script, the run ends
 * in one of the ways in which runs end, in its time, and the next one can
 * begin.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/host.h"
#include "manifest/manifest.h"

enum { SCRIPT_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char manifest_text[] =
    "slight = 1\nname = \"lifting\"\n"
    "[component]\nsource = \"" SL_FUZZ_GUEST "\"\n"
    "memory = \"16MiB\"\nhost-memory = \"4MiB\"\ntimeout = \"1s\"\n"
    "[[resource]]\nname = \"kv\"\ntype = \"kv.memory\"\ntimeout = \"100ms\"\n"
    "[[resource]]\nname = \"sql\"\ntype = \"sql.sqlite\"\npath = \"db\"\n"
    "timeout = \"100ms\"\n"
    "[[resource]]\nname = \"lockd\"\ntype = \"lockd.sqlite\"\npath = "
    "\"locks\"\n"
    "timeout = \"100ms\"\n"
    "[[resource]]\nname = \"mq\"\ntype = \"mq.sqlite\"\npath = \"mq\"\n"
    "timeout = \"100ms\"\n"
    "[[resource]]\nname = \"pubsub\"\ntype = \"pubsub.sqlite\"\n"
    "path = \"pubsub\"\ntimeout = \"100ms\"\n";

static struct sl_manifest *manifest;
static struct sl_host *host;
static char folder[] = "/tmp/slight-fuzz-XXXXXX";

static void tell(void *context, struct sl_toml_place place, const char *message)
{
    (void)context;
    fprintf(stderr, "%u: %s\n", place.line, message);
}

static void require(enum sl_status status, const struct sl_error *err)
{
    if (status == SL_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    abort();
}

static void end(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    static const char *const names[] = {"db", "locks", "mq", "pubsub"};

    sl_host_free(host);
    sl_manifest_free(manifest);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (size_t j = 0; j < sizeof(suffixes) / sizeof(suffixes[0]); j++) {
            SL_CLEANUP(sl_freep)
            char *path = sl_asprintf("%s/%s%s", folder, names[i], suffixes[j]);
            unlink(path);
        }
    rmdir(folder);
}

static void begin(void)
{
    const struct sl_host_config config = {.max_instances = 1};
    struct sl_toml_place where;
    struct sl_error err = {.status = SL_OK};

    if (mkdtemp(folder) == NULL)
        abort();
    SL_CLEANUP(sl_freep)
    char *path = sl_asprintf("%s/slightfile.toml", folder);
    require(sl_manifest_parse(path, sl_bytes_of(manifest_text), tell, NULL,
                              &manifest, &err),
            &err);
    require(sl_host_new(manifest, &config, &host, &where, &err), &err);
    require(sl_host_load(host, &err), &err);
    require(sl_host_link(host, &err), &err);
    atexit(end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char script[2 * SCRIPT_MAX + 1];
    const char *const args[] = {script};
    const struct sl_host_run run = {
        .args = args, .arg_count = 1, .timeout_ms = -1, .interrupt = -1};
    struct sl_host_outcome outcome;
    struct sl_error err;

    if (host == NULL)
        begin();
    if (size > SCRIPT_MAX)
        size = SCRIPT_MAX;
    script[0] = '\0';
    for (size_t i = 0; i < size; i++)
        snprintf(script + 2 * i, 3, "%02x", data[i]);
    require(sl_host_run(host, &run, &outcome, &err), &err);
    if (outcome.end == SL_HOST_INTERRUPTED) /* a call that waits may time out */
        abort();
    return 0;
}
