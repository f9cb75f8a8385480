/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/shared_test.h"

#include <string.h>

void manifest_add_problem(void *context, struct sl_toml_place place,
                          const char *message)
{
    assert_int_equal(sl_buf_printf(context, NULL, "%u:%u: %s\n", place.line,
                                   place.column, message),
                     SL_OK);
}

struct sl_manifest *manifest_good(const char *path, const char *text)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf told = SL_BUF(1 << 16);
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    enum sl_status status = sl_manifest_parse(
        path, sl_bytes_of(text), manifest_add_problem, &told, &manifest, &err);
    if (status != SL_OK)
        fail_msg("%s\n%.*s", err.message, (int)told.len,
                 (const char *)told.ptr);
    assert_int_equal(told.len, 0);
    return manifest;
}

void manifest_bad(const char *text, const char *expected)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf told = SL_BUF(1 << 16);
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    enum sl_status status =
        sl_manifest_parse("slightfile.toml", sl_bytes_of(text),
                          manifest_add_problem, &told, &manifest, &err);
    assert_int_equal(sl_buf_append(&told, SL_LITERAL("\0"), NULL), SL_OK);
    if (strcmp((const char *)told.ptr, expected) != 0)
        fail_msg("manifest:\n%s\ntold:\n%s\nexpected:\n%s", text,
                 (const char *)told.ptr, expected);
    assert_int_equal(status, SL_INVALID_ARGUMENT);
    assert_null(manifest);
}
