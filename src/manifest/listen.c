/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/listen.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/port.h"
#include "manifest/excerpt.h"

struct address {
    char host[SL_HOST_NAME_MAX + 1]; /* without the brackets of IPv6 */
    bool is_wildcard;                /* every address of this machine */
    uint16_t port;                   /* 0: the system chooses */
};

static bool is_host_name(const char *host)
{
    static const char digits[] = "0123456789.";

    return strspn(host,
                  "abcdefghijklmnopqrstuvwxyz"
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123456789.") == strlen(host) &&
           host[0] != '.' && strspn(host, digits) < strlen(host);
}

static enum sl_status check_listen_host(struct address *address,
                                        bool has_brackets, struct sl_error *err)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (has_brackets) {
        if (inet_pton(AF_INET6, address->host, &v6) != 1)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "expected an IPv6 address in the brackets, as in "
                           "\"[::1]:8080\"");
        address->is_wildcard = IN6_IS_ADDR_UNSPECIFIED(&v6);
        return SL_OK;
    }
    if (strchr(address->host, ':') != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "put an IPv6 address in brackets, as in "
                       "\"[::1]:8080\"");
    if (inet_pton(AF_INET, address->host, &v4) == 1) {
        address->is_wildcard = v4.s_addr == INADDR_ANY;
        return SL_OK;
    }
    if (is_host_name(address->host))
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "expected an address of this machine or a name as the host");
}

static enum sl_status parse_address(const char *text, struct address *out,
                                    struct sl_error *err)
{
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[';
    const char *host = has_brackets ? text + 1 : text;

    *out = (struct address){0};
    if (colon == NULL || (has_brackets && (colon == text || colon[-1] != ']')))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"HOST:PORT\", such as \"127.0.0.1:8080\"");
    if (!sl_port_parse(sl_bytes_of(colon + 1), &out->port))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a port from 0 to 65535; with 0 the system "
                       "chooses one");
    if (colon == text)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the host is missing: \"127.0.0.1%s\" accepts "
                       "connections from this machine only, \"0.0.0.0%s\" "
                       "from anywhere",
                       text, text);
    size_t len = (size_t)(colon - host) - (has_brackets ? 1 : 0);
    if (len > SL_HOST_NAME_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a host has at most %d characters", SL_HOST_NAME_MAX);
    memcpy(out->host, host, len);
    return check_listen_host(out, has_brackets, err);
}

enum sl_status sl_manifest_check_listen(const void *field, struct sl_error *err)
{
    struct address address;

    return parse_address(*(const char *const *)field, &address, err);
}

/* A loopback address counts as localhost, which may resolve to either. */
static const char *host_name(const struct address *address)
{
    bool is_local = strcmp(address->host, "127.0.0.1") == 0 ||
                    strcmp(address->host, "::1") == 0;

    return is_local ? "localhost" : address->host;
}

/* Whether only one of them can be listened at. */
static bool addresses_conflict(const struct address *a, const struct address *b)
{
    if (a->port == 0 || a->port != b->port)
        return false;
    if (a->is_wildcard || b->is_wildcard || strcasecmp(a->host, b->host) == 0)
        return true;
    /* 127.0.0.1 and ::1 do not conflict with each other. */
    return strcasecmp(host_name(a), host_name(b)) == 0 &&
           (strcasecmp(a->host, "localhost") == 0 ||
            strcasecmp(b->host, "localhost") == 0);
}

static void check_pair(struct sl_manifest_reader *reader, const char *first,
                       struct sl_toml_place first_place, const char *second,
                       struct sl_toml_place second_place, const char *remedy)
{
    struct address a, b;
    struct sl_error err;

    if (parse_address(first, &a, &err) != SL_OK ||
        parse_address(second, &b, &err) != SL_OK || !addresses_conflict(&a, &b))
        return;
    sl_manifest_add_problem(reader, second_place,
                            "\"listen\": line %u already listens at this port "
                            "(\"%s\"); %s",
                            first_place.line, sl_manifest_excerpt(first).text,
                            remedy);
}

void sl_manifest_check_listeners(struct sl_manifest_reader *reader)
{
    const struct sl_manifest *manifest = reader->manifest;
    const struct sl_manifest_management *management = manifest->management;

    for (size_t i = 0; i < manifest->trigger_count; i++) {
        const struct sl_manifest_trigger *trigger = &manifest->triggers[i];
        if (trigger->type != SL_TRIGGER_HTTP)
            continue;
        if (management != NULL && management->listen != NULL)
            check_pair(reader, trigger->listen, trigger->listen_place,
                       management->listen, management->listen_place,
                       "give [management] another one");
        for (size_t k = 0; k < i; k++) {
            const struct sl_manifest_trigger *other = &manifest->triggers[k];
            /* Triggers with the same address share the server. */
            if (other->type == SL_TRIGGER_HTTP &&
                strcmp(other->listen, trigger->listen) != 0)
                check_pair(reader, other->listen, other->listen_place,
                           trigger->listen, trigger->listen_place,
                           "write both addresses alike to share the server, or "
                           "use another port");
        }
    }
}
