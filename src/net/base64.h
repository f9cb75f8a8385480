/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4) by OpenSSL, for bytes in JSON and headers. */
#ifndef SL_NET_BASE64_H
#define SL_NET_BASE64_H

#include "base/bytes.h"

SL_MUST_CHECK enum sl_status sl_base64_append(struct sl_buf *out,
                                              struct sl_bytes bytes,
                                              struct sl_error *err);

/* Decode text and append its bytes.  SL_INVALID_ARGUMENT: not the canonical
 * form of RFC 4648, which is padded and has no other characters. */
SL_MUST_CHECK enum sl_status sl_base64_decode(struct sl_bytes text,
                                              struct sl_buf *out,
                                              struct sl_error *err);

#endif
