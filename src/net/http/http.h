/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP, for drivers: requests one after the other over connections that are
 * kept, and answers that go on for long.  One thread at a time uses a client.
 *
 * TLS 1.2 or newer, and the server's certificate is always verified.  No
 * proxies of the environment, no redirects, no cookies, no .netrc, and nothing
 * is sent twice.
 */
#ifndef SL_NET_HTTP_HTTP_H
#define SL_NET_HTTP_HTTP_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"

/* Whom to trust, and who we are.  Borrowed by every client made with it. */
struct sl_http_config {
    const char *ca;   /* authorities in PEM; NULL: the system's */
    const char *cert; /* our certificate and those above it, PEM; may be NULL */
    const char *key;  /* of the certificate, PEM */
};

/* SL_INVALID_ARGUMENT where a file cannot be used. */
SL_MUST_CHECK enum sl_status sl_http_check(const struct sl_http_config *config,
                                           struct sl_error *err);

struct sl_http;

struct sl_http *sl_http_new(const struct sl_http_config *config);
void sl_http_free(struct sl_http *http); /* NULL is fine */

/* Borrowed until the answer is there; of a stream, until it is freed. */
struct sl_http_request {
    const char *method; /* "POST" */
    const char *url;
    const char *const *headers; /* "Name: value" each, ended by NULL; or NULL */
    struct sl_bytes body;
    sl_deadline deadline;
};

/*
 * What came.  The caller sets the limits of body, and of headers where it wants
 * them, and frees both with sl_http_answer_done.
 */
struct sl_http_answer {
    int code;              /* 200 */
    struct sl_buf body;    /* empty, with its limit */
    struct sl_buf headers; /* the same; a limit of 0: not wanted */
    bool not_sent;         /* after a failure: nothing of the request was */
};

/*
 * Ask.  SL_OK where there is an answer, whatever its code.  SL_UNAVAILABLE,
 * SL_TIMEOUT; SL_UNAUTHENTICATED where one side's certificate is refused;
 * SL_TOO_LARGE where the answer is over its limit.  After any of these the
 * client is of use still, with a new connection.  Messages say "host:port: …"
 * and hold no path, header or body.
 */
SL_MUST_CHECK enum sl_status sl_http_do(struct sl_http *http,
                                        const struct sl_http_request *request,
                                        struct sl_http_answer *answer,
                                        struct sl_error *err);

/* The value of a header, borrowed; its first where there are several.  False:
 * there is none. */
SL_MUST_CHECK bool sl_http_header(const struct sl_http_answer *answer,
                                  const char *name, struct sl_bytes *value);
void sl_http_answer_done(struct sl_http_answer *answer);

/* --- Answers that go on -------------------------------------------------- */

struct sl_http_stream;

/* A part of the answer's body; anything but SL_OK ends the stream. */
typedef enum sl_status sl_http_part_fn(void *context, struct sl_bytes part,
                                       struct sl_error *err);

/* Ask, without waiting.  A deadline of SL_NEVER: it may go on for ever. */
struct sl_http_stream *sl_http_stream_new(const struct sl_http_config *config,
                                          const struct sl_http_request *request,
                                          sl_http_part_fn *part, void *context);

/*
 * Pass on what has come, without waiting.  SL_OK: it goes on.  *code is 0 until
 * the answer has begun.  SL_UNAVAILABLE also where the answer has ended.
 */
SL_MUST_CHECK enum sl_status sl_http_stream_poll(struct sl_http_stream *stream,
                                                 int *code,
                                                 struct sl_error *err);
void sl_http_stream_free(struct sl_http_stream *stream); /* NULL is fine */

#endif
