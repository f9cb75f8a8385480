/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub_cases.h over the bindings of slight:pubsub; and what only a guest can
 * do. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "pubsub_cases.h"

struct resource {
    slight_pubsub_topics_own_broker_t broker;
};

struct subscription {
    slight_pubsub_topics_own_subscription_t handle;
};

struct delivery {
    slight_pubsub_topics_own_delivery_t handle;
    slight_pubsub_topics_event_t got;
    struct event event;
    struct bytes key;
};

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t string = string_of(bytes_of(name));
    slight_pubsub_topics_own_broker_t broker;
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_static_broker_open(&string, &broker, &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->broker = broker;
    return WORKED;
}

void suite_close(struct resource *resource)
{
    slight_pubsub_topics_broker_drop_own(resource->broker);
    free(resource);
}

static slight_pubsub_topics_borrow_broker_t borrow(struct resource *resource)
{
    return slight_pubsub_topics_borrow_broker(resource->broker);
}

/* The pairs of a case are those of the bindings, in other words. */
_Static_assert(sizeof(struct pair) == sizeof(command_tuple2_string_string_t),
               "not the same pairs");

static command_list_u8_t list_of(struct bytes bytes)
{
    return (command_list_u8_t){.ptr = (uint8_t *)(uintptr_t)bytes.ptr,
                               .len = bytes.len};
}

static slight_pubsub_topics_outgoing_t outgoing_of(const struct outgoing *event)
{
    slight_pubsub_topics_outgoing_t outgoing = {
        .payload = list_of(event->payload),
        .attributes = {.ptr = (void *)(uintptr_t)event->attributes,
                       .len = event->attribute_count},
    };

    outgoing.key.is_some = event->key != NULL;
    if (event->key != NULL)
        outgoing.key.val = list_of(*event->key);
    return outgoing;
}

enum status pubsub_publish(struct resource *resource, struct bytes topic,
                           struct outgoing event)
{
    slight_pubsub_topics_outgoing_t outgoing = outgoing_of(&event);
    command_string_t string = string_of(topic);
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_method_broker_publish(borrow(resource), &string,
                                                    &outgoing, &error))
        return failed(&error);
    return WORKED;
}

enum status pubsub_publish_many(struct resource *resource, struct bytes topic,
                                const struct outgoing events[], size_t count,
                                enum status each[])
{
    slight_pubsub_topics_outgoing_t *all =
        must(calloc(count + 1, sizeof(*all)));
    slight_pubsub_topics_list_outgoing_t list = {.ptr = all, .len = count};
    slight_pubsub_topics_list_result_void_error_t results;
    command_string_t string = string_of(topic);
    slight_types_errors_error_t error;

    for (size_t i = 0; i < count; i++)
        all[i] = outgoing_of(&events[i]);
    bool worked = slight_pubsub_topics_method_broker_publish_many(
        borrow(resource), &string, &list, &results, &error);
    free(all);
    if (!worked)
        return failed(&error);
    CHECK(results.len == count);
    for (size_t i = 0; i < count; i++)
        each[i] = results.ptr[i].is_err
                      ? (enum status)(results.ptr[i].val.err.code + 1)
                      : WORKED;
    slight_pubsub_topics_list_result_void_error_free(&results);
    return WORKED;
}

enum status pubsub_subscribe(struct resource *resource, struct bytes topic,
                             struct bytes group, bool earliest,
                             struct subscription **subscription)
{
    slight_pubsub_topics_subscribe_options_t options = {
        .topic = string_of(topic),
        .group = string_of(group),
        .start = earliest ? SLIGHT_PUBSUB_TOPICS_START_EARLIEST
                          : SLIGHT_PUBSUB_TOPICS_START_LATEST,
    };
    slight_pubsub_topics_own_subscription_t handle;
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_method_broker_subscribe(
            borrow(resource), &options, &handle, &error))
        return failed(&error);
    *subscription = must(malloc(sizeof(**subscription)));
    (*subscription)->handle = handle;
    return WORKED;
}

void pubsub_leave(struct subscription *subscription)
{
    slight_pubsub_topics_subscription_drop_own(subscription->handle);
    free(subscription);
}

static struct bytes bytes_in(command_string_t string)
{
    return (struct bytes){(const uint8_t *)string.ptr, string.len};
}

static struct delivery *delivery_of(slight_pubsub_topics_own_delivery_t handle)
{
    struct delivery *delivery = must(calloc(1, sizeof(*delivery)));
    slight_pubsub_topics_event_t *got = &delivery->got;

    delivery->handle = handle;
    slight_pubsub_topics_method_delivery_get(
        slight_pubsub_topics_borrow_delivery(handle), got);
    delivery->event = (struct event){
        .topic = bytes_in(got->topic),
        .id = bytes_in(got->id),
        .payload = {got->payload.ptr, got->payload.len},
        .attributes = (const struct pair *)(const void *)got->attributes.ptr,
        .attribute_count = got->attributes.len,
        .published_at_ms = got->published_at_ms,
    };
    if (got->key.is_some) {
        delivery->key = (struct bytes){got->key.val.ptr, got->key.val.len};
        delivery->event.key = &delivery->key;
    }
    return delivery;
}

