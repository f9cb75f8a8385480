/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of PostgreSQL on libpq: settings; connecting, reading results and
 * cancelling by a deadline; the meaning of the server's errors.
 *
 * A connection is used by one thread at a time, a target by any number.
 */
#ifndef SL_CLIENT_POSTGRES_POSTGRES_H
#define SL_CLIENT_POSTGRES_POSTGRES_H

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/option.h"
#include "net/url.h"
#include "service/service.h"

/* --- Settings ----------------------------------------------------------- */

struct sl_pg_options {
    const char *url;
    const char *user;
    const char *password;
    const char *schema;
    const char *tls;
    const char *ca;
    const char *certificate;
    const char *key;
};

enum sl_status sl_pg_check_url(const void *field, struct sl_error *err);
enum sl_status sl_pg_check_tls(const void *field, struct sl_error *err);
enum sl_status sl_pg_check_name(const void *field, struct sl_error *err);

/* The entries of an option table whose struct begins with the above. */
#define SL_PG_OPTIONS                                                          \
    {.name = "url",                                                            \
     .type = SL_OPTION_STRING,                                                 \
     .offset = offsetof(struct sl_pg_options, url),                            \
     .required = true,                                                         \
     .secret = true,                                                           \
     .port = 5432,                                                             \
     .check = sl_pg_check_url,                                                 \
     .help = "postgres://[user[:password]@]host[:5432][,host...]/database; "   \
             "of several hosts the one that takes writes is used, or as "      \
             "target_session_attrs says; the query may have that, sslmode, "   \
             "application_name, channel_binding and some more"},               \
        {.name = "user",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_pg_options, user),                       \
         .help = "the user, instead of the one in the URL"},                   \
        {.name = "password",                                                   \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_pg_options, password),                   \
         .secret = true,                                                       \
         .help = "the password, instead of the one in the URL"},               \
        {.name = "schema",                                                     \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_pg_options, schema),                     \
         .check = sl_pg_check_name,                                            \
         .help = "the schema of unqualified names, instead of the user's "     \
                 "search_path; it must exist"},                                \
        {.name = "tls",                                                        \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_pg_options, tls),                        \
         .fallback = "auto",                                                   \
         .check = sl_pg_check_tls,                                             \
         .help = "\"verify-full\": TLS with a certificate for this host; "     \
                 "\"verify-ca\": for any host; \"require\": TLS without "      \
                 "verification; \"prefer\": TLS if the server has it; "        \
                 "\"disable\"; \"auto\": verify-full, but prefer on this "     \
                 "machine without a ca"},                                      \
        {.name = "ca",                                                         \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_pg_options, ca),                         \
         .help = "a file of authorities in PEM to trust instead of the "       \
                 "system's"},                                                  \
        {.name = "certificate",                                                \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_pg_options, certificate),                \
         .help = "a file with the client's certificate in PEM"},               \
        {.name = "key",                                                        \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_pg_options, key),                        \
         .help =                                                               \
             "a file with the key of the certificate in PEM, readable only "   \
             "by its owner"}

/* --- postgres_url.c --- */

/* The sslmode of libpq: from the setting, the URL, or the location of the
 * server. */
const char *sl_pg_tls_mode(const struct sl_pg_options *options,
                           const struct sl_url *url);
/* "prefer", unless the URL says otherwise. */
const char *sl_pg_channel_binding(const struct sl_url *url);
enum { SL_PG_HOSTS_MAX = 16 }; /* of a URL, separated by commas */
/* The URL with only the index-th of its hosts, for the caller to free; NULL: it
 * has fewer hosts. */
char *sl_pg_url_of_host(const char *text, size_t index);
/* The target_session_attrs of libpq.  Default: with several hosts the one that
 * takes writes. */
const char *sl_pg_session_attrs(const struct sl_url *url, size_t hosts);
/* The application_name that the server shows. */
const char *sl_pg_application(const struct sl_url *url);

/* --- Connecting --------------------------------------------------------- */

/* The servers and how to connect to them; shared by the connections of a
 * store. */
struct sl_pg_target;

/*
 * options must outlive the target. settings: run-time settings of each
 * connection as "-c name=value" words, or "".
 */
SL_MUST_CHECK enum sl_status
sl_pg_target_new(const struct sl_pg_options *options, const char *settings,
                 struct sl_pg_target **out, struct sl_error *err);
