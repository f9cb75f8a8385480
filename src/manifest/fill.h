/* SPDX-License-Identifier: Apache-2.0 */
/* ${env:NAME} and ${file:PATH} in the strings of a manifest. */
#ifndef SL_MANIFEST_FILL_H
#define SL_MANIFEST_FILL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

struct sl_manifest_filling {
    const char *folder; /* of files, with a slash, or "" */
    bool is_address;    /* values are percent-encoded within a URL */
};

/*
 * Replace ${env:NAME} and ${file:PATH} by their values, and $${ by ${.  The
 * message of a failure shows none of the values.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_fill(const char *text, const struct sl_manifest_filling *filling,
                 struct sl_buf *out, bool *filled, struct sl_error *err);

/*
 * --- fill_address.c ---
 *
 * Append the value of a reference to an address.  The part of the URL that it
 * belongs to follows from what out holds already and from the text after the
 * reference.  SL_INVALID_ARGUMENT when the value cannot be that part.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_append_to_address(struct sl_bytes value, const char *after,
                              struct sl_buf *out, struct sl_error *err);

#endif
