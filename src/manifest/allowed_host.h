/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers to which a component may send HTTP requests, "allowed-hosts", and
 * the addresses that its sockets may use, "allowed-sockets".
 *
 * An entry is SCHEME://HOST or SCHEME://HOST:PORT.  The scheme is http or
 * https; of sockets it is tcp or udp, and the port is required.  The host is a
 * name, an address (IPv6 in brackets), "*." and a name for all names below it,
 * or "*" for all.  The port is a number, or "*" for all; the default is that of
 * the scheme.  Or an entry is a range of addresses, such as "10.0.0.0/8", which
 * the hosts of other entries may resolve to.
 *
 * The schemes tcp-listen and udp-listen are for local addresses: the host is an
 * address or "*", and port 0 is one that the system chooses.
 *
 * An address outside the public internet (of a private network, of this
 * machine, or link-local, where clouds serve credentials) is reached only when
 * an entry names it: as itself, by a range, or as localhost.  Those addresses
 * are taken from the special-purpose registries of RFC 6890, as of 2026.
 */
#ifndef SL_MANIFEST_ALLOWED_HOST_H
#define SL_MANIFEST_ALLOWED_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
    SL_ALLOWED_HOSTS_MAX = 256,
    SL_HOST_NAME_MAX = 253, /* characters, as in DNS */
};

/* An IPv6 address, or an IPv4-mapped one. */
struct sl_ip {
    uint8_t octets[16];
};

enum sl_scheme {
    SL_SCHEME_HTTP,
    SL_SCHEME_HTTPS,
    SL_SCHEME_TCP,
    SL_SCHEME_UDP,
    SL_SCHEME_TCP_LISTEN,
    SL_SCHEME_UDP_LISTEN,
};

struct sl_allowed_host {
    enum {
        SL_ALLOWED_NAME,    /* host */
        SL_ALLOWED_BELOW,   /* *.host */
        SL_ALLOWED_ANY,     /* * */
        SL_ALLOWED_ADDRESS, /* the address in range */
        SL_ALLOWED_RANGE,   /* no host: addresses of the others */
    } kind;
    enum sl_scheme scheme;
    uint32_t port; /* 0: every port; to listen: the system's choice */
    char host[SL_HOST_NAME_MAX + 1];
    struct sl_ip range;
    unsigned prefix;  /* bits of range that count, of 128 */
    const char *text; /* as written; borrowed */
};

/* The message does not repeat the text. */
SL_MUST_CHECK enum sl_status sl_allowed_host_parse(const char *text,
                                                   struct sl_allowed_host *out,
                                                   struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_allowed_socket_parse(const char *text, struct sl_allowed_host *out,
                        struct sl_error *err);

/* The server of a request, or of a socket.  host: a name, or an address without brackets. */
struct sl_destination {
    struct sl_bytes host;
    uint16_t port;
    enum sl_scheme scheme;
};

/* Whether an entry has this host, whatever its address. */
bool sl_allowed_hosts_have(const struct sl_allowed_host *allowed, size_t count,
                           const struct sl_destination *to);

/* Whether it may be reached at this address of 4 or 16 bytes. */
bool sl_allowed_hosts_reach(const struct sl_allowed_host *allowed, size_t count,
                            const struct sl_destination *to,
                            struct sl_bytes address);

/* Whether a socket may look up this name, for any scheme. */
bool sl_allowed_sockets_look_up(const struct sl_allowed_host *allowed,
                                size_t count, struct sl_bytes name);

/* Whether a socket may listen at this local address. */
bool sl_allowed_sockets_listen(const struct sl_allowed_host *allowed,
                               size_t count, enum sl_scheme scheme,
                               struct sl_bytes address, uint16_t port);

#endif
