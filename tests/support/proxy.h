/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small TCP proxy that does to a connection what networks do.  It listens on
 * a free port of the loopback interface; each connection has threads of its
 * own. What it does may be changed at any time, from any thread.
 */
#ifndef TEST_SUPPORT_PROXY_H
#define TEST_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct proxy;

/* port 0: any free one.  NULL where that does not work. */
struct proxy *proxy_new(int listen_port, int to_port);
void proxy_free(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);

/* Cut each connection after so many bytes from the server; -1: never. */
void proxy_cut_after(struct proxy *proxy, int64_t bytes);
/* Pass nothing on, in neither direction, until it is false again. */
void proxy_stall(struct proxy *proxy, bool stall);
/* Pass everything on so much later, without holding up what follows. */
void proxy_delay(struct proxy *proxy, int ms);
/* Cut every connection there is, now. */
void proxy_cut_all(struct proxy *proxy);
/* Connections made so far. */
int proxy_connections(const struct proxy *proxy);
/*
 * Round trips so far: how often a client sent something after it got something,
 * and once for each connection.  With a delay between, so that what is sent in
 * several pieces is not told apart.
 */
int proxy_trips(const struct proxy *proxy);

#endif
