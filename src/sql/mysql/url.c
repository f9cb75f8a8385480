/* SPDX-License-Identifier: Apache-2.0 */
/* The URL of sql.mysql, with the parameters of other clients. */
#include <string.h>

#include "sql/mysql/connection.h"

#define VERIFIED                                                               \
    "TLS always verifies the certificate and the name, by the system's "       \
    "authorities or those in ca = \"...\" beside the url"
#define UTF8 "texts are always utf8mb4"
#define UTC "the session is always in UTC"

#define MODES_ON                                                               \
    "REQUIRED REQUIRE VERIFY_CA VERIFY-CA VERIFY_IDENTITY VERIFY-FULL"
#define MODES_OFF "DISABLED DISABLE"

static const struct sl_url_known known_parameters[] = {
    {"ssl-mode", MODES_ON " " MODES_OFF,
     "TLS is either required or off, never only preferred"},
    {"tls", "true false", VERIFIED},
    {"ssl", "true false 1 0", VERIFIED},
    {"useSSL", "true false", NULL},
    {"requireSSL", "true false", NULL},
    {"verifyServerCertificate", "true", VERIFIED},
    {"sslaccept", "strict", VERIFIED},
    {"charset", "utf8mb4 utf8", UTF8},
    {"characterEncoding", "UTF-8 utf8", UTF8},
    {"useUnicode", "true yes", UTF8},
    {"parseTime", "true", "dates and times always have types of their own"},
    {"loc", "UTC", UTC},
    {"serverTimezone", "UTC", UTC},
    {"time_zone", "+00:00 UTC '+00:00'", UTC},
    {"clientFoundRows", "true",
     "an UPDATE always counts the rows that it found"},
    {"multiStatements", "false", "a call always has one statement"},
    {"allowMultiQueries", "false", "a call always has one statement"},
    {"autoReconnect", "true", "slight always reconnects"},
    {"collation", NULL,
     "write COLLATE in the statement, or set it for the "
     "database"},
    {"ssl-ca", NULL, SL_URL_SETTING("ca")},
    {"sslrootcert", NULL, SL_URL_SETTING("ca")},
    {"ssl-cert", NULL, SL_URL_SETTING("certificate")},
    {"ssl-key", NULL, SL_URL_SETTING("key")},
    {"allowPublicKeyRetrieval", "false", SL_URL_SETTING("server-public-key")},
    {"serverPubKey", NULL, SL_URL_SETTING("server-public-key")},
    {"user", NULL, SL_URL_SETTING("user")},
    {"password", NULL, SL_URL_SETTING("password")},
    {"database", NULL, SL_URL_SETTING("database")},
    {"application_name", NULL, "the server knows these connections as slight"},
    {"program_name", NULL, "the server knows these connections as slight"},
    {"unix_socket", NULL, "the server is reached by TCP only"},
    {"socket", NULL, "the server is reached by TCP only"},
    SL_URL_KNOWN_TIMEOUTS,
    {NULL, NULL, NULL},
};

/* -1: no parameter is about TLS; -2: they contradict each other. */
static int parameters_want_tls(const struct sl_url *url)
{
    static const char *const switches[] = {"tls", "ssl", "useSSL",
                                           "requireSSL"};
    bool on = sl_url_parameter_is(url, "ssl-mode", MODES_ON);
    bool off = sl_url_parameter_is(url, "ssl-mode", MODES_OFF);

    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        on |= sl_url_parameter_is(url, switches[i], "true 1");
        off |= sl_url_parameter_is(url, switches[i], "false 0");
    }
    if (on && off)
        return -2;
    return on || off ? on : -1;
}

bool sl_sql_mysql_wants_tls(const struct sl_url *url)
{
    return strcmp(url->scheme, "mysqls") == 0 || parameters_want_tls(url) == 1;
}

static enum sl_status check_mysql_url(const struct sl_url *url,
                                      struct sl_error *err)
{
    bool tls = strcmp(url->scheme, "mysqls") == 0;

    if (!tls && strcmp(url->scheme, "mysql") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected mysql:// or, for TLS, mysqls://");
    enum sl_status status = sl_url_check_parameters(url, known_parameters, err);
    if (status != SL_OK)
        return status;
    int wanted = parameters_want_tls(url);
    if (wanted == -2 || (tls && wanted == 0))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the URL asks both for TLS and for none; write "
                       "mysqls:// or mysql:// and no parameter about TLS");
    return SL_OK;
}

enum sl_status sl_sql_mysql_check_url(const void *field, struct sl_error *err)
{
    struct sl_url url;
    enum sl_status status =
        sl_url_parse(*(const char *const *)field, &url, err);

    if (status != SL_OK)
        return status;
    status = check_mysql_url(&url, err);
    sl_url_done(&url);
    return status;
}
