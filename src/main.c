/* SPDX-License-Identifier: Apache-2.0 */
/* The entry point; the program is in cli/. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/signals.h"
#include "host/compile.h"

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* A pipe without its other end: reads return nothing, writes fail. */
static int open_half_pipe(bool reads)
{
    int ends[2];

    /* Standard streams are inherited.  NOLINTNEXTLINE(android-cloexec-pipe) */
    if (pipe(ends) != 0)
        return -1;
    close(ends[reads ? 1 : 0]);
    return ends[reads ? 0 : 1];
}

/*
 * The parent process may have closed a standard stream.  The next file that is
 * opened, perhaps a database, would get its number and the component's output.
 * A pipe takes the place of /dev/null when that is missing, as in a chroot.
 */
static bool open_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (!is_closed(fd))
            continue;
        /* NOLINTNEXTLINE(android-cloexec-open): as above. */
        int opened = open("/dev/null", O_RDWR);
        if (opened < 0)
            opened = open_half_pipe(fd == STDIN_FILENO);
        if (opened < 0)
            return false;
        if (opened != fd && (dup2(opened, fd) != fd || close(opened) != 0))
            return false;
    }
    return true;
}

int main(int argc, char *argv[])
{
    bool is_child = argc > 1 && strcmp(argv[1], SL_COMPILE_ARGUMENT) == 0;

    if (!is_child) /* its parent handles signals */
        sl_signals_start();
    if (!open_streams())
        return SL_EXIT_FAILED;
    if (is_child)
        _exit(sl_compile_child(argc, (const char *const *)argv));
    return sl_cli_main(argc, (const char *const *)argv);
}
