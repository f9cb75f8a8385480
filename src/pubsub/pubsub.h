/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics, as the rest of slight uses them: wit/pubsub/pubsub.wit in C.
 *
 * A service of topics is a service (service/service.h) of the capability
 * sl_pubsub.  PUBLISHes and ACKNOWLEDGEs may come many in one call; everything
 * else is one request a call.  A member of a group is a sl_subscription.
 */
#ifndef SL_PUBSUB_PUBSUB_H
#define SL_PUBSUB_PUBSUB_H

#include "base/bytes.h"
#include "service/delivery.h"
#include "service/service.h"

enum {
    SL_PUBSUB_NAME_MAX = 249, /* bytes of a topic, a group; at least 1 */
    SL_PUBSUB_KEY_MAX = 1024,
    SL_PUBSUB_RECEIVE_MAX = 1000,
    SL_PUBSUB_MANY_MAX = 1000, /* requests in a call */
    SL_PUBSUB_DELAY_MAX_MS = 900000,
    SL_PUBSUB_WAIT_MAX_MS = 3600000,
};

enum sl_pubsub_verb {
    SL_PUBSUB_PUBLISH,
    SL_PUBSUB_SUBSCRIBE,
    SL_PUBSUB_RECEIVE,
    SL_PUBSUB_ACKNOWLEDGE,
    SL_PUBSUB_RETURN, /* unacknowledged: back to the group */
    SL_PUBSUB_RENEW,  /* the member lives */
    SL_PUBSUB_LEAVE,
};

enum { SL_PUBSUB_VERB_COUNT = SL_PUBSUB_LEAVE + 1 };

/* What is asked for; the bytes are borrowed until the function that gets them
 * returns.  The bridge mirrors this struct: bridge/slight_bridge.h. */
struct sl_pubsub_request {
    uint32_t verb;         /* enum sl_pubsub_verb; the first member */
    uint32_t limit;        /* RECEIVE */
    struct sl_bytes topic; /* all */
    struct sl_bytes payload;
    struct sl_bytes key; /* PUBLISH; ptr NULL: none */
    const struct sl_pair *attributes;
    size_t attribute_count;
    struct sl_bytes group;   /* all but PUBLISH */
    struct sl_bytes member;  /* all but PUBLISH */
    struct sl_bytes receipt; /* ACKNOWLEDGE, RETURN: of an event */
    uint64_t wait_ms;        /* RECEIVE */
    uint64_t delay_ms;       /* RETURN */
    bool from_earliest;      /* SUBSCRIBE, of a new group */
};

/* The bridge mirrors this struct: bridge/slight_bridge.h. */
struct sl_pubsub_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    struct sl_deliveries deliveries; /* RECEIVE: perhaps none */
};
SL_ASSERT_IS_ANSWER(struct sl_pubsub_answer);

/* The settings of every pubsub resource, beside its driver's own. */
struct sl_pubsub_config {
    struct sl_service_config service;
    int64_t max_payload;
    int64_t lease_ms;
    int64_t retention_ms;
};

extern const struct sl_capability sl_pubsub;

/* --- A member of a group ---------------------------------------------- */

struct sl_subscription;

/*
 * Not a member yet: SUBSCRIBE makes it one, with sl_subscription_request; tell
 * sl_subscription_begun when it has.  The service must outlive it.
 */
struct sl_subscription *sl_subscription_new(struct sl_service *service,
                                            struct sl_bytes topic,
                                            struct sl_bytes group,
                                            bool from_earliest);

/* It is a member now: it is renewed three times per lease until it is freed. */
void sl_subscription_begun(struct sl_subscription *subscription);

/* Leave the group, without waiting for it.  From any thread; NULL is fine. */
void sl_subscription_free(struct sl_subscription *subscription);

/* A request of this member; borrows from it. */
struct sl_pubsub_request
sl_subscription_request(const struct sl_subscription *subscription,
                        enum sl_pubsub_verb verb);

/* For what its events know of it, which may outlive it: its memory stays until
 * as many unrefs. */
struct sl_subscription *
sl_subscription_ref(struct sl_subscription *subscription);
void sl_subscription_unref(struct sl_subscription *subscription);

/* RETURN the events that nobody took of an answer.  Does not wait. */
void sl_pubsub_give_back(struct sl_service *service,
                         const struct sl_pubsub_request *request,
                         const struct sl_pubsub_answer *answer);

#endif
