/* SPDX-License-Identifier: Apache-2.0 */
/* Queues, for a consumer. */
#include "trigger/consumer_kind.h"

static union sl_consumer_request
receive_messages(const struct sl_manifest_trigger *trigger,
                 struct sl_subscription *subscription, uint32_t limit)
{
    (void)subscription;
    return (union sl_consumer_request){
        .mq = {.verb = SL_MQ_RECEIVE,
               .limit = limit,
               .wait_ms = SL_CONSUMER_WAIT_MS,
               .has_visibility = true,
               .visibility_ms =
                   (uint64_t)trigger->timeout_ms + SL_CONSUMER_SPARE_MS}};
}

static struct sl_deliveries *received_messages(union sl_consumer_answer *answer)
{
    return &answer->mq.deliveries;
}

/* A handler may say more than a dead letter holds; cut before a character. */
static struct sl_bytes cut_text(struct sl_bytes text, size_t most)
{
    if (text.len <= most)
        return text;
    while (most > 0 && (text.ptr[most] & 0xc0) == 0x80)
        most--;
    return SL_BYTES(text.ptr, most);
}

static union sl_consumer_request
settle_message(const struct sl_manifest_trigger *trigger,
               struct sl_subscription *subscription,
               const struct sl_delivery *delivery,
               const struct sl_settlement *settlement)
{
    static const enum sl_mq_verb verbs[] = {
        [SL_VERDICT_DONE] = SL_MQ_COMPLETE,
        [SL_VERDICT_RETRY] = SL_MQ_ABANDON,
        [SL_VERDICT_DEAD_LETTER] = SL_MQ_DEAD_LETTER,
        [SL_VERDICT_DISCARD] = SL_MQ_COMPLETE,
    };
    union sl_consumer_request request = {
        .mq = sl_mq_request_for(delivery, verbs[settlement->verdict])};

    (void)trigger;
    (void)subscription;
    if (settlement->verdict == SL_VERDICT_RETRY)
        request.mq.delay_ms = settlement->delay_ms;
    if (settlement->verdict == SL_VERDICT_DEAD_LETTER)
        request.mq.reason = cut_text(settlement->reason, SL_MQ_REASON_MAX);
    return request;
}

const struct sl_consumer_kind sl_consumer_mq = {
    .handler = SL_BRIDGE_HANDLER_MQ,
    .limit_max = SL_MQ_RECEIVE_MAX,
    .receive = receive_messages,
    .received = received_messages,
    .settle = settle_message,
};
