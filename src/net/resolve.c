/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolves host names. getaddrinfo has no deadline, so each lookup has a thread
 * of its own, which outlives a caller that gave up.
 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"

/* Shared the thread has finished and the waiting caller; the last one frees
 * it. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;      /* by the thread */
    bool abandoned; /* the caller has given up */
    int error;
    struct addrinfo *found;
    char port[8];
    char host[];
};

static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                      .ai_socktype = SOCK_STREAM};

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    pthread_cond_destroy(&lookup->ended);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void *resolve_on_thread(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo *found = NULL;
    int error = getaddrinfo(lookup->host, lookup->port, &hints, &found);

    pthread_mutex_lock(&lookup->lock);
    lookup->error = error;
    lookup->found = error == 0 ? found : NULL;
    lookup->over = true;
    bool alone = lookup->abandoned;
    pthread_cond_signal(&lookup->ended);
    pthread_mutex_unlock(&lookup->lock);
    if (alone)
        lookup_free(lookup);
    return NULL;
}

static struct lookup *lookup_new(const char *host, const char *port)
{
    size_t len = strlen(host);
    struct lookup *lookup = sl_alloc(sizeof(*lookup) + len + 1);
    pthread_condattr_t attributes;

    memcpy(lookup->host, host, len);
    snprintf(lookup->port, sizeof(lookup->port), "%s", port);
    pthread_mutex_init(&lookup->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lookup->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    return lookup;
}

static bool start_lookup(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, resolve_on_thread, lookup);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

static bool await_lookup(struct lookup *lookup, sl_deadline deadline)
{
    const struct timespec at = {.tv_sec = deadline / 1000000000,
                                .tv_nsec = deadline % 1000000000};
    int error = 0;

    while (!lookup->over && error == 0)
        error = pthread_cond_timedwait(&lookup->ended, &lookup->lock, &at);
    return lookup->over;
}

static enum sl_status resolve_name(const char *host, const char *port,
                                   sl_deadline deadline, struct addrinfo **out,
                                   struct sl_error *err)
{
    struct lookup *lookup = lookup_new(host, port);
    enum sl_status status = SL_OK;

    if (!start_lookup(lookup)) {
        lookup_free(lookup);
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: cannot start a thread to resolve it", host);
    }
    pthread_mutex_lock(&lookup->lock);
    bool over = await_lookup(lookup, deadline);
    if (!over) {
        lookup->abandoned = true;
        status = sl_fail(err, SL_TIMEOUT,
                         "%s: the name was not resolved in time", host);
    } else if (lookup->error != 0) {
        status = sl_fail(err, SL_UNAVAILABLE, "%s: %s", host,
                         gai_strerror(lookup->error));
    } else {
        *out = lookup->found;
        lookup->found = NULL; /* ownership moves to *out */
    }
    pthread_mutex_unlock(&lookup->lock);
    if (over)
        lookup_free(lookup);
    return status;
}

enum sl_status sl_resolve(const char *host, int port, sl_deadline deadline,
                          struct addrinfo **out, struct sl_error *err)
{
    struct addrinfo numeric = hints;
    char text[8];

    snprintf(text, sizeof(text), "%d", port);
    numeric.ai_flags = AI_NUMERICHOST;
    if (getaddrinfo(host, text, &numeric, out) == 0)
        return SL_OK;
    return resolve_name(host, text, deadline, out, err);
}

bool sl_resolve_is_loopback(const char *host)
{
    struct in_addr address;

    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 &&
            ntohl(address.s_addr) >> 24 == 127);
}
