/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grant, kept alive in the background.
 *
 * Time is CLOCK_BOOTTIME, which includes suspend: a laptop that was suspended
 * for longer than the time to live has lost its locks.
 *
 * Some services keep a grant for less than the requested time to live unless
 * they hear from us (a session of ZooKeeper).  Then there are two expiries:
 * that of the time to live, which only renewals extend, and that of the
 * service, which every heartbeat extends.  The lock is lost at the earlier one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "lockd/lockd.h"
#include "service/heartbeat.h"

enum {
    RENEWALS_PER_TTL = 3,
    RETRIES_PER_TTL = 10, /* while the service cannot be reached */
};

struct sl_lock {
    struct sl_service *service;
    char *key;
    char *holder;
    uint64_t fencing_token;
    uint64_t ttl_ms;
    uint64_t
        kept_ms; /* how long the service keeps the grant after a heartbeat */
    bool keep_alive;

    struct sl_heartbeat *heartbeat; /* the renewer; may be NULL */

    pthread_mutex_t mutex; /* guards the fields below */
    unsigned owners;       /* its user and the renewer */
    int64_t expires;       /* sl_lock_clock(), in nanoseconds */
    int64_t kept_until;
    bool lost; /* or may be; never reset */
    bool gone; /* the service has no grant */
};

int64_t sl_lock_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void unref_lock(struct sl_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    bool last = --lock->owners == 0;
    pthread_mutex_unlock(&lock->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&lock->mutex);
    free(lock->key);
    free(lock->holder);
    free(lock);
}

/* The mutex is held. */
static bool is_held(struct sl_lock *lock)
{
    int64_t now = sl_lock_clock();

    if (now >= lock->expires || now >= lock->kept_until)
        lock->lost = true;
    return !lock->lost;
}

static void note_lock_answer(struct sl_lock *lock, enum sl_lockd_verb verb,
                             const struct sl_lockd_answer *answer, bool renews);

/* A renewal or heartbeat was answered; returns the milliseconds to the next. */
static int64_t on_lock_renewed(void *owner, const void *answer)
{
    struct sl_lock *lock = owner;
    bool worked = ((const struct sl_answer *)answer)->err.status == SL_OK;

    note_lock_answer(lock, SL_LOCKD_RENEW, answer, lock->keep_alive);
    if (!sl_lock_is_held(lock))
        return -1;
    return (int64_t)lock->kept_ms /
           (worked ? RENEWALS_PER_TTL : RETRIES_PER_TTL);
}

static void on_renewer_stopped(void *owner)
{
    unref_lock(owner);
}

struct sl_lock *sl_lock_new(struct sl_service *service,
                            const struct sl_lockd_request *request)
{
    struct sl_lock *lock = sl_alloc(sizeof(*lock));

    lock->service = service;
    lock->key = sl_strndup(request->key.ptr, request->key.len);
    lock->holder = sl_strdup("");
    lock->ttl_ms = request->ttl_ms;
    lock->keep_alive = request->keep_alive;
    lock->owners = 1;
    lock->lost = lock->gone = true;
    pthread_mutex_init(&lock->mutex, NULL);
    return lock;
}

void sl_lock_grant(struct sl_lock *lock, const struct sl_lockd_answer *answer)
{
    free(lock->holder);
    lock->holder = sl_strdup(answer->holder);
    lock->fencing_token = answer->fencing_token;
    lock->kept_ms = answer->ttl_ms;
    if (lock->ttl_ms < lock->kept_ms)
        lock->ttl_ms = lock->kept_ms;
    lock->expires = answer->asked_at + (int64_t)lock->ttl_ms * 1000000;
    lock->kept_until = answer->asked_at + (int64_t)lock->kept_ms * 1000000;
    lock->lost = lock->gone = false;
    if (!lock->keep_alive && lock->kept_ms == lock->ttl_ms)
        return;
    struct sl_lockd_request renew = sl_lock_request(lock, SL_LOCKD_RENEW);
    if (!lock->keep_alive) /* a heartbeat, which extends nothing */
        renew.ttl_ms = SL_LOCKD_TTL_MIN_MS;
    lock->owners++;
    lock->heartbeat = sl_heartbeat_start(
        lock->service, &renew, (int64_t)lock->kept_ms / RENEWALS_PER_TTL,
        on_lock_renewed, on_renewer_stopped, lock);
}

void sl_lock_free(struct sl_lock *lock)
{
    if (lock == NULL)
        return;
    sl_heartbeat_stop(lock->heartbeat);
    pthread_mutex_lock(&lock->mutex);
    bool gone = lock->gone;
    pthread_mutex_unlock(&lock->mutex);
    if (!gone) {
        const struct sl_lockd_request release =
            sl_lock_request(lock, SL_LOCKD_RELEASE);
        sl_service_post(lock->service, NULL, &release, 1);
    }
    unref_lock(lock);
}

struct sl_bytes sl_lock_key(const struct sl_lock *lock)
{
    return sl_bytes_of(lock->key);
}

uint64_t sl_lock_fencing_token(const struct sl_lock *lock)
{
    return lock->fencing_token;
}

uint64_t sl_lock_ttl_ms(const struct sl_lock *lock)
{
    return lock->ttl_ms;
}

bool sl_lock_is_held(struct sl_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    bool held = is_held(lock);
    pthread_mutex_unlock(&lock->mutex);
    return held;
}

struct sl_lockd_request sl_lock_request(const struct sl_lock *lock,
                                        enum sl_lockd_verb verb)
{
    return (struct sl_lockd_request){
        .verb = verb,
        .key = sl_bytes_of(lock->key),
        .holder = sl_bytes_of(lock->holder),
        .ttl_ms = lock->ttl_ms,
    };
}

/* renews: the answer starts a new time to live. */
static void note_lock_answer(struct sl_lock *lock, enum sl_lockd_verb verb,
                             const struct sl_lockd_answer *answer, bool renews)
{
    enum sl_status status = answer->err.status;
    int64_t until = answer->asked_at + (int64_t)lock->ttl_ms * 1000000;
    int64_t kept = answer->asked_at + (int64_t)lock->kept_ms * 1000000;

    pthread_mutex_lock(&lock->mutex);
    bool over =
        status == SL_CONFLICT || (verb == SL_LOCKD_RELEASE && status == SL_OK);
    if (over) {
        lock->lost = true;
        lock->gone = true;
    } else if (status == SL_OK && is_held(lock)) {
        if (renews && until > lock->expires)
            lock->expires = until;
        if (kept > lock->kept_until)
            lock->kept_until = kept;
    }
    pthread_mutex_unlock(&lock->mutex);
}

void sl_lock_note(struct sl_lock *lock, enum sl_lockd_verb verb,
                  const struct sl_lockd_answer *answer)
{
    note_lock_answer(lock, verb, answer, true);
}
