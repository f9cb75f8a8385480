/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries, in one block each, and the answers that hold some. */
#include "service/delivery.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/tsan_boundary.h"
#include "service/attributes.h"
#include "service/driver.h"

/* What the memory of an answer is. */
struct batch {
    size_t bytes; /* of payloads */
    size_t count;
    struct sl_delivery *items[];
};

size_t sl_delivery_bytes(const struct sl_delivery *delivery)
{
    return delivery->topic.len + delivery->id.len + delivery->payload.len +
           delivery->key.len + delivery->receipt.len +
           sl_attributes_bytes(delivery->attributes, delivery->attribute_count);
}

static const struct sl_request_field delivery_fields[] = {
    SL_REQUEST_ARRAY(struct sl_delivery, attributes, attribute_count,
                     sl_pair_fields),
    SL_REQUEST_BYTES(struct sl_delivery, topic),
    SL_REQUEST_BYTES(struct sl_delivery, id),
    SL_REQUEST_BYTES(struct sl_delivery, payload),
    SL_REQUEST_BYTES(struct sl_delivery, key),
    SL_REQUEST_BYTES(struct sl_delivery, receipt),
    {0},
};

struct sl_delivery *sl_delivery_copy(const struct sl_delivery *delivery)
{
    uint8_t *block =
        malloc(sizeof(*delivery) + sl_request_bytes(delivery_fields, delivery));

    if (block == NULL)
        return NULL;
    struct sl_delivery *copy = (void *)block;
    uint8_t *tail = block + sizeof(*delivery);
    *copy = *delivery;
    sl_request_copy(delivery_fields, copy, &tail);
    return copy;
}

void sl_delivery_free(struct sl_delivery *delivery)
{
    free(delivery);
}

/* Perhaps called by Rust. */
static void release_batch(void *owner)
{
    SL_CALLED_BY_BRIDGE;
    struct batch *batch = owner;

    for (size_t i = 0; i < batch->count; i++)
        sl_delivery_free(batch->items[i]);
    free(batch);
}

static struct batch *new_batch(struct sl_deliveries *deliveries, size_t most)
{
    struct batch *batch =
        sl_alloc(sizeof(*batch) + most * sizeof(batch->items[0]));

    deliveries->memory.owner = batch;
    deliveries->memory.release = release_batch;
    deliveries->items = batch->items;
    return batch;
}

bool sl_deliveries_add(struct sl_op *op, struct sl_deliveries *deliveries,
                       const struct sl_delivery *delivery, size_t most)
{
    struct batch *batch = deliveries->memory.owner;
    struct sl_error err;

    if (batch != NULL &&
        (batch->count == most ||
         batch->bytes + delivery->payload.len > SL_DELIVERIES_BYTES_MAX))
        return false;
    struct sl_delivery *copy = sl_delivery_copy(delivery);
    if (copy == NULL) {
        sl_fail(&err, SL_TOO_LARGE, "no memory for a payload of %zu bytes",
                delivery->payload.len);
        if (batch == NULL)
            sl_op_fail(op, &err);
        return false;
    }
    if (batch == NULL)
        batch = new_batch(deliveries, most);
    batch->bytes += delivery->payload.len;
    batch->items[batch->count++] = copy;
    deliveries->count = batch->count;
    return true;
}

struct sl_delivery *sl_deliveries_take(struct sl_deliveries *deliveries,
                                       size_t index)
{
    struct sl_delivery *taken = NULL;

    if (index < deliveries->count) {
        taken = deliveries->items[index];
        deliveries->items[index] = NULL;
    }
    return taken;
}
