/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that fails as a test tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sl_option no_options[] = {{0}};

void faulty_init(struct faulty *faulty)
{
    memset(faulty, 0, sizeof(*faulty));
    pthread_mutex_init(&faulty->lock, NULL);
    pthread_cond_init(&faulty->changed, NULL);
}

void faulty_set_gate(struct faulty *faulty, bool closed)
{
    pthread_mutex_lock(&faulty->lock);
    faulty->gate_closed = closed;
    pthread_cond_broadcast(&faulty->changed);
    pthread_mutex_unlock(&faulty->lock);
}

void faulty_wait_run(struct faulty *faulty)
{
    pthread_mutex_lock(&faulty->lock);
    while (faulty->waiting == 0)
        pthread_cond_wait(&faulty->changed, &faulty->lock);
    pthread_mutex_unlock(&faulty->lock);
}

static enum sl_status store_new(const void *options, void **store,
                                struct sl_error *err)
{
    (void)err;
    *store = ((const struct faulty_options *)options)->faulty;
    return SL_OK;
}

static void store_free(void *store)
{
    (void)store;
}

static enum sl_status open_state(void *store, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    struct faulty *faulty = store;
    enum sl_status status = SL_OK;

    (void)deadline;
    pthread_mutex_lock(&faulty->lock);
    if (faulty->open_failures > 0) {
        faulty->open_failures--;
        status = sl_fail(err, SL_UNAVAILABLE, "refused");
    } else {
        faulty->opened++;
        *state = faulty;
    }
    pthread_mutex_unlock(&faulty->lock);
    return status;
}

static void close_state(void *state)
{
    struct faulty *faulty = state;

    pthread_mutex_lock(&faulty->lock);
    faulty->closed++;
    pthread_mutex_unlock(&faulty->lock);
}

static bool reset_state(void *state)
{
    (void)state;
    return true;
}

static void answer_get(struct faulty *faulty, struct sl_op *op)
{
    if (!sl_kv_op_take_budget(op, faulty->value_len))
        return;
    sl_kv_answer_of(op)->found = true;
    sl_kv_answer_of(op)->value.owner = calloc(1, faulty->value_len + 1);
    sl_kv_answer_of(op)->value.bytes =
        SL_BYTES(sl_kv_answer_of(op)->value.owner, faulty->value_len);
    sl_kv_answer_of(op)->value.release = free;
}

static void run_op(struct faulty *faulty, struct sl_op *op)
{
    struct faulty_plan plan = {0};

    if (faulty->ops < FAULTY_PLANS)
        plan = faulty->plans[faulty->ops];
    if (faulty->ops < FAULTY_SEEN)
        snprintf(faulty->keys[faulty->ops], sizeof(faulty->keys[0]), "%.*s",
                 (int)sl_kv_request_of(op)->key.len,
                 (const char *)sl_kv_request_of(op)->key.ptr);
    faulty->ops++;
    op->unsent = plan.unsent;
    if (plan.status != SL_OK)
        sl_fail(&sl_kv_answer_of(op)->err, plan.status, "as planned");
    else if (sl_kv_request_of(op)->verb == SL_KV_GET)
        answer_get(faulty, op);
}

static void run(void *state, struct sl_op *const ops[], size_t count)
{
    struct faulty *faulty = state;

    pthread_mutex_lock(&faulty->lock);
    faulty->waiting++;
    bool passes = faulty->stuck != 0 && faulty->waiting > faulty->stuck;
    pthread_cond_broadcast(&faulty->changed);
    while (faulty->gate_closed && !passes)
        pthread_cond_wait(&faulty->changed, &faulty->lock);
    faulty->waiting--;
    faulty->runs++;
    faulty->ran_on = pthread_self();
    if (count > faulty->largest_batch)
        faulty->largest_batch = count;
    for (size_t i = 0; i < count; i++)
        run_op(faulty, ops[i]);
    pthread_mutex_unlock(&faulty->lock);
}

#define FAULTY_MEMBERS                                                         \
    .options = no_options, .options_size = sizeof(struct faulty_options),      \
    .max_batch = 64, .store_new = store_new, .store_free = store_free,         \
    .open = open_state, .close = close_state, .run = run, .reset = reset_state

#define ALL_FEATURES                                                           \
    (SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION | SL_KV_FEATURE_ABSENT |        \
     SL_KV_FEATURE_INCREMENT | SL_KV_FEATURE_KEYS)

const struct sl_driver faulty_driver = {
    .name = "kv.faulty", FAULTY_MEMBERS, .features = ALL_FEATURES};

const struct sl_driver faulty_inline = {.name = "kv.faulty",
                                        FAULTY_MEMBERS,
                                        .features = ALL_FEATURES,
                                        .inline_verbs = 1U << SL_KV_GET};

const struct sl_driver faulty_aside = {.name = "kv.faulty",
                                       FAULTY_MEMBERS,
                                       .features = ALL_FEATURES,
                                       .blocking_safe = true};

const struct sl_driver faulty_poor = {.name = "kv.poor", FAULTY_MEMBERS};

/* --- A store over it ------------------------------------------------------ */

void faulty_store_open(struct faulty_store *f, const struct sl_driver *driver)
{
    struct sl_error err;

    faulty_init(&f->faulty);
    f->options.faulty = &f->faulty;
    f->config = (struct sl_kv_config){0};
    sl_options_default(sl_service_options, &f->config);
    sl_options_default(sl_kv.options, &f->config);
    f->config.service.connections = 1;
    f->config.service.retry_backoff_ms = 1;
    f->config.service.timeout_ms = 20000;
    assert_int_equal(sl_service_open(&sl_kv, "test", driver, &f->config.service,
                                     &f->options, &f->kv, &err),
                     SL_OK);
}

void faulty_store_close(struct faulty_store *f)
{
    sl_service_free(f->kv);
    assert_int_equal(f->faulty.opened, f->faulty.closed);
}

struct sl_kv_request faulty_request(enum sl_kv_verb verb, const char *key)
{
    return (struct sl_kv_request){
        .verb = verb, .key = sl_bytes_of(key), .limit = 10};
}

struct sl_kv_answer faulty_store_do(struct faulty_store *f,
                                    const struct sl_kv_request *one)
{
    struct sl_kv_answer answer;

    sl_service_do(f->kv, NULL, one, 1, &answer);
    sl_kv_answer_done(&answer);
    return answer;
}
