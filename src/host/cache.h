/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled code, kept from one start to the next.
 *
 * A file here is machine code that will be run, so a folder that anybody else
 * could write or replace is refused.  Several processes may use one folder.
 */
#ifndef SL_HOST_CACHE_H
#define SL_HOST_CACHE_H

#include "base/bytes.h"
#include "base/error.h"

/* All files together; the ones that were not used for longest go first. */
#define SL_CACHE_BYTES_MAX ((uint64_t)1024 * 1024 * 1024)

struct sl_cache;

struct sl_cache_key {
    char text[65]; /* hexadecimal */
};

/*
 * The folder that the environment names: $SLIGHT_CACHE_DIR, otherwise
 * slight/code in $XDG_CACHE_HOME or ~/.cache.  NULL where SLIGHT_CACHE_DIR is
 * "off" or there is no home.  The caller's to free.
 */
char *sl_cache_folder(void);

/*
 * Make the folder, if need be, and check that it is this user's alone to write,
 * and that nobody else could put another one in its place
 * (sl_open_private_folder).
 */
SL_MUST_CHECK enum sl_status sl_cache_open(const char *folder,
                                           uint64_t bytes_max,
                                           struct sl_cache **out,
                                           struct sl_error *err);
void sl_cache_free(struct sl_cache *cache); /* NULL is fine */

/* The key of code that is made of these bytes by this compiler. */
struct sl_cache_key sl_cache_key_of(struct sl_bytes wasm,
                                    struct sl_bytes fingerprint);

/*
 * Open the file under key for reading: a descriptor that the caller closes, or
 * -1 where no file is whole and owned by this user alone.  The descriptor was
 * checked, the name was not: load the code from the descriptor.  The file holds
 * the code, and behind it a checksum.
 */
SL_MUST_CHECK int sl_cache_find(struct sl_cache *cache,
                                const struct sl_cache_key *key);

/*
 * Keep code under key, and make room for it.  *fd is a descriptor of the new
 * file, as of sl_cache_find; it is left alone on a failure.
 */
SL_MUST_CHECK enum sl_status sl_cache_store(struct sl_cache *cache,
                                            const struct sl_cache_key *key,
                                            struct sl_bytes code, int *fd,
                                            struct sl_error *err);

/* Forget key: what stands there cannot be used. */
void sl_cache_drop(struct sl_cache *cache, const struct sl_cache_key *key);

/* For SL_CLEANUP. */
static inline void sl_cache_freep(struct sl_cache **cache)
{
    sl_cache_free(*cache);
}

#endif
