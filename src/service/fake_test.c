/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that does what a test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/fake_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct sl_option fake_options[] = {{0}};

void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof(*fake));
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, NULL);
}

void fake_plan_all(struct fake *fake, struct fake_plan plan)
{
    for (int i = 0; i < FAKE_PLANS; i++)
        fake->plans[i] = plan;
}

void fake_set_gate(struct fake *fake, bool closed)
{
    pthread_mutex_lock(&fake->mutex);
    fake->gate_closed = closed;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

void fake_wait_run(struct fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    while (fake->waiting == 0)
        pthread_cond_wait(&fake->changed, &fake->mutex);
    pthread_mutex_unlock(&fake->mutex);
}

/* --- The driver ----------------------------------------------------------- */

enum sl_status fake_store_new(const void *options, void **store,
                              struct sl_error *err)
{
    (void)err;
    *store = (void *)(uintptr_t)options;
    return SL_OK;
}

void fake_store_free(void *store)
{
    (void)store;
}

enum sl_status fake_open(void *store, sl_deadline deadline, void **connection,
                         struct sl_error *err)
{
    struct fake *fake = store;
    enum sl_status status = SL_OK;

    (void)deadline;
    pthread_mutex_lock(&fake->mutex);
    if (fake->open_failures > 0) {
        fake->open_failures--;
        status = sl_fail(err, SL_UNAVAILABLE, "refused");
    } else {
        fake->opened++;
        *connection = fake;
    }
    pthread_mutex_unlock(&fake->mutex);
    return status;
}

void fake_close(void *connection)
{
    struct fake *fake = connection;

    pthread_mutex_lock(&fake->mutex);
    fake->closed++;
    pthread_mutex_unlock(&fake->mutex);
}

bool fake_reset(void *connection)
{
    (void)connection;
    return true;
}

enum sl_status fake_check(void *store, sl_deadline deadline,
                          struct sl_error *err)
{
    struct fake *fake = store;

    (void)deadline;
    pthread_mutex_lock(&fake->mutex);
    fake->checks++;
    while (fake->check_hangs)
        pthread_cond_wait(&fake->changed, &fake->mutex);
    enum sl_status status = fake->check_status;
    pthread_mutex_unlock(&fake->mutex);
    return status == SL_OK ? SL_OK
                           : sl_fail(err, status, "as planned\xe2\x80\xae");
}

static void answer_read(struct fake *fake, struct sl_op *op)
{
    struct fake_answer *answer = op->answer;

    answer->found = true;
    answer->value.owner = calloc(1, fake->value_len + 1);
    answer->value.bytes = SL_BYTES(answer->value.owner, fake->value_len);
    answer->value.release = free;
}

static void answer_fake_op(struct fake *fake, struct sl_op *op)
{
    if (fake->answer != NULL)
        fake->answer(fake, op);
    else if (sl_op_verb(op) == FAKE_READ)
        answer_read(fake, op);
}

static void note_key(struct fake *fake, const struct sl_op *op)
{
    const struct fake_request *request = op->request;

    if (fake->answer == NULL && fake->ops < FAKE_KEYS)
        snprintf(fake->keys[fake->ops], sizeof(fake->keys[0]), "%.*s",
                 (int)request->key.len, (const char *)request->key.ptr);
}

static void run_fake_op(struct fake *fake, struct sl_op *op)
{
    struct fake_plan plan = {0};

    if (fake->ops < FAKE_PLANS)
        plan = fake->plans[fake->ops];
    note_key(fake, op);
    fake->ops++;
    op->unsent = plan.unsent;
    if (plan.status != SL_OK)
        sl_fail(&sl_op_answer(op)->err, plan.status, "as planned");
    else
        answer_fake_op(fake, op);
}

void fake_run(void *connection, struct sl_op *const ops[], size_t count)
{
    struct fake *fake = connection;

    pthread_mutex_lock(&fake->mutex);
    fake->waiting++;
    bool passes = fake->stuck != 0 && fake->waiting > fake->stuck;
    pthread_cond_broadcast(&fake->changed);
    while (fake->gate_closed && !passes)
        pthread_cond_wait(&fake->changed, &fake->mutex);
    fake->waiting--;
    fake->runs++;
    fake->ran_on = pthread_self();
    if (count > fake->largest_batch)
        fake->largest_batch = count;
    for (size_t i = 0; i < count; i++)
        run_fake_op(fake, ops[i]);
    pthread_mutex_unlock(&fake->mutex);
}

/* --- The capability ------------------------------------------------------- */

static const struct sl_driver *const drivers[] = {&fake_driver, NULL};
static const char *const left_out[] = {NULL};
static const struct sl_feature features[] = {{0}};
static const char *const verbs[] = {"read", "write"};

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_BYTES(struct fake_request, key),
    SL_REQUEST_BYTES(struct fake_request, value),
    {0},
};

