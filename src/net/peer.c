/* SPDX-License-Identifier: Apache-2.0 */
#include "net/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "net/resolve.h"
#include "net/url.h"

bool sl_peer_is_local(const char *host)
{
    return host == NULL || host[0] == '/' || sl_resolve_is_loopback(host);
}

/* False: the host is local. */
static bool report_remote_host(const char *host, const char *remedy,
                               sl_risk_fn *tell, void *context)
{
    char text[400];

    if (sl_peer_is_local(host))
        return false;
    snprintf(text, sizeof(text),
             "the password would be sent to %.200s without TLS, readable by "
             "anyone on the way; %s",
             host, remedy);
    tell(context, text);
    return true;
}

/* The host of "[scheme://]host[:port]…", in place. */
static char *host_of(char *entry)
{
    char *after = strstr(entry, "://");
    char *host = after != NULL ? after + 3 : entry;

    host += strspn(host, " ");
    if (host[0] == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    } else {
        host[strcspn(host, ":/?# ")] = '\0';
    }
    return host;
}

void sl_peer_tell_of_list(const char *list, const char *scheme,
                          const char *remedy, sl_risk_fn *tell, void *context)
{
    SL_CLEANUP(sl_freep) char *copy = sl_strdup(list);
    char *rest = copy, *entry;

    while ((entry = strsep(&rest, ",")) != NULL) {
        entry += strspn(entry, " ");
        size_t len = scheme != NULL ? strlen(scheme) : 0;
        if (scheme != NULL && (strncasecmp(entry, scheme, len) != 0 ||
                               strncmp(entry + len, "://", 3) != 0))
            continue;
        if (report_remote_host(host_of(entry), remedy, tell, context))
            return;
    }
}

void sl_peer_tell_of_url(const char *text, const char *scheme,
                         const char *password, const char *remedy,
                         sl_risk_fn *tell, void *context)
{
    struct sl_url url;
    struct sl_error err;

    if (sl_url_parse(text, &url, &err) != SL_OK)
        return;
    if ((scheme == NULL || strcmp(url.scheme, scheme) == 0) &&
        (password != NULL || url.password != NULL))
        (void)report_remote_host(url.host, remedy, tell, context);
    sl_url_done(&url);
}
