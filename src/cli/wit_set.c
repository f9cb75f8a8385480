/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world may import slight:kv without a copy of its WIT; a copy takes
 * precedence.  The bridge leaves out what the world does not use.
 */
#include "cli/wit_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/embedded_files.h"

static void *own_block(struct sl_wit_set *set, void *block)
{
    set->owned =
        sl_realloc(set->owned, (set->owned_count + 1) * sizeof(*set->owned));
    set->owned[set->owned_count++] = block;
    return block;
}

static void add_file(struct sl_wit_set *set, struct sl_bytes path,
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
        return sl_fail(err, SL_TOO_LARGE, "%s: more than %d .wit files", folder,
                       SL_WIT_SET_FILES_MAX);
    enum sl_status status = sl_file_read(full, &text, err);
    if (status != SL_OK) {
        sl_buf_done(&text);
        return status;
    }
    own_block(set, text.ptr);
    add_file(set, sl_bytes_of(own_block(set, sl_strdup(path))),
             SL_BYTES(text.ptr, text.len));
    return SL_OK;
}

static bool is_wit(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".wit") == 0;
}

/* below: a path relative to folder that ends with a slash, or "". */
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

/* "slight:kv@0.2.0" of a text with "package slight:kv@0.2.0;", or "". */
static struct sl_bytes find_package(struct sl_bytes text)
{
    static const char word[] = "package ";
    const char *at = (const char *)text.ptr;
    const char *end = at + text.len;

    while (at != NULL && (size_t)(end - at) > sizeof(word)) {
        if (memcmp(at, word, sizeof(word) - 1) == 0) {
            const char *start = at + sizeof(word) - 1;
            size_t len = 0;
            while (start + len < end && strchr("; \r\n", start[len]) == NULL)
                len++;
            return SL_BYTES(start, len);
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    return SL_BYTES(NULL, 0);
}

/* "slight:kv" of "slight:kv@0.2.0" */
static struct sl_bytes name_of(struct sl_bytes package)
{
    const uint8_t *at = memchr(package.ptr, '@', package.len);

    return SL_BYTES(package.ptr,
                    at != NULL ? (size_t)(at - package.ptr) : package.len);
}

/* Whether text names an interface or a world of package "a:b@1.0.0". */
static bool uses_package(struct sl_bytes text, struct sl_bytes package)
{
    size_t name_len = name_of(package).len;
    struct sl_bytes version = {package.ptr + name_len, package.len - name_len};

    while (text.len > name_len) {
        const uint8_t *hit = memmem(text.ptr, text.len, package.ptr, name_len);
        if (hit == NULL)
            return false;
        text.len -= (size_t)(hit - text.ptr) + name_len;
        text.ptr = hit + name_len;
        size_t item = 0; /* "/store" */
        while (item < text.len && strchr("@;,.{} \r\n", text.ptr[item]) == NULL)
            item++;
        if (item > 0 && text.ptr[0] == '/' &&
            sl_bytes_start_with(SL_BYTES(text.ptr + item, text.len - item),
                                version))
            return true;
    }
    return false;
}

/* user_count: of the files, those of the user, whose packages take precedence;
 * for a world without a version, so does any version of its package. */
static bool is_needed(const struct sl_wit_set *set, size_t user_count,
                      struct sl_bytes world, struct sl_bytes package)
{
    struct sl_bytes name = name_of(package);
    bool any = memchr(world.ptr, '@', world.len) == NULL;
    bool of_world = uses_package(world, any ? name : package);
    bool used = false;

    for (size_t i = 0; i < set->count; i++) {
        struct sl_bytes text = set->files[i].text;
        struct sl_bytes own = find_package(text);
        if (i < user_count && sl_bytes_equal(own, package))
            return false;
        if (i < user_count && any && sl_bytes_equal(name_of(own), name))
            of_world = false;
        used = used || uses_package(text, package);
    }
    return of_world || used;
}

/* Add one built-in file that is needed and missing; false when there is none. */
static bool add_needed(struct sl_wit_set *set, size_t user_count,
                       struct sl_bytes world, bool *added)
{
    for (size_t i = 0; i < sl_wit_file_count; i++) {
        const struct sl_embedded_file *file = &sl_wit_files[i];
        const struct sl_bytes text = SL_BYTES(file->text, file->len);
        if (added[i] || !is_needed(set, user_count, world, find_package(text)))
            continue;
        /* In a separate folder: the user may have a file of the same name. */
        char *path = own_block(set, sl_asprintf("built-in/%s", file->path));
        add_file(set, sl_bytes_of(path), text);
        added[i] = true;
        return true;
    }
    return false;
}

enum sl_status sl_wit_set_read(const char *folder, const char *world,
                               struct sl_wit_set *out, struct sl_error *err)
{
    *out = (struct sl_wit_set){0};
    if (folder == NULL) {
        for (size_t i = 0; i < sl_wit_file_count; i++)
            add_file(out, sl_bytes_of(sl_wit_files[i].path),
                     SL_BYTES(sl_wit_files[i].text, sl_wit_files[i].len));
        return SL_OK;
    }

    enum sl_status status = read_below(out, folder, "", 0, err);
    if (status != SL_OK)
        return status;
    if (out->count == 0)
        return sl_fail(err, SL_NOT_FOUND, "%s: there is no .wit file", folder);

    SL_CLEANUP(sl_freep)
    bool *added = sl_alloc_array(sl_wit_file_count, sizeof(*added));
    size_t user_count = out->count;
    while (add_needed(out, user_count, sl_bytes_of(world), added))
        ; /* each may need others */
    return SL_OK;
}

void sl_wit_set_done(struct sl_wit_set *set)
{
    for (size_t i = 0; i < set->owned_count; i++)
        free(set->owned[i]);
    free(set->owned);
    free(set->files);
}
