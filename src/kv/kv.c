/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key-value stores: what is the same for every driver.
 *
 * A call comes in by sl_kv_try, which does what cannot wait on the caller's
 * thread, or by sl_kv_submit, which copies and queues it.  call.c has what
 * happens to a queued call.
 */
#include "kv/kv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/check.h"
#include "kv/store.h"

const struct sl_option sl_kv_options[] = {
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_kv_config, timeout_ms),
     .min = 1,
     .max = 3600000,
     .fallback = "5s",
     .help = "how long one call may take, waiting and repeats included"},
    {.name = "max-value",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_kv_config, max_value),
     .min = 1,
     .max = 256 * 1024 * 1024,
     .fallback = "16MiB",
     .help = "the largest value that may be written or read"},
    {.name = "connections",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_kv_config, connections),
     .min = 1,
     .max = 64,
     .fallback = "2",
     .help = "the most connections, each with a thread; opened when needed"},
    {.name = "max-queued",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_kv_config, max_queued),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "the most calls that wait for a connection; more are unavailable"},
    {.name = "retry.attempts",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_kv_config, retry_attempts),
     .min = 1,
     .max = 100,
     .fallback = "3",
     .help = "how often a call is tried in all, where a repeat is safe"},
    {.name = "retry.backoff",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_kv_config, retry_backoff_ms),
     .min = 1,
     .max = 60000,
     .fallback = "50ms",
     .help = "the longest wait before the second try; doubles with each"},
    {0},
};

const char *sl_kv_verb_text(enum sl_kv_verb verb)
{
    static const char *const texts[SL_KV_VERB_COUNT] = {
        [SL_KV_GET] = "get",
        [SL_KV_EXISTS] = "exists",
        [SL_KV_SET] = "set",
        [SL_KV_DELETE] = "delete",
        [SL_KV_INCREMENT] = "increment",
        [SL_KV_KEYS] = "keys",
    };

    return (unsigned)verb < SL_KV_VERB_COUNT ? texts[verb] : "unknown";
}

const struct sl_kv_driver *sl_kv_driver_find(const char *name)
{
    for (size_t i = 0; sl_kv_drivers[i] != NULL; i++)
        if (strcmp(sl_kv_drivers[i]->name, name) == 0)
            return sl_kv_drivers[i];
    return NULL;
}

/* Field by field: most of an answer is room for a message. */
void sl_kv_answer_init(struct sl_kv_answer *answer)
{
    answer->err.status = SL_OK;
    answer->err.message[0] = '\0';
    answer->retryable = false;
    answer->found = false;
    answer->refused = false;
    answer->number = 0;
    answer->value = (struct sl_held){0};
    answer->version[0] = '\0';
    answer->key_count = 0;
    answer->keys =
        (struct sl_buf)SL_BUF((size_t)SL_KV_PAGE_MAX * (SL_KV_KEY_MAX + 1));
    answer->next = (struct sl_buf)SL_BUF(SL_KV_CURSOR_MAX);
}

void sl_kv_answer_done(struct sl_kv_answer *answer)
{
    sl_held_done(&answer->value);
    sl_buf_done(&answer->keys);
    sl_buf_done(&answer->next);
}

void sl_kv_op_fail(struct sl_kv_op *op, const struct sl_error *err)
{
    op->answer->err = *err;
}

bool sl_kv_op_make_room(struct sl_kv_op *op, size_t len)
{
    if (len <= *op->room) {
        *op->room -= len;
        return true;
    }
    sl_fail(&op->answer->err, SL_TOO_LARGE,
            "the values of one call together are more than %zu bytes; ask for "
            "fewer keys",
            SL_KV_CALL_BYTES_MAX);
    return false;
}

static void limit_value(const struct sl_kv *kv, struct sl_kv_answer *answer)
{
    if (answer->value.bytes.len <= (size_t)kv->config->max_value)
        return;
    sl_fail(&answer->err, SL_TOO_LARGE,
            "a value of %zu bytes: at most %" PRId64
            " are allowed; the manifest's max-value sets this",
            answer->value.bytes.len, kv->config->max_value);
    answer->found = false;
    sl_held_done(&answer->value);
}

/* Not the guest's doing: whoever reads it wants to know which resource. */
static bool is_of_service(enum sl_status status)
{
    return status == SL_UNAVAILABLE || status == SL_TIMEOUT ||
           status == SL_UNAUTHENTICATED || status == SL_PERMISSION_DENIED ||
           status == SL_INTERNAL;
}

void sl_kv_finish_op(const struct sl_kv *kv, struct sl_kv_op *op)
{
    limit_value(kv, op->answer);
    op->answer->retryable = sl_kv_may_repeat(op);
    if (is_of_service(op->answer->err.status))
        sl_fail_in(&op->answer->err, "resource \"%s\"", kv->name);
}

/* --- Inline: on the caller's thread ------------------------------------ */

/* Each thread has a slot where it looks first, so that they seldom meet. */
static unsigned first_slot(void)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1);
    return mine % SL_KV_INLINE_SLOTS;
}