enum status pubsub_receive(struct subscription *subscription, uint32_t limit,
                           uint64_t wait_ms, struct delivery *deliveries[],
                           size_t *count)
{
    slight_pubsub_topics_list_own_delivery_t list;
    slight_types_errors_error_t error;

    *count = 0;
    if (!slight_pubsub_topics_method_subscription_receive(
            slight_pubsub_topics_borrow_subscription(subscription->handle),
            limit, wait_ms, &list, &error))
        return failed(&error);
    for (size_t i = 0; i < list.len; i++)
        deliveries[i] = delivery_of(list.ptr[i]);
    *count = list.len;
    free(list.ptr);
    return WORKED;
}

const struct event *pubsub_get(struct delivery *delivery)
{
    return &delivery->event;
}

enum status delivery_acknowledge(struct delivery *delivery)
{
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_method_delivery_acknowledge(
            slight_pubsub_topics_borrow_delivery(delivery->handle), &error))
        return failed(&error);
    return WORKED;
}

void pubsub_drop(struct delivery *delivery)
{
    slight_pubsub_topics_delivery_drop_own(delivery->handle);
    slight_pubsub_topics_event_free(&delivery->got);
    free(delivery);
}

/* --- What only a guest can do ------------------------------------------- */

static void only_what_is_granted(struct resource *resource)
{
    check_grants();
    pubsub_put(resource, NULL, "text");
}

static void two_brokers(struct resource *resource)
{
    struct subscription *here = pubsub_join(resource, "g", false);
    struct resource *other;

    OK(suite_open("other", &other));
    struct subscription *there = pubsub_join(other, "g", false);
    pubsub_put(other, NULL, "there");
    suite_close(other); /* the subscription is its own */
    OK(pubsub_acknowledge(pubsub_expect(there, "there")));
    pubsub_expect_none(here);
    pubsub_leave(there);
    pubsub_leave(here);
}

/* What does not fit into the table of handles stays the group's. */
static void too_many_handles(struct resource *resource)
{
    enum { MOST = 1022 }; /* the broker has one, the subscription another */
    static struct delivery *deliveries[MOST + PUBSUB_RECEIVE_MAX];
    struct subscription *subscription = pubsub_join(resource, "g", false);
    enum status status = WORKED;
    size_t count = 0, more = 1;

    for (int i = 0; i < MOST + 1; i++)
        pubsub_put(resource, NULL, "text");
    /* They may come in several pieces; one of them does not fit. */
    while (status == WORKED && more > 0) {
        status = pubsub_receive(subscription, PUBSUB_RECEIVE_MAX, 5000,
                                deliveries + count, &more);
        count += status == WORKED ? more : 0;
    }
    CHECK(status == RESOURCE_EXHAUSTED);
    CHECK(count > 0 && count <= MOST);
    for (size_t i = 0; i < count; i++)
        OK(pubsub_acknowledge(deliveries[i]));
    for (size_t left = MOST + 1 - count; left > 0; left--)
        OK(pubsub_acknowledge(pubsub_take(subscription)));
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

/* As many handles as the host allows, beside the broker's. */
static size_t open_all(struct resource *others[], size_t most)
{
    size_t count = 0;

    while (count < most && suite_open("store", &others[count]) == WORKED)
        count++;
    return count;
}

static void no_handle_for_a_subscription(struct resource *resource)
{
    enum { MOST = 100000 };
    static struct resource *others[MOST];
    struct subscription *subscription;
    size_t count = open_all(others, MOST);

    CHECK(count >= 1023);
    if (count < MOST) {
        CHECK(last_failure()->status == RESOURCE_EXHAUSTED);
        FAILS(pubsub_subscribe(resource, pubsub_topic(), pubsub_group("g"),
                               false, &subscription),
              RESOURCE_EXHAUSTED);
    }
    for (size_t i = 0; i < count; i++)
        suite_close(others[i]);
    subscription = pubsub_join(resource, "g", false);
    pubsub_put(resource, NULL, "text");
    OK(pubsub_acknowledge(pubsub_expect(subscription, "text")));
    pubsub_leave(subscription);
}

const struct suite_case pubsub_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted,
     .holds = "pubsub-27"},
    {"two brokers are two", PUBSUB_NEEDS_SUBSCRIBE, two_brokers,
     .holds = "pubsub-52"},
    {"a thousand events, and no more", PUBSUB_NEEDS_SUBSCRIBE, too_many_handles,
     .holds = "pubsub-38"},
    {"no handle for a subscription", PUBSUB_NEEDS_SUBSCRIBE,
     no_handle_for_a_subscription, .holds = "pubsub-28 pubsub-51"},
    {0},
};
