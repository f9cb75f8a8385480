/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a service: scheme://[[user]:password@]host[:port][/path][?query],
 * by the generic syntax of RFC 3986 as far as services use it.  The query is
 * name=value pairs, with & between them; a + is one.
 */
#ifndef SL_NET_URL_H
#define SL_NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { SL_URL_PARAMETERS_MAX = 32 };

/* Of the query, decoded.  Neither is NULL; without a = the value is "". */
struct sl_url_parameter {
    char *name;
    char *value;
};

/* The parts, decoded; NULL (port: 0) where one is not there. */
struct sl_url {
    char *scheme; /* in lower case */
    char *user;
    char *password;
    char *host; /* without the brackets of an IPv6 address */
    int port;
    char *path; /* without the slash in front; "" is NULL */
    struct sl_url_parameter parameters[SL_URL_PARAMETERS_MAX];
    size_t parameter_count;
};

/*
 * SL_INVALID_ARGUMENT where it is no such URL; no part of it is in the message,
 * for a password may be anywhere in it.
 */
SL_MUST_CHECK enum sl_status sl_url_parse(const char *text, struct sl_url *out,
                                          struct sl_error *err);
void sl_url_done(struct sl_url *url);

/*
 * --- url_parameter.c: what a driver makes of the query ---
 *
 * Of people's URLs, which they have from elsewhere: what it understands, and
 * what to write instead of the rest.  Names are compared without case, "-" and
 * "_": ssl-mode is sslMode.  Values are compared without case.
 */
struct sl_url_known {
    const char *name; /* as it is shown */
    /* What it may be, with spaces between; NULL: anything, where there is no
     * remedy, and otherwise nothing. */
    const char *values;
    const char *remedy; /* what to write instead, after "; "; or NULL */
};

/*
 * Whether each parameter is in the list, which ends with a name that is NULL,
 * at most once, and has a value that is understood.  The message shows names of
 * the list, and nothing of the URL.
 */
SL_MUST_CHECK enum sl_status
sl_url_check_parameters(const struct sl_url *url,
                        const struct sl_url_known *known, struct sl_error *err);

/* The value of the parameter that the list has by this name, or NULL. */
const char *sl_url_parameter(const struct sl_url *url, const char *name);
/* Whether it is one of these, with spaces between; not where it is not there.
 */
bool sl_url_parameter_is(const struct sl_url *url, const char *name,
                         const char *values);

/* What URLs have for what every resource has settings for. */
#define SL_URL_KNOWN_TIMEOUTS                                                  \
    {"timeout", NULL, SL_URL_TIMEOUT},                                         \
        {"connect_timeout", NULL, SL_URL_TIMEOUT},                             \
        {"read_timeout", NULL, SL_URL_TIMEOUT},                                \
        {"write_timeout", NULL, SL_URL_TIMEOUT},                               \
        {"socket_timeout", NULL, SL_URL_TIMEOUT},                              \
        {"connection_limit", NULL, SL_URL_CONNECTIONS},                        \
        {"max_connections", NULL, SL_URL_CONNECTIONS},                         \
        {"pool_size", NULL, SL_URL_CONNECTIONS},                               \
    {                                                                          \
        "pool_timeout", NULL, SL_URL_TIMEOUT                                   \
    }
#define SL_URL_TIMEOUT                                                         \
    "write timeout = \"5s\" beside the url; it is for a whole call, "          \
    "connecting "                                                              \
    "included"
#define SL_URL_CONNECTIONS "write connections = 4 beside the url"
#define SL_URL_SETTING(name) "write " name " = \"...\" beside the url"

#endif
