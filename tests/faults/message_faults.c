/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/message_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* --- What was sent, and what was received -------------------------------- */

enum { NUMBERS_MAX = 100000, EACH = 300 };

/* By writer and number. */
static struct ledger {
    pthread_mutex_t lock;
    bool sent[FAULT_WRITERS][NUMBERS_MAX];  /* it was acknowledged */
    bool tried[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps not */
    int settled[FAULT_WRITERS][NUMBERS_MAX];
    bool doubtful[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps settled */
    int last[FAULT_WRITERS];                   /* number that was received */
    int strange, backward;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

void message_new_ledger(void)
{
    memset(ledger.sent, 0, sizeof(ledger.sent));
    memset(ledger.tried, 0, sizeof(ledger.tried));
    memset(ledger.settled, 0, sizeof(ledger.settled));
    memset(ledger.doubtful, 0, sizeof(ledger.doubtful));
    memset(ledger.last, 0, sizeof(ledger.last));
    ledger.strange = ledger.backward = 0;
    fault_tell("flushall");
}

enum sl_status message_send(struct fault_traffic *traffic, int writer,
                            int number)
{
    char payload[32], key[16];

    if (number >= NUMBERS_MAX)
        return SL_UNAVAILABLE;
    snprintf(payload, sizeof(payload), "%d %d", writer, number);
    snprintf(key, sizeof(key), "%d", writer);
    ledger.tried[writer][number] = true;
    enum sl_status status = message_kind.send(traffic->store, key, payload);
    ledger.sent[writer][number] = status == SL_OK;
    return status;
}

/* Whose it is; false: nobody's here. */
static bool read_payload(struct sl_bytes payload, long *writer, long *number)
{
    char text[32];
    char *rest;

    snprintf(text, sizeof(text), "%.*s", (int)payload.len,
             (const char *)payload.ptr);
    *writer = strtol(text, &rest, 10);
    *number = strtol(rest, NULL, 10);
    return *writer >= 0 && *writer < FAULT_WRITERS && *number >= 1 &&
           *number < NUMBERS_MAX && ledger.tried[*writer][*number];
}

bool message_received(struct sl_bytes payload)
{
    long writer, number;
    bool known = read_payload(payload, &writer, &number);

    pthread_mutex_lock(&ledger.lock);
    if (!known)
        ledger.strange++;
    else if (number < ledger.last[writer])
        ledger.backward++;
    else
        ledger.last[writer] = (int)number;
    pthread_mutex_unlock(&ledger.lock);
    return known;
}

void message_settled(struct sl_bytes payload, enum sl_status status)
{
    long writer, number;

    if (!read_payload(payload, &writer, &number))
        return;
    pthread_mutex_lock(&ledger.lock);
    if (status == SL_OK)
        ledger.settled[writer][number]++;
    else
        ledger.doubtful[writer][number] = true;
    pthread_mutex_unlock(&ledger.lock);
}

int message_times(int writer, int number)
{
    return ledger.settled[writer][number];
}

int message_missing(void)
{
    int missing = 0;

    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++)
            missing += ledger.sent[i][j] && ledger.settled[i][j] == 0 &&
                       !ledger.doubtful[i][j];
    return missing;
}

/* Receive the rest; then what was sent is what was settled, once. */
static void sent_is_settled(struct test_store *store)
{
    message_kind.drain(store);
    assert_int_equal(ledger.strange, 0);
    if (message_kind.ordered)
        assert_int_equal(ledger.backward, 0);
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++) {
            int settled = ledger.settled[i][j];
            if (settled > 1)
                fail_msg("%d %d was settled %d times", i, j, settled);
            if (ledger.sent[i][j] && settled == 0 && !ledger.doubtful[i][j])
                fail_msg("%d %d was sent and is lost", i, j);
        }
}

/* --- In the middle of traffic --------------------------------------------- */

/* Not as fast as it can: all of it has to be received afterwards. */
static enum sl_status send_on(struct fault_traffic *traffic, int writer,
                              int number)
{
    usleep(2000);
    return message_send(traffic, writer, number);
}

/* A resource that is not disturbed: nothing of it may be late. */
static void open_straight(struct test_store *straight)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("%s\ntimeout = \"60s\"", message_kind.patient);

    fault_open_own(straight, NULL, settings);
}

static void sending(void (*disturb)(void *), void *context,
                    const struct proxy *proxy)
{
    struct test_store store, straight;
    struct fault_traffic traffic = {.store = &store, .write = send_on};

    fault_open_own(&store, proxy, message_kind.patient);
    open_straight(&straight);
    message_new_ledger();
    fault_traffic_run(&traffic, disturb, context);
    sent_is_settled(&straight);
    test_store_done(&store);
    test_store_done(&straight);
}

static void receiving(void (*disturb)(void *), void *context,
                      const struct proxy *proxy)
{
    struct test_store store, straight;
    struct fault_traffic traffic = {.store = &store,
                                    .write = message_kind.consume};
    struct fault_traffic sender = {.store = &straight};

    fault_open_own(&store, proxy, message_kind.patient);
    open_straight(&straight);
    message_new_ledger();
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j <= EACH; j++)
            assert_status(message_send(&sender, i, j), SL_OK);
    fault_traffic_run(&traffic, disturb, context);
    sent_is_settled(&straight);
    test_store_done(&store);
    test_store_done(&straight);
}

/* holds: mq-15 pubsub-13 */
void message_case_killed_sending(void **state)
{
    (void)state;
    sending(fault_kill_now_and_then, &fault_server, NULL);
}

/* holds: mq-14 mq-21 pubsub-15 */
void message_case_killed_receiving(void **state)
{
    (void)state;
    receiving(fault_kill_now_and_then, &fault_server, NULL);
}

static void over_a_proxy(void (*traffic)(void (*)(void *), void *,
                                         const struct proxy *))
{
    struct proxy *proxy = proxy_new(0, fault_port);

    assert_non_null(proxy);
    traffic(fault_cut_anywhere, proxy, proxy);
    proxy_free(proxy);
}

void message_case_cut_sending(void **state)
{
    (void)state;
    over_a_proxy(sending);
}

void message_case_cut_receiving(void **state)
{
    (void)state;
    over_a_proxy(receiving);
}
