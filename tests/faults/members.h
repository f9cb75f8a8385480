/* SPDX-License-Identifier: Apache-2.0 */
/* Members of groups, for the tests of every service of topics.  The group has
 * its topic's name. */
#ifndef TEST_FAULTS_MEMBERS_H
#define TEST_FAULTS_MEMBERS_H

#include "faults/faults.h"
#include "pubsub/driver.h"

/* From the earliest event on; NULL where that does not work: err. */
struct sl_subscription *member_try_to_join(struct test_store *store,
                                           const char *topic,
                                           struct sl_error *err);
/* It must work. */
struct sl_subscription *member_join(struct test_store *store,
                                    const char *topic);

enum { MEMBER_LIMIT_MAX = 20 };

/* How a test receives. */
struct member_way {
    size_t limit; /* events at once */
    /* Whether to acknowledge it; then, what came of that (may be NULL). */
    bool (*received)(const struct sl_delivery *event);
    void (*settled)(const struct sl_delivery *event, enum sl_status status);
};

/*
 * Receive and acknowledge some, once; how many, in *count.  An event that is no
 * more the member's is no failure.
 */
struct sl_error member_receive(struct test_store *store,
                               const struct sl_subscription *member,
                               const struct member_way *way, uint64_t wait_ms,
                               size_t *count);

/* For a write of traffic: by a member of the writer's own, which joins anew
 * where the group does not know it any more. */
enum sl_status member_consume(const struct fault_traffic *traffic, int writer,
                              const char *topic, const struct member_way *way);
/* Behind the traffic, while its store is open. */
void members_leave(void);

#endif
