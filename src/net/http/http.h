/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for drivers: sequential requests over kept-alive connections, and
 * streamed answers.  A client is used by one thread at a time.
 *
 * TLS 1.2 or newer; the server's certificate is always verified.  No proxies
 * from the environment, no redirects, no cookies, no .netrc, and no request is
 * sent twice.
 */
#ifndef SL_NET_HTTP_HTTP_H
#define SL_NET_HTTP_HTTP_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"

/* Authorities and client certificate; borrowed by the clients made with it. */
struct sl_http_config {
    const char *ca;   /* file of authorities in PEM; NULL: the system's */
    const char *cert; /* file of our certificate with its chain; may be NULL */
    const char *key;  /* file of its key */
};

/* SL_INVALID_ARGUMENT: a file cannot be used. */
SL_MUST_CHECK enum sl_status sl_http_check(const struct sl_http_config *config,
                                           struct sl_error *err);

struct sl_http;

struct sl_http *sl_http_new(const struct sl_http_config *config);
void sl_http_free(struct sl_http *http); /* NULL is fine */

/* Borrowed until the answer is complete; for a stream, until it is freed. */
struct sl_http_request {
    const char *method; /* "POST" */
    const char *url;
    const char *const *headers; /* "Name: value" each, ended by NULL; or NULL */
    struct sl_bytes body;
    sl_deadline deadline;
};

/*
 * The answer.  The caller sets the limit of body, and of headers if it wants
 * them, and frees both with sl_http_answer_done.
 */
struct sl_http_answer {
    int code;              /* 200 */
    struct sl_buf body;    /* empty, with a limit */
    struct sl_buf headers; /* the same; limit 0: not wanted */
    bool unsent; /* after a failure: no byte of the request was sent */
};

/*
 * Send a request.  SL_OK: there is an answer, whatever its code.
 * SL_UNAVAILABLE, SL_TIMEOUT; SL_UNAUTHENTICATED: a certificate was refused;
 * SL_TOO_LARGE: the answer exceeds its limit.  The client can be used after any
 * of these, with a new connection.  Messages start with "host:port: " and
 * contain no path, header or body.
 */
SL_MUST_CHECK enum sl_status sl_http_do(struct sl_http *http,
                                        const struct sl_http_request *request,
                                        struct sl_http_answer *answer,
                                        struct sl_error *err);

/* The value of the first header of this name, borrowed.  False: there is
 * none. */
SL_MUST_CHECK bool sl_http_header(const struct sl_http_answer *answer,
                                  const char *name, struct sl_bytes *value);
void sl_http_answer_done(struct sl_http_answer *answer);

/* --- Streams ------------------------------------------------------------ */

struct sl_http_stream;

/* Called for each part of the body; anything but SL_OK ends the stream. */
typedef enum sl_status sl_http_part_fn(void *context, struct sl_bytes part,
                                       struct sl_error *err);

/* Send a request, without waiting.  A deadline of SL_NEVER: no limit. */
struct sl_http_stream *sl_http_stream_new(const struct sl_http_config *config,
                                          const struct sl_http_request *request,
                                          sl_http_part_fn *part, void *context);

/*
 * Pass on the parts that have arrived, without waiting.  SL_OK: the stream
 * continues.  *code is 0 until the answer has begun.  SL_UNAVAILABLE also at
 * the end of the answer.
 */
SL_MUST_CHECK enum sl_status sl_http_stream_poll(struct sl_http_stream *stream,
                                                 int *code,
                                                 struct sl_error *err);
void sl_http_stream_free(struct sl_http_stream *stream); /* NULL is fine */

#endif
