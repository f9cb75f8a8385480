/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for the tests of manifests. */
#ifndef SL_MANIFEST_SHARED_TEST_H
#define SL_MANIFEST_SHARED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manifest/manifest.h"

/* Four lines that every manifest needs. */
#define HEAD                                                                   \
    "slight = 1\n"                                                             \
    "name = \"orders\"\n"                                                      \
    "[component]\n"                                                            \
    "source = \"orders.wasm\"\n"

/* For sl_manifest_parse: appends a line to context, a struct sl_buf. */
void manifest_add_problem(void *context, struct sl_toml_place place,
                          const char *message);

/* Parse a valid manifest. */
struct sl_manifest *manifest_good(const char *path, const char *text);
/* Parse an invalid manifest; its problems must be as expected. */
void manifest_bad(const char *text, const char *expected);

#endif
