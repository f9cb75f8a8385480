/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery: a message of a queue, or an event of a topic, that a service gave
 * to a receiver, who settles it.
 */
#ifndef SL_SERVICE_DELIVERY_H
#define SL_SERVICE_DELIVERY_H

#include "base/bytes.h"

/* All that it points to stands in the same block: sl_delivery_free.  The bridge
 * mirrors this struct. */
struct sl_delivery {
    struct sl_bytes topic; /* of an event; a message has none */
    struct sl_bytes id;
    struct sl_bytes payload;
    /* Deliveries with the same key keep their order: the group of a message,
     * the key of an event.  ptr NULL: none. */
    struct sl_bytes key;
    const struct sl_pair *attributes;
    size_t attribute_count;
    struct sl_bytes receipt; /* names this delivery to the service */
    uint64_t sent_at_ms;     /* since 1970, by the service's clock */
    uint32_t delivery_count; /* this one included */
};

/* A copy of a delivery, which may borrow.  NULL: no memory. */
struct sl_delivery *sl_delivery_copy(const struct sl_delivery *delivery);
void sl_delivery_free(struct sl_delivery *delivery);
/* What it holds beside the struct. */
size_t sl_delivery_bytes(const struct sl_delivery *delivery);

/* The deliveries of an answer.  The bridge mirrors this struct. */
struct sl_deliveries {
    struct sl_delivery **items; /* NULL: it was taken */
    size_t count;
    struct sl_held memory; /* of items */
};

enum {
    /* Payloads in one answer; the first one may have more. */
    SL_DELIVERIES_BYTES_MAX = 64 << 20,
};

struct sl_op;

/*
 * For capabilities: add a copy of a delivery to the deliveries of op's answer.
 * False, and it was not added: there are `most`, or SL_DELIVERIES_BYTES_MAX; or
 * there is no memory, which fails op where it is the first.
 */
SL_MUST_CHECK bool sl_deliveries_add(struct sl_op *op,
                                     struct sl_deliveries *deliveries,
                                     const struct sl_delivery *delivery,
                                     size_t most);

/* Take one, which is the caller's to free.  NULL: there are no so many, or it
 * was taken. */
struct sl_delivery *sl_deliveries_take(struct sl_deliveries *deliveries,
                                       size_t index);

#endif
