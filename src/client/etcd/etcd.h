/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of etcd v3 over its JSON gateway
 * (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/).
 *
 * A connection uses one of the endpoints.  If the endpoint does not answer, the
 * connection cannot be used any more, and the next one uses another endpoint.
 */
#ifndef SL_CLIENT_ETCD_ETCD_H
#define SL_CLIENT_ETCD_ETCD_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"
#include "net/http/json.h"
#include "service/service.h"

/* --- Settings ------------------------------------------------------------ */

struct sl_etcd_options {
    const char *endpoints;
    const char *user;
    const char *password;
    const char *prefix;
    const char *ca;
    const char *cert;
    const char *key;
};

enum { SL_ETCD_PREFIX_MAX = 512, SL_ETCD_ENDPOINTS_MAX = 16 };

enum sl_status sl_etcd_check_endpoints(const void *field, struct sl_error *err);
enum sl_status sl_etcd_check_prefix(const void *field, struct sl_error *err);

/* The entries of a driver's option table. */
#define SL_ETCD_OPTIONS(default_prefix, prefix_help)                           \
    {.name = "endpoints",                                                      \
     .type = SL_OPTION_STRING,                                                 \
     .offset = offsetof(struct sl_etcd_options, endpoints),                    \
     .required = true,                                                         \
     .port = 2379,                                                             \
     .check = sl_etcd_check_endpoints,                                         \
     .help = "https://host:2379 (or http://) of each member, separated by "    \
             "commas; the first that answers is used"},                        \
        {.name = "user",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_etcd_options, user),                     \
         .help = "the user of etcd, if authentication is enabled"},            \
        {.name = "password",                                                   \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_etcd_options, password),                 \
         .secret = true,                                                       \
         .help = "the password of the user"},                                  \
        {.name = "prefix",                                                     \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_etcd_options, prefix),                   \
         .fallback = default_prefix,                                           \
         .check = sl_etcd_check_prefix,                                        \
         .help = prefix_help},                                                 \
        {.name = "ca",                                                         \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_etcd_options, ca),                       \
         .help = "a file of authorities in PEM to trust instead of the "       \
                 "system's, for https://"},                                    \
        {.name = "cert",                                                       \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_etcd_options, cert),                     \
         .help = "a file with the client's certificate in PEM, if etcd "       \
                 "requires one"},                                              \
        {.name = "key",                                                        \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_etcd_options, key),                      \
         .help = "the key of the certificate, in PEM"}

/* For a driver's `risks`, whose options begin with these. */
void sl_etcd_risks(const void *options, sl_risk_fn *tell, void *context);

/* --- A cluster ------------------------------------------------------------ */

/* Shared by all connections; any thread. options is borrowed. */
struct sl_etcd;

/* SL_INVALID_ARGUMENT.  Reads only the files that options name. */
SL_MUST_CHECK enum sl_status sl_etcd_new(const struct sl_etcd_options *options,
                                         struct sl_etcd **out,
                                         struct sl_error *err);
void sl_etcd_free(struct sl_etcd *etcd); /* NULL is fine */

/* --- A connection --------------------------------------------------------- */

struct sl_etcd_conn;

/* Connect and log in to the first endpoint that answers and has a leader. */
SL_MUST_CHECK enum sl_status sl_etcd_open(struct sl_etcd *etcd,
                                          sl_deadline deadline,
                                          struct sl_etcd_conn **out,
                                          struct sl_error *err);
void sl_etcd_close(struct sl_etcd_conn *conn); /* NULL is fine */

struct sl_etcd_call {
    const char *path;     /* "kv/range" */
    struct sl_bytes body; /* JSON */
    size_t answer_max; /* bytes of JSON; 0: enough for answers without values */
    sl_deadline deadline;
};

/*
 * Call.  The caller frees *answer; of a stream it is the first message.  After
 * a failure, *unchanged: the server has certainly not acted.
 */
SL_MUST_CHECK enum sl_status
sl_etcd_call(struct sl_etcd_conn *conn, const struct sl_etcd_call *call,
             struct sl_json **answer, bool *unchanged, struct sl_error *err);

/* The revision of the store at the time of the answer. */
int64_t sl_etcd_revision(const struct sl_json *answer);

/* Whether err says that the database has no room: waiting does not help. */
bool sl_etcd_is_full(const struct sl_error *err);

/*
 * Fill err with the meaning of an answer that is not 200.  *unchanged as above;
 * *stale: a new token may help.
 */
enum sl_status sl_etcd_explain(int code, struct sl_bytes body, bool *unchanged,
                               bool *stale, struct sl_error *err);

/* --- Parts of requests ---------------------------------------------------- */

/* Append `"name":"base64"` of first and second, concatenated. */
SL_MUST_CHECK enum sl_status sl_etcd_bytes(struct sl_buf *out, const char *name,
                                           struct sl_bytes first,
                                           struct sl_bytes second,
                                           struct sl_error *err);
/*
 * Append `"key":…,"range_end":…`: all keys that begin with first and second,
 * concatenated; if `after` is not empty, only those greater than it.
 */
SL_MUST_CHECK enum sl_status
sl_etcd_range(struct sl_buf *out, struct sl_bytes first, struct sl_bytes second,
              struct sl_bytes after, struct sl_error *err);

/* --- Watching ------------------------------------------------------------- */

struct sl_etcd_watch;

/* A key was deleted in this revision. */
typedef void sl_etcd_deleted_fn(void *context, struct sl_bytes key,
                                int64_t revision);

/*
 * Watch for deletions of keys with this prefix, from this revision on (0: from
 * now on).  Uses its own connection to conn's endpoint; does not wait.
 */
struct sl_etcd_watch *
sl_etcd_watch_new(struct sl_etcd_conn *conn, struct sl_bytes prefix,
                  int64_t revision, sl_etcd_deleted_fn *deleted, void *context);
/* Report the deletions that have arrived, without waiting.  Anything but SL_OK:
 * the watch has ended, and deletions may have been missed. */
SL_MUST_CHECK enum sl_status sl_etcd_watch_poll(struct sl_etcd_watch *watch,
                                                struct sl_error *err);
void sl_etcd_watch_free(struct sl_etcd_watch *watch); /* NULL is fine */

#endif
