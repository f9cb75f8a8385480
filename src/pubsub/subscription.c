/* SPDX-License-Identifier: Apache-2.0 */
/* A member of a group, which is said to live in the background. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "pubsub/driver.h"
#include "service/heartbeat.h"

enum {
    RENEWALS_PER_LEASE = 3,
    RETRIES_PER_LEASE = 10, /* while the service cannot be reached */
    MEMBER_WORDS = 4,       /* random ones: 128 bits */
};

struct sl_subscription {
    struct sl_service *service;
    char *topic;
    char *group;
    char member[MEMBER_WORDS * 8 + 1];
    bool from_earliest;
    bool begun;
    struct sl_heartbeat *heartbeat; /* NULL before it begins */
    atomic_uint owners;             /* its user, the heartbeat, events */
};

struct sl_subscription *sl_subscription_new(struct sl_service *service,
                                            struct sl_bytes topic,
                                            struct sl_bytes group,
                                            bool from_earliest)
{
    struct sl_subscription *made = sl_alloc(sizeof(*made));

    made->service = service;
    made->topic = sl_strndup(topic.ptr, topic.len);
    made->group = sl_strndup(group.ptr, group.len);
    made->from_earliest = from_earliest;
    for (size_t i = 0; i < MEMBER_WORDS; i++)
        snprintf(made->member + i * 8, 9, "%08" PRIx32, arc4random());
    atomic_init(&made->owners, 1);
    return made;
}

struct sl_subscription *
sl_subscription_ref(struct sl_subscription *subscription)
{
    atomic_fetch_add_explicit(&subscription->owners, 1, memory_order_relaxed);
    return subscription;
}

void sl_subscription_unref(struct sl_subscription *subscription)
{
    if (atomic_fetch_sub_explicit(&subscription->owners, 1,
                                  memory_order_acq_rel) != 1)
        return;
    free(subscription->topic);
    free(subscription->group);
    free(subscription);
}

static int64_t part_of_lease(const struct sl_subscription *subscription,
                             int parts)
{
    const struct sl_pubsub_config *config =
        sl_service_config(subscription->service);

    return config->lease_ms / parts;
}

/* Once the group does not know the member, every call of it says so. */
static int64_t on_renewed(void *owner, const void *answer)
{
    enum sl_status status = ((const struct sl_answer *)answer)->err.status;

    if (status == SL_CONFLICT)
        return -1;
    return part_of_lease(owner, status == SL_OK ? RENEWALS_PER_LEASE
                                                : RETRIES_PER_LEASE);
}

static void on_heartbeat_end(void *owner)
{
    sl_subscription_unref(owner);
}

void sl_subscription_begun(struct sl_subscription *subscription)
{
    const struct sl_pubsub_request renew =
        sl_subscription_request(subscription, SL_PUBSUB_RENEW);

    subscription->begun = true;
    subscription->heartbeat = sl_heartbeat_start(
        subscription->service, &renew,
        part_of_lease(subscription, RENEWALS_PER_LEASE), on_renewed,
        on_heartbeat_end, sl_subscription_ref(subscription));
}

void sl_subscription_free(struct sl_subscription *subscription)
{
    if (subscription == NULL)
        return;
    sl_heartbeat_stop(subscription->heartbeat);
    if (subscription->begun) {
        const struct sl_pubsub_request leave =
            sl_subscription_request(subscription, SL_PUBSUB_LEAVE);
        sl_service_post(subscription->service, NULL, &leave, 1);
    }
    sl_subscription_unref(subscription);
}

struct sl_pubsub_request
sl_subscription_request(const struct sl_subscription *subscription,
                        enum sl_pubsub_verb verb)
{
    return (struct sl_pubsub_request){
        .verb = verb,
        .topic = sl_bytes_of(subscription->topic),
        .group = sl_bytes_of(subscription->group),
        .member = sl_bytes_of(subscription->member),
        .from_earliest = subscription->from_earliest,
    };
}
