/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/allowed_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/port.h"

enum { V4_BITS = 96 /* in front of an IPv4-mapped address */ };

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static struct sl_ip map_v4(const uint8_t octets[static 4])
{
    struct sl_ip ip;

    memcpy(ip.octets, v4_mapped, sizeof(v4_mapped));
    memcpy(ip.octets + sizeof(v4_mapped), octets, 4);
    return ip;
}

static bool parse_ip(const char *text, struct sl_ip *ip)
{
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        *ip = map_v4(v4);
        return true;
    }
    return inet_pton(AF_INET6, text, ip->octets) == 1;
}

static bool is_in_range(const struct sl_ip *ip, const struct sl_ip *range,
                        unsigned prefix)
{
    unsigned bytes = prefix / 8, bits = prefix % 8;

    if (memcmp(ip->octets, range->octets, bytes) != 0)
        return false;
    return bits == 0 ||
           ((ip->octets[bytes] ^ range->octets[bytes]) >> (8 - bits)) == 0;
}

/* Whether routers of the public internet forward to it. */
static bool is_public_v4(const uint8_t at[static 4])
{
    static const struct {
        uint8_t octets[4];
        unsigned prefix;
    } others[] = {
        {{0}, 8},             /* this network */
        {{10}, 8},            /* private */
        {{100, 64}, 10},      /* shared by a carrier */
        {{127}, 8},           /* this machine */
        {{169, 254}, 16},     /* this link; clouds' metadata */
        {{172, 16}, 12},      /* private */
        {{192, 0, 0}, 24},    /* protocol assignments */
        {{192, 0, 2}, 24},    /* documentation */
        {{192, 88, 99}, 24},  /* 6to4 relays, deprecated */
        {{192, 168}, 16},     /* private */
        {{198, 18}, 15},      /* benchmarks */
        {{198, 51, 100}, 24}, /* documentation */
        {{203, 0, 113}, 24},  /* documentation */
        {{224}, 4},           /* multicast */
        {{240}, 4},           /* reserved; broadcast */
    };
    struct sl_ip ip = map_v4(at);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct sl_ip range = map_v4(others[i].octets);
        if (is_in_range(&ip, &range, V4_BITS + others[i].prefix))
            return false;
    }
    return true;
}

static bool is_public(const struct sl_ip *ip)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    const uint8_t *at = ip->octets;

    if (memcmp(at, v4_mapped, sizeof(v4_mapped)) == 0 ||
        memcmp(at, nat64, sizeof(nat64)) == 0)
        return is_public_v4(at + 12);
    if (at[0] == 0x20 && at[1] == 0x02) /* 6to4 */
        return is_public_v4(at + 2);
    if ((at[0] & 0xe0) != 0x20) /* 2000::/3 is global unicast */
        return false;
    if (at[0] == 0x20 && at[1] == 0x01)
        return at[2] >= 0x02 &&                   /* protocols, Teredo */
               !(at[2] == 0x0d && at[3] == 0xb8); /* documentation */
    return !(at[0] == 0x3f && at[1] == 0xff && (at[2] & 0xf0) == 0);
}

/* --- Parsing ------------------------------------------------------------ */

static const struct {
    const char *prefix;
    uint32_t port; /* default; 0: it must be given */
    bool is_socket;
    bool listens;
} schemes[] = {
    [SL_SCHEME_HTTP] = {"http://", 80, false, false},
    [SL_SCHEME_HTTPS] = {"https://", 443, false, false},
    [SL_SCHEME_TCP] = {"tcp://", 0, true, false},
    [SL_SCHEME_UDP] = {"udp://", 0, true, false},
    [SL_SCHEME_TCP_LISTEN] = {"tcp-listen://", 0, true, true},
    [SL_SCHEME_UDP_LISTEN] = {"udp-listen://", 0, true, true},
};

enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

static enum sl_status parse_allowed_port(const char *text, bool listens,
                                         uint32_t *port, struct sl_error *err)
{
    uint16_t number;

    if (strcmp(text, "*") == 0 && !listens) {
        *port = 0;
        return SL_OK;
    }
    if (!sl_port_parse(sl_bytes_of(text), &number) || (number == 0 && !listens))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       listens ? "expected a port from 1 to 65535, or 0 for "
                                 "one that the system chooses"
                               : "expected a port from 1 to 65535, or * for "
                                 "every port");
    *port = number;
    return SL_OK;
}

/* "10.0.0.0/8" */
static enum sl_status parse_range(const char *text, const char *slash,
                                  const char *wanted,
                                  struct sl_allowed_host *out,
                                  struct sl_error *err)
{
    char address[INET6_ADDRSTRLEN] = "";
    size_t len = (size_t)(slash - text);
    char *end;

