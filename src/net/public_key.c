/* SPDX-License-Identifier: Apache-2.0 */
#include "net/public_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum sl_status sl_public_key_check(const char *path, struct sl_error *err)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "%s: %s", path,
                       strerror(errno));
    EVP_PKEY *key = PEM_read_PUBKEY(file, NULL, NULL, NULL);
    bool fits = key != NULL && EVP_PKEY_is_a(key, "RSA") == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    fclose(file);
    if (!fits)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: expected an RSA public key in PEM (BEGIN PUBLIC "
                       "KEY), such as the server's public_key.pem",
                       path);
    return SL_OK;
}
