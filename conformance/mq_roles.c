/* SPDX-License-Identifier: Apache-2.0 */
/* Two instances of one queue. */
#include <stddef.h>

#include "guest.h"
#include "mq_cases.h"

enum { PATIENCE_MS = 600000 };

static void hold(struct resource *resource, bool stay)
{
    mq_put(resource, "held");
    (void)mq_take(resource, stay ? MQ_VISIBILITY_MIN_MS : MQ_VISIBILITY_MAX_MS);
}

/* The end of the holder abandoned it; or, where it was killed, that of the time
 * for which it was hidden. */
static void find(struct resource *resource)
{
    const struct receive receive = {.limit = 1, .wait_ms = PATIENCE_MS};
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    OK(mq_receive(resource, receive, messages, &count));
    CHECK(count == 1);
    CHECK(bytes_equal(mq_get(messages[0])->payload, TEXT("held")));
    OK(mq_complete(messages[0]));
}

/* holds: mq-41 */
const struct suite_roles suite_roles = {hold, find, NULL, NULL};
