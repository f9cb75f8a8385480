/* SPDX-License-Identifier: Apache-2.0 */
/* The portable layer of locks: limits, grants that renew themselves, discards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockd/driver.h"

/* A service that says what it is told to, and counts. */
struct script {
    pthread_mutex_t lock;
    int counts[SL_LOCKD_VERB_COUNT];
    enum sl_status renewals;              /* what each answers */
    uint64_t kept_ms;                     /* the most that it keeps; or 0 */
    uint64_t renewed_for_ms;              /* the last RENEW */
    sl_deadline wait_until, deadline;     /* the last ACQUIRE */
    char holder[SL_LOCKD_HOLDER_MAX + 1]; /* of the last RELEASE */
};

struct options {
    struct script *script;
};

static enum sl_status store_new(const void *options, void **store,
                                struct sl_error *err)
{
    (void)err;
    *store = ((const struct options *)options)->script;
    return SL_OK;
}

static void store_free(void *store)
{
    (void)store;
}

static enum sl_status open_state(void *store, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

static void close_state(void *state)
{
    (void)state;
}

static void run_one(struct script *script, struct sl_op *op)
{
    const struct sl_lockd_request *request = op->request;
    struct sl_lockd_answer *answer = op->answer;
    struct sl_error err;

    answer->asked_at = sl_lock_clock();
    script->counts[request->verb]++;
    if (request->verb == SL_LOCKD_RENEW)
        script->renewed_for_ms = request->ttl_ms;
    if (request->verb == SL_LOCKD_ACQUIRE) {
        script->wait_until = op->wait_until;
        script->deadline = op->deadline;
        answer->fencing_token = (uint64_t)script->counts[SL_LOCKD_ACQUIRE];
        answer->ttl_ms =
            script->kept_ms != 0 ? script->kept_ms : request->ttl_ms;
        memcpy(answer->holder, "me", 3);
    } else if (request->verb == SL_LOCKD_RENEW && script->renewals != SL_OK) {
        sl_fail(&err, script->renewals, "so it is");
        sl_op_fail(op, &err);
    } else if (request->verb == SL_LOCKD_RELEASE) {
        memcpy(script->holder, request->holder.ptr, request->holder.len);
        script->holder[request->holder.len] = '\0';
    }
}

static void run(void *state, struct sl_op *const ops[], size_t count)
{
    struct script *script = state;

    pthread_mutex_lock(&script->lock);
    for (size_t i = 0; i < count; i++)
        run_one(script, ops[i]);
    pthread_mutex_unlock(&script->lock);
}

static const struct sl_driver driver = {
    .name = "lockd.script",
    .options_size = sizeof(struct options),
    .max_batch = 16,
    .store_new = store_new,
    .store_free = store_free,
    .open = open_state,
    .close = close_state,
    .run = run,
};

struct fixture {
    struct script script;
    struct options options;
    struct sl_lockd_config config;
    struct sl_service *service;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sl_error err;

    pthread_mutex_init(&f->script.lock, NULL);
    f->options.script = &f->script;
    sl_options_default(sl_service_options, &f->config);
    sl_options_default(sl_capability_info(&sl_lockd).options, &f->config);
    *state = f;
    return sl_service_open(&sl_lockd, "locks", &driver, &f->config.service,
                           &f->options, &f->service, &err) == SL_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sl_service_free(f->service);
    pthread_mutex_destroy(&f->script.lock);
    free(f);
    return 0;
}

static int count_of(struct fixture *f, enum sl_lockd_verb verb)
{
    pthread_mutex_lock(&f->script.lock);
    int count = f->script.counts[verb];
    pthread_mutex_unlock(&f->script.lock);
    return count;
}

static struct sl_lockd_request acquire(bool keep_alive)
{
    return (struct sl_lockd_request){.verb = SL_LOCKD_ACQUIRE,
                                     .key = sl_bytes_of("key"),
                                     .ttl_ms = SL_LOCKD_TTL_MIN_MS,
                                     .keep_alive = keep_alive};
}

static struct sl_lock *take(struct fixture *f, bool keep_alive)
{
    const struct sl_lockd_request request = acquire(keep_alive);
    struct sl_lockd_answer answer;

    assert_int_equal(sl_service_do(f->service, NULL, &request, 1, &answer),
                     SL_OK);
    struct sl_lock *lock = sl_lock_new(f->service, &request);
    assert_false(sl_lock_is_held(lock));
    sl_lock_grant(lock, &answer);
    return lock;
}

static void wait_for(struct fixture *f, enum sl_lockd_verb verb, int count)
{
    for (int i = 0; i < 2000 && count_of(f, verb) < count; i++)
        usleep(10000);
    assert_true(count_of(f, verb) >= count);
}

static void it_is_renewed_until_it_is_freed(void **state)
{
    struct fixture *f = *state;
    struct sl_lock *lock = take(f, true);

    wait_for(f, SL_LOCKD_RENEW, 4);
    assert_true(sl_lock_is_held(lock));
    sl_lock_free(lock);
    wait_for(f, SL_LOCKD_RELEASE, 1);
    int renewals = count_of(f, SL_LOCKD_RENEW);
    usleep(SL_LOCKD_TTL_MIN_MS * 1000);
    assert_int_equal(count_of(f, SL_LOCKD_RENEW), renewals);
    assert_string_equal(f->script.holder, "me");
}

/* Nor is anybody asked whether it is held.  holds: lockd-12 lockd-25 */
static void nobody_else_renews_it(void **state)
{
    struct fixture *f = *state;
    struct sl_lock *lock = take(f, false);

    usleep(SL_LOCKD_TTL_MIN_MS * 1000 + 100000);
    assert_false(sl_lock_is_held(lock));
    assert_int_equal(count_of(f, SL_LOCKD_RENEW), 0);
    assert_int_equal(count_of(f, SL_LOCKD_IS_LOCKED), 0);
    sl_lock_free(lock);
}

/* And the deadline comes behind it.  holds: lockd-10 lockd-34 */
static void no_wait_is_longer_than_max_wait(void **state)
{
    static const struct {
        bool has_wait;
        uint64_t wait_ms;
        int64_t waits_ms;
    } cases[] = {{false, 0, 60000},
                 {true, 3600000, 60000},
                 {true, 60001, 60000},
                 {true, 20000, 20000}};
    struct fixture *f = *state;

    f->config.max_wait_ms = 60000;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_lockd_request request = acquire(false);
        struct sl_lockd_answer answer;
        request.has_wait = cases[i].has_wait;
        request.wait_ms = cases[i].wait_ms;
        sl_deadline earliest = sl_deadline_in_ms(cases[i].waits_ms);
        assert_int_equal(sl_service_do(f->service, NULL, &request, 1, &answer),
                         SL_OK);
        sl_deadline latest = sl_deadline_in_ms(cases[i].waits_ms);
        assert_in_range(f->script.wait_until, earliest, latest);
        assert_int_equal(f->script.deadline - f->script.wait_until,
                         f->config.service.timeout_ms * 1000000);
    }
}

