/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which names the listener may be asked.  A web page may give its own name
 * the address of this machine, and so have a browser ask here, and read the
 * answer (DNS rebinding); but the browser then says that name.  An address
 * cannot be taken over like that.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "management/internal.h"

enum { HOST_MAX = 255 };

/* Without the port and the brackets of IPv6; "" where it is too long. */
static void read_host(struct sl_bytes field, char host[HOST_MAX + 1])
{
    const char *text = (const char *)field.ptr;
    size_t len = field.len;
    const char *end = len > 0 && text[0] == '[' ? memchr(text, ']', len)
                                                : memrchr(text, ':', len);

    host[0] = '\0';
    if (end != NULL)
        len = (size_t)(end - text);
    if (end != NULL && text[0] == '[') {
        text++;
        len--;
    }
    if (len > 0 && text[len - 1] == '.') /* the root of DNS */
        len--;
    if (len > HOST_MAX || memchr(text, '\0', len) != NULL)
        return;
    memcpy(host, text, len);
    host[len] = '\0';
}

static bool is_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

bool sl_management_allows(const struct sl_manifest_management *settings,
                          struct sl_bytes field)
{
    char host[HOST_MAX + 1], own[HOST_MAX + 1];

    read_host(field, host);
    read_host(sl_bytes_of(settings->listen), own);
    if (host[0] == '\0')
        return false;
    if (is_address(host) || strcasecmp(host, "localhost") == 0 ||
        strcasecmp(host, own) == 0)
        return true;
    for (size_t i = 0; i < settings->allowed_host_count; i++)
        if (strcasecmp(host, settings->allowed_hosts[i]) == 0)
            return true;
    return false;
}
