/* SPDX-License-Identifier: Apache-2.0 */
/* Text from a manifest, as it is shown in messages. */
#ifndef SL_MANIFEST_EXCERPT_H
#define SL_MANIFEST_EXCERPT_H

struct sl_manifest_excerpt {
    char text[68];
};

/* The beginning of text, without control characters; "..." shows that it was
 * cut. */
struct sl_manifest_excerpt sl_manifest_excerpt(const char *text);

#endif
