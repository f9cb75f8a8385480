/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/members.h"

struct sl_subscription *member_try_to_join(struct test_store *store,
                                           const char *topic,
                                           struct sl_error *err)
{
    struct sl_subscription *member = sl_subscription_new(
        store->service, sl_bytes_of(topic), sl_bytes_of(topic), true);
    const struct sl_pubsub_request subscribe =
        sl_subscription_request(member, SL_PUBSUB_SUBSCRIBE);
    struct sl_pubsub_answer answer;

    (void)sl_service_do(store->service, NULL, &subscribe, 1, &answer);
    fault_note(&answer.err);
    if (answer.err.status != SL_OK) {
        sl_subscription_free(member);
        *err = answer.err;
        return NULL;
    }
    sl_subscription_begun(member);
    return member;
}

struct sl_subscription *member_join(struct test_store *store, const char *topic)
{
    struct sl_error err;
    struct sl_subscription *member = member_try_to_join(store, topic, &err);

    if (member == NULL)
        fail_msg("%s", err.message);
    return member;
}

/* All of them at once; the last that failed. */
static struct sl_error settle(struct test_store *store,
                              const struct sl_subscription *member,
                              const struct member_way *way,
                              struct sl_delivery *const events[], size_t count)
{
    struct sl_pubsub_request requests[MEMBER_LIMIT_MAX];
    struct sl_pubsub_answer answers[MEMBER_LIMIT_MAX];
    const struct sl_delivery *wanted[MEMBER_LIMIT_MAX];
    struct sl_error err = {0};
    size_t wants = 0;

    for (size_t i = 0; i < count; i++) {
        if (!way->received(events[i]))
            continue;
        wanted[wants] = events[i];
        requests[wants] =
            sl_subscription_request(member, SL_PUBSUB_ACKNOWLEDGE);
        requests[wants++].receipt = events[i]->receipt;
    }
    if (wants > 0)
        (void)sl_service_do(store->service, NULL, requests, wants, answers);
    for (size_t i = 0; i < wants; i++) {
        enum sl_status status = answers[i].err.status;
        if (way->settled != NULL)
            way->settled(wanted[i], status);
        if (status != SL_OK && status != SL_CONFLICT)
            err = answers[i].err;
    }
    return err;
}

struct sl_error member_receive(struct test_store *store,
                               const struct sl_subscription *member,
                               const struct member_way *way, uint64_t wait_ms,
                               size_t *count)
{
    struct sl_pubsub_request request =
        sl_subscription_request(member, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;

    request.limit = (uint32_t)way->limit;
    request.wait_ms = wait_ms;
    (void)sl_service_do(store->service, NULL, &request, 1, &answer);
    *count = answer.deliveries.count;
    struct sl_error err = answer.err;
    const struct sl_error settled = settle(
        store, member, way, answer.deliveries.items, answer.deliveries.count);
    if (settled.status != SL_OK)
        err = settled;
    fault_note(&err);
    sl_pubsub_answer_done(&answer);
    return err;
}

static struct sl_subscription *members[FAULT_WRITERS];

enum sl_status member_consume(const struct fault_traffic *traffic, int writer,
                              const char *topic, const struct member_way *way)
{
    struct sl_subscription **member = &members[writer];
    struct sl_error err;
    size_t count;

    if (*member == NULL)
        *member = member_try_to_join(traffic->store, topic, &err);
    if (*member == NULL)
        return SL_UNAVAILABLE;
    enum sl_status status =
        member_receive(traffic->store, *member, way, 50, &count).status;
    if (status != SL_CONFLICT)
        return status;
    sl_subscription_free(*member);
    *member = NULL;
    return SL_UNAVAILABLE;
}

void members_leave(void)
{
    for (size_t i = 0; i < FAULT_WRITERS; i++) {
        sl_subscription_free(members[i]);
        members[i] = NULL;
    }
}
