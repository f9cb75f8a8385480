/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of libcurl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/conn.h"
#include "net/http/internal.h"

enum { PROBE_MS = 500 /* for the server to send its alert */ };

/* OpenSSL's texts for alerts of a server that refused our certificate, or
 * missed it.  With TLS 1.3 the alert arrives when we read. */
static bool is_refusal(const char *reason)
{
    static const char *const alerts[] = {
        "certificate required",   "bad certificate",     "certificate unknown",
        "certificate expired",    "certificate revoked", "alert unknown ca",
        "unsupported certificate"};

    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
        if (strstr(reason, alerts[i]) != NULL)
            return true;
    return false;
}

/*
 * Whether the server refuses our certificate; its alert goes into why.  An
 * alert may be lost when it crosses a request, so this opens one more
 * connection, without a request.
 */
static bool refuses_us(const struct sl_http_transaction *transaction,
                       struct sl_error *why)
{
    const struct sl_http_config *config = transaction->config;
    const char *colon = strrchr(transaction->where, ':');
    const sl_deadline deadline = sl_deadline_in_ms(PROBE_MS);
    struct sl_conn *conn = NULL;
    struct sl_tls *tls = NULL;
    char byte;
    size_t got;

    why->message[0] = '\0';
    if (colon == NULL)
        return false;
    const char *name = transaction->where + (transaction->where[0] == '[');
    char *host = sl_strndup(name, (size_t)(colon - name) - (colon[-1] == ']'));
    if (sl_tls_new(config->ca, &tls, why) == SL_OK &&
        (config->cert == NULL ||
         sl_tls_use_certificate(tls, config->cert, config->key, why) ==
             SL_OK) &&
        sl_conn_open(host, (int)strtol(colon + 1, NULL, 10), tls, deadline,
                     &conn, why) == SL_OK)
        (void)!sl_conn_read(conn, &byte, 1, deadline, &got, why);
    sl_conn_free(conn);
    sl_tls_free(tls);
    free(host);
    return is_refusal(why->message);
}

static bool may_be_refusal(const struct sl_http_transaction *transaction,
                           CURLcode code)
{
    long connects = 0;

    if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR &&
        code != CURLE_GOT_NOTHING && code != CURLE_SSL_CONNECT_ERROR)
        return false;
    curl_easy_getinfo(transaction->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects > 0 && transaction->header_bytes == 0 &&
           transaction->secure;
}

static enum sl_status timed_out(const struct sl_http_transaction *transaction,
                                struct sl_error *err)
{
    return sl_fail(err, SL_TIMEOUT,
                   transaction->sent ? "%s: no answer in time"
                                     : "%s: no connection in time",
                   transaction->where);
}

/* libcurl's messages name hosts, ports and certificates, but no headers. */
static enum sl_status
explain_curl_code(const struct sl_http_transaction *transaction, CURLcode code,
                  struct sl_error *err)
{
    const char *where = transaction->where;
    const char *reason = transaction->reason[0] != '\0'
                             ? transaction->reason
                             : curl_easy_strerror(code);

    if (transaction->err.status != SL_OK) /* a callback ended it */
        return sl_fail(err, transaction->err.status, "%s",
                       transaction->err.message);
    if (is_refusal(reason))
        return sl_fail(
            err, SL_UNAUTHENTICATED,
            "%s: the server requires a client certificate of an "
            "authority that it trusts; set `cert` and `key` (%.200s)",
            where, reason);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(transaction, err);
    case CURLE_COULDNT_CONNECT:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: no connection; is the server running there?",
                       where);
    case CURLE_COULDNT_RESOLVE_HOST:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: the host name cannot be resolved", where);
    case CURLE_PEER_FAILED_VERIFICATION:
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "%s: the server's certificate is not for this name, or "
                       "not trusted; for an authority of your own set `ca` to "
                       "its file (%.200s)",
                       where, reason);
    case CURLE_SSL_CONNECT_ERROR:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: TLS handshake failed; check that the server speaks "
                       "TLS on this port: %.200s",
                       where, reason);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "%s: a certificate file cannot be used: %.200s", where,
                       reason);
    case CURLE_UNSUPPORTED_PROTOCOL: /* also for an answer that is not HTTP */
        if (transaction->sent)
            return sl_fail(err, SL_UNAVAILABLE,
                           "%s: the server does not speak HTTP", where);
        __attribute__((fallthrough));
    case CURLE_URL_MALFORMAT:
        return sl_fail(err, SL_INVALID_ARGUMENT, "%s: not http:// or https://",
                       where);
    case CURLE_GOT_NOTHING:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: the server closed the connection", where);
    default:
        return sl_fail(err, SL_UNAVAILABLE, "%s: %.200s", where, reason);
    }
}

enum sl_status sl_http_explain(struct sl_http_transaction *transaction,
                               CURLcode code, struct sl_error *err)
{
    struct sl_error why;

    if (may_be_refusal(transaction, code) && refuses_us(transaction, &why))
        snprintf(transaction->reason, sizeof(transaction->reason), "%.*s",
                 CURL_ERROR_SIZE - 1, why.message);
    return explain_curl_code(transaction, code, err);
}
