/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP by libcurl.
 *
 * libcurl sends a request anew, on a new connection, where a connection that
 * was kept breaks before the first byte of the answer: fine for pages, not for
 * what must not happen twice.  `about_to_send` knows, and forbids it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "net/conn.h"
#include "net/http/internal.h"

enum {
    HEADERS_MAX = 64 * 1024, /* bytes of all, wanted or not */
    IDLE_S = 60,             /* a connection is not used again after that */
};

struct sl_http {
    struct sl_http_exchange exchange;
};

struct sl_http_stream {
    struct sl_http_exchange exchange;
    CURLM *multi;
};

enum sl_status sl_http_check(const struct sl_http_config *config,
                             struct sl_error *err)
{
    struct sl_tls *tls = NULL;
    enum sl_status status = sl_tls_new(config->ca, &tls, err);

    if (status == SL_OK && (config->cert != NULL || config->key != NULL))
        status = sl_tls_use_certificate(tls, config->cert, config->key, err);
    sl_tls_free(tls);
    return status;
}

/* --- What libcurl calls --------------------------------------------------- */

static int about_to_send(void *context, char *remote, char *local, int port,
                         int local_port)
{
    struct sl_http_exchange *exchange = context;

    (void)remote;
    (void)local;
    (void)port;
    (void)local_port;
    if (exchange->sent) {
        sl_fail(&exchange->err, SL_UNAVAILABLE,
                "%s: the server closed the connection", exchange->where);
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct sl_http_exchange *exchange = context;

    if (exchange->part(exchange->context, SL_BYTES(bytes, size * count),
                       &exchange->err) == SL_OK)
        return size * count;
    return size * count + 1; /* anything else ends it */
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct sl_http_exchange *exchange = context;
    size_t len = size * count;

    exchange->header_bytes += len;
    if (exchange->header_bytes > HEADERS_MAX) {
        sl_fail(&exchange->err, SL_TOO_LARGE,
                "%s: an answer with more than %d bytes of headers",
                exchange->where, HEADERS_MAX);
        return len + 1;
    }
    if (exchange->wanted != NULL &&
        sl_buf_append(exchange->wanted, SL_BYTES(bytes, len), &exchange->err) !=
            SL_OK)
        return len + 1;
    return len;
}

/* --- An exchange ---------------------------------------------------------- */

static void start_libcurl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* no memory */
}

static void set_always(struct sl_http_exchange *exchange,
                       const struct sl_http_config *config)
{
    CURL *easy = exchange->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (config->ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (config->cert != NULL) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key);
    }
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reason);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, about_to_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
}

static void init(struct sl_http_exchange *exchange,
                 const struct sl_http_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_libcurl);
    exchange->easy = curl_easy_init();
    if (exchange->easy == NULL)
        abort(); /* no memory */
    exchange->config = config;
    set_always(exchange, config);
}

static void done(struct sl_http_exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    free(exchange->where);
}

/* "host:port" of a URL, for messages; whatever else is in it stays out. */
static char *where_of(const char *url)
{
    char *host = NULL, *port = NULL;
    CURLU *parts = curl_url();
    char *where;

    if (parts != NULL &&
        curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (host != NULL)
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    where = host == NULL ? sl_strdup("a URL that is none")
                         : sl_asprintf("%s:%s", host, port == NULL ? "" : port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return where;
}

static void add_header(struct sl_http_exchange *exchange, const char *header)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, header);

    if (longer == NULL)
        abort(); /* no memory */
    exchange->headers = longer;
}

static void prepare(struct sl_http_exchange *exchange,
                    const struct sl_http_request *request)
{
    CURL *easy = exchange->easy;
    bool has_body = request->body.len > 0;

    free(exchange->where);
    exchange->where = where_of(request->url);
    exchange->header_bytes = 0;
    exchange->sent = false;
    exchange->secure = strncmp(request->url, "https:", 6) == 0;
    exchange->err.status = SL_OK;
    exchange->reason[0] = '\0';
    curl_slist_free_all(exchange->headers);
    exchange->headers = NULL;
    add_header(exchange, "Expect:");
    for (size_t i = 0; request->headers != NULL && request->headers[i]; i++)
        add_header(exchange, request->headers[i]);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_NOBODY,
                     (long)(strcmp(request->method, "HEAD") == 0));
    if (has_body || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                         has_body ? (const char *)request->body.ptr : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)request->body.len);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    long ms = request->deadline == SL_NEVER
                  ? 0
                  : (long)sl_deadline_left_ms(request->deadline);
    if (request->deadline != SL_NEVER && ms == 0)
        ms = 1; /* 0 would be for ever */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
}

