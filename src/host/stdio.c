/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a program that is run once.  It waits for its reader, in a thread
 * of the bridge's; what can be written without waiting is written at once. What
 * goes to a terminal is escaped.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/tsan_boundary.h"
#include "host/output.h"

/* Static, since a thread may still write when the host is gone. */
static struct stream {
    bool is_escaped;
    bool is_file;          /* nobody has to read it before more fits */
    atomic_bool must_wait; /* the kernel cannot write to it without waiting */
    uint8_t held[4];       /* of a character whose rest is to come */
    size_t held_len;
} streams[2];

void sl_host_stdio_prepare(bool raw)
{
    for (int i = 0; i < 2; i++) {
        struct stat info;
        streams[i] = (struct stream){
            .is_escaped = !raw && isatty(i + 1) == 1,
            .is_file = fstat(i + 1, &info) == 0 && S_ISREG(info.st_mode),
        };
    }
}

/* Without O_NONBLOCK, which others who have the descriptor would see. */
static int64_t write_now(struct stream *to, int fd, struct sl_bytes bytes)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.ptr,
                               .iov_len = bytes.len};
    ssize_t written;

    if (to->is_escaped || atomic_load(&to->must_wait))
        return 0;
    do
        written = to->is_file ? write(fd, bytes.ptr, bytes.len)
                              : pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
    while (written < 0 && errno == EINTR);
    if (written >= 0)
        return written;
    if (errno == EAGAIN)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return -errno;
    atomic_store(&to->must_wait, true);
    return 0;
}

static int64_t write_waiting(int fd, struct sl_bytes bytes)
{
    return sl_output_write_all(fd, bytes) ? (int64_t)bytes.len : -errno;
}

static int64_t write_escaped(struct stream *to, int fd, struct sl_bytes bytes)
{
    size_t len = to->held_len + bytes.len;
    SL_CLEANUP(sl_freep) uint8_t *text = sl_alloc(len);

    memcpy(text, to->held, to->held_len);
    memcpy(text + to->held_len, bytes.ptr, bytes.len);
    to->held_len = sl_escape_incomplete(SL_BYTES(text, len));
    len -= to->held_len;
    memcpy(to->held, text + len, to->held_len);
    SL_CLEANUP(sl_freep)
    char *shown = sl_escaped(SL_BYTES(text, len), SL_ESCAPE_LINES);
    int64_t written = write_waiting(fd, sl_bytes_of(shown));
    return written < 0 ? written : (int64_t)bytes.len;
}

int64_t sl_host_stdio_write(void *context, int stream, struct sl_bytes bytes,
                            bool may_wait)
{
    SL_CALLED_BY_BRIDGE;
    struct stream *to = &streams[stream - 1];
    int64_t taken = 0;

    (void)context;
    if (!may_wait)
        taken = write_now(to, stream, bytes);
    else if (to->is_escaped)
        taken = write_escaped(to, stream, bytes);
    else
        taken = write_waiting(stream, bytes);
    return taken;
}

void sl_host_stdio_finish(void)
{
    for (int i = 0; i < 2; i++) {
        struct stream *from = &streams[i];
        if (from->held_len == 0)
            continue;
        SL_CLEANUP(sl_freep)
        char *shown =
            sl_escaped(SL_BYTES(from->held, from->held_len), SL_ESCAPE_LINE);
        sl_output_write(i + 1, SL_OUTPUT_LOG, sl_bytes_of(shown), NULL);
        from->held_len = 0;
    }
}
