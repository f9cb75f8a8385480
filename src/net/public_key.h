/* SPDX-License-Identifier: Apache-2.0 */
/* A server's public key in a file, which a library reads by itself. */
#ifndef SL_NET_PUBLIC_KEY_H
#define SL_NET_PUBLIC_KEY_H

#include "base/error.h"

/*
 * Whether the file has an RSA public key in PEM (BEGIN PUBLIC KEY), now;
 * SL_INVALID_ARGUMENT says what is wrong.  Reads a file; any thread.
 */
SL_MUST_CHECK enum sl_status sl_public_key_check(const char *path,
                                                 struct sl_error *err);

#endif