static void lost_where_the_service_says_so(void **state)
{
    struct fixture *f = *state;

    f->script.renewals = SL_CONFLICT;
    struct sl_lock *lock = take(f, true);
    wait_for(f, SL_LOCKD_RENEW, 1);
    for (int i = 0; i < 1000 && sl_lock_is_held(lock); i++)
        usleep(1000);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
    usleep(100000);
    assert_int_equal(count_of(f, SL_LOCKD_RELEASE), 0); /* nothing to release */
    assert_int_equal(count_of(f, SL_LOCKD_RENEW), 1);
}

/* It is asked again and again, until the time to live has passed. */
static void lost_where_the_service_is_away(void **state)
{
    struct fixture *f = *state;

    f->script.renewals = SL_UNAVAILABLE;
    struct sl_lock *lock = take(f, true);
    wait_for(f, SL_LOCKD_RENEW, 2);
    usleep(SL_LOCKD_TTL_MIN_MS * 1000);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
}

/* A service that keeps nothing for so long hears of us, and that adds nothing
 * to the time to live. */
static void signs_of_life_are_no_renewals(void **state)
{
    struct fixture *f = *state;

    f->script.kept_ms = SL_LOCKD_TTL_MIN_MS / 4;
    struct sl_lock *lock = take(f, false);
    assert_int_equal(sl_lock_ttl_ms(lock), SL_LOCKD_TTL_MIN_MS);
    wait_for(f, SL_LOCKD_RENEW, 4);
    pthread_mutex_lock(&f->script.lock);
    uint64_t renewed_for_ms = f->script.renewed_for_ms;
    pthread_mutex_unlock(&f->script.lock);
    assert_int_equal(renewed_for_ms, SL_LOCKD_TTL_MIN_MS);
    for (int i = 0; i < 2000 && sl_lock_is_held(lock); i++)
        usleep(1000);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
}

