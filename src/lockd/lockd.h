/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distributed locks, as the rest of slight uses them: wit/lockd/lockd.wit in C.
 *
 * A lock service is a service (service/service.h) of the capability sl_lockd.
 * A call is one request.  A grant becomes a sl_lock, which renews and releases
 * it.
 */
#ifndef SL_LOCKD_LOCKD_H
#define SL_LOCKD_LOCKD_H

#include "base/bytes.h"
#include "service/service.h"

enum {
    SL_LOCKD_KEY_MAX = 512, /* bytes in a key; at least one */
    SL_LOCKD_TTL_MIN_MS = 1000,
    SL_LOCKD_TTL_MAX_MS = 3600000,
    SL_LOCKD_HOLDER_MAX = 128, /* bytes in what proves a grant */
};

enum sl_lockd_verb {
    SL_LOCKD_ACQUIRE,
    SL_LOCKD_RENEW,
    SL_LOCKD_RELEASE,
    SL_LOCKD_IS_LOCKED,
};

enum { SL_LOCKD_VERB_COUNT = SL_LOCKD_IS_LOCKED + 1 };

/* A request; its bytes are borrowed during the call.  The bridge mirrors this
 * struct: bridge/slight_bridge.h. */
struct sl_lockd_request {
    uint32_t verb;   /* enum sl_lockd_verb; the first member */
    bool has_wait;   /* ACQUIRE: otherwise as long as max-wait allows */
    bool keep_alive; /* ACQUIRE: for sl_lock_new; drivers ignore it */
    struct sl_bytes key;
    struct sl_bytes holder; /* RENEW, RELEASE: as ACQUIRE answered */
    uint64_t ttl_ms;        /* ACQUIRE, RENEW */
    uint64_t wait_ms;       /* ACQUIRE, if has_wait; 0: one try */
};

/*
 * The answer.  RENEW and RELEASE of a grant that has ended: SL_CONFLICT.  The
 * bridge mirrors this struct: bridge/slight_bridge.h.
 */
struct sl_lockd_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    bool locked;            /* IS_LOCKED */
    uint64_t fencing_token; /* ACQUIRE: greater than all before, of this key */
    /* ACQUIRE: perhaps rounded up; less than requested if the service keeps a
     * grant only for less without a heartbeat. */
    uint64_t ttl_ms;
    /* ACQUIRE, RENEW: sl_lock_clock() before the request was sent, when the
     * time to live starts on our side. */
    int64_t asked_at;
    char holder[SL_LOCKD_HOLDER_MAX +
                1]; /* ACQUIRE: printable; names the grant */
};
SL_ASSERT_IS_ANSWER(struct sl_lockd_answer);

/* The settings of every lockd resource, beside its driver's own. */
struct sl_lockd_config {
    struct sl_service_config service;
    int64_t max_wait_ms;
};

extern const struct sl_capability sl_lockd;

/* --- A grant ------------------------------------------------------------ */

struct sl_lock;

/* The clock of grants in nanoseconds; includes suspend (CLOCK_BOOTTIME). */
int64_t sl_lock_clock(void);

/*
 * A lock for request, an ACQUIRE.  The service must outlive it.  It is not held
 * until sl_lock_grant.
 */
struct sl_lock *sl_lock_new(struct sl_service *service,
                            const struct sl_lockd_request *request);
/*
 * The lock was granted.  With keep_alive it is renewed in the background, three
 * times per time to live, until it is freed or lost.  Without, only heartbeats
 * are sent, and only to a service that would otherwise keep the grant for less
 * than its time to live.
 */
void sl_lock_grant(struct sl_lock *lock, const struct sl_lockd_answer *answer);

/*
 * Release the lock if it is still held, without waiting for the answer.  Any
 * thread; NULL is fine.
 */
void sl_lock_free(struct sl_lock *lock);

/* These may be called by one thread while the lock renews itself. */
struct sl_bytes sl_lock_key(const struct sl_lock *lock);
uint64_t sl_lock_fencing_token(const struct sl_lock *lock);
uint64_t sl_lock_ttl_ms(const struct sl_lock *lock);
/* False once the lock is lost, or may be, and after it was released. */
bool sl_lock_is_held(struct sl_lock *lock);

/*
 * The request that renews or releases the lock; borrows from lock.  Its answer
 * is passed to sl_lock_note.
 */
struct sl_lockd_request sl_lock_request(const struct sl_lock *lock,
                                        enum sl_lockd_verb verb);
void sl_lock_note(struct sl_lock *lock, enum sl_lockd_verb verb,
                  const struct sl_lockd_answer *answer);

#endif
