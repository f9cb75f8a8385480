/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of http.c, for http_error.c. */
#ifndef SL_NET_HTTP_INTERNAL_H
#define SL_NET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "net/http/http.h"

/* One request on its way; the same for both kinds. */
struct sl_http_exchange {
    CURL *easy;
    const struct sl_http_config *config;
    struct curl_slist *headers;
    char *where; /* "host:port" */
    sl_http_part_fn *part;
    void *context;
    struct sl_buf *wanted; /* headers, or NULL */
    size_t header_bytes;   /* of the answer, so far */
    bool secure;           /* by TLS */
    bool sent;             /* it may have been, in part */
    struct sl_error err;   /* of ours, where libcurl says that we ended it */
    char reason[CURL_ERROR_SIZE];
};

/* What it means that libcurl answered this; may ask the server why. */
enum sl_status sl_http_explain(struct sl_http_exchange *exchange, CURLcode code,
                               struct sl_error *err);

#endif
