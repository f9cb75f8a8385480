/* SPDX-License-Identifier: Apache-2.0 */
/* Topics, for a consumer. */
#include "trigger/consumer_kind.h"

static union sl_consumer_request
receive_events(const struct sl_manifest_trigger *trigger,
               struct sl_subscription *subscription, uint32_t limit)
{
    union sl_consumer_request request = {
        .pubsub = sl_subscription_request(subscription, SL_PUBSUB_RECEIVE)};

    (void)trigger;
    request.pubsub.limit = limit;
    request.pubsub.wait_ms = SL_CONSUMER_WAIT_MS;
    return request;
}

static struct sl_deliveries *received_events(union sl_consumer_answer *answer)
{
    return &answer->pubsub.deliveries;
}

static union sl_consumer_request
publish_dead_letter(const struct sl_manifest_trigger *trigger,
                    const struct sl_delivery *event)
{
    return (union sl_consumer_request){
        .pubsub = {.verb = SL_PUBSUB_PUBLISH,
                   .topic = sl_bytes_of(trigger->dead_letter),
                   .payload = event->payload,
                   .key = event->key,
                   .attributes = event->attributes,
                   .attribute_count = event->attribute_count}};
}

static union sl_consumer_request
settle_event(const struct sl_manifest_trigger *trigger,
             struct sl_subscription *subscription,
             const struct sl_delivery *delivery,
             const struct sl_settlement *settlement)
{
    bool is_retry = settlement->verdict == SL_VERDICT_RETRY;
    union sl_consumer_request request;

    if (settlement->verdict == SL_VERDICT_DEAD_LETTER)
        return publish_dead_letter(trigger, delivery);
    request.pubsub = sl_subscription_request(
        subscription, is_retry ? SL_PUBSUB_RETURN : SL_PUBSUB_ACKNOWLEDGE);
    request.pubsub.receipt = delivery->receipt;
    request.pubsub.delay_ms = is_retry ? settlement->delay_ms : 0;
    return request;
}

const struct sl_consumer_kind sl_consumer_pubsub = {
    .handler = SL_BRIDGE_HANDLER_PUBSUB,
    .limit_max = SL_PUBSUB_RECEIVE_MAX,
    .publishes_dead_letters = true,
    .receive = receive_events,
    .received = received_events,
    .settle = settle_event,
};
