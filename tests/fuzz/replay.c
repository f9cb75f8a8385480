/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run a fuzzer's target on every file of a folder: `replay FOLDER`.  An empty
 * folder is a failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *folder, const char *name)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", folder, name);
    SL_CLEANUP(sl_buf_done) struct sl_buf input = SL_BUF(16 << 20);
    struct sl_error err;

    if (sl_file_read(path, &input, &err) != SL_OK) {
        fprintf(stderr, "replay: %s\n", err.message);
        exit(1);
    }
    /* A copy of just its size, so that a sanitizer sees its end. */
    uint8_t *exact = malloc(input.len);
    if (input.len > 0)
        memcpy(exact, input.ptr, input.len);
    LLVMFuzzerTestOneInput(exact, input.len);
    free(exact);
}

int main(int argc, char **argv)
{
    int count = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;

    if (folder == NULL) {
        fputs("usage: replay FOLDER\n", stderr);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        run_file(argv[1], entry->d_name);
        count++;
    }
    closedir(folder);
    printf("%d files\n", count);
    return count == 0;
}
