/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of guests, by allowed-sockets of the manifest.
 */
#include "host/sockets.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/log.h"
#include "base/tsan_boundary.h"
#include "host/instance.h"

struct rules {
    const struct sl_allowed_host *list;
    size_t count;
};

static bool has_scheme(const struct rules *rules, enum sl_scheme scheme)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].kind != SL_ALLOWED_RANGE &&
            rules->list[i].scheme == scheme)
            return true;
    return false;
}

static void write_address(struct sl_bytes address,
                          char text[static INET6_ADDRSTRLEN])
{
    text[0] = '\0';
    if (address.len == 4 || address.len == 16)
        (void)!inet_ntop(address.len == 4 ? AF_INET : AF_INET6, address.ptr,
                         text, INET6_ADDRSTRLEN);
}

/* By the address itself, or by a name that has led to it. */
static bool may_reach(const struct rules *rules, enum sl_scheme scheme,
                      const struct sl_bridge_socket *socket)
{
    char text[INET6_ADDRSTRLEN];
    struct sl_destination to = {.port = socket->port, .scheme = scheme};

    write_address(socket->address, text);
    to.host = sl_bytes_of(text);
    if (sl_allowed_hosts_reach(rules->list, rules->count, &to, socket->address))
        return true;
    for (size_t i = 0; i < socket->name_count; i++) {
        to.host = socket->names[i];
        if (sl_allowed_hosts_reach(rules->list, rules->count, &to,
                                   socket->address))
            return true;
    }
    return false;
}

/* A socket that connects has a local port too, of the system's choice. */
static bool may_bind(const struct rules *rules, enum sl_scheme connects,
                     enum sl_scheme listens,
                     const struct sl_bridge_socket *socket)
{
    if (socket->port == 0 && has_scheme(rules, connects))
        return true;
    return sl_allowed_sockets_listen(rules->list, rules->count, listens,
                                     socket->address, socket->port);
}

/* With port 0 the system has chosen this one: another one could not be bound. */
static bool may_listen(const struct rules *rules,
                       const struct sl_bridge_socket *socket)
{
    return sl_allowed_sockets_listen(rules->list, rules->count,
                                     SL_SCHEME_TCP_LISTEN, socket->address,
                                     socket->port) ||
           sl_allowed_sockets_listen(rules->list, rules->count,
                                     SL_SCHEME_TCP_LISTEN, socket->address, 0);
}

static bool may_use(const struct rules *rules,
                    const struct sl_bridge_socket *socket)
{
    switch (socket->used) {
    case SL_BRIDGE_SOCKET_LOOK_UP:
        return sl_allowed_sockets_look_up(rules->list, rules->count,
                                          socket->names[0]);
    case SL_BRIDGE_SOCKET_TCP_CONNECT:
        return may_reach(rules, SL_SCHEME_TCP, socket);
    case SL_BRIDGE_SOCKET_TCP_BIND:
        return may_bind(rules, SL_SCHEME_TCP, SL_SCHEME_TCP_LISTEN, socket);
    case SL_BRIDGE_SOCKET_TCP_LISTEN:
        return may_listen(rules, socket);
    case SL_BRIDGE_SOCKET_TCP_ACCEPT: /* whoever comes to where it may listen */
        return has_scheme(rules, SL_SCHEME_TCP_LISTEN);
    case SL_BRIDGE_SOCKET_UDP_BIND:
        return may_bind(rules, SL_SCHEME_UDP, SL_SCHEME_UDP_LISTEN, socket);
    case SL_BRIDGE_SOCKET_UDP_SEND:
        return may_reach(rules, SL_SCHEME_UDP, socket);
    case SL_BRIDGE_SOCKET_UDP_RECEIVE:
        return has_scheme(rules, SL_SCHEME_UDP_LISTEN) ||
               may_reach(rules, SL_SCHEME_UDP, socket);
    }
    return false;
}

/* Others decide what comes in: they shall not fill the log. */
static bool is_incoming(const struct sl_bridge_socket *socket)
{
    return socket->used == SL_BRIDGE_SOCKET_TCP_ACCEPT ||
           socket->used == SL_BRIDGE_SOCKET_UDP_RECEIVE;
}

static void log_denied(const struct sl_grants *grants,
                       const struct sl_bridge_socket *socket)
{
    static const char *const uses[] = {
        [SL_BRIDGE_SOCKET_LOOK_UP] = "look up",
        [SL_BRIDGE_SOCKET_TCP_CONNECT] = "tcp connect",
        [SL_BRIDGE_SOCKET_TCP_BIND] = "tcp bind",
        [SL_BRIDGE_SOCKET_TCP_LISTEN] = "tcp listen",
        [SL_BRIDGE_SOCKET_UDP_BIND] = "udp bind",
        [SL_BRIDGE_SOCKET_UDP_SEND] = "udp send",
    };
    char text[INET6_ADDRSTRLEN];
    struct sl_bytes host =
        socket->name_count > 0 ? socket->names[0] : SL_BYTES("", 0);

    write_address(socket->address, text);
    sl_log(SL_LOG_WARN, "socket-denied",
           SL_FIELD_STRING("component", grants->component->name),
           SL_FIELD_STRING("use", uses[socket->used]), SL_FIELD("host", host),
           SL_FIELD_STRING("address", text),
           SL_FIELD_NUMBER("port", socket->port),
           SL_FIELD_STRING("remedy",
                           "name it in the component's allowed-sockets"));
}

bool sl_sockets_may_use(void *context, const struct sl_bridge_socket *socket)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_grants *grants = context;
    const struct rules rules = {grants->component->allowed_sockets,
                                grants->component->allowed_socket_count};
    bool may = may_use(&rules, socket);

    if (!may && !is_incoming(socket))
        log_denied(grants, socket);
    return may;
}

bool sl_sockets_have_tcp(const struct sl_manifest_component *component)
{
    const struct rules rules = {component->allowed_sockets,
                                component->allowed_socket_count};

    return has_scheme(&rules, SL_SCHEME_TCP) ||
           has_scheme(&rules, SL_SCHEME_TCP_LISTEN);
}

bool sl_sockets_have_udp(const struct sl_manifest_component *component)
{
    const struct rules rules = {component->allowed_sockets,
                                component->allowed_socket_count};

    return has_scheme(&rules, SL_SCHEME_UDP) ||
           has_scheme(&rules, SL_SCHEME_UDP_LISTEN);
}
