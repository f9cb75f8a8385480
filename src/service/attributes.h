/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: what messages and events have beside their payload. */
#ifndef SL_SERVICE_ATTRIBUTES_H
#define SL_SERVICE_ATTRIBUTES_H

#include "base/bytes.h"
#include "service/request.h"

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

/* The fields of struct sl_pair, for the attributes of a request. */
extern const struct sl_request_field sl_pair_fields[];

/* As one piece of bytes, for services that keep no pairs. */
SL_MUST_CHECK enum sl_status sl_attributes_pack(const struct sl_pair *pairs,
                                                size_t count,
                                                struct sl_buf *out,
                                                struct sl_error *err);
/* Back: they point into bytes.  False where that is no such piece. */
SL_MUST_CHECK bool sl_attributes_unpack(struct sl_bytes bytes,
                                        struct sl_pair pairs[SL_ATTRIBUTES_MAX],
                                        size_t *count);

#endif
