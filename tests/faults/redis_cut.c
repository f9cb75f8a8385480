/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/redis_cut.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { FILE_MAX = 256 << 20, BEGIN = 5 /* bytes of a command that is cut */ };

static const char multi[] = "*1\r\n$5\r\nMULTI\r\n";

/* The part of the file that is written to. */
static void find_file(const struct test_server *server, char *path, size_t size)
{
    char pattern[256];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/redis/appendonlydir/*.incr.aof",
             server->folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    snprintf(path, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

static struct sl_buf read_file(const char *path)
{
    struct sl_buf text = SL_BUF(FILE_MAX);
    struct sl_error err;

    if (sl_file_read(path, &text, &err) != SL_OK)
        fail_msg("%s", err.message);
    return text;
}

long redis_cut_size(const struct test_server *server)
{
    char path[256];

    find_file(server, path, sizeof(path));
    struct sl_buf text = read_file(path);
    long size = (long)text.len;
    sl_buf_done(&text);
    return size;
}

/* Behind the command that begins here. */
static const char *skip_command(const char *at)
{
    char *rest;
    long words = strtol(at + 1, &rest, 10);

    assert_true(at[0] == '*');
    rest += 2;
    for (long i = 0; i < words; i++) {
        assert_true(rest[0] == '$');
        long len = strtol(rest + 1, &rest, 10);
        rest += 2 + len + 2;
    }
    return rest;
}

static bool is_exec(const char *at)
{
    return strncmp(at, "*1\r\n$4\r\nEXEC", 12) == 0;
}

bool redis_cut(const struct test_server *server, long before, int commands)
{
    char path[256];
    const char *at = NULL;
    struct sl_error err;

    find_file(server, path, sizeof(path));
    struct sl_buf text = read_file(path);
    assert_int_equal(sl_buf_append(&text, SL_LITERAL("\0"), &err), SL_OK);
    const char *begin = (const char *)text.ptr;
    for (const char *next = begin + before;
         (next = memmem(next, text.len - (size_t)(next - begin), multi,
                        sizeof(multi) - 1)) != NULL;
         next++)
        at = next;
    if (at != NULL)
        at = skip_command(at);
    for (int i = 0; at != NULL && i < commands && !is_exec(at); i++)
        at = skip_command(at);
    bool there = at != NULL && !is_exec(at);
    if (there)
        assert_int_equal(truncate(path, at - begin + BEGIN), 0);
    sl_buf_done(&text);
    return there;
}
