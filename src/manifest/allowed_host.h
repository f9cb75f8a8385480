/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers to which a component may send HTTP requests: "allowed-hosts".
 *
 * An entry is SCHEME://HOST, or SCHEME://HOST:PORT.  The scheme is http or
 * https; the host a name, an address (IPv6 in brackets), "*." and a name for
 * all that is below it, or "*" for all; the port a number, or "*" for all, and
 * without one the scheme's own.  Or it is a range of addresses, "10.0.0.0/8",
 * where the hosts of other entries may be.
 *
 * An address that is not of the public internet (of a private network, of this
 * machine, of a link: where clouds keep their credentials) is reached only
 * where an entry names it: as itself, in a range, or as localhost.  Which those
 * are: the special-purpose registries of RFC 6890, as of 2026.
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

/* An address of either kind, IPv4 as it is mapped into IPv6. */
struct sl_ip {
    uint8_t octets[16];
};

struct sl_allowed_host {
    enum {
        SL_ALLOWED_NAME,    /* host */
        SL_ALLOWED_BELOW,   /* *.host */
        SL_ALLOWED_ANY,     /* * */
        SL_ALLOWED_ADDRESS, /* the address in range */
        SL_ALLOWED_RANGE,   /* no host, but where they may be */
    } kind;
    bool is_tls;
    uint32_t port; /* 0: every port */
    char host[SL_HOST_NAME_MAX + 1];
    struct sl_ip range;
    unsigned prefix;  /* bits of range that count, of 128 */
    const char *text; /* as it was written; borrowed */
};

/* The message says what is wrong, without the text. */
SL_MUST_CHECK enum sl_status sl_allowed_host_parse(const char *text,
                                                   struct sl_allowed_host *out,
                                                   struct sl_error *err);

/* Where a request would go.  host: a name, or an address without brackets. */
struct sl_destination {
    struct sl_bytes host;
    uint16_t port;
    bool is_tls;
};

/* Whether some entry has this host, wherever it is. */
bool sl_allowed_hosts_have(const struct sl_allowed_host *allowed, size_t count,
                           const struct sl_destination *to);

/* Whether it may be reached at this address: 4 or 16 bytes. */
bool sl_allowed_hosts_reach(const struct sl_allowed_host *allowed, size_t count,
                            const struct sl_destination *to,
                            struct sl_bytes address);

#endif
