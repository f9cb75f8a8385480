/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a service: scheme://[[user]:password@]host[:port][/path][?query],
 * in the part of RFC 3986 that services use.  The query is name=value pairs
 * separated by &; a + is a plus sign.
 */
#ifndef SL_NET_URL_H
#define SL_NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { SL_URL_PARAMETERS_MAX = 32 };

/* A parameter of the query, decoded.  Neither is NULL; without = the value is
 * "". */
struct sl_url_parameter {
    char *name;
    char *value;
};

/* The parts, decoded; NULL (port: 0) if absent. */
struct sl_url {
    char *scheme; /* in lower case */
    char *user;
    char *password;
    char *host; /* without the brackets of an IPv6 address */
    int port;
    char *path; /* without the leading slash; "" is NULL */
    struct sl_url_parameter parameters[SL_URL_PARAMETERS_MAX];
    size_t parameter_count;
};

/*
 * SL_INVALID_ARGUMENT: not such a URL.  The message contains no part of it,
 * since a password may be anywhere.
 */
SL_MUST_CHECK enum sl_status sl_url_parse(const char *text, struct sl_url *out,
                                          struct sl_error *err);
void sl_url_done(struct sl_url *url);

/* --- url_parameter.c: the parameters that a driver accepts ---
 *
 * URLs are often copied from other clients: a driver lists the parameters that
 * it accepts, and what to write instead of others.  Names are compared without
 * case, "-" and "_": ssl-mode is sslMode.  Values are compared without case.
 */
struct sl_url_known {
    const char *name; /* as shown in messages */
    /* The accepted values, separated by spaces.  NULL: any value if there is no
     * remedy, otherwise none. */
    const char *values;
    const char *remedy; /* what to write instead; or NULL */
};

/*
 * Check that each parameter is in the list, occurs once and has an accepted
 * value.  The list ends with a NULL name.  The message shows names of the list,
 * and nothing of the URL.
 */
SL_MUST_CHECK enum sl_status
sl_url_check_parameters(const struct sl_url *url,
                        const struct sl_url_known *known, struct sl_error *err);

/* The value of a parameter by its name in the list, or NULL. */
const char *sl_url_parameter(const struct sl_url *url, const char *name);
/* Whether it has one of these values, separated by spaces; false if absent. */
bool sl_url_parameter_is(const struct sl_url *url, const char *name,
                         const char *values);

/* Parameters of other clients for which every resource has settings. */
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
