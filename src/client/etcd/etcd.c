/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to an etcd cluster.
 *
 * A login yields a token that is valid on every member.  All connections share
 * one, since each login costs the server a slow hash.  A connection that finds
 * the token stale gets a new one.
 */
#include "client/etcd/etcd.h"
#include "net/peer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/etcd/internal.h"
#include "net/http/http.h"
#include "net/url.h"

enum {
    SMALL_ANSWER = 64 * 1024,
    TOKEN_MAX = 8192,
    PATH_MAX_LEN = 64,
};

struct sl_etcd {
    const struct sl_etcd_options *options;
    struct sl_http_config http;
    char *endpoints[SL_ETCD_ENDPOINTS_MAX]; /* "https://host:2379" */
    size_t endpoint_count;

    pthread_mutex_t mutex; /* guards the fields below */
    size_t preferred;      /* the endpoint to try first */
    char *token;           /* NULL: not logged in */
};

struct sl_etcd_conn {
    struct sl_etcd *etcd;
    struct sl_http *http;
    size_t endpoint;
};

/* --- Settings ------------------------------------------------------------- */

/* Parameters of etcdctl and other clients; each has a setting. */
static const struct sl_url_known known_parameters[] = {
    {"cacert", NULL, SL_URL_SETTING("ca")},
    {"ca", NULL, SL_URL_SETTING("ca")},
    {"sslrootcert", NULL, SL_URL_SETTING("ca")},
    {"cert", NULL, SL_URL_SETTING("cert")},
    {"key", NULL, SL_URL_SETTING("key")},
    {"user", NULL, SL_URL_SETTING("user")},
    {"username", NULL, SL_URL_SETTING("user")},
    {"password", NULL, SL_URL_SETTING("password")},
    {"prefix", NULL, SL_URL_SETTING("prefix")},
    {"namespace", NULL, SL_URL_SETTING("prefix")},
    {"tls", NULL, "write https:// for TLS, http:// without"},
    {"sslmode", NULL, "write https:// for TLS, http:// without"},
    {"dial_timeout", NULL, SL_URL_TIMEOUT},
    {"command_timeout", NULL, SL_URL_TIMEOUT},
    SL_URL_KNOWN_TIMEOUTS,
    {NULL, NULL, NULL},
};

static enum sl_status add_endpoint(char **endpoints, size_t *count,
                                   const char *text, struct sl_error *err)
{
    struct sl_url url;
    enum sl_status status = sl_url_parse(text, &url, err);

    if (status != SL_OK)
        return status;
    bool plain = strcmp(url.scheme, "http") == 0;
    if (!plain && strcmp(url.scheme, "https") != 0)
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected https:// or, without TLS, http://");
    else if (url.user != NULL || url.password != NULL || url.path != NULL)
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected only a host and a port; the user is a "
                         "separate setting");
    else if (url.parameter_count > 0)
        status = sl_url_check_parameters(&url, known_parameters, err);
    else if (*count == SL_ETCD_ENDPOINTS_MAX)
        status =
            sl_fail(err, SL_INVALID_ARGUMENT, "expected at most %d endpoints",
                    SL_ETCD_ENDPOINTS_MAX);
    else
        endpoints[(*count)++] = sl_asprintf(
            strchr(url.host, ':') == NULL ? "%s://%s:%d" : "%s://[%s]:%d",
            url.scheme, url.host, url.port == 0 ? 2379 : url.port);
    sl_url_done(&url);
    return status;
}

static void free_endpoints(char **endpoints, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(endpoints[i]);
}

static enum sl_status split_endpoints(const char *text, char **endpoints,
                                      size_t *count, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (const char *rest = text; status == SL_OK;) {
        rest += strspn(rest, " ");
        size_t len = strcspn(rest, ", ");
        char *one = sl_strndup(rest, len);
        status = add_endpoint(endpoints, count, one, err);
        free(one);
        rest += len;
        rest += strspn(rest, " ");
        if (*rest == '\0')
            break;
        if (*rest++ != ',' && status == SL_OK)
            status = sl_fail(err, SL_INVALID_ARGUMENT,
                             "expected commas between the endpoints");
    }
    return status;
}