void sl_pg_target_free(struct sl_pg_target *target); /* NULL is fine */

struct sl_pg {
    PGconn *handle;
    const struct sl_pg_target *target;
    size_t host;      /* index into the target's hosts */
    size_t received;  /* approximate bytes since the last result */
    unsigned reads;   /* of the socket, since then */
    int64_t answered; /* when the last result came (sl_now_ns) */
    /* Requests and answers do not match any more; the connection cannot be
     * used. */
    bool broken;
};

/*
 * Connect, with UTF-8 and UTC, to the first suitable host, starting with the
 * last used one.  SL_UNAVAILABLE, SL_TIMEOUT, or SL_UNAUTHENTICATED: the server
 * refuses the user, or its certificate is refused.
 */
SL_MUST_CHECK enum sl_status sl_pg_open(struct sl_pg *pg,
                                        const struct sl_pg_target *target,
                                        sl_deadline deadline,
                                        struct sl_error *err);
void sl_pg_close(struct sl_pg *pg); /* a zeroed one is fine */

/*
 * Call before sending: whether the server has closed the connection, so that it
 * certainly receives nothing.  Then err is filled with SL_UNAVAILABLE.
 * *notified is set if a notification (LISTEN) has arrived; NULL: the caller
 * does not listen, and a connection that has just answered is not checked.
 */
SL_MUST_CHECK bool sl_pg_is_stale(struct sl_pg *pg, bool *notified,
                                  struct sl_error *err);

/* --- Results ------------------------------------------------------------ */

void sl_pg_clear(PGresult **result); /* for SL_CLEANUP; *result may be NULL */

/* Check the result of a PQsend… call: 1, or the connection is broken. */
SL_MUST_CHECK enum sl_status sl_pg_sent(struct sl_pg *pg, int sent,
                                        struct sl_error *err);
/* Write all buffered requests to the network. */
SL_MUST_CHECK enum sl_status sl_pg_flush(struct sl_pg *pg, sl_deadline deadline,
                                         struct sl_error *err);
/*
 * The next result of PQgetResult, which may be NULL or an error of the server.
 * SL_UNAVAILABLE and SL_TIMEOUT: pg is broken, and the request was cancelled on
 * the server if it can be reached.
 */
SL_MUST_CHECK enum sl_status sl_pg_next(struct sl_pg *pg, sl_deadline deadline,
                                        PGresult **result,
                                        struct sl_error *err);
/*
 * Read all results; SL_OK, or the first error of the server.
 */
SL_MUST_CHECK enum sl_status sl_pg_drain(struct sl_pg *pg, sl_deadline deadline,
                                         struct sl_error *err);
/* Run statements separated by semicolons, and ignore their results. */
SL_MUST_CHECK enum sl_status sl_pg_exec(struct sl_pg *pg, const char *text,
                                        sl_deadline deadline,
                                        struct sl_error *err);

/*
 * Cancel the running request through another connection: unlike PQcancel with a
 * deadline and TLS.  Returns whether the server was told.
 */
bool sl_pg_cancel(const struct sl_pg *pg, sl_deadline deadline);

/* --- Errors (postgres_error.c) ------------------------------------------ */

/* The status of a SQLSTATE; SL_INTERNAL for unknown ones. */
enum sl_status sl_pg_status_of(const char *sqlstate);
/* The SQLSTATE of a result; "" if it has none. */
const char *sl_pg_sqlstate(const PGresult *result);
/*
 * Whether a request with this error has certainly changed nothing.  Not after a
 * PANIC, since the server's log may contain the commit; not after 40003
 * (completion unknown); and not after class 08, which only poolers send.
 */
bool sl_pg_is_undone(const PGresult *result);

/*
 * Fill err with the server's error. show_message: with its message; else only
 * with the names in it, since a message may quote values.
 */
enum sl_status sl_pg_explain(const PGresult *result, bool show_message,
                             struct sl_error *err);

/* The same for a failed connection attempt, from libpq's verbose message. */
enum sl_status sl_pg_explain_connect(const char *text, const char *where,
                                     struct sl_error *err);

/* For a driver's `risks`, whose options begin with these. */
void sl_pg_risks(const void *options, sl_risk_fn *tell, void *context);

#endif
