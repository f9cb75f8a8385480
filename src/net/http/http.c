/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP by libcurl.
 *
 * libcurl resends a request on a new connection if a kept-alive connection
 * breaks before the first byte of the answer, which is wrong for requests that
 * must not be repeated. `about_to_send` forbids it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "net/conn.h"
#include "net/http/internal.h"

enum {
    HEADERS_MAX = 64 * 1024, /* bytes of all headers of an answer */
    IDLE_S = 60,             /* an older idle connection is not reused */
};

struct sl_http {
    struct sl_http_transaction transaction;
};

struct sl_http_stream {
    struct sl_http_transaction transaction;
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

/* --- Callbacks of libcurl ----------------------------------------------- */

static int about_to_send(void *context, char *remote, char *local, int port,
                         int local_port)
{
    struct sl_http_transaction *transaction = context;

    (void)remote;
    (void)local;
    (void)port;
    (void)local_port;
    if (transaction->sent) {
        sl_fail(&transaction->err, SL_UNAVAILABLE,
                "%s: the server closed the connection", transaction->where);
        return CURL_PREREQFUNC_ABORT;
    }
    transaction->sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct sl_http_transaction *transaction = context;

    if (transaction->part(transaction->context, SL_BYTES(bytes, size * count),
                          &transaction->err) == SL_OK)
        return size * count;
    return size * count + 1; /* any other number ends the transfer */
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct sl_http_transaction *transaction = context;
    size_t len = size * count;

    transaction->header_bytes += len;
    if (transaction->header_bytes > HEADERS_MAX) {
        sl_fail(&transaction->err, SL_TOO_LARGE,
                "%s: an answer with more than %d bytes of headers",
                transaction->where, HEADERS_MAX);
        return len + 1;
    }
    if (transaction->wanted != NULL &&
        sl_buf_append(transaction->wanted, SL_BYTES(bytes, len),
                      &transaction->err) != SL_OK)
        return len + 1;
    return len;
}

/* --- Transactions ------------------------------------------------------- */

static void start_libcurl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* out of memory */
}

static void set_common_options(struct sl_http_transaction *transaction,
                               const struct sl_http_config *config)
{
    CURL *easy = transaction->easy;

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
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transaction->reason);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, about_to_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transaction);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transaction);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transaction);
}

static void open_transaction(struct sl_http_transaction *transaction,
                             const struct sl_http_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_libcurl);
    transaction->easy = curl_easy_init();
    if (transaction->easy == NULL)
        abort(); /* out of memory */
    transaction->config = config;
    set_common_options(transaction, config);
}

static void close_transaction(struct sl_http_transaction *transaction)
{
    curl_easy_cleanup(transaction->easy);
    curl_slist_free_all(transaction->headers);
    free(transaction->where);
}

/* "host:port" of a URL, for messages, without its other parts. */
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
    where = host == NULL ? sl_strdup("an invalid URL")
                         : sl_asprintf("%s:%s", host, port == NULL ? "" : port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return where;
}

static void add_header(struct sl_http_transaction *transaction,
                       const char *header)
{
    struct curl_slist *longer = curl_slist_append(transaction->headers, header);

    if (longer == NULL)
        abort(); /* out of memory */
    transaction->headers = longer;
}

static void prepare_request(struct sl_http_transaction *transaction,
                            const struct sl_http_request *request)
{
    CURL *easy = transaction->easy;
    bool has_body = request->body.len > 0;

    free(transaction->where);
    transaction->where = where_of(request->url);
    transaction->header_bytes = 0;
    transaction->sent = false;
    transaction->secure = strncmp(request->url, "https:", 6) == 0;
    transaction->err.status = SL_OK;
    transaction->reason[0] = '\0';
    curl_slist_free_all(transaction->headers);
    transaction->headers = NULL;
    add_header(transaction, "Expect:");
    for (size_t i = 0; request->headers != NULL && request->headers[i]; i++)
        add_header(transaction, request->headers[i]);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transaction->headers);
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
        ms = 1; /* 0 would mean no timeout */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
}

/* --- Plain requests ----------------------------------------------------- */

struct sl_http *sl_http_new(const struct sl_http_config *config)
{
    struct sl_http *http = sl_alloc(sizeof(*http));

    open_transaction(&http->transaction, config);
    return http;
}

void sl_http_free(struct sl_http *http)
{
    if (http == NULL)
        return;
    close_transaction(&http->transaction);
    free(http);
}

static enum sl_status append_body(void *context, struct sl_bytes part,
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
    struct sl_http_transaction *transaction = &http->transaction;
    long code = 0;

    prepare_request(transaction, request);
    transaction->part = append_body;
    transaction->context = answer;
    transaction->wanted = answer->headers.limit > 0 ? &answer->headers : NULL;
    CURLcode result = curl_easy_perform(transaction->easy);
    transaction->context = transaction->wanted = NULL;
    answer->unsent = result != CURLE_OK && !transaction->sent;
    if (result != CURLE_OK)
        return sl_http_explain(transaction, result, err);
    curl_easy_getinfo(transaction->easy, CURLINFO_RESPONSE_CODE, &code);
    answer->code = (int)code;
    return SL_OK;
}

/* The value of a header line with this name, without surrounding blanks. */
static bool header_value_of(struct sl_bytes line, const char *name,
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
        if (header_value_of(SL_BYTES(rest.ptr, len), name, value))
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

/* --- Streams ------------------------------------------------------------ */

struct sl_http_stream *sl_http_stream_new(const struct sl_http_config *config,
                                          const struct sl_http_request *request,
                                          sl_http_part_fn *part, void *context)
{
    struct sl_http_stream *stream = sl_alloc(sizeof(*stream));

    open_transaction(&stream->transaction, config);
    prepare_request(&stream->transaction, request);
    stream->transaction.part = part;
    stream->transaction.context = context;
    stream->multi = curl_multi_init();
    if (stream->multi == NULL ||
        curl_multi_add_handle(stream->multi, stream->transaction.easy) != 0)
        abort(); /* out of memory */
    return stream;
}

enum sl_status sl_http_stream_poll(struct sl_http_stream *stream, int *code,
                                   struct sl_error *err)
{
    struct sl_http_transaction *transaction = &stream->transaction;
    int running = 0, left = 0;
    long answered = 0;

    if (curl_multi_perform(stream->multi, &running) != CURLM_OK)
        return sl_fail(err, SL_UNAVAILABLE, "%s: the stream was interrupted",
                       transaction->where);
    curl_easy_getinfo(transaction->easy, CURLINFO_RESPONSE_CODE, &answered);
    *code = (int)answered;
    if (running > 0)
        return SL_OK;
    const CURLMsg *message = curl_multi_info_read(stream->multi, &left);
    if (message != NULL && message->data.result != CURLE_OK)
        return sl_http_explain(transaction, message->data.result, err);
    return sl_fail(err, SL_UNAVAILABLE, "%s: the answer has ended",
                   transaction->where);
}

void sl_http_stream_free(struct sl_http_stream *stream)
{
    if (stream == NULL)
        return;
    curl_multi_remove_handle(stream->multi, stream->transaction.easy);
    close_transaction(&stream->transaction);
    curl_multi_cleanup(stream->multi);
    free(stream);
}
