/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/kv_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum sl_status kv_do(struct test_store *store, enum sl_kv_verb verb,
                     const char *key, const char *value,
                     struct sl_kv_answer *out)
{
    const struct sl_kv_request request = {.verb = verb,
                                          .key = sl_bytes_of(key),
                                          .value = sl_bytes_of(value),
                                          .delta = 1,
                                          .limit = 10};
    struct sl_kv_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    fault_note(&answer.err);
    sl_kv_answer_done(&answer);
    if (out != NULL)
        *out = answer;
    return answer.err.status;
}

enum sl_status kv_set(struct test_store *store, const char *key)
{
    return kv_do(store, SL_KV_SET, key, "value", NULL);
}

const void *kv_write(int number)
{
    static const struct sl_kv_request set = {
        .verb = SL_KV_SET,
        .key = {(const uint8_t *)"written", 7},
        .value = {(const uint8_t *)"value", 5}};

    (void)number;
    return &set;
}

/* --- Full --------------------------------------------------------------- */

void kv_before_full(struct test_store *store)
{
    assert_status(kv_set(store, "before"), SL_OK);
}

void kv_while_full(struct test_store *store)
{
    struct sl_kv_answer answer;

    assert_status(kv_do(store, SL_KV_SET, "more", "v", &answer),
                  SL_RESOURCE_EXHAUSTED);
    assert_false(answer.retryable); /* waiting does not make room */
    assert_status(kv_do(store, SL_KV_EXISTS, "before", "", &answer), SL_OK);
    assert_true(answer.found);
}

/* --- A server that goes away -------------------------------------------- */

void kv_case_restarted(void **state)
{
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    fault_open_own(&store, NULL, "");
    assert_status(kv_set(&store, "before"), SL_OK);
    test_server_kill(&fault_server);
    assert_status(kv_set(&store, "while"), SL_UNAVAILABLE);
    test_server_restart(&fault_server);
    /* Not idempotent, and yet sure not to have been sent on a dead one. */
    assert_status(kv_do(&store, SL_KV_INCREMENT, "n", "", NULL), SL_OK);
    assert_status(kv_do(&store, SL_KV_EXISTS, "before", "", &answer), SL_OK);
    assert_true(answer.found);
    test_store_done(&store);
}

/* --- In the middle of traffic ------------------------------------------- */

enum sl_status kv_write_number(struct fault_traffic *traffic, int writer,
                               int number)
{
    char key[16], value[16];

    snprintf(key, sizeof(key), "w%d", writer);
    snprintf(value, sizeof(value), "%d", number);
    return kv_do(traffic->store, SL_KV_SET, key, value, NULL);
}

static int64_t number_under(struct test_store *store, const char *key)
{
    const struct sl_kv_request get = {.verb = SL_KV_GET,
                                      .key = sl_bytes_of(key)};
    struct sl_kv_answer answer;
    int64_t number = -1;

    if (sl_service_do(store->service, NULL, &get, 1, &answer) != SL_OK)
        fail_msg("%s", answer.err.message);
    assert_true(answer.found);
    assert_true(sl_bytes_to_integer(answer.value.bytes, &number));
    sl_kv_answer_done(&answer);
    return number;
}

void kv_begin_writing(struct test_store *straight)
{
    struct fault_traffic traffic = {.store = straight};

    for (int i = 0; i < FAULT_WRITERS; i++)
        assert_status(kv_write_number(&traffic, i, 0), SL_OK);
}

/* What is stored is what was answered last, or was on its way.  holds: kv-11 */
void kv_check_written(const struct fault_traffic *traffic,
                      struct test_store *straight)
{
    for (int i = 0; i < FAULT_WRITERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "w%d", i);
        int64_t stored = number_under(straight, key);
        if (stored < traffic->acknowledged[i] || stored > traffic->attempted[i])
            fail_msg("%s is %d; %d was acknowledged, %d attempted", key,
                     (int)stored, traffic->acknowledged[i],
                     traffic->attempted[i]);
    }
}

static enum sl_status add_one(struct fault_traffic *traffic, int writer,
                              int number)
{
    static _Thread_local int64_t last;
    struct sl_kv_answer answer;

    (void)writer;
    if (number == 1)
        last = 0;
    enum sl_status status =
        kv_do(traffic->store, SL_KV_INCREMENT, "sum", "", &answer);
    if (status == SL_OK && answer.number <= last)
        return SL_INTERNAL; /* which is wrong */
    if (status == SL_OK)
        last = answer.number;
    return status;
}

static void forget_sum(struct test_store *straight)
{
    kv_do(straight, SL_KV_DELETE, "sum", "", NULL);
}

/* Writers number their calls; what failed may have been done, or not. */
static void check_sum(const struct fault_traffic *traffic,
                      struct test_store *straight)
{
    int attempted = 0;

    for (int i = 0; i < FAULT_WRITERS; i++)
        attempted += traffic->attempted[i];
    assert_in_range(number_under(straight, "sum"),
                    attempted - traffic->failures, attempted);
}

/* All add to one number, which only grows, and no addition counts twice. */
void kv_case_sums(void **state)
{
    (void)state;
    fault_under_cuts(
        &(const struct fault_writing){forget_sum, add_one, check_sum});
}

/* --- Slow --------------------------------------------------------------- */

/* A plain SET too: another client may have written since. */
void kv_case_doubtful(void **state)
{
    static const enum sl_kv_verb writes[] = {SL_KV_SET, SL_KV_DELETE};
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct proxy *proxy = fault_open_stalled(&store);
        kv_do(&store, writes[i], "stalled", "v", &answer);
        assert_status(answer.err.status, SL_TIMEOUT);
        assert_false(answer.retryable);
        kv_do(&store, SL_KV_GET, "k", "", &answer);
        assert_status(answer.err.status, SL_TIMEOUT);
        assert_true(answer.retryable);
        fault_stalled_done(&store, proxy);
    }
}
