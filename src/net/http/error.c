/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with HTTP, in words, and whose fault it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/conn.h"
#include "net/http/internal.h"

enum { PROBE_MS = 500 /* for a server to say what it has against us */ };

/* What OpenSSL says where the server did not like our certificate, or missed
 * it: by TLS 1.3 that comes when we read. */
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
 * Whether the server does not want us, by our certificate, and in which words:
 * they are lost where a request crosses them.  One more connection, then,
 * without a request.
 */
static bool refuses_us(const struct sl_http_exchange *exchange,
                       struct sl_error *why)
{
    const struct sl_http_config *config = exchange->config;
    const char *colon = strrchr(exchange->where, ':');
    const sl_deadline deadline = sl_deadline_in_ms(PROBE_MS);
    struct sl_conn *conn = NULL;
    struct sl_tls *tls = NULL;
    char byte;
    size_t got;

    why->message[0] = '\0';
    if (colon == NULL)
        return false;
    const char *name = exchange->where + (exchange->where[0] == '[');
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

static bool may_be_refusal(const struct sl_http_exchange *exchange,
                           CURLcode code)
{
    long connects = 0;

    if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR &&
        code != CURLE_GOT_NOTHING && code != CURLE_SSL_CONNECT_ERROR)
        return false;
    curl_easy_getinfo(exchange->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects > 0 && exchange->header_bytes == 0 && exchange->secure;
}

static enum sl_status timed_out(const struct sl_http_exchange *exchange,
                                struct sl_error *err)
{
    return sl_fail(err, SL_TIMEOUT,
                   exchange->sent ? "%s: no answer in time"
                                  : "%s: no connection in time",
                   exchange->where);
}

/* libcurl's own words name hosts, ports and certificates, but no headers. */
static enum sl_status explain(const struct sl_http_exchange *exchange,
                              CURLcode code, struct sl_error *err)
{
    const char *where = exchange->where;
    const char *reason = exchange->reason[0] != '\0' ? exchange->reason
                                                     : curl_easy_strerror(code);

    if (exchange->err.status != SL_OK) /* we ended it */
        return sl_fail(err, exchange->err.status, "%s", exchange->err.message);
    if (is_refusal(reason))
        return sl_fail(
            err, SL_UNAUTHENTICATED,
            "%s: the server wants a client's certificate of an "
            "authority that it trusts; set `cert` and `key` (%.200s)",
            where, reason);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(exchange, err);
    case CURLE_COULDNT_CONNECT:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: no connection; is the server running there?",
                       where);
    case CURLE_COULDNT_RESOLVE_HOST:
        return sl_fail(err, SL_UNAVAILABLE, "%s: nobody knows this name",
                       where);
    case CURLE_PEER_FAILED_VERIFICATION:
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "%s: the server's certificate is not for this name, or "
                       "not trusted; if it is your own authority's, name its "
                       "file as `ca` (%.200s)",
                       where, reason);
    case CURLE_SSL_CONNECT_ERROR:
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: no TLS, which the server may not speak on this "
                       "port: %.200s",
                       where, reason);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "%s: a certificate's file cannot be used: %.200s", where,
                       reason);
    case CURLE_UNSUPPORTED_PROTOCOL: /* also of an answer */
        if (exchange->sent)
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

enum sl_status sl_http_explain(struct sl_http_exchange *exchange, CURLcode code,
                               struct sl_error *err)
{
    struct sl_error why;

    if (may_be_refusal(exchange, code) && refuses_us(exchange, &why))
        snprintf(exchange->reason, sizeof(exchange->reason), "%.*s",
                 CURL_ERROR_SIZE - 1, why.message);
    return explain(exchange, code, err);
}
