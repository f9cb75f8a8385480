/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of manifests share: one that is right, and one that is not. */
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

/* For sl_manifest_parse: context is a struct sl_buf, to which lines are added.
 */
void manifest_add_problem(void *context, struct sl_toml_place place,
                          const char *message);

/* Parse text that is right. */
struct sl_manifest *manifest_good(const char *path, const char *text);
/* Parse text that is wrong; what is told must be expected. */
void manifest_bad(const char *text, const char *expected);

#endif