/* --- One after the other -------------------------------------------------- */

struct sl_http *sl_http_new(const struct sl_http_config *config)
{
    struct sl_http *http = sl_alloc(sizeof(*http));

    init(&http->exchange, config);
    return http;
}

void sl_http_free(struct sl_http *http)
{
    if (http == NULL)
        return;
    done(&http->exchange);
    free(http);
}

static enum sl_status gather(void *context, struct sl_bytes part,
                             struct sl_error *err)
{
    struct sl_http_answer *answer = context;

    if (sl_buf_append(&answer->body, part, err) == SL_OK)
        return SL_OK;
    return sl_fail(err, SL_TOO_LARGE, "an answer of more than %zu bytes",
                   answer->body.limit);
}

enum sl_status sl_http_do(struct sl_http *http,
                          const struct sl_http_request *request,
                          struct sl_http_answer *answer, struct sl_error *err)
{
    struct sl_http_exchange *exchange = &http->exchange;
    long code = 0;

    prepare(exchange, request);
    exchange->part = gather;
    exchange->context = answer;
    exchange->wanted = answer->headers.limit > 0 ? &answer->headers : NULL;
    CURLcode result = curl_easy_perform(exchange->easy);
    exchange->context = exchange->wanted = NULL;
    answer->not_sent = result != CURLE_OK && !exchange->sent;
    if (result != CURLE_OK)
        return sl_http_explain(exchange, result, err);
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &code);
    answer->code = (int)code;
    return SL_OK;
}

/* A line's value where its name is this one, without the blanks around it. */
static bool value_of(struct sl_bytes line, const char *name,
                     struct sl_bytes *value)
{
    size_t len = strlen(name);

    if (line.len <= len || line.ptr[len] != ':' ||
        strncasecmp((const char *)line.ptr, name, len) != 0)
        return false;
    line = SL_BYTES(line.ptr + len + 1, line.len - len - 1);
    while (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
        line = SL_BYTES(line.ptr + 1, line.len - 1);
    while (line.len > 0 && line.ptr[line.len - 1] <= ' ')
        line.len--;
    *value = line;
    return true;
}

bool sl_http_header(const struct sl_http_answer *answer, const char *name,
                    struct sl_bytes *value)
{
    struct sl_bytes rest = sl_buf_bytes(&answer->headers);

    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr) + 1;
        if (value_of(SL_BYTES(rest.ptr, len), name, value))
            return true;
        rest = SL_BYTES(rest.ptr + len, rest.len - len);
    }
    return false;
}

void sl_http_answer_done(struct sl_http_answer *answer)
{
    sl_buf_done(&answer->body);
    sl_buf_done(&answer->headers);
}

/* --- Answers that go on --------------------------------------------------- */

struct sl_http_stream *sl_http_stream_new(const struct sl_http_config *config,
                                          const struct sl_http_request *request,
                                          sl_http_part_fn *part, void *context)
{
    struct sl_http_stream *stream = sl_alloc(sizeof(*stream));

    init(&stream->exchange, config);
    prepare(&stream->exchange, request);
    stream->exchange.part = part;
    stream->exchange.context = context;
    stream->multi = curl_multi_init();
    if (stream->multi == NULL ||
        curl_multi_add_handle(stream->multi, stream->exchange.easy) != 0)
        abort(); /* no memory */
    return stream;
}

enum sl_status sl_http_stream_poll(struct sl_http_stream *stream, int *code,
                                   struct sl_error *err)
{
    struct sl_http_exchange *exchange = &stream->exchange;
    int running = 0, left = 0;
    long answered = 0;

    if (curl_multi_perform(stream->multi, &running) != CURLM_OK)
        return sl_fail(err, SL_UNAVAILABLE, "%s: the stream has broken",
                       exchange->where);
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &answered);
    *code = (int)answered;
    if (running > 0)
        return SL_OK;
    const CURLMsg *message = curl_multi_info_read(stream->multi, &left);
    if (message != NULL && message->data.result != CURLE_OK)
        return sl_http_explain(exchange, message->data.result, err);
    return sl_fail(err, SL_UNAVAILABLE, "%s: the answer has ended",
                   exchange->where);
}

void sl_http_stream_free(struct sl_http_stream *stream)
{
    if (stream == NULL)
        return;
    curl_multi_remove_handle(stream->multi, stream->exchange.easy);
    done(&stream->exchange);
    curl_multi_cleanup(stream->multi);
    free(stream);
}
