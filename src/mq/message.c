/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: in one block each; and the answers that hold some. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/border.h"
#include "mq/driver.h"

/* What the memory of an answer is. */
struct batch {
    size_t bytes; /* of payloads */
    size_t count;
    struct sl_mq_message *messages[SL_MQ_RECEIVE_MAX];
};

size_t sl_mq_message_bytes(const struct sl_mq_message *message)
{
    size_t bytes = message->id.len + message->payload.len + message->group.len +
                   message->receipt.len;

    for (size_t i = 0; i < message->attribute_count; i++)
        bytes +=
            message->attributes[i].name.len + message->attributes[i].value.len;
    return bytes;
}

struct sl_mq_message *sl_mq_message_copy(const struct sl_mq_message *message)
{
    size_t pairs = message->attribute_count * sizeof(struct sl_pair);
    uint8_t *block =
        malloc(sizeof(*message) + pairs + sl_mq_message_bytes(message));

    if (block == NULL)
        return NULL;
    struct sl_mq_message *copy = (void *)block;
    struct sl_pair *attributes = (void *)(block + sizeof(*message));
    uint8_t *tail = block + sizeof(*message) + pairs;
    *copy = *message;
    copy->attributes = attributes;
    for (size_t i = 0; i < message->attribute_count; i++) {
        attributes[i].name = sl_copy_bytes(&tail, message->attributes[i].name);
        attributes[i].value =
            sl_copy_bytes(&tail, message->attributes[i].value);
    }
    copy->id = sl_copy_bytes(&tail, message->id);
    copy->payload = sl_copy_bytes(&tail, message->payload);
    copy->group = sl_copy_bytes(&tail, message->group);
    copy->receipt = sl_copy_bytes(&tail, message->receipt);
    return copy;
}

void sl_mq_message_free(struct sl_mq_message *message)
{
    free(message);
}

struct sl_mq_request sl_mq_request_for(const struct sl_mq_message *message,
                                       enum sl_mq_verb verb)
{
    return (struct sl_mq_request){.verb = verb, .receipt = message->receipt};
}

/* Perhaps by Rust. */
static void release(void *owner)
{
    SL_CALLED_BY_BRIDGE;
    struct batch *batch = owner;

    for (size_t i = 0; i < batch->count; i++)
        sl_mq_message_free(batch->messages[i]);
    free(batch);
}

bool sl_mq_answer_add(struct sl_op *op, const struct sl_mq_message *message)
{
    struct sl_mq_answer *answer = op->answer;
    struct batch *batch = answer->memory.owner;
    struct sl_error err;

    if (batch != NULL &&
        (batch->count == SL_MQ_RECEIVE_MAX ||
         batch->bytes + message->payload.len > SL_MQ_RECEIVE_BYTES))
        return false;
    struct sl_mq_message *copy = sl_mq_message_copy(message);
    if (copy == NULL) {
        sl_fail(&err, SL_TOO_LARGE, "no memory for a message of %zu bytes",
                message->payload.len);
        if (batch == NULL)
            sl_op_fail(op, &err);
        return false;
    }
    if (batch == NULL) {
        batch = sl_alloc(sizeof(*batch));
        answer->memory.owner = batch;
        answer->memory.release = release;
        answer->messages = batch->messages;
    }
    batch->bytes += message->payload.len;
    batch->messages[batch->count++] = copy;
    answer->message_count = batch->count;
    return true;
}

/* --- Dead letters ------------------------------------------------------- */

bool sl_mq_answer_add_dead(struct sl_op *op, struct sl_mq_message *message,
                           const struct sl_mq_burial *burial)
{
    char text[SL_MQ_PLACE_MAX + 32 + SL_MQ_REASON_MAX];

    int len = snprintf(text, sizeof(text), "%.*s %" PRIu64 " %.*s",
                       (int)burial->place.len, (const char *)burial->place.ptr,
                       burial->died_at_ms, (int)burial->reason.len,
                       burial->reason.len > 0 ? (const char *)burial->reason.ptr
                                              : "");
    message->receipt = SL_BYTES(
        text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    return sl_mq_answer_add(op, message);
}

static bool take_word(struct sl_bytes *text, struct sl_bytes *word)
{
    const uint8_t *space =
        text->len == 0 ? NULL : memchr(text->ptr, ' ', text->len);

    if (space == NULL)
        return false;
    *word = SL_BYTES(text->ptr, (size_t)(space - text->ptr));
    *text = SL_BYTES(space + 1, text->len - word->len - 1);
    return true;
}

bool sl_mq_read_burial(struct sl_bytes receipt, struct sl_mq_burial *out)
{
    struct sl_bytes died;
    int64_t at;

    if (!take_word(&receipt, &out->place) || !take_word(&receipt, &died) ||
        !sl_bytes_to_integer(died, &at) || at < 0)
        return false;
    out->died_at_ms = (uint64_t)at;
    out->reason = receipt;
    return true;
}