enum sl_status sl_etcd_check_endpoints(const void *field, struct sl_error *err)
{
    char *endpoints[SL_ETCD_ENDPOINTS_MAX];
    size_t count = 0;
    enum sl_status status =
        split_endpoints(*(const char *const *)field, endpoints, &count, err);

    free_endpoints(endpoints, count);
    return status;
}

enum sl_status sl_etcd_check_prefix(const void *field, struct sl_error *err)
{
    const char *prefix = *(const char *const *)field;

    if (strlen(prefix) > SL_ETCD_PREFIX_MAX ||
        !sl_bytes_are_text(sl_bytes_of(prefix)))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected at most %d bytes of UTF-8",
                       SL_ETCD_PREFIX_MAX);
    return SL_OK;
}

/* --- A cluster ------------------------------------------------------------ */

enum sl_status sl_etcd_new(const struct sl_etcd_options *options,
                           struct sl_etcd **out, struct sl_error *err)
{
    struct sl_etcd *etcd = sl_alloc(sizeof(*etcd));

    pthread_mutex_init(&etcd->mutex, NULL);
    etcd->options = options;
    etcd->http = (struct sl_http_config){
        .ca = options->ca, .cert = options->cert, .key = options->key};
    enum sl_status status = split_endpoints(options->endpoints, etcd->endpoints,
                                            &etcd->endpoint_count, err);
    if (status == SL_OK &&
        (options->user == NULL) != (options->password == NULL))
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "`user` and `password` belong together; set both");
    if (status == SL_OK && strstr(options->endpoints, "https:") != NULL)
        status = sl_http_check(&etcd->http, err);
    if (status != SL_OK) {
        sl_etcd_free(etcd);
        return status;
    }
    *out = etcd;
    return SL_OK;
}

void sl_etcd_free(struct sl_etcd *etcd)
{
    if (etcd == NULL)
        return;
    free_endpoints(etcd->endpoints, etcd->endpoint_count);
    pthread_mutex_destroy(&etcd->mutex);
    free(etcd->token);
    free(etcd);
}

/* --- The token ------------------------------------------------------------ */

/* A copy, or NULL. */
static char *copy_token(struct sl_etcd *etcd)
{
    pthread_mutex_lock(&etcd->mutex);
    char *token = etcd->token == NULL ? NULL : sl_strdup(etcd->token);
    pthread_mutex_unlock(&etcd->mutex);
    return token;
}

/* Drop a stale token, unless another connection has replaced it. */
static void forget_token(struct sl_etcd *etcd, const char *token)
{
    pthread_mutex_lock(&etcd->mutex);
    if (token != NULL && etcd->token != NULL &&
        strcmp(token, etcd->token) == 0) {
        free(etcd->token);
        etcd->token = NULL;
    }
    pthread_mutex_unlock(&etcd->mutex);
}

/* Whether text can be sent in a header. */
static bool is_token(struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
            return false;
    return text.len > 0 && text.len <= TOKEN_MAX;
}

static enum sl_status keep_token(struct sl_etcd *etcd,
                                 const struct sl_json *answer,
                                 struct sl_error *err)
{
    struct sl_bytes token = sl_json_text(answer, "token");

    if (!is_token(token))
        return sl_fail(err, SL_UNAVAILABLE,
                       "etcd: the login returned no token");
    pthread_mutex_lock(&etcd->mutex);
    free(etcd->token);
    etcd->token = sl_strndup(token.ptr, token.len);
    pthread_mutex_unlock(&etcd->mutex);
    return SL_OK;
}

/* --- One request ---------------------------------------------------------- */

/* Let the next connection try another endpoint first. */
static void avoid_endpoint(const struct sl_etcd_conn *conn)
{
    struct sl_etcd *etcd = conn->etcd;

    pthread_mutex_lock(&etcd->mutex);
    if (etcd->preferred == conn->endpoint)
        etcd->preferred = (conn->endpoint + 1) % etcd->endpoint_count;
    pthread_mutex_unlock(&etcd->mutex);
}

