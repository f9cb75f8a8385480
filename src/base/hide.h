/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the manifest took from outside, by ${env:} or ${file:}, is not shown in
 * messages: not to guests, not in logs, not to whoever reads /readyz.
 */
#ifndef SL_BASE_HIDE_H
#define SL_BASE_HIDE_H

#include <stdbool.h>

#include "base/error.h"

/* A list; NULL is the empty one.  It does not change once it is made. */
struct sl_hidden {
    struct sl_hidden *next;
    char text[];
};

/*
 * Add a value, in front.  Of an address (a URL, or several with commas) it is
 * its hosts, users and paths that may be in a message, each of them by itself.
 * Each entry is one block, for free().
 */
struct sl_hidden *sl_hidden_add(struct sl_hidden *list, const char *value,
                                bool is_address);

/* Put "${...}" in the place of each of them, where it stands as a word. */
void sl_hide(const struct sl_hidden *list, struct sl_error *err);

#endif
