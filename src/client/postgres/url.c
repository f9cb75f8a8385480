/* SPDX-License-Identifier: Apache-2.0 */
/* The URL of PostgreSQL and the parameters of libpq and other clients. */
#include <string.h>

#include "base/alloc.h"
#include "client/postgres/postgres.h"
#include "net/resolve.h"

#define OF_USER                                                                \
    "settings of the session belong to the user: ALTER ROLE name SET "         \
    "setting = value"
#define POOLER "behind a pooler, let it keep sessions (pool_mode = session)"
#define BY_TCP "the server is reached by TCP, at the host before the slash"

static const struct sl_url_known known_parameters[] = {
    {"sslmode", "disable prefer require verify-ca verify-full", NULL},
    {"ssl", "true", "write sslmode=disable, or tls = \"...\" beside the url"},
    {"application_name", NULL, NULL},
    {"fallback_application_name", NULL, NULL},
    {"channel_binding", "disable prefer require", NULL},
    {"client_encoding", "UTF8 UTF-8 auto", "texts are UTF-8, always"},
    {"gssencmode", "disable prefer", "GSSAPI is not used"},
    {"sslsni", "1", NULL},
    {"sslcompression", "0", "TLS compresses nothing"},
    {"sslnegotiation", "postgres", "TLS begins after the server has agreed"},
    {"target_session_attrs",
     "any read-write read-only primary standby prefer-standby", NULL},
    {"uselibpqcompat", "true", NULL},
    {"sslrootcert", "system", SL_URL_SETTING("ca")},
    {"sslcert", NULL, SL_URL_SETTING("certificate")},
    {"sslkey", NULL, SL_URL_SETTING("key")},
    {"sslpassword", NULL, "the key must be one without a password"},
    {"sslcrl", NULL, "lists of revoked certificates are not read"},
    {"sslaccept", NULL, SL_URL_SETTING("tls")},
    {"user", NULL, SL_URL_SETTING("user")},
    {"password", NULL, SL_URL_SETTING("password")},
    {"passfile", NULL, SL_URL_SETTING("password")},
    {"host", NULL, BY_TCP},
    {"hostaddr", NULL, BY_TCP},
    {"port", NULL, BY_TCP},
    {"dbname", NULL, "write the database after the slash"},
    {"service", NULL, "service files are not read"},
    {"schema", NULL, SL_URL_SETTING("schema")},
    {"currentSchema", NULL, SL_URL_SETTING("schema")},
    {"search_path", NULL, SL_URL_SETTING("schema")},
    {"options", NULL, SL_URL_SETTING("schema") " for a search_path; " OF_USER},
    {"TimeZone", NULL, "the session is in UTC, always"},
    {"statement_timeout", NULL, SL_URL_TIMEOUT},
    {"tcp_user_timeout", NULL, SL_URL_TIMEOUT},
    {"keepalives", "1", "a peer that is gone is noticed within timeout"},
    {"keepalives_idle", NULL, "a peer that is gone is noticed within timeout"},
    {"pgbouncer", NULL, POOLER},
    {"prepareThreshold", NULL, POOLER},
    {"statement_cache_size", NULL, POOLER},
    SL_URL_KNOWN_TIMEOUTS,
    {NULL, NULL, NULL},
};

static enum sl_status check_postgres_parts(const struct sl_url *url,
                                           struct sl_error *err)
{
    if (strcmp(url->scheme, "postgres") != 0 &&
        strcmp(url->scheme, "postgresql") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected postgres://");
    if (url->path == NULL || strchr(url->path, '/') != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected the name of a database after the slash");
    return sl_url_check_parameters(url, known_parameters, err);
}

char *sl_pg_url_of_host(const char *text, size_t index)
{
    const char *scheme = strstr(text, "://");
    const char *authority = scheme != NULL ? scheme + 3 : text;
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *hosts = at != NULL ? at + 1 : authority;
    const char *end = authority + len, *host = hosts, *comma;

    while ((comma = memchr(host, ',', (size_t)(end - host))) != NULL &&
           index > 0) {
        host = comma + 1;
        index--;
    }
    if (index > 0)
        return NULL;
    return sl_asprintf("%.*s%.*s%s", (int)(hosts - text), text,
                       (int)((comma != NULL ? comma : end) - host), host, end);
}

static enum sl_status check_postgres_host(const char *text,
                                          struct sl_error *err)
{
    struct sl_url url;
    enum sl_status status = sl_url_parse(text, &url, err);

    if (status != SL_OK)
        return status;
    status = check_postgres_parts(&url, err);
    sl_url_done(&url);
    return status;
}

enum sl_status sl_pg_check_url(const void *field, struct sl_error *err)
{
    const char *text = *(const char *const *)field;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i <= SL_PG_HOSTS_MAX; i++) {
        SL_CLEANUP(sl_freep) char *one = sl_pg_url_of_host(text, i);
        if (one == NULL)
            return SL_OK;
        status = i < SL_PG_HOSTS_MAX
                     ? check_postgres_host(one, err)
                     : sl_fail(err, SL_INVALID_ARGUMENT,
                               "a URL has at most %d hosts", SL_PG_HOSTS_MAX);
    }
    return status;
}

const char *sl_pg_session_attrs(const struct sl_url *url, size_t hosts)
{
    static const char *const all[] = {"any",       "read-write",
                                      "read-only", "primary",
                                      "standby",   "prefer-standby"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (sl_url_parameter_is(url, "target_session_attrs", all[i]))
            return all[i];
    return hosts > 1 ? "read-write" : "any";
}

static const char *const modes[] = {"auto",    "verify-full", "verify-ca",
                                    "require", "prefer",      "disable"};

enum sl_status sl_pg_check_tls(const void *field, struct sl_error *err)
{
    const char *mode = *(const char *const *)field;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(mode, modes[i]) == 0)
            return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "expected auto, verify-full, verify-ca, require, prefer or "
                   "disable");
}

/* NULL: not in the URL. libpq accepts lower case only. */
static const char *mode_in_url(const struct sl_url *url)
{
    for (size_t i = 1; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (sl_url_parameter_is(url, "sslmode", modes[i]))
            return modes[i];
    /* As in libpq, sslrootcert=system implies verify-full. */
    if (sl_url_parameter_is(url, "sslrootcert", "system"))
        return "verify-full";
    return sl_url_parameter_is(url, "ssl", "true") ? "require" : NULL;
}

const char *sl_pg_tls_mode(const struct sl_pg_options *options,
                           const struct sl_url *url)
{
    const char *in_url = mode_in_url(url);

    if (strcmp(options->tls, "auto") != 0)
        return options->tls;
    if (in_url != NULL)
        return in_url;
    return options->ca == NULL && sl_resolve_is_loopback(url->host)
               ? "prefer"
               : "verify-full";
}

const char *sl_pg_channel_binding(const struct sl_url *url)
{
    if (sl_url_parameter_is(url, "channel_binding", "require"))
        return "require";
    return sl_url_parameter_is(url, "channel_binding", "disable") ? "disable"
                                                                  : "prefer";
}

const char *sl_pg_application(const struct sl_url *url)
{
    const char *name = sl_url_parameter(url, "application_name");

    if (name == NULL || name[0] == '\0')
        name = sl_url_parameter(url, "fallback_application_name");
    return name != NULL && name[0] != '\0' ? name : "slight";
}