static enum sl_status take_state(struct sl_kv *kv, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_KV_INLINE_SLOTS; i++) {
        *state = atomic_exchange_explicit(
            &kv->slots[(first + i) % SL_KV_INLINE_SLOTS], NULL,
            memory_order_acquire);
        if (*state != NULL)
            return SL_OK;
    }
    return kv->driver->open(kv->store, deadline, state, err);
}

static void give_state(struct sl_kv *kv, void *state)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_KV_INLINE_SLOTS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(
                &kv->slots[(first + i) % SL_KV_INLINE_SLOTS], &none, state,
                memory_order_release, memory_order_relaxed))
            return;
    }
    kv->driver->close(state);
}

static void run_inline(struct sl_kv *kv, struct sl_kv_op *ops[], size_t count)
{
    struct sl_error err;
    void *state = NULL;

    if (take_state(kv, ops[0]->deadline, &state, &err) != SL_OK) {
        for (size_t i = 0; i < count; i++) {
            ops[i]->not_sent = true;
            sl_kv_op_fail(ops[i], &err);
        }
        return;
    }
    kv->driver->run(state, ops, count);
    if (sl_kv_state_is_over(ops, count))
        kv->driver->close(state);
    else
        give_state(kv, state);
}

/* Do those that passed the checks, a few at a time. */
static void do_inline(struct sl_kv *kv, const struct sl_kv_request *requests,
                      size_t count, struct sl_kv_answer *answers, int64_t start)
{
    enum { AT_ONCE = 16 };
    struct sl_kv_op ops[AT_ONCE], *batch[AT_ONCE];
    size_t room = sl_kv_room(count);
    size_t most =
        kv->driver->max_batch < AT_ONCE ? kv->driver->max_batch : AT_ONCE;

    for (size_t i = 0; i < count;) {
        size_t filled = 0;
        for (; i < count && filled < most; i++) {
            if (answers[i].err.status != SL_OK)
                continue;
            ops[filled] = (struct sl_kv_op){
                .request = &requests[i],
                .answer = &answers[i],
                .deadline = start + kv->config->timeout_ms * 1000000,
                .room = &room,
            };
            batch[filled] = &ops[filled];
            filled++;
        }
        if (filled > 0)
            run_inline(kv, batch, filled);
        for (size_t j = 0; j < filled; j++)
            sl_kv_finish_op(kv, &ops[j]);
    }
}

bool sl_kv_try(struct sl_kv *kv, const struct sl_kv_request *requests,
               size_t count, struct sl_kv_answer *answers)
{
    int64_t start = sl_now_ns();

    if (!sl_kv_precheck(kv, requests, count, answers))
        for (size_t i = 0; i < count; i++)
            if (answers[i].err.status == SL_OK &&
                (kv->driver->inline_verbs & (1U << requests[i].verb)) == 0)
                return false;
    if (count > 0 && !answers[0].refused)
        do_inline(kv, requests, count, answers, start);

    int64_t took = sl_now_ns() - start;
    for (size_t i = 0; i < count; i++)
        sl_metric_record(&kv->metrics[requests[i].verb], answers[i].err.status,
                         took);
    return true;
}

bool sl_kv_precheck(const struct sl_kv *kv,
                    const struct sl_kv_request *requests, size_t count,
                    struct sl_kv_answer *answers)
{
    struct sl_error err;
    size_t wrong = 0;
    bool refused = sl_kv_check_call(requests, count, &err) != SL_OK;

    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(&answers[i]);
        answers[i].refused = refused;
        if (refused)
            answers[i].err = err;
        else if (sl_kv_check_request(kv->driver, kv->config, &requests[i],
                                     &answers[i].err) != SL_OK)
            wrong++;
    }
    return refused || wrong == count;
}

/* --- The store ---------------------------------------------------------- */

enum sl_status sl_kv_open(const char *name, const struct sl_kv_driver *driver,
                          const struct sl_kv_config *config,
                          const void *driver_options, struct sl_kv **out,
                          struct sl_error *err)
{
    void *store = NULL;
    enum sl_status status = driver->store_new(driver_options, &store, err);

    if (status != SL_OK)
        return status;
    struct sl_kv *kv = sl_alloc(sizeof(*kv));
    kv->name = sl_strdup(name);
    kv->driver = driver;
    kv->config = config;
    kv->store = store;
    sl_kv_start(kv);
    *out = kv;
    return SL_OK;
}

void sl_kv_free(struct sl_kv *kv)
{
    if (kv == NULL)
        return;
    sl_queue_free(kv->queue);
    for (unsigned i = 0; i < SL_KV_INLINE_SLOTS; i++) {
        void *state = atomic_load(&kv->slots[i]);
        if (state != NULL)
            kv->driver->close(state);
    }
    kv->driver->store_free(kv->store);
    free(kv->name);
    free(kv);
}

const char *sl_kv_name(const struct sl_kv *kv)
{
    return kv->name;
}

const struct sl_kv_driver *sl_kv_driver_of(const struct sl_kv *kv)
{
    return kv->driver;
}

const struct sl_metric *sl_kv_metrics(const struct sl_kv *kv)
{
    return kv->metrics;
}
