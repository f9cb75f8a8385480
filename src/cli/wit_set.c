/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIT files, from a folder and from the program.
 *
 * A world of one's own imports slight:kv without a copy of its WIT; where there
 * is a copy, it counts.
 */
#include "cli/wit_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/wit_files.h"

static void *own(struct sl_wit_set *set, void *block)
{
    set->owned =
        sl_realloc(set->owned, (set->owned_count + 1) * sizeof(*set->owned));
    set->owned[set->owned_count++] = block;
    return block;
}

static void add(struct sl_wit_set *set, struct sl_bytes path,
                struct sl_bytes text)
{
    set->files = sl_realloc(set->files, (set->count + 1) * sizeof(*set->files));
    set->files[set->count++] = (struct sl_tool_file){path, text};
}

static enum sl_status read_file(struct sl_wit_set *set, const char *folder,
                                const char *path, struct sl_error *err)
{
    struct sl_buf text = SL_BUF(SL_WIT_SET_FILE_BYTES_MAX);
    SL_CLEANUP(sl_freep) char *full = sl_asprintf("%s/%s", folder, path);

    if (set->count == SL_WIT_SET_FILES_MAX)
        return sl_fail(err, SL_TOO_LARGE, "%s: more than %d files of WIT",
                       folder, SL_WIT_SET_FILES_MAX);
    enum sl_status status = sl_file_read(full, &text, err);
    if (status != SL_OK) {
        sl_buf_done(&text);
        return status;
    }
    own(set, text.ptr);
    add(set, sl_bytes_of(own(set, sl_strdup(path))),
        SL_BYTES(text.ptr, text.len));
    return SL_OK;
}

static bool is_wit(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".wit") == 0;
}

/* below is the path from folder on, with a slash at its end, or "". */
static enum sl_status read_below(struct sl_wit_set *set, const char *folder,
                                 const char *below, int depth,
                                 struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *here = sl_asprintf("%s/%s", folder, below);
    struct dirent **items;
    enum sl_status status = SL_OK;

    int count = scandir(here, &items, NULL, alphasort);
    if (count < 0)
        return sl_fail(err, SL_NOT_FOUND, "%s: %s", here, strerror(errno));
    for (int i = 0; i < count; i++) {
        const char *name = items[i]->d_name;
        SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s%s", below, name);
        SL_CLEANUP(sl_freep) char *inner = sl_asprintf("%s/", path);
        if (status == SL_OK && is_wit(name))
            status = read_file(set, folder, path, err);
        else if (status == SL_OK && name[0] != '.' &&
                 items[i]->d_type == DT_DIR && depth < SL_WIT_SET_DEPTH_MAX)
            status = read_below(set, folder, inner, depth + 1, err);
        free(items[i]);
    }
    free(items);
    return status;
}

/* "slight:kv" of a text with "package slight:kv@0.1.0;"; empty: none. */
static struct sl_bytes package_of(struct sl_bytes text)
{
    static const char word[] = "package ";
    const char *at = (const char *)text.ptr;
    const char *end = at + text.len;

    while (at != NULL && (size_t)(end - at) > sizeof(word)) {
        if (memcmp(at, word, sizeof(word) - 1) == 0) {
            const char *start = at + sizeof(word) - 1;
            size_t len = 0;
            while (start + len < end && strchr("@; \r\n", start[len]) == NULL)
                len++;
            return SL_BYTES(start, len);
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    return SL_BYTES(NULL, 0);
}

static bool has_package(const struct sl_wit_set *set, size_t count,
                        struct sl_bytes package)
{
    for (size_t i = 0; i < count; i++)
        if (sl_bytes_equal(package_of(set->files[i].text), package))
            return true;
    return false;
}

enum sl_status sl_wit_set_read(const char *folder, struct sl_wit_set *out,
                               struct sl_error *err)
{
    enum sl_status status = SL_OK;

    *out = (struct sl_wit_set){0};
    if (folder != NULL)
        status = read_below(out, folder, "", 0, err);
    if (status == SL_OK && folder != NULL && out->count == 0)
        status =
            sl_fail(err, SL_NOT_FOUND, "%s: there is no .wit file", folder);

    size_t own_count = out->count;
    for (size_t i = 0; status == SL_OK && i < sl_wit_file_count; i++) {
        struct sl_bytes text =
            SL_BYTES(sl_wit_files[i].text, sl_wit_files[i].len);
        if (!has_package(out, own_count, package_of(text)))
            add(out, sl_bytes_of(sl_wit_files[i].path), text);
    }
    return status;
}

void sl_wit_set_done(struct sl_wit_set *set)
{
    for (size_t i = 0; i < set->owned_count; i++)
        free(set->owned[i]);
    free(set->owned);
    free(set->files);
}
