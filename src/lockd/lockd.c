/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: what is the same for every driver.
 */
#include "lockd/lockd.h"

#include <inttypes.h>
#include <string.h>

#include "lockd/driver.h"
#include "service/check.h"

static const struct sl_option options[] = {
    {.name = "max-wait",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_lockd_config, max_wait_ms),
     .min = 0,
     .max = 86400000,
     .fallback = "1h",
     .help = "the longest that a component may wait for a lock"},
    {0},
};

static const struct sl_feature features[] = {
    {SL_LOCKD_FEATURE_FAIR, "fair", "waiters are served in order of arrival"},
    {SL_LOCKD_FEATURE_DURABLE, "durable",
     "locks and their tokens survive a crash"},
    {SL_LOCKD_FEATURE_SHARED, "shared", "other processes see the same locks"},
    {0},
};

static const char *const verbs[SL_LOCKD_VERB_COUNT] = {
    [SL_LOCKD_ACQUIRE] = "acquire",
    [SL_LOCKD_RENEW] = "renew",
    [SL_LOCKD_RELEASE] = "release",
    [SL_LOCKD_IS_LOCKED] = "is-locked",
};

void sl_lockd_answer_init(void *pointer)
{
    struct sl_lockd_answer *answer = pointer;

    answer->err.status = SL_OK;
    answer->err.message[0] = '\0';
    answer->retryable = false;
    answer->refused = false;
    answer->locked = false;
    answer->fencing_token = 0;
    answer->ttl_ms = 0;
    answer->asked_at = 0;
    answer->holder[0] = '\0';
}

static void lock_answer_done(void *answer)
{
    (void)answer; /* an answer owns no memory */
}

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_BYTES(struct sl_lockd_request, key),
    SL_REQUEST_BYTES(struct sl_lockd_request, holder),
    {0},
};

static enum sl_status check_lock_request(const struct sl_driver *driver,
                                         const void *config,
                                         const void *pointer,
                                         struct sl_error *err)
{
    const struct sl_lockd_request *request = pointer;
    bool has_ttl =
        request->verb == SL_LOCKD_ACQUIRE || request->verb == SL_LOCKD_RENEW;
    enum sl_status status = SL_OK;

    (void)driver;
    (void)config;
    if (has_ttl)
        status = sl_check_range("a time to live in ms", request->ttl_ms,
                                SL_LOCKD_TTL_MIN_MS, SL_LOCKD_TTL_MAX_MS, err);
    return status == SL_OK
               ? sl_check_text("a key", request->key, 1, SL_LOCKD_KEY_MAX, err)
               : status;
}

/*
 * A RENEW is repeatable: it names its grant and never shortens the remaining
 * time.  A repeated RELEASE might report that the lock was lost, and a repeated
 * ACQUIRE would wait for itself.
 */
static bool is_lock_repeatable(const void *config, const void *pointer)
{
    const struct sl_lockd_request *request = pointer;

    (void)config;
    return request->verb == SL_LOCKD_RENEW ||
           request->verb == SL_LOCKD_IS_LOCKED;
}

/* Only the caller knows whether a lock that is lost was its own to release. */
static bool is_lock_harmless(const void *pointer)
{
    return ((const struct sl_lockd_request *)pointer)->verb == SL_LOCKD_RELEASE;
}

/* An op waits for its own key only. */
static void wait_queues(const void *pointer, uint64_t *about, uint64_t *line)
{
    const struct sl_lockd_request *request = pointer;

    *about = *line = sl_bytes_hash(request->key, 0);
}

static int64_t acquire_wait_ms(const void *config, const void *pointer)
{
    const struct sl_lockd_request *request = pointer;
    int64_t most = ((const struct sl_lockd_config *)config)->max_wait_ms;

    if (request->verb != SL_LOCKD_ACQUIRE)
        return 0;
    if (!request->has_wait || request->wait_ms > (uint64_t)most)
        return most;
    return (int64_t)request->wait_ms;
}

/* The caller has gone: release what was granted. */
static void discard_grant(struct sl_service *service, const void *pointer,
                          void *answer)
{
    const struct sl_lockd_request *request = pointer;
    const struct sl_lockd_answer *granted = answer;
    const struct sl_lockd_request release = {
        .verb = SL_LOCKD_RELEASE,
        .key = request->key,
        .holder = sl_bytes_of(granted->holder),
    };

    if (request->verb == SL_LOCKD_ACQUIRE)
        sl_service_post(service, NULL, &release, 1);
}

const struct sl_capability sl_lockd = {
    .name = "lockd",
    .drivers = sl_lockd_drivers,
    .left_out = sl_lockd_drivers_left_out,
    .features = features,
    .options = options,
    .config_size = sizeof(struct sl_lockd_config),
    .verbs = verbs,
    .verb_count = SL_LOCKD_VERB_COUNT,
    .request_size = sizeof(struct sl_lockd_request),
    .answer_size = sizeof(struct sl_lockd_answer),
    .answer_init = sl_lockd_answer_init,
    .answer_done = lock_answer_done,
    .request_fields = request_fields,
    .check = check_lock_request,
    .is_repeatable = is_lock_repeatable,
    .is_harmless = is_lock_harmless,
    .wait_keys = wait_queues,
    .wait_ms = acquire_wait_ms,
    .discard = discard_grant,
};
