/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where servers listen, "HOST:PORT", and that each does at a place of its own.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "manifest/reader.h"

struct address {
    char host[SL_HOST_NAME_MAX + 1]; /* without the brackets of IPv6 */
    bool is_wildcard;                /* of this machine's addresses all */
    int port;                        /* 0: the system chooses */
};

/* -1 where it is none. */
static int parse_port(const char *text)
{
    int port = 0;

    if (text[0] == '\0' || strlen(text) > 5)
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (*text - '0');
    }
    return port <= UINT16_MAX ? port : -1;
}

static bool is_name(const char *host)
{
    static const char digits[] = "0123456789.";

    return strspn(host,
                  "abcdefghijklmnopqrstuvwxyz"
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123456789.") == strlen(host) &&
           host[0] != '.' && strspn(host, digits) < strlen(host);
}

static enum sl_status check_host(struct address *address, bool has_brackets,
                                 struct sl_error *err)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (has_brackets) {
        if (inet_pton(AF_INET6, address->host, &v6) != 1)
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "in brackets stands an IPv6 address, such as "
                           "\"[::1]:8080\"");
        address->is_wildcard = IN6_IS_ADDR_UNSPECIFIED(&v6);
        return SL_OK;
    }
    if (strchr(address->host, ':') != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "an IPv6 address stands in brackets, as in "
                       "\"[::1]:8080\"");
    if (inet_pton(AF_INET, address->host, &v4) == 1) {
        address->is_wildcard = v4.s_addr == INADDR_ANY;
        return SL_OK;
    }
    if (is_name(address->host))
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "the host is an address of this machine, or a name");
}

static enum sl_status parse_address(const char *text, struct address *out,
                                    struct sl_error *err)
{
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[';
    const char *host = has_brackets ? text + 1 : text;

    *out = (struct address){.port = -1};
    if (colon != NULL)
        out->port = parse_port(colon + 1);
    if (colon == NULL || (has_brackets && (colon == text || colon[-1] != ']')))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"HOST:PORT\", such as \"127.0.0.1:8080\"");
    if (out->port < 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the port is a number from 0 to 65535; with 0 the "
                       "system chooses one");
    if (colon == text)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "there is no host: \"127.0.0.1%s\" listens for this "
                       "machine alone, \"0.0.0.0%s\" for all that reach it",
                       text, text);
    size_t len = (size_t)(colon - host) - (has_brackets ? 1 : 0);
    if (len > SL_HOST_NAME_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a host has at most %d characters", SL_HOST_NAME_MAX);
    memcpy(out->host, host, len);
    return check_host(out, has_brackets, err);
}

enum sl_status sl_manifest_check_listen(const void *field, struct sl_error *err)
{
    struct address address;

    return parse_address(*(const char *const *)field, &address, err);
}

/* What has no name stands for localhost, whatever that is looked up to be. */
static const char *name_of(const struct address *address)
{
    bool is_local = strcmp(address->host, "127.0.0.1") == 0 ||
                    strcmp(address->host, "::1") == 0;

    return is_local ? "localhost" : address->host;
}

/* Whether the second one could not listen while the first one does. */
static bool is_taken(const struct address *a, const struct address *b)
{
    if (a->port == 0 || a->port != b->port)
        return false;
    if (a->is_wildcard || b->is_wildcard || strcasecmp(a->host, b->host) == 0)
        return true;
    /* localhost is either of the two, which are not each other. */
    return strcasecmp(name_of(a), name_of(b)) == 0 &&
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
        parse_address(second, &b, &err) != SL_OK || !is_taken(&a, &b))
        return;
    sl_manifest_wrong(reader, second_place,
                      "\"listen\": in line %u \"%s\" listens at this port "
                      "already; %s",
                      first_place.line, sl_manifest_word(first).text, remedy);
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
            /* Written alike they share the server. */
            if (other->type == SL_TRIGGER_HTTP &&
                strcmp(other->listen, trigger->listen) != 0)
                check_pair(reader, other->listen, other->listen_place,
                           trigger->listen, trigger->listen_place,
                           "write both alike to share it, or give this one "
                           "another");
        }
    }
}
