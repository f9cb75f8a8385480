/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: what messages and events have beside their payload; and other
 * texts and numbers of requests, checked.
 */
#ifndef SL_SERVICE_ATTRIBUTES_H
#define SL_SERVICE_ATTRIBUTES_H

#include "base/bytes.h"

enum {
    SL_ATTRIBUTES_MAX = 64,
    SL_ATTRIBUTE_NAME_MAX = 128,
    SL_ATTRIBUTE_BYTES_MAX = 65536, /* names and values of one message */
};

/* The names and values together. */
size_t sl_attributes_bytes(const struct sl_pair *pairs, size_t count);

SL_MUST_CHECK enum sl_status sl_attributes_check(const struct sl_pair *pairs,
                                                 size_t count,
                                                 struct sl_error *err);

/* Room for count pairs and their texts behind *tail, which is advanced. */
const struct sl_pair *
sl_attributes_copy(uint8_t **tail, const struct sl_pair *pairs, size_t count);

/* As one piece of bytes, for services that keep no pairs. */
SL_MUST_CHECK enum sl_status sl_attributes_pack(const struct sl_pair *pairs,
                                                size_t count,
                                                struct sl_buf *out,
                                                struct sl_error *err);
/* Back: they point into bytes.  False where that is no such piece. */
SL_MUST_CHECK bool sl_attributes_unpack(struct sl_bytes bytes,
                                        struct sl_pair pairs[SL_ATTRIBUTES_MAX],
                                        size_t *count);

/* A text of `least` to `most` bytes of UTF-8 without NUL; what: "a group". */
SL_MUST_CHECK enum sl_status sl_check_text(const char *what,
                                           struct sl_bytes text, size_t least,
                                           size_t most, struct sl_error *err);
/* A number from `least` to `most`; what: "a delay in ms". */
SL_MUST_CHECK enum sl_status sl_check_range(const char *what, uint64_t value,
                                            uint64_t least, uint64_t most,
                                            struct sl_error *err);

#endif
