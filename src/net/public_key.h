/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the file of a server's public key, which a client library will
 * read. */
#ifndef SL_NET_PUBLIC_KEY_H
#define SL_NET_PUBLIC_KEY_H

#include "base/error.h"

/*
 * SL_INVALID_ARGUMENT: the file has no RSA public key in PEM (BEGIN PUBLIC KEY)
 * now.  Any thread.
 */
SL_MUST_CHECK enum sl_status sl_public_key_check(const char *path,
                                                 struct sl_error *err);

#endif
