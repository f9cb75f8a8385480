/* SPDX-License-Identifier: Apache-2.0 */
/* The program: see cli/. */
#include <signal.h>

#include "cli/command.h"

int main(int argc, char *argv[])
{
    /* A reader that went away is an error of the write, for us and guests. */
    signal(SIGPIPE, SIG_IGN);
    return sl_cli_main(argc, (const char *const *)argv);
}
