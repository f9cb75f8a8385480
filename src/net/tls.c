/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts and sessions, and what a failed verification means. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct sl_tls {
    SSL_CTX *context;
};

const char *sl_tls_reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);

    ERR_clear_error();
    return reason == NULL ? "unknown error" : reason;
}

static enum sl_status load_authorities(SSL_CTX *context, const char *ca_file,
                                       struct sl_error *err)
{
    if (ca_file == NULL && SSL_CTX_set_default_verify_paths(context) == 1)
        return SL_OK;
    if (ca_file != NULL && SSL_CTX_load_verify_file(context, ca_file) == 1)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "%s: no certificate authorities in PEM found: %s",
                   ca_file == NULL ? "the system's store" : ca_file,
                   sl_tls_reason());
}

enum sl_status sl_tls_new(const char *ca_file, struct sl_tls **out,
                          struct sl_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        return sl_fail(err, SL_INTERNAL, "TLS: %s", sl_tls_reason());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_AUTO_RETRY);
    if (load_authorities(context, ca_file, err) != SL_OK) {
        SSL_CTX_free(context);
        return SL_INVALID_ARGUMENT;
    }
    struct sl_tls *tls = sl_alloc(sizeof(*tls));
    tls->context = context;
    *out = tls;
    return SL_OK;
}

enum sl_status sl_tls_use_certificate(struct sl_tls *tls, const char *cert_file,
                                      const char *key_file,
                                      struct sl_error *err)
{
    if (cert_file == NULL || key_file == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a client's certificate needs both `cert` and `key`");
    if (SSL_CTX_use_certificate_chain_file(tls->context, cert_file) != 1)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: no certificate in PEM found: %s", cert_file,
                       sl_tls_reason());
    if (SSL_CTX_use_PrivateKey_file(tls->context, key_file, SSL_FILETYPE_PEM) !=
        1)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s: no private key in PEM found that matches %s: %s",
                       key_file, cert_file, sl_tls_reason());
    return SL_OK;
}

void sl_tls_free(struct sl_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

static bool is_ip_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

/* Addresses have their own field in certificates, and no server name (SNI). */
static bool set_expected_host(SSL *ssl, const char *host)
{
    if (is_ip_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    /* The macro takes no const, although OpenSSL copies the name. */
    char name[256];
    snprintf(name, sizeof(name), "%s", host);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *sl_tls_session(struct sl_tls *tls, const char *host, int fd)
{
    SSL *ssl = SSL_new(tls->context);

    if (ssl != NULL && set_expected_host(ssl, host) && SSL_set_fd(ssl, fd) == 1)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

bool sl_tls_explain(SSL *ssl, const char *host, const char *where,
                    struct sl_error *err)
{
    long result = SSL_get_verify_result(ssl);

    switch (result) {
    case X509_V_OK:
        return false;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        sl_fail(err, SL_UNAUTHENTICATED,
                "%s: the server's certificate is not for %s; use a name that "
                "it is for, or check that this is the right server",
                where, host);
        return true;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        sl_fail(err, SL_UNAUTHENTICATED,
                "%s: the server's certificate has expired or is not valid "
                "yet; renew it, or set this machine's clock",
                where);
        return true;
    default:
        sl_fail(err, SL_UNAUTHENTICATED,
                "%s: the server's certificate is not trusted (%s); for "
                "an authority of your own set `ca` to its file",
                where, X509_verify_cert_error_string(result));
        return true;
    }
}
