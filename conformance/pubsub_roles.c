/* SPDX-License-Identifier: Apache-2.0 */
/* Two members of one group, one after the other. */
#include <stddef.h>

#include "guest.h"
#include "pubsub_cases.h"

enum { PATIENCE_MS = 600000 };

static void hold(struct resource *resource, bool stay)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    (void)stay;
    pubsub_put(resource, "key", "held");
    (void)pubsub_take(subscription);
}

/* The end of the holder gave the event back, and its keys; or, where it was
 * killed, that of its lease. */
static void find(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    static struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    size_t count;

    OK(pubsub_receive(subscription, 1, PATIENCE_MS, deliveries, &count));
    CHECK(count == 1);
    CHECK(bytes_equal(pubsub_get(deliveries[0])->payload, TEXT("held")));
    OK(pubsub_acknowledge(deliveries[0]));
    pubsub_leave(subscription);
}

/* holds: pubsub-33 pubsub-34 */
const struct suite_roles suite_roles = {hold, find, NULL, NULL};
