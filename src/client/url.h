/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a service: scheme://[[user]:password@]host[:port][/path], by the
 * generic syntax of RFC 3986 as far as services use it.
 */
#ifndef SL_CLIENT_URL_H
#define SL_CLIENT_URL_H

#include "base/error.h"

/* The parts, decoded; NULL (port: 0) where one is not there. */
struct sl_url {
    char *scheme; /* in lower case */
    char *user;
    char *password;
    char *host; /* without the brackets of an IPv6 address */
    int port;
    char *path; /* without the slash in front; "" is NULL */
};

/*
 * SL_INVALID_ARGUMENT where it is no such URL; no part of it is in the message,
 * for a password may be anywhere in it.
 */
SL_MUST_CHECK enum sl_status sl_url_parse(const char *text, struct sl_url *out,
                                          struct sl_error *err);
void sl_url_done(struct sl_url *url);

#endif
