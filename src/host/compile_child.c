/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that compiles: it limits itself before it looks at the component.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/compile.h"
#include "host/compile_internal.h"

static int fail_child(enum sl_status status, const char *message)
{
    (void)!write(STDERR_FILENO, message, strlen(message));
    (void)close(STDERR_FILENO); /* a library may write more when it ends */
    return SL_COMPILE_FAILED + (int)status;
}

/* Whether a page more would be within a limit of this many bytes. */
static bool fits_within(__rlimit_resource_t resource,
                        const struct rlimit *before, uint64_t bytes)
{
    const struct rlimit tried = {bytes, before->rlim_max};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (setrlimit(resource, &tried) != 0)
        return true;
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED && munmap(at, page) == 0;
}

/*
 * What this process has already, as the kernel counts it for RLIMIT_DATA or
 * RLIMIT_AS, to the next MiB.  The kernel is asked by trying: the sandbox, which
 * holds for this process as well, has no /proc for it.
 */
static uint64_t used_bytes(__rlimit_resource_t resource)
{
    /* All that a process can have: a sanitizer maps terabytes. */
    uint64_t low = 0, high = UINT64_C(1) << 47;
    struct rlimit before;

    if (getrlimit(resource, &before) != 0)
        return 0;
    if (before.rlim_cur < high)
        high = before.rlim_cur;
    while (high - low > 1 << 20) {
        uint64_t middle = low + (high - low) / 2;
        if (fits_within(resource, &before, middle))
            high = middle;
        else
            low = middle;
    }
    (void)setrlimit(resource, &before);
    return high;
}

static void limit_resource(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) != 0 || value >= limit.rlim_max)
        return; /* the present limit is lower */
    limit.rlim_cur = value;
    limit.rlim_max = value;
    (void)setrlimit(resource, &limit);
}

/* Where memory is short, the kernel is to end this process first.  The sandbox
 * does not allow that; the limits must suffice there. */
static void prefer_for_oom_killer(void)
{
    SL_CLEANUP(sl_closep)
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!sl_write_all(fd, SL_LITERAL("1000"));
}

static void limit_child(uint64_t memory, uint64_t cpu_seconds)
{
    prefer_for_oom_killer();
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit_resource(RLIMIT_CORE, 0);
    limit_resource(RLIMIT_FSIZE, memory);
    if (cpu_seconds > 0)
        limit_resource(RLIMIT_CPU, cpu_seconds);
    limit_resource(RLIMIT_DATA, used_bytes(RLIMIT_DATA) + memory);
}

/* Whether the address space ends before the compiler has used its memory. */
static bool has_little_space(uint64_t memory)
{
    struct rlimit space;

    return getrlimit(RLIMIT_AS, &space) == 0 &&
           space.rlim_cur != RLIM_INFINITY &&
           space.rlim_cur < used_bytes(RLIMIT_AS) + memory;
}

static void write_code(void *context, struct sl_bytes code)
{
    bool *written = context;

    *written = sl_write_all(STDOUT_FILENO, code);
}

int sl_compile_within(const struct sl_bridge_engine_config *engine,
                      uint64_t memory, uint64_t cpu_seconds)
{
    struct stat info;
    struct sl_error err;
    bool written = false;
    const struct sl_bridge_sink sink = {&written, write_code};

    if (fstat(STDIN_FILENO, &info) != 0 || info.st_size <= 0)
        return fail_child(SL_INTERNAL, "there is nothing to compile");
    void *wasm = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE,
                      STDIN_FILENO, 0);
    if (wasm == MAP_FAILED)
        return fail_child(SL_INTERNAL, "mmap");
    if (has_little_space(memory))
        (void)!write(STDERR_FILENO, SL_COMPILE_LITTLE_SPACE,
                     sizeof(SL_COMPILE_LITTLE_SPACE) - 1);
    limit_child(memory, cpu_seconds);
    enum sl_status status = sl_bridge_compile(
        engine, SL_BYTES(wasm, (size_t)info.st_size), sink, &err);
    if (status != SL_OK)
        return fail_child(status, err.message);
    return written ? 0
                   : fail_child(SL_UNAVAILABLE, "the code cannot be written");
}

/* The configuration, as hexadecimal digits. */
static bool parse_engine(const char *text,
                         struct sl_bridge_engine_config *engine)
{
    uint8_t *bytes = (uint8_t *)engine;

    if (strlen(text) != 2 * sizeof(*engine))
        return false;
    for (size_t i = 0; i < sizeof(*engine); i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1]};
        char *end;
        bytes[i] = (uint8_t)strtoul(digits, &end, 16);
        if (*end != '\0')
            return false;
    }
    return true;
}

int sl_compile_child(int argc, const char *const argv[])
{
    struct sl_bridge_engine_config engine;

    if (argc != 5 || !parse_engine(argv[2], &engine))
        return fail_child(SL_INTERNAL, "slight compile-child is for slight "
                                       "itself");
    return sl_compile_within(&engine, strtoull(argv[3], NULL, 10),
                             strtoull(argv[4], NULL, 10));
}
