/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of references are treated as secrets: they go into the result and
 * never into a message.
 */
#include "manifest/fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/excerpt.h"
#include "manifest/manifest.h"

static enum sl_status fill_variable(const char *name, struct sl_buf *out,
                                    struct sl_error *err)
{
    const char *value = getenv(name);

    if (value == NULL)
        return sl_fail(err, SL_NOT_FOUND,
                       "the environment variable \"%s\" is not set; set it, or "
                       "write $${ for a literal ${",
                       sl_manifest_excerpt(name).text);
    if (strlen(value) > SL_MANIFEST_SECRET_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "the environment variable \"%s\" is longer than %d "
                       "bytes",
                       sl_manifest_excerpt(name).text, SL_MANIFEST_SECRET_MAX);
    return sl_buf_append(out, sl_bytes_of(value), err);
}

/* Editors and `echo` end a file with a newline that is not part of the value.
 */
static struct sl_bytes without_newline(struct sl_bytes bytes)
{
    if (bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\n')
        bytes.len--;
    if (bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\r')
        bytes.len--;
    return bytes;
}

static enum sl_status fill_file(const char *name, const char *folder,
                                struct sl_buf *out, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf content = SL_BUF(SL_MANIFEST_SECRET_MAX);
    SL_CLEANUP(sl_freep)
    char *path = sl_asprintf("%s%s", name[0] == '/' ? "" : folder, name);

    enum sl_status status = sl_file_read(path, &content, err);
    if (status != SL_OK)
        return status;

    struct sl_bytes bytes = without_newline(sl_buf_bytes(&content));
    if (bytes.len > 0 && memchr(bytes.ptr, '\0', bytes.len) != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: contains a NUL; a value must be text", path);
    return sl_buf_append(out, bytes, err);
}

/* reference: the text between "${" and "}". */
static enum sl_status read_reference(const char *reference, const char *folder,
                                     struct sl_buf *out, struct sl_error *err)
{
    const char *colon = strchr(reference, ':');

    if (colon != NULL && colon[1] != '\0') {
        if (strncmp(reference, "env:", 4) == 0)
            return fill_variable(colon + 1, out, err);
        if (strncmp(reference, "file:", 5) == 0)
            return fill_file(colon + 1, folder, out, err);
    }
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "\"${%s}\" is neither ${env:NAME} nor ${file:PATH}; write "
                   "$${ for a literal ${",
                   sl_manifest_excerpt(reference).text);
}

/* after: the text behind the reference. */
static enum sl_status fill_reference(const char *reference, const char *after,
                                     const struct sl_manifest_filling *filling,
                                     struct sl_buf *out, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf value = SL_BUF(SL_MANIFEST_SECRET_MAX + 1);

    if (!filling->is_address)
        return read_reference(reference, filling->folder, out, err);
    enum sl_status status =
        read_reference(reference, filling->folder, &value, err);
    if (status != SL_OK)
        return status;
    return sl_manifest_append_to_address(sl_buf_bytes(&value), after, out, err);
}

enum sl_status sl_manifest_fill(const char *text,
                                const struct sl_manifest_filling *filling,
                                struct sl_buf *out, bool *filled,
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && *text != '\0') {
        const char *start = strstr(text, "${");
        if (start == NULL)
            return sl_buf_append(out, sl_bytes_of(text), err);

        /* "$${" stands for "${". */
        bool escaped = start > text && start[-1] == '$';
        size_t before = (size_t)(start - text);
        status = sl_buf_append(
            out, SL_BYTES(text, escaped ? before - 1 : before), err);
        if (status != SL_OK)
            return status;
        if (escaped) {
            status = sl_buf_append(out, SL_LITERAL("${"), err);
            text = start + 2;
            continue;
        }

        const char *end = strchr(start, '}');
        if (end == NULL)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "\"${\" without \"}\"; write $${ for a literal "
                           "${");
        SL_CLEANUP(sl_freep)
        char *reference = sl_strndup(start + 2, (size_t)(end - start - 2));
        *filled = true;
        status = fill_reference(reference, end + 1, filling, out, err);
        text = end + 1;
    }
    return status;
}
