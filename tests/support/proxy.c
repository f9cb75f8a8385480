/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP proxy that cuts, stalls and delays. */
#include "support/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/deadline.h"

enum { CHUNK = 16 * 1024, SLICE_MS = 20 };

struct proxy {
    int listener;
    int port;
    int to_port;
    _Atomic int64_t cut_after;
    _Atomic bool stalled;
    _Atomic int delay_ms;
    _Atomic int cuts; /* grows with each proxy_cut_all */
    _Atomic int connections;
    _Atomic int trips;
    _Atomic int live; /* threads */
    _Atomic bool ending;
    pthread_t acceptor;
};

/* Bytes on their way through, until their time has come. */
struct chunk {
    sl_deadline due;
    size_t len;
    struct chunk *next;
    char bytes[];
};

/* One direction of a connection. */
struct way {
    int from;
    int to;
    struct chunk *first;
    struct chunk **last;
};

struct link {
    struct proxy *proxy;
    int client;
    int server;
    int cuts;
    int64_t from_server;
    bool asked; /* the client, since it got something */
};

static int local_socket(int port, bool listening)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (listening) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        result = bind(fd, (struct sockaddr *)&address, sizeof(address));
        if (result == 0)
            result = listen(fd, 512);
    } else {
        result = connect(fd, (struct sockaddr *)&address, sizeof(address));
    }
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

/* Read what is there. False: this side has ended. */
static bool take_in(struct link *link, struct way *way)
{
    char bytes[CHUNK];
    ssize_t got = recv(way->from, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (way->from == link->client && !link->asked) {
        link->asked = true;
        atomic_fetch_add(&link->proxy->trips, 1);
    }
    struct chunk *chunk = sl_alloc(sizeof(*chunk) + (size_t)got);
    chunk->len = (size_t)got;
    memcpy(chunk->bytes, bytes, chunk->len);
    chunk->due = sl_deadline_in_ms(atomic_load(&link->proxy->delay_ms));
    *way->last = chunk;
    way->last = &chunk->next;
    return true;
}

/* How much of a chunk may pass before the connection is cut. */
static size_t allowed(struct link *link, const struct way *way, size_t len)
{
    int64_t most = atomic_load(&link->proxy->cut_after);

    if (most < 0 || way->from != link->server)
        return len;
    int64_t left = most - link->from_server;
    return left < (int64_t)len ? (size_t)(left < 0 ? 0 : left) : len;
}

/* Pass on what is due. False: cut. */
static bool pass_on(struct link *link, struct way *way)
{
    while (way->first != NULL && sl_deadline_passed(way->first->due)) {
        struct chunk *chunk = way->first;
        size_t len = allowed(link, way, chunk->len);
        for (size_t sent = 0; sent < len;) {
            ssize_t n =
                send(way->to, chunk->bytes + sent, len - sent, MSG_NOSIGNAL);
            if (n <= 0)
                return false;
            sent += (size_t)n;
        }
        if (way->from == link->server) {
            link->from_server += (int64_t)len;
            link->asked = false;
        }
        if (len < chunk->len)
            return false;
        way->first = chunk->next;
        if (way->first == NULL)
            way->last = &way->first;
        free(chunk);
    }
    return true;
}

/* To the nanosecond: one that is late would delay by more than it should. */
static struct timespec wait_time(const struct way ways[2])
{
    int64_t now = sl_now_ns(), left = INT64_C(1000000) * SLICE_MS;

    for (int i = 0; i < 2; i++)
        if (ways[i].first != NULL && ways[i].first->due - now < left)
            left = ways[i].first->due - now;
    return (struct timespec){.tv_nsec = left < 0 ? 0 : (long)left};
}

static bool goes_on(const struct link *link)
{
    return !atomic_load(&link->proxy->ending) &&
           atomic_load(&link->proxy->cuts) == link->cuts;
}

static void carry(struct link *link)
{
    struct way ways[2] = {{.from = link->client, .to = link->server},
                          {.from = link->server, .to = link->client}};
    bool open = true;

    ways[0].last = &ways[0].first;
    ways[1].last = &ways[1].first;
    while (open && goes_on(link)) {
        if (atomic_load(&link->proxy->stalled)) {
            usleep(SLICE_MS * 1000);
            continue;
        }
        struct pollfd polls[2] = {{.fd = link->client, .events = POLLIN},
                                  {.fd = link->server, .events = POLLIN}};
        const struct timespec time = wait_time(ways);
        ppoll(polls, 2, &time, NULL);
        for (int i = 0; i < 2 && open; i++) {
            if (polls[i].revents != 0)
                open = take_in(link, &ways[i]);
            if (!pass_on(link, &ways[i]))
                open = false;
        }
    }
    for (int i = 0; i < 2; i++) {
        while (ways[i].first != NULL) {
            struct chunk *chunk = ways[i].first;
            ways[i].first = chunk->next;
            free(chunk);
        }
    }
}

static void *serve(void *arg)
{
    struct link *link = arg;
    struct proxy *proxy = link->proxy;

    prctl(PR_SET_TIMERSLACK, 1UL); /* or each wait is 50 us longer */
    link->server = local_socket(proxy->to_port, false);
    if (link->server >= 0) {
        carry(link);
        close(link->server);
    }
    close(link->client);
    free(link);
    atomic_fetch_sub(&proxy->live, 1);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct proxy *proxy = arg;
    const int on = 1;

    while (!atomic_load(&proxy->ending)) {
        struct pollfd poller = {.fd = proxy->listener, .events = POLLIN};
        if (poll(&poller, 1, SLICE_MS) <= 0)
            continue;
        int client = accept(proxy->listener, NULL, NULL);
        if (client < 0)
            continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct link *link = sl_alloc(sizeof(*link));
        link->proxy = proxy;
        link->client = client;
        link->cuts = atomic_load(&proxy->cuts);
        atomic_fetch_add(&proxy->connections, 1);
        atomic_fetch_add(&proxy->live, 1);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, link) == 0) {
            pthread_detach(thread);
        } else {
            close(client);
            free(link);
            atomic_fetch_sub(&proxy->live, 1);
        }
    }
    return NULL;
}

struct proxy *proxy_new(int listen_port, int to_port)
{
    struct proxy *proxy = sl_alloc(sizeof(*proxy));
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    proxy->to_port = to_port;
    proxy->cut_after = -1;
    proxy->listener = local_socket(listen_port, true);
    if (proxy->listener < 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&proxy->acceptor, NULL, accept_all, proxy) != 0) {
        free(proxy);
        return NULL;
    }
    proxy->port = ntohs(address.sin_port);
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL)
        return;
    atomic_store(&proxy->ending, true);
    pthread_join(proxy->acceptor, NULL);
    while (atomic_load(&proxy->live) > 0)
        usleep(1000);
    close(proxy->listener);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_cut_after(struct proxy *proxy, int64_t bytes)
{
    atomic_store(&proxy->cut_after, bytes);
}

void proxy_stall(struct proxy *proxy, bool stall)
{
    atomic_store(&proxy->stalled, stall);
}

void proxy_delay(struct proxy *proxy, int ms)
{
    atomic_store(&proxy->delay_ms, ms);
}

void proxy_cut_all(struct proxy *proxy)
{
    atomic_fetch_add(&proxy->cuts, 1);
}

int proxy_connections(const struct proxy *proxy)
{
    return atomic_load(&proxy->connections);
}

int proxy_trips(const struct proxy *proxy)
{
    return atomic_load(&proxy->trips);
}