struct sl_etcd_post sl_etcd_post_new(const struct sl_etcd_conn *conn,
                                     const char *path, const char *token)
{
    return (struct sl_etcd_post){
        .url = sl_asprintf("%s/v3/%s", conn->etcd->endpoints[conn->endpoint],
                           path),
        .authorization =
            token == NULL ? NULL : sl_asprintf("Authorization: %s", token),
    };
}

struct sl_http_request sl_etcd_post_request(struct sl_etcd_post *post,
                                            struct sl_bytes body,
                                            sl_deadline deadline)
{
    post->headers[0] = "Content-Type: application/json";
    post->headers[1] = post->authorization;
    post->headers[2] = NULL;
    return (struct sl_http_request){.method = "POST",
                                    .url = post->url,
                                    .headers = post->headers,
                                    .body = body,
                                    .deadline = deadline};
}

void sl_etcd_post_done(struct sl_etcd_post *post)
{
    free(post->url);
    free(post->authorization);
}

/* A stream may answer 200 with an error in its message. */
static enum sl_status read_call_answer(struct sl_http_answer *http,
                                       struct sl_json **answer, bool *unchanged,
                                       bool *stale, struct sl_error *err)
{
    struct sl_json *json = NULL;
    struct sl_bytes body = sl_buf_bytes(&http->body);

    if (http->code != 200)
        return sl_etcd_explain(http->code, body, unchanged, stale, err);
    if (sl_json_parse(body, &json, err) != SL_OK)
        return sl_fail(err, SL_UNAVAILABLE, "etcd: %s",
                       "the answer is not one JSON message");
    if (sl_json_get(json, "error") != NULL) {
        sl_json_free(json);
        return sl_etcd_explain(http->code, body, unchanged, stale, err);
    }
    *answer = json;
    return SL_OK;
}

static enum sl_status send_call(struct sl_etcd_conn *conn,
                                const struct sl_etcd_call *call,
                                const char *token, struct sl_json **answer,
                                bool *unchanged, bool *stale,
                                struct sl_error *err)
{
    SL_CLEANUP(sl_etcd_post_done)
    struct sl_etcd_post post = sl_etcd_post_new(conn, call->path, token);
    SL_CLEANUP(sl_http_answer_done)
    struct sl_http_answer http = {
        .body = SL_BUF(call->answer_max > 0 ? call->answer_max : SMALL_ANSWER)};
    const struct sl_http_request request =
        sl_etcd_post_request(&post, call->body, call->deadline);

    *unchanged = *stale = false;
    enum sl_status status = sl_http_do(conn->http, &request, &http, err);
    if (status != SL_OK) {
        *unchanged = http.unsent;
        sl_fail_in(err, "etcd");
    } else {
        status = read_call_answer(&http, answer, unchanged, stale, err);
    }
    if (status == SL_UNAVAILABLE || status == SL_TIMEOUT)
        avoid_endpoint(conn);
    return status;
}

/* --- Logging in ----------------------------------------------------------- */

static enum sl_status etcd_log_in(struct sl_etcd_conn *conn,
                                  sl_deadline deadline, struct sl_error *err)
{
    const struct sl_etcd_options *options = conn->etcd->options;
    SL_CLEANUP(sl_buf_done) struct sl_buf body = SL_BUF(TOKEN_MAX);
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    bool unchanged, stale;

    enum sl_status status = sl_buf_append(&body, SL_LITERAL("{\"name\":"), err);
    if (status == SL_OK)
        status = sl_json_append(&body, sl_bytes_of(options->user), err);
    if (status == SL_OK)
        status = sl_buf_append(&body, SL_LITERAL(",\"password\":"), err);
    if (status == SL_OK)
        status = sl_json_append(&body, sl_bytes_of(options->password), err);
    if (status == SL_OK)
        status = sl_buf_append(&body, SL_LITERAL("}"), err);
    const struct sl_etcd_call call = {.path = "auth/authenticate",
                                      .body = sl_buf_bytes(&body),
                                      .deadline = deadline};
    if (status == SL_OK)
        status = send_call(conn, &call, NULL, &answer, &unchanged, &stale, err);
    return status == SL_OK ? keep_token(conn->etcd, answer, err) : status;
}

/* Get the token, logging in if necessary; NULL without a user.  The caller
 * frees *token. */
