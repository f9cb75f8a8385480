/* SPDX-License-Identifier: Apache-2.0 */
/* Queues and topics, for a consumer. */
#include "trigger/consumer.h"

/* --- Queues ------------------------------------------------------------- */

static union sl_consumer_request
mq_receive(const struct sl_manifest_trigger *trigger,
           struct sl_subscription *member, uint32_t limit)
{
    (void)member;
    return (union sl_consumer_request){
        .mq = {.verb = SL_MQ_RECEIVE,
               .limit = limit,
               .wait_ms = SL_CONSUMER_WAIT_MS,
               .has_visibility = true,
               .visibility_ms =
                   (uint64_t)trigger->timeout_ms + SL_CONSUMER_SPARE_MS}};
}

static bool mq_take(union sl_consumer_answer *answer, size_t index,
                    union sl_consumer_item *item)
{
    if (index >= answer->mq.message_count)
        return false;
    item->message = answer->mq.messages[index];
    answer->mq.messages[index] = NULL;
    return true;
}

static void mq_handle(struct sl_bridge_program *program,
                      struct sl_bytes resource, union sl_consumer_item item,
                      sl_bridge_done_fn *done, void *context)
{
    sl_bridge_program_handle_message(program, resource, item.message, done,
                                     context);
}

/* A handler may say more than a dead letter holds; cut before a character. */
static struct sl_bytes cut(struct sl_bytes text, size_t most)
{
    if (text.len <= most)
        return text;
    while (most > 0 && (text.ptr[most] & 0xc0) == 0x80)
        most--;
    return SL_BYTES(text.ptr, most);
}

static union sl_consumer_request
mq_settle(const struct sl_manifest_trigger *trigger,
          struct sl_subscription *member, union sl_consumer_item item,
          enum sl_verdict verdict, struct sl_bytes reason, uint64_t delay_ms,
          bool *then_done)
{
    static const enum sl_mq_verb verbs[] = {
        [SL_VERDICT_DONE] = SL_MQ_COMPLETE,
        [SL_VERDICT_RETRY] = SL_MQ_ABANDON,
        [SL_VERDICT_REJECT] = SL_MQ_DEAD_LETTER,
    };
    union sl_consumer_request request = {
        .mq = sl_mq_request_for(item.message, verbs[verdict])};

    (void)trigger;
    (void)member;
    if (verdict == SL_VERDICT_RETRY)
        request.mq.delay_ms = delay_ms;
    if (verdict == SL_VERDICT_REJECT)
        request.mq.reason = cut(reason, SL_MQ_REASON_MAX);
    *then_done = false;
    return request;
}

static uint32_t mq_deliveries(union sl_consumer_item item)
{
    return item.message->delivery_count;
}

static struct sl_bytes mq_id(union sl_consumer_item item)
{
    return item.message->id;
}

static void mq_free(union sl_consumer_item item)
{
    sl_mq_message_free(item.message);
}

const struct sl_consumer_kind sl_consumer_mq = {
    .receive = mq_receive,
    .take = mq_take,
    .handle = mq_handle,
    .settle = mq_settle,
    .deliveries = mq_deliveries,
    .id = mq_id,
    .free = mq_free,
    .limit_max = SL_MQ_RECEIVE_MAX,
};

/* --- Topics ------------------------------------------------------------- */

static union sl_consumer_request
pubsub_receive(const struct sl_manifest_trigger *trigger,
               struct sl_subscription *member, uint32_t limit)
{
    union sl_consumer_request request = {
        .pubsub = sl_subscription_request(member, SL_PUBSUB_RECEIVE)};

    (void)trigger;
    request.pubsub.limit = limit;
    request.pubsub.wait_ms = SL_CONSUMER_WAIT_MS;
    return request;
}

static bool pubsub_take(union sl_consumer_answer *answer, size_t index,
                        union sl_consumer_item *item)
{
    if (index >= answer->pubsub.event_count)
        return false;
    item->event = answer->pubsub.events[index];
    answer->pubsub.events[index] = NULL;
    return true;
}

static void pubsub_handle(struct sl_bridge_program *program,
                          struct sl_bytes resource, union sl_consumer_item item,
                          sl_bridge_done_fn *done, void *context)
{
    sl_bridge_program_handle_event(program, resource, item.event, done,
                                   context);
}

static union sl_consumer_request
pubsub_settle(const struct sl_manifest_trigger *trigger,
              struct sl_subscription *member, union sl_consumer_item item,
              enum sl_verdict verdict, struct sl_bytes reason,
              uint64_t delay_ms, bool *then_done)
{
    const struct sl_pubsub_event *event = item.event;
    bool dead = verdict == SL_VERDICT_REJECT && trigger->dead_letter != NULL;
    union sl_consumer_request request;

    (void)reason;
    *then_done = dead;
    if (dead)
        return (union sl_consumer_request){
            .pubsub = {.verb = SL_PUBSUB_PUBLISH,
                       .topic = sl_bytes_of(trigger->dead_letter),
                       .payload = event->payload,
                       .key = event->key,
                       .attributes = event->attributes,
                       .attribute_count = event->attribute_count}};
    /* What is rejected is not tried again, and holds up no other event: it has
     * nowhere to go, so it is acknowledged. */
    request.pubsub = sl_subscription_request(
        member,
        verdict == SL_VERDICT_RETRY ? SL_PUBSUB_RETURN : SL_PUBSUB_ACKNOWLEDGE);
    request.pubsub.receipt = event->receipt;
    request.pubsub.delay_ms = verdict == SL_VERDICT_RETRY ? delay_ms : 0;
    return request;
}

static uint32_t pubsub_deliveries(union sl_consumer_item item)
{
    return item.event->delivery_count;
}

static struct sl_bytes pubsub_id(union sl_consumer_item item)
{
    return item.event->id;
}

static void pubsub_free(union sl_consumer_item item)
{
    sl_pubsub_event_free(item.event);
}

const struct sl_consumer_kind sl_consumer_pubsub = {
    .receive = pubsub_receive,
    .take = pubsub_take,
    .handle = pubsub_handle,
    .settle = pubsub_settle,
    .deliveries = pubsub_deliveries,
    .id = pubsub_id,
    .free = pubsub_free,
    .limit_max = SL_PUBSUB_RECEIVE_MAX,
};