static void lost_where_no_sign_of_life_arrives(void **state)
{
    struct fixture *f = *state;
    const int64_t start = sl_lock_clock();

    f->script.kept_ms = SL_LOCKD_TTL_MAX_MS / 3600;
    f->script.renewals = SL_UNAVAILABLE;
    const struct sl_lockd_request request = {.verb = SL_LOCKD_ACQUIRE,
                                             .key = sl_bytes_of("key"),
                                             .ttl_ms = SL_LOCKD_TTL_MAX_MS};
    struct sl_lockd_answer answer;
    assert_int_equal(sl_service_do(f->service, NULL, &request, 1, &answer),
                     SL_OK);
    struct sl_lock *lock = sl_lock_new(f->service, &request);
    sl_lock_grant(lock, &answer);
    assert_int_equal(sl_lock_ttl_ms(lock), SL_LOCKD_TTL_MAX_MS);
    while (sl_lock_is_held(lock))
        usleep(1000);
    assert_true(sl_lock_clock() - start >= 1000000000);
    assert_true(count_of(f, SL_LOCKD_RENEW) > 0);
    sl_lock_free(lock);
}

static void no_op(void *context)
{
    (void)context;
}

/* Granted, and nobody is there any more to hear of it. */
static void what_nobody_reads_is_released(void **state)
{
    struct fixture *f = *state;
    const struct sl_lockd_request request = acquire(false);
    struct sl_call *call;

    sl_service_submit(f->service, NULL, &request, 1, no_op, NULL, &call);
    wait_for(f, SL_LOCKD_ACQUIRE, 1);
    sl_call_release(call);
    wait_for(f, SL_LOCKD_RELEASE, 1);
}

/* A release that was posted is done before the service goes. */
static void the_end_waits_for_what_was_posted(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 100; i++)
        sl_lock_free(take(f, false));
    sl_service_free(f->service);
    f->service = NULL;
    assert_int_equal(count_of(f, SL_LOCKD_RELEASE), 100);
}

static void refused(struct fixture *f, struct sl_lockd_request request,
                    const char *why)
{
    struct sl_lockd_answer answer;

    assert_int_equal(sl_service_do(f->service, NULL, &request, 1, &answer),
                     SL_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.err.message, why));
}

static void limits(void **state)
{
    struct fixture *f = *state;
    static char long_key[SL_LOCKD_KEY_MAX + 1];
    struct sl_lockd_request request = acquire(false);

    memset(long_key, 'k', sizeof(long_key));
    request.key = SL_BYTES(long_key, sizeof(long_key));
    refused(f, request, "at most 512");
    request.key = SL_LITERAL("");
    refused(f, request, "a key must not be empty");
    request.key = SL_LITERAL("\xc3(");
    refused(f, request, "UTF-8");
    request = acquire(false);
    request.ttl_ms = 999;
    refused(f, request, "1000 to 3600000");
    request.ttl_ms = UINT64_MAX;
    refused(f, request, "1000 to 3600000");
    assert_int_equal(count_of(f, SL_LOCKD_ACQUIRE), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_renewed_until_it_is_freed),
        CASE(nobody_else_renews_it),
        CASE(no_wait_is_longer_than_max_wait),
        CASE(lost_where_the_service_says_so),
        CASE(lost_where_the_service_is_away),
        CASE(signs_of_life_are_no_renewals),
        CASE(lost_where_no_sign_of_life_arrives),
        CASE(what_nobody_reads_is_released),
        CASE(the_end_waits_for_what_was_posted),
        CASE(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
