/* SPDX-License-Identifier: Apache-2.0 */
/* Prefixes of keys as ranges, for databases that compare texts by their bytes.
 */
#ifndef SL_KV_POSTGRES_PREFIX_H
#define SL_KV_POSTGRES_PREFIX_H

#include "kv/kv.h"

/*
 * The first text behind all that start with prefix, which is UTF-8: with its
 * last character that has a next one replaced by that.  False where there is
 * none.
 */
bool sl_kv_postgres_prefix_end(struct sl_bytes prefix,
                               char end[SL_KV_KEY_MAX + 1], size_t *len);

#endif
