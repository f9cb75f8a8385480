/* SPDX-License-Identifier: Apache-2.0 */
/* What http.c shares with http_error.c. */
#ifndef SL_NET_HTTP_INTERNAL_H
#define SL_NET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "net/http/http.h"

/* One request and its answer, plain or streamed. */
struct sl_http_transaction {
    CURL *easy;
    const struct sl_http_config *config;
    struct curl_slist *headers;
    char *where; /* "host:port" */
    sl_http_part_fn *part;
    void *context;
    struct sl_buf *wanted; /* headers, or NULL */
    size_t header_bytes;   /* of the answer, so far */
    bool secure;           /* by TLS */
    bool sent;             /* a part may have been sent */
    struct sl_error err;   /* why a callback ended it */
    char reason[CURL_ERROR_SIZE];
};

/* Fill err with the meaning of a libcurl code; may probe the server for its
 * reason. */
enum sl_status sl_http_explain(struct sl_http_transaction *exchange,
                               CURLcode code, struct sl_error *err);

#endif