    if (len < sizeof(address))
        memcpy(address, text, len);
    if (!parse_ip(address, &out->range))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected %s and a host, or a range of addresses such "
                       "as 10.0.0.0/8",
                       wanted);
    unsigned shift = strchr(address, ':') == NULL ? V4_BITS : 0;
    errno = 0;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || errno != 0 ||
        bits > 128 - shift)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a prefix length of at most %u after the / of "
                       "a range",
                       128 - shift);
    out->kind = SL_ALLOWED_RANGE;
    out->prefix = (unsigned)bits + shift;
    return SL_OK;
}

static bool is_dns_name(const char *host)
{
    size_t len = strlen(host);

    return len > 0 && len <= SL_HOST_NAME_MAX &&
           strspn(host, "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len &&
           host[0] != '.' && host[len - 1] != '.' && strstr(host, "..") == NULL;
}

static enum sl_status parse_host(const char *host, struct sl_allowed_host *out,
                                 struct sl_error *err)
{
    if (strcmp(host, "*") == 0) {
        out->kind = SL_ALLOWED_ANY;
        return SL_OK;
    }
    if (parse_ip(host, &out->range)) {
        out->kind = SL_ALLOWED_ADDRESS;
        out->prefix = 128;
        return SL_OK;
    }
    bool below = strncmp(host, "*.", 2) == 0;
    const char *name = below ? host + 2 : host;
    if (!is_dns_name(name))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a name, an address, *.name for all names "
                       "below it, or *; without a user, path or query");
    out->kind = below ? SL_ALLOWED_BELOW : SL_ALLOWED_NAME;
    memcpy(out->host, name, strlen(name) + 1);
    return SL_OK;
}

static bool parse_scheme(const char *text, bool is_socket, enum sl_scheme *out)
{
    for (size_t i = 0; i < SCHEMES; i++)
        if (schemes[i].is_socket == is_socket &&
            strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            *out = (enum sl_scheme)i;
            return true;
        }
    return false;
}

/* What is behind the host. */
static enum sl_status parse_rest(const char *rest, struct sl_allowed_host *out,
                                 struct sl_error *err)
{
    out->port = schemes[out->scheme].port;
    if (*rest == ':')
        return parse_allowed_port(rest + 1, schemes[out->scheme].listens,
                                  &out->port, err);
    if (*rest != '\0')
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected nothing, or : and a port, after the host");
    if (out->port == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected : and a port after the host");
    return SL_OK;
}

/* HOST and PORT, behind the scheme. */
static enum sl_status parse_server(const char *text,
                                   struct sl_allowed_host *out,
                                   struct sl_error *err)
{
    char host[SL_HOST_NAME_MAX + 3] = ""; /* and "*." */
    bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text, ']') : text + strcspn(text, ":");
    const char *begin = bracket ? text + 1 : text;

    if (end == NULL || (size_t)(end - begin) >= sizeof(host))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a host of at most %d characters; put an IPv6 "
                       "address in [ and ]",
                       SL_HOST_NAME_MAX);
    memcpy(host, begin, (size_t)(end - begin));
    enum sl_status status = parse_rest(end + bracket, out, err);
    if (status == SL_OK)
        status = parse_host(host, out, err);
    return status;
}

/* wanted: the schemes that there are. */
static enum sl_status parse_entry(const char *text, bool is_socket,
                                  const char *wanted,
                                  struct sl_allowed_host *out,
                                  struct sl_error *err)
{
    const char *slash = strchr(text, '/');

    *out = (struct sl_allowed_host){.text = text};
    if (parse_scheme(text, is_socket, &out->scheme))
        return parse_server(text + strlen(schemes[out->scheme].prefix), out,
                            err);
    if (slash != NULL)
        return parse_range(text, slash, wanted, out, err);
    return sl_fail(err, SL_INVALID_ARGUMENT, "expected %s before the host",
                   wanted);
}

enum sl_status sl_allowed_host_parse(const char *text,
                                     struct sl_allowed_host *out,
                                     struct sl_error *err)
{
    return parse_entry(text, false, "http:// or https://", out, err);
}

enum sl_status sl_allowed_socket_parse(const char *text,
                                       struct sl_allowed_host *out,
                                       struct sl_error *err)
{
    enum sl_status status = parse_entry(
        text, true, "tcp://, udp://, tcp-listen:// or udp-listen://", out, err);

    if (status == SL_OK && out->kind != SL_ALLOWED_RANGE &&
        schemes[out->scheme].listens && out->kind != SL_ALLOWED_ADDRESS &&
        out->kind != SL_ALLOWED_ANY)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected an address of this machine, or *, to listen "
                       "at");
    return status;
}

/* --- Matching ----------------------------------------------------------- */

static bool equals_text(struct sl_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) &&
           strncasecmp((const char *)bytes.ptr, text, bytes.len) == 0;
}

