/* SPDX-License-Identifier: Apache-2.0 */
/* Events: in one block each; and the answers that hold some. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/border.h"
#include "pubsub/driver.h"

/* What the memory of an answer is. */
struct batch {
    size_t bytes; /* of payloads */
    size_t count;
    struct sl_pubsub_event *events[SL_PUBSUB_RECEIVE_MAX];
};

size_t sl_pubsub_event_bytes(const struct sl_pubsub_event *event)
{
    size_t bytes = event->topic.len + event->id.len + event->payload.len +
                   event->key.len + event->receipt.len;

    for (size_t i = 0; i < event->attribute_count; i++)
        bytes += event->attributes[i].name.len + event->attributes[i].value.len;
    return bytes;
}

struct sl_pubsub_event *
sl_pubsub_event_copy(const struct sl_pubsub_event *event)
{
    size_t pairs = event->attribute_count * sizeof(struct sl_pair);
    uint8_t *block =
        malloc(sizeof(*event) + pairs + sl_pubsub_event_bytes(event));

    if (block == NULL)
        return NULL;
    struct sl_pubsub_event *copy = (void *)block;
    struct sl_pair *attributes = (void *)(block + sizeof(*event));
    uint8_t *tail = block + sizeof(*event) + pairs;
    *copy = *event;
    copy->attributes = attributes;
    for (size_t i = 0; i < event->attribute_count; i++) {
        attributes[i].name = sl_copy_bytes(&tail, event->attributes[i].name);
        attributes[i].value = sl_copy_bytes(&tail, event->attributes[i].value);
    }
    copy->topic = sl_copy_bytes(&tail, event->topic);
    copy->id = sl_copy_bytes(&tail, event->id);
    copy->payload = sl_copy_bytes(&tail, event->payload);
    copy->key = sl_copy_bytes(&tail, event->key);
    copy->receipt = sl_copy_bytes(&tail, event->receipt);
    return copy;
}

void sl_pubsub_event_free(struct sl_pubsub_event *event)
{
    free(event);
}

/* Perhaps by Rust. */
static void release(void *owner)
{
    SL_CALLED_BY_BRIDGE;
    struct batch *batch = owner;

    for (size_t i = 0; i < batch->count; i++)
        sl_pubsub_event_free(batch->events[i]);
    free(batch);
}

bool sl_pubsub_answer_add(struct sl_op *op, const struct sl_pubsub_event *event)
{
    struct sl_pubsub_answer *answer = op->answer;
    struct batch *batch = answer->memory.owner;
    struct sl_error err;

    if (batch != NULL &&
        (batch->count == SL_PUBSUB_RECEIVE_MAX ||
         batch->bytes + event->payload.len > SL_PUBSUB_RECEIVE_BYTES))
        return false;
    struct sl_pubsub_event *copy = sl_pubsub_event_copy(event);
    if (copy == NULL) {
        sl_fail(&err, SL_TOO_LARGE, "no memory for a event of %zu bytes",
                event->payload.len);
        if (batch == NULL)
            sl_op_fail(op, &err);
        return false;
    }
    if (batch == NULL) {
        batch = sl_alloc(sizeof(*batch));
        answer->memory.owner = batch;
        answer->memory.release = release;
        answer->events = batch->events;
    }
    batch->bytes += event->payload.len;
    batch->events[batch->count++] = copy;
    answer->event_count = batch->count;
    return true;
}
