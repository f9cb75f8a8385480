/* SPDX-License-Identifier: Apache-2.0 */
/* The program: see cli/. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "host/compile.h"

/*
 * Whoever starts us may have closed a standard stream.  The next file that is
 * opened, perhaps a store's, would get its number, and what a component prints.
 */
static bool open_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

int main(int argc, char *argv[])
{
    if (!open_streams())
        return SL_EXIT_FAILED;
    /* A reader that went away is an error of the write, for us and guests. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], SL_COMPILE_ARGUMENT) == 0)
        _exit(sl_compile_child(argc, (const char *const *)argv));
    return sl_cli_main(argc, (const char *const *)argv);
}