static enum sl_status get_token(struct sl_etcd_conn *conn, sl_deadline deadline,
                                char **token, struct sl_error *err)
{
    *token = copy_token(conn->etcd);
    if (*token != NULL || conn->etcd->options->user == NULL)
        return SL_OK;
    enum sl_status status = etcd_log_in(conn, deadline, err);
    if (status == SL_OK)
        *token = copy_token(conn->etcd);
    return status;
}

enum sl_status sl_etcd_call(struct sl_etcd_conn *conn,
                            const struct sl_etcd_call *call,
                            struct sl_json **answer, bool *unchanged,
                            struct sl_error *err)
{
    enum sl_status status;
    bool stale = false;

    /* The server has not acted on a request with a stale token. */
    for (int tries = 0; tries < 2; tries++) {
        SL_CLEANUP(sl_freep) char *token = NULL;
        *unchanged = true;
        status = get_token(conn, call->deadline, &token, err);
        if (status != SL_OK)
            return status;
        status = send_call(conn, call, token, answer, unchanged, &stale, err);
        if (!stale || conn->etcd->options->user == NULL)
            break;
        forget_token(conn->etcd, token);
    }
    return status;
}

int64_t sl_etcd_revision(const struct sl_json *answer)
{
    return sl_json_integer(sl_json_get(answer, "header"), "revision");
}

/* --- Opening -------------------------------------------------------------- */

/* SL_OK: the endpoint answers, accepts us and has a leader. */
static enum sl_status try_endpoint(struct sl_etcd_conn *conn,
                                   sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *answer = NULL;
    const struct sl_etcd_call call = {.path = "maintenance/status",
                                      .body = SL_LITERAL("{}"),
                                      .deadline = deadline};
    bool unchanged;
    enum sl_status status = sl_etcd_call(conn, &call, &answer, &unchanged, err);

    if (status != SL_OK || sl_json_text(answer, "leader").len > 1)
        return status;
    avoid_endpoint(conn);
    return sl_fail(err, SL_UNAVAILABLE,
                   "etcd: %s: this member has no leader; it is cut off, or "
                   "most members are down",
                   conn->etcd->endpoints[conn->endpoint]);
}

/* The share of the time that is left for one of the remaining endpoints. */
static sl_deadline endpoint_deadline(sl_deadline deadline, size_t left)
{
    if (left <= 1 || deadline == SL_NEVER)
        return deadline;
    return sl_deadline_in_ms(sl_deadline_left_ms(deadline) / (int64_t)left);
}

enum sl_status sl_etcd_open(struct sl_etcd *etcd, sl_deadline deadline,
                            struct sl_etcd_conn **out, struct sl_error *err)
{
    struct sl_etcd_conn *conn = sl_alloc(sizeof(*conn));
    enum sl_status status = SL_UNAVAILABLE;

    conn->etcd = etcd;
    conn->http = sl_http_new(&etcd->http);
    pthread_mutex_lock(&etcd->mutex);
    conn->endpoint = etcd->preferred;
    pthread_mutex_unlock(&etcd->mutex);
    for (size_t left = etcd->endpoint_count; left > 0; left--) {
        status = try_endpoint(conn, endpoint_deadline(deadline, left), err);
        if (status != SL_UNAVAILABLE && status != SL_TIMEOUT)
            break;
        if (left > 1)
            conn->endpoint = (conn->endpoint + 1) % etcd->endpoint_count;
    }
    if (status != SL_OK) {
        sl_etcd_close(conn);
        return status;
    }
    *out = conn;
    return SL_OK;
}

void sl_etcd_close(struct sl_etcd_conn *conn)
{
    if (conn == NULL)
        return;
    sl_http_free(conn->http);
    free(conn);
}

const struct sl_http_config *
sl_etcd_http_config(const struct sl_etcd_conn *conn)
{
    return &conn->etcd->http;
}

char *sl_etcd_token(const struct sl_etcd_conn *conn)
{
    return copy_token(conn->etcd);
}

void sl_etcd_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_etcd_options *options = data;

    if (options->password != NULL)
        sl_peer_tell_of_list(options->endpoints, "http", "use https://", tell,
                             context);
}
