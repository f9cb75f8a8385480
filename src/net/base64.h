/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), as services write bytes in JSON and headers. */
#ifndef SL_NET_BASE64_H
#define SL_NET_BASE64_H

#include "base/bytes.h"

SL_MUST_CHECK enum sl_status sl_base64_append(struct sl_buf *out,
                                              struct sl_bytes bytes,
                                              struct sl_error *err);

/* Append what text stands for.  SL_INVALID_ARGUMENT where it is none, in the
 * one form that RFC 4648 has: padded, and nothing else in it. */
SL_MUST_CHECK enum sl_status sl_base64_decode(struct sl_bytes text,
                                              struct sl_buf *out,
                                              struct sl_error *err);

#endif
