/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grant, kept alive in the background.
 *
 * Time is measured by CLOCK_BOOTTIME, which goes on while the machine sleeps: a
 * laptop that was closed has lost its locks when it is opened.
 *
 * Some services keep nothing as long as was asked for without hearing of us (a
 * session of ZooKeeper).  Then there are two ends: that of the time to live,
 * which only renewals set, and that of what the service keeps, which every sign
 * of life sets.  The lock is lost at the sooner one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "lockd/lockd.h"
#include "service/keeper.h"

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
    uint64_t kept_ms; /* by the service, after a sign of life; at most that */
    bool keep_alive;

    struct sl_keeper *keeper; /* of its time to live; may be NULL */

    pthread_mutex_t mutex; /* of what follows */
    unsigned owners;       /* its user, and the keeper */
    int64_t expires;       /* on the clock above, in nanoseconds */
    int64_t kept_until;
    bool lost; /* or may be; forever */
    bool gone; /* the service does not hold it */
};

int64_t sl_lock_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void unref(struct sl_lock *lock)
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

/* With the mutex held. */
static bool is_held(struct sl_lock *lock)
{
    int64_t now = sl_lock_clock();

    if (now >= lock->expires || now >= lock->kept_until)
        lock->lost = true;
    return !lock->lost;
}

static void note(struct sl_lock *lock, enum sl_lockd_verb verb,
                 const struct sl_lockd_answer *answer, bool renews);

/* It is renewed, or its service hears of us, after a part of what that keeps.
 */
static int64_t renewed(void *owner, const void *answer)
{
    struct sl_lock *lock = owner;
    bool worked = ((const struct sl_answer *)answer)->err.status == SL_OK;

    note(lock, SL_LOCKD_RENEW, answer, lock->keep_alive);
    if (!sl_lock_is_held(lock))
        return -1;
    return (int64_t)lock->kept_ms /
           (worked ? RENEWALS_PER_TTL : RETRIES_PER_TTL);
}

static void kept(void *owner)
{
    unref(owner);
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
    if (!lock->keep_alive) /* a sign of life, that adds nothing */
        renew.ttl_ms = SL_LOCKD_TTL_MIN_MS;
    lock->owners++;
    lock->keeper = sl_keeper_start(lock->service, &renew,
                                   (int64_t)lock->kept_ms / RENEWALS_PER_TTL,
                                   renewed, kept, lock);
}

void sl_lock_free(struct sl_lock *lock)
{
    if (lock == NULL)
        return;
    sl_keeper_stop(lock->keeper);
    pthread_mutex_lock(&lock->mutex);
    bool gone = lock->gone;
    pthread_mutex_unlock(&lock->mutex);
    if (!gone) {
        const struct sl_lockd_request release =
            sl_lock_request(lock, SL_LOCKD_RELEASE);
        sl_service_post(lock->service, NULL, &release, 1);
    }
    unref(lock);
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

/* renews: a time to live begins anew. */
static void note(struct sl_lock *lock, enum sl_lockd_verb verb,
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
    note(lock, verb, answer, true);
}
