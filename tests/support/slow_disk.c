/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is slow for as long as a test wants: loaded into a server
 * (LD_PRELOAD), no fsync or fdatasync begins while the file $SL_TEST_DISK/held is
 * there.  The first one that waits makes the file $SL_TEST_DISK/waits.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int file);
int fdatasync(int file);

enum { LOOK_US = 1000 };

static bool is_held(const char *folder)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/held", folder);
    return access(path, F_OK) == 0;
}

static void tell_that_it_waits(const char *folder)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/waits", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
}

static void wait_for_disk(void)
{
    const char *folder = getenv("SL_TEST_DISK");

    if (folder == NULL || !is_held(folder))
        return;
    tell_that_it_waits(folder);
    while (is_held(folder))
        usleep(LOOK_US);
}

int fsync(int file)
{
    wait_for_disk();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, file);
}
