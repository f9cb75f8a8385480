/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/kafka_holder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS_MAX = 1000, PAYLOAD_MAX = 1 << 20 };

/* Numbers that were published, and those that came.  What was received and not
 * acknowledged does not count. */
static bool sent[NUMBERS_MAX], seen[NUMBERS_MAX];
static int number;

void holder_open(struct holder *holder, char *settings)
{
    memset(sent, 0, sizeof(sent));
    memset(seen, 0, sizeof(seen));
    number = 0;
    *holder = (struct holder){.settings = settings};
    fault_open(&holder->store, "pubsub.kafka", settings);
}

void holder_free(struct holder *holder)
{
    sl_subscription_free(holder->member);
    test_store_done(&holder->store);
    free(holder->settings);
}

struct sl_error holder_publish_large(struct holder *holder, size_t size)
{
    static char payload[PAYLOAD_MAX];
    struct sl_pubsub_request publish = kafka_publish_of("");
    struct sl_pubsub_answer answer;

    assert_true(++number < NUMBERS_MAX && size < sizeof(payload) - 16);
    size += (size_t)snprintf(payload, sizeof(payload), "%d ", number);
    publish.payload = SL_BYTES(payload, size);
    sent[number] = sl_service_do(holder->store.service, NULL, &publish, 1,
                                 &answer) == SL_OK;
    return answer.err;
}

struct sl_error holder_publish(struct holder *holder)
{
    return holder_publish_large(holder, 0);
}

static bool see(const struct sl_delivery *event)
{
    char text[16];

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    seen[atoi(text)] = true;
    return true;
}

struct sl_error holder_receive(struct holder *holder)
{
    static const struct member_way seeing = {.limit = 20, .received = see};
    struct sl_error err = {.status = SL_UNAVAILABLE};
    size_t count;

    if (holder->member == NULL)
        holder->member = member_try_to_join(&holder->store, kafka_topic, &err);
    if (holder->member == NULL)
        return err;
    err = member_receive(&holder->store, holder->member, &seeing, 200, &count);
    if (err.status == SL_CONFLICT) {
        sl_subscription_free(holder->member);
        holder->member = NULL;
    }
    return err;
}

struct sl_error holder_join_anew(struct holder *holder)
{
    struct test_store store;
    struct sl_error err = {0};

    fault_open(&store, "pubsub.kafka", holder->settings);
    struct sl_subscription *member =
        member_try_to_join(&store, kafka_topic, &err);
    sl_subscription_free(member);
    test_store_done(&store);
    return err;
}

int holder_numbers(void)
{
    return number;
}

bool holder_all_came(void)
{
    for (int i = 1; i <= number; i++)
        if (sent[i] && !seen[i])
            return false;
    return true;
}

bool holder_may_pass(enum sl_status status)
{
    return status == SL_UNAVAILABLE || status == SL_TIMEOUT ||
           status == SL_CONFLICT;
}

void holder_until(struct holder *holder,
                  struct sl_error (*act)(struct holder *holder),
                  enum sl_status expected, const char *says)
{
    struct sl_error err = {0};

    for (int i = 0; i < 6000; i++) {
        err = act(holder);
        if (err.status == expected ||
            (err.status != SL_OK && expected != SL_OK &&
             !holder_may_pass(err.status)))
            break;
        usleep(50000);
    }
    if (err.status != expected ||
        (expected != SL_OK && strstr(err.message, says) == NULL))
        fail_msg("%s: %s", sl_status_text(err.status), err.message);
    if (expected != SL_OK)
        assert_null(strstr(err.message, TEST_SERVER_PASSWORD));
}

static void receive_all(struct holder *holder)
{
    for (int i = 0; i < 1500 && !holder_all_came(); i++)
        holder_until(holder, holder_receive, SL_OK, "");
    assert_true(holder_all_came());
}

void holder_begin(struct holder *holder, char *settings)
{
    holder_open(holder, settings);
    holder_until(holder, holder_receive, SL_OK, "");
    holder_until(holder, holder_publish, SL_OK, "");
    receive_all(holder);
    holder_until(holder, holder_publish, SL_OK, "");
}

void holder_end(struct holder *holder)
{
    holder_until(holder, holder_publish, SL_OK, "");
    receive_all(holder);
    holder_free(holder);
}
