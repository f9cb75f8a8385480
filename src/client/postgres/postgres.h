/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL by libpq, for the drivers that speak to it: settings, connecting,
 * results and cancelling by a deadline, and what the server's errors mean.
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
             "of several hosts that one is used which takes writes, or as "    \
             "target_session_attrs says; that, sslmode, application_name, "    \
             "channel_binding and some more are understood behind a ?"},       \
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
         .help = "the schema of names without one, instead of the user's "     \
                 "search_path; it must exist"},                                \
        {.name = "tls",                                                        \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_pg_options, tls),                        \
         .fallback = "auto",                                                   \
         .check = sl_pg_check_tls,                                             \
         .help = "\"verify-full\": only with a certificate for this host; "    \
                 "\"verify-ca\": for any; \"require\": TLS with whomever; "    \
                 "\"prefer\": if there is; \"disable\"; \"auto\": "            \
                 "verify-full, but prefer on this machine where there is no "  \
                 "ca"},                                                        \
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
         .help = "a file with the key of the certificate in PEM, which only "  \
                 "its owner may read"}

/* --- postgres_url.c --- */

/* The mode of TLS, as libpq has it: by the setting, by the URL, or by where the
 * server is. */
const char *sl_pg_tls_mode(const struct sl_pg_options *options,
                           const struct sl_url *url);
/* "prefer", unless the URL says otherwise. */
const char *sl_pg_channel_binding(const struct sl_url *url);
enum { SL_PG_HOSTS_MAX = 16 }; /* of a URL, with commas between */
/* The URL with one of its hosts alone, which the caller frees; NULL: it has not
 * so many. */
char *sl_pg_url_of_host(const char *text, size_t index);
/* Which of the servers will do, as libpq has it: the one that takes writes,
 * where there are several hosts, and the URL says nothing. */
const char *sl_pg_session_attrs(const struct sl_url *url, size_t hosts);
/* The name that the server shows of its connections. */
const char *sl_pg_application(const struct sl_url *url);

/* --- Connecting --------------------------------------------------------- */

/* Whom to connect to, and how; what all connections of a store share. */
struct sl_pg_target;

/*
 * options must outlive the target.  settings: the server's run-time settings
 * for each connection, as words "-c name=value", or "".
 */
SL_MUST_CHECK enum sl_status
sl_pg_target_new(const struct sl_pg_options *options, const char *settings,
                 struct sl_pg_target **out, struct sl_error *err);
void sl_pg_target_free(struct sl_pg_target *target); /* NULL is fine */

struct sl_pg {
    PGconn *handle;
    const struct sl_pg_target *target;
    size_t host;      /* of the target's */
    size_t received;  /* bytes, about, since the last result */
    unsigned reads;   /* since then */
    int64_t answered; /* when the last result came (sl_now_ns) */
    /* No use any more: what was asked and what is answered do not match. */
    bool lost;
};

/*
 * Connect, with UTF-8 and UTC, to the first of the hosts that will do,
 * beginning with the one that did last.  SL_UNAVAILABLE, SL_TIMEOUT, or
 * SL_UNAUTHENTICATED: the server refuses the user, or does not prove who it is.
 */
SL_MUST_CHECK enum sl_status sl_pg_open(struct sl_pg *pg,
                                        const struct sl_pg_target *target,
                                        sl_deadline deadline,
                                        struct sl_error *err);
void sl_pg_close(struct sl_pg *pg); /* fine for a zeroed one */

/*
 * Before something is sent: whether the server has gone, so that it certainly
 * gets none of it.  Then err says so, as SL_UNAVAILABLE.  *notified becomes
 * true where a notification came (LISTEN); NULL: nobody listens, and where it
 * has just answered it is not looked for.
 */
SL_MUST_CHECK bool sl_pg_is_stale(struct sl_pg *pg, bool *notified,
                                  struct sl_error *err);

/* --- Results ------------------------------------------------------------ */

void sl_pg_clear(PGresult **result); /* for SL_CLEANUP; *result may be NULL */

/* After a PQsend…: it took it (1), or the connection is lost. */
SL_MUST_CHECK enum sl_status sl_pg_sent(struct sl_pg *pg, int sent,
                                        struct sl_error *err);
/* Give the network all that is to be sent. */
SL_MUST_CHECK enum sl_status sl_pg_flush(struct sl_pg *pg, sl_deadline deadline,
                                         struct sl_error *err);
/*
 * The next of PQgetResult, which may be NULL, or an error of the server.
 * SL_UNAVAILABLE and SL_TIMEOUT: pg is lost, and what was asked has been
 * cancelled on the server, if that can be reached.
 */
SL_MUST_CHECK enum sl_status sl_pg_next(struct sl_pg *pg, sl_deadline deadline,
                                        PGresult **result,
                                        struct sl_error *err);
/*
 * Read results until there are no more; SL_OK, or the first error of the
 * server, explained.
 */
SL_MUST_CHECK enum sl_status sl_pg_drain(struct sl_pg *pg, sl_deadline deadline,
                                         struct sl_error *err);
/* Do statements of ours, divided by semicolons, without results. */
SL_MUST_CHECK enum sl_status sl_pg_exec(struct sl_pg *pg, const char *text,
                                        sl_deadline deadline,
                                        struct sl_error *err);

/*
 * End what the connection is doing on the server, by another connection: unlike
 * PQcancel, by a deadline and over TLS.  Returns whether the server was told.
 */
bool sl_pg_cancel(const struct sl_pg *pg, sl_deadline deadline);

/* --- Errors (postgres_error.c) ------------------------------------------ */

/* What a SQLSTATE means; SL_INTERNAL for what nobody foresaw. */
enum sl_status sl_pg_status_of(const char *sqlstate);
/* Whether the transaction, begun anew, may succeed. */
bool sl_pg_is_retryable(const char *sqlstate);
/* The SQLSTATE of a result; "" where it has none. */
const char *sl_pg_sqlstate(const PGresult *result);
/*
 * Whether what failed so has certainly changed nothing.  Not of a server that
 * breaks down (PANIC), whose log may hold the commit; of one that does not know
 * (40003); or of a pooler, which alone says 08.
 */
bool sl_pg_is_undone(const PGresult *result);

/*
 * Fill err with what the server said.  show_message: all of it; otherwise, as
 * its message may quote a value, what it says of names only.
 */
enum sl_status sl_pg_explain(const PGresult *result, bool show_message,
                             struct sl_error *err);

/* The same of a connection that failed, by libpq's text (verbose). */
enum sl_status sl_pg_explain_connect(const char *text, const char *where,
                                     struct sl_error *err);

/* For a driver's `risks`, whose options begin with these. */
void sl_pg_risks(const void *options, sl_risk_fn *tell, void *context);

#endif