static bool has_host(const struct sl_allowed_host *allowed,
                     struct sl_bytes host)
{
    char text[INET6_ADDRSTRLEN] = "";
    size_t below = strlen(allowed->host);
    struct sl_ip ip;

    if (host.len > 0 && host.ptr[host.len - 1] == '.') /* the root of DNS */
        host.len--;
    switch (allowed->kind) {
    case SL_ALLOWED_NAME:
        return equals_text(host, allowed->host);
    case SL_ALLOWED_BELOW:
        return host.len > below + 1 && host.ptr[host.len - below - 1] == '.' &&
               equals_text(
                   (struct sl_bytes){host.ptr + host.len - below, below},
                   allowed->host);
    case SL_ALLOWED_ANY:
        return true;
    case SL_ALLOWED_ADDRESS:
        if (host.len >= sizeof(text))
            return false;
        memcpy(text, host.ptr, host.len);
        return parse_ip(text, &ip) && is_in_range(&ip, &allowed->range, 128);
    case SL_ALLOWED_RANGE:
        break;
    }
    return false;
}

static bool matches_destination(const struct sl_allowed_host *allowed,
                                const struct sl_destination *to)
{
    return allowed->kind != SL_ALLOWED_RANGE && allowed->scheme == to->scheme &&
           (allowed->port == 0 || allowed->port == to->port) &&
           has_host(allowed, to->host);
}

bool sl_allowed_hosts_have(const struct sl_allowed_host *allowed, size_t count,
                           const struct sl_destination *to)
{
    for (size_t i = 0; i < count; i++)
        if (matches_destination(&allowed[i], to))
            return true;
    return false;
}

/* Whether the entry names an address that is not public: as itself, by a range,
 * or as localhost. */
static bool names_address(const struct sl_allowed_host *allowed,
                          const struct sl_destination *to,
                          const struct sl_ip *ip)
{
    static const struct sl_ip loopback_v4 = {
        {[10] = 0xff, [11] = 0xff, [12] = 127}};
    static const struct sl_ip loopback_v6 = {{[15] = 1}};

    if (allowed->kind == SL_ALLOWED_RANGE)
        return is_in_range(ip, &allowed->range, allowed->prefix);
    if (!matches_destination(allowed, to))
        return false;
    if (allowed->kind == SL_ALLOWED_ADDRESS)
        return is_in_range(ip, &allowed->range, 128);
    return allowed->kind == SL_ALLOWED_NAME &&
           strcasecmp(allowed->host, "localhost") == 0 &&
           (is_in_range(ip, &loopback_v4, V4_BITS + 8) ||
            is_in_range(ip, &loopback_v6, 128));
}

static bool read_address(struct sl_bytes address, struct sl_ip *ip)
{
    if (address.len == 4)
        *ip = map_v4(address.ptr);
    else if (address.len == sizeof(ip->octets))
        memcpy(ip->octets, address.ptr, sizeof(ip->octets));
    else
        return false;
    return true;
}

bool sl_allowed_hosts_reach(const struct sl_allowed_host *allowed, size_t count,
                            const struct sl_destination *to,
                            struct sl_bytes address)
{
    struct sl_ip ip;

    if (!sl_allowed_hosts_have(allowed, count, to) ||
        !read_address(address, &ip))
        return false;
    if (is_public(&ip))
        return true;
    for (size_t i = 0; i < count; i++)
        if (names_address(&allowed[i], to, &ip))
            return true;
    return false;
}

/* What the resolver takes as it is: it would decode anything else first. */
static bool is_plain_name(struct sl_bytes name)
{
    if (name.len == 0 || name.len > SL_HOST_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t at = name.ptr[i];
        bool is_letter = (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z');
        if (!is_letter && (at < '0' || at > '9') && at != '-' && at != '.' &&
            at != '_' && at != ':')
            return false;
    }
    return true;
}

bool sl_allowed_sockets_look_up(const struct sl_allowed_host *allowed,
                                size_t count, struct sl_bytes name)
{
    if (!is_plain_name(name))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!schemes[allowed[i].scheme].listens && has_host(&allowed[i], name))
            return true;
    return false;
}

bool sl_allowed_sockets_listen(const struct sl_allowed_host *allowed,
                               size_t count, enum sl_scheme scheme,
                               struct sl_bytes address, uint16_t port)
{
    struct sl_ip ip;

    if (!read_address(address, &ip))
        return false;
    for (size_t i = 0; i < count; i++)
        if (allowed[i].scheme == scheme && allowed[i].port == port &&
            (allowed[i].kind == SL_ALLOWED_ANY ||
             (allowed[i].kind == SL_ALLOWED_ADDRESS &&
              is_in_range(&ip, &allowed[i].range, 128))))
            return true;
    return false;
}