static void init_fake_answer(void *answer)
{
    memset(answer, 0, sizeof(struct fake_answer));
}

void fake_answer_done(void *answer)
{
    sl_held_done(&((struct fake_answer *)answer)->value);
}

static enum sl_status check_fake_request(const struct sl_driver *driver,
                                         const void *config,
                                         const void *request,
                                         struct sl_error *err)
{
    (void)driver;
    (void)config;
    if (((const struct fake_request *)request)->key.len == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "no key");
    return SL_OK;
}

static bool is_fake_repeatable(const void *config, const void *request)
{
    (void)config;
    return sl_request_verb(request) == FAKE_READ;
}

const struct sl_capability fake_capability = {
    .name = "fake",
    .drivers = drivers,
    .left_out = left_out,
    .features = features,
    .options = fake_options,
    .config_size = sizeof(struct sl_service_config),
    .verbs = verbs,
    .verb_count = FAKE_WRITE + 1,
    .request_size = sizeof(struct fake_request),
    .answer_size = sizeof(struct fake_answer),
    .answer_init = init_fake_answer,
    .answer_done = fake_answer_done,
    .request_fields = request_fields,
    .check = check_fake_request,
    .is_repeatable = is_fake_repeatable,
};

const struct sl_driver fake_driver = {.name = "fake.plain", FAKE_DRIVER};
const struct sl_driver fake_inline = {
    .name = "fake.inline", FAKE_DRIVER, .inline_verbs = 1U << FAKE_READ};
const struct sl_driver fake_safe = {
    .name = "fake.safe", FAKE_DRIVER, .blocking_safe = true};

/* --- A service ------------------------------------------------------------ */

static void open_fake_service(struct fake_service *f,
                              const struct sl_driver *driver)
{
    struct sl_error err;

    assert_int_equal(sl_service_open(&fake_capability, "test", driver,
                                     &f->config, &f->fake, &f->service, &err),
                     SL_OK);
}

void fake_service_open(struct fake_service *f, const struct sl_driver *driver)
{
    fake_init(&f->fake);
    f->config = (struct sl_service_config){0};
    sl_options_default(sl_service_options, &f->config);
    f->config.connections = 1;
    f->config.retry_backoff_ms = 1;
    f->config.timeout_ms = 3600000;
    open_fake_service(f, driver);
}

void fake_service_reopen(struct fake_service *f, const struct sl_driver *driver)
{
    assert_true(sl_service_free(f->service));
    open_fake_service(f, driver);
}

void fake_service_close(struct fake_service *f)
{
    sl_service_free(f->service);
    assert_int_equal(f->fake.opened, f->fake.closed);
}

struct fake_request fake_request(enum fake_verb verb, const char *key)
{
    return (struct fake_request){.verb = verb, .key = sl_bytes_of(key)};
}

struct fake_answer fake_service_do(struct fake_service *f,
                                   const struct fake_request *one)
{
    struct fake_answer answer;

    sl_service_do(f->service, NULL, one, 1, &answer);
    fake_answer_done(&answer);
    return answer;
}
