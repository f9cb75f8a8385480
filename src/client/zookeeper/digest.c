/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of SASL DIGEST-MD5 (RFC 2831).  RFC 6331 made it historic,
 * but it is the only password mechanism of ZooKeeper's SASL, beside
 * Kerberos. */
#include "client/zookeeper/zookeeper.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { MD5_SIZE = 16, HEX_SIZE = 2 * MD5_SIZE + 1, FIELD_MAX = 256 };

static const char uri[] =
    "zookeeper/zk-sasl-md5"; /* the same for every server */

static bool md5_digest(struct sl_bytes bytes, uint8_t out[MD5_SIZE])
{
    return EVP_Digest(bytes.ptr, bytes.len, out, NULL, EVP_md5(), NULL) == 1;
}

static bool md5_hex(struct sl_bytes bytes, char out[HEX_SIZE])
{
    uint8_t digest[MD5_SIZE];

    if (!md5_digest(bytes, digest))
        return false;
    for (size_t i = 0; i < MD5_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* Take a value, quoted or not, from the start of bytes.  False: it is too long
 * or not terminated. */
static bool take_field_value(struct sl_bytes *bytes, char out[FIELD_MAX])
{
    bool quoted = bytes->len > 0 && bytes->ptr[0] == '"';
    size_t at = quoted, len = 0;

    for (; at < bytes->len; at++) {
        uint8_t byte = bytes->ptr[at];
        if (byte == (quoted ? '"' : ','))
            break;
        if (quoted && byte == '\\' && ++at < bytes->len)
            byte = bytes->ptr[at];
        if (len + 1 >= FIELD_MAX || byte == '\0')
            return false;
        out[len++] = (char)byte;
    }
    if (quoted && at++ >= bytes->len)
        return false;
    out[len] = '\0';
    at = at < bytes->len ? at : bytes->len;
    *bytes = SL_BYTES(bytes->ptr + at, bytes->len - at);
    return true;
}

/* The value of one field of name="value",name=value…; "" if absent. */
static bool find_challenge_field(struct sl_bytes text, const char *name,
                                 char out[FIELD_MAX])
{
    char value[FIELD_MAX];

    out[0] = '\0';
    while (text.len > 0) {
        const uint8_t *equals = memchr(text.ptr, '=', text.len);
        if (equals == NULL)
            return true;
        struct sl_bytes found = {text.ptr, (size_t)(equals - text.ptr)};
        text = SL_BYTES(equals + 1, text.len - found.len - 1);
        if (!take_field_value(&text, value))
            return false;
        while (text.len > 0 && (text.ptr[0] == ',' || text.ptr[0] == ' '))
            text = SL_BYTES(text.ptr + 1, text.len - 1);
        if (sl_bytes_equal(found, sl_bytes_of(name))) {
            snprintf(out, FIELD_MAX, "%s", value);
            return true;
        }
    }
    return true;
}

/* The hash of user, realm, password and both nonces. */
static bool secret_hash(const char *user, const char *realm,
                        const char *password, const char *nonce,
                        const char *cnonce, char out[HEX_SIZE])
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(4096);
    uint8_t digest[MD5_SIZE];

    bool fits = sl_buf_printf(&text, NULL, "%s:%s:%s", user, realm, password) ==
                    SL_OK &&
                md5_digest(sl_buf_bytes(&text), digest);
    if (text.ptr != NULL)
        explicit_bzero(text.ptr, text.len);
    sl_buf_clear(&text);
    return fits &&
           sl_buf_append(&text, SL_BYTES(digest, MD5_SIZE), NULL) == SL_OK &&
           sl_buf_printf(&text, NULL, ":%s:%s", nonce, cnonce) == SL_OK &&
           md5_hex(sl_buf_bytes(&text), out);
}

/* The proof of either side. */
static bool digest_proof(const char *secret, const char *nonce,
                         const char *cnonce, const char *method,
                         char out[HEX_SIZE])
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(4096);
    char what[HEX_SIZE];

    if (sl_buf_printf(&text, NULL, "%s:%s", method, uri) != SL_OK ||
        !md5_hex(sl_buf_bytes(&text), what))
        return false;
    sl_buf_clear(&text);
    return sl_buf_printf(&text, NULL, "%s:%s:00000001:%s:auth:%s", secret,
                         nonce, cnonce, what) == SL_OK &&
           md5_hex(sl_buf_bytes(&text), out);
}

/* Append a quoted and escaped value. */
static enum sl_status add_quoted(struct sl_buf *answer, const char *name,
                                 const char *value, struct sl_error *err)
{
    enum sl_status status = sl_buf_printf(answer, err, "%s=\"", name);

    for (; status == SL_OK && *value != '\0'; value++)
        status = sl_buf_printf(answer, err,
                               *value == '"' || *value == '\\' ? "\\%c" : "%c",
                               *value);
    return status == SL_OK ? sl_buf_printf(answer, err, "\",") : status;
}

enum sl_status sl_zk_digest_md5_respond(struct sl_bytes challenge,
                                        const char *user, const char *password,
                                        const char *cnonce,
                                        struct sl_buf *answer,
                                        char proof[SL_ZK_PROOF_MAX],
                                        struct sl_error *err)
{
    char realm[FIELD_MAX], nonce[FIELD_MAX];
    char secret[HEX_SIZE], ours[HEX_SIZE], theirs[HEX_SIZE];

    if (!find_challenge_field(challenge, "realm", realm) ||
        !find_challenge_field(challenge, "nonce", nonce) || nonce[0] == '\0')
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "the server does not speak SASL DIGEST-MD5");
    if (!secret_hash(user, realm, password, nonce, cnonce, secret) ||
        !digest_proof(secret, nonce, cnonce, "AUTHENTICATE", ours) ||
        !digest_proof(secret, nonce, cnonce, "", theirs))
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "this machine's OpenSSL has no MD5, or user and "
                       "password are too long");
    snprintf(proof, SL_ZK_PROOF_MAX, "rspauth=%s", theirs);
    enum sl_status status = sl_buf_printf(answer, err, "charset=utf-8,");
    if (status == SL_OK)
        status = add_quoted(answer, "username", user, err);
    if (status == SL_OK)
        status = add_quoted(answer, "realm", realm, err);
    if (status == SL_OK)
        status = add_quoted(answer, "nonce", nonce, err);
    if (status == SL_OK)
        status = sl_buf_printf(answer, err,
                               "nc=00000001,cnonce=\"%s\",digest-uri=\"%s\","
                               "maxbuf=65536,response=%s,qop=auth",
                               cnonce, uri, ours);
    return status;
}
