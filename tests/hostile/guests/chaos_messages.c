/* SPDX-License-Identifier: Apache-2.0 */
/* Queues and topics. */
#include "chaos.h"

static void drop_queue(int32_t handle)
{
    slight_mq_queue_queue_drop_own((slight_mq_queue_own_queue_t){handle});
}

static void drop_message(int32_t handle)
{
    slight_mq_queue_message_drop_own((slight_mq_queue_own_message_t){handle});
}

static void drop_broker(int32_t handle)
{
    slight_pubsub_topics_broker_drop_own(
        (slight_pubsub_topics_own_broker_t){handle});
}

static void drop_subscription(int32_t handle)
{
    slight_pubsub_topics_subscription_drop_own(
        (slight_pubsub_topics_own_subscription_t){handle});
}

static void drop_delivery(int32_t handle)
{
    slight_pubsub_topics_delivery_drop_own(
        (slight_pubsub_topics_own_delivery_t){handle});
}

static struct chaos_handles queues = {.drop = drop_queue};
static struct chaos_handles messages = {.drop = drop_message};
static struct chaos_handles brokers = {.drop = drop_broker};
static struct chaos_handles subscriptions = {.drop = drop_subscription};
static struct chaos_handles deliveries = {.drop = drop_delivery};

static bool any_queue(slight_mq_queue_borrow_queue_t *queue)
{
    slight_mq_queue_own_queue_t opened;
    slight_mq_queue_error_t error;
    http_string_t name;

    http_string_set(&name, "jobs");
    if (queues.count == 0 &&
        slight_mq_queue_static_queue_open(&name, &opened, &error))
        chaos_keep(&queues, opened.__handle);
    return chaos_any(&queues, &queue->__handle);
}

/* The attributes of mq and of pubsub have the same shape. */
static slight_mq_types_attributes_t attributes(void)
{
    slight_mq_types_attributes_t all = {.len = chaos_count()};

    all.ptr = chaos_new(all.len, sizeof(*all.ptr));
    for (size_t i = 0; i < all.len; i++)
        all.ptr[i] = (http_tuple2_string_string_t){chaos_text(), chaos_text()};
    return all;
}

static slight_mq_queue_outgoing_t outgoing(void)
{
    return (slight_mq_queue_outgoing_t){
        .payload = chaos_bytes(),
        .attributes = attributes(),
        .delay_ms = chaos_maybe_ms(),
        .group = {.is_some = chaos_once_in(3), .val = chaos_text()},
        .deduplication_id = {.is_some = chaos_once_in(3), .val = chaos_text()}};
}

static void send(void)
{
    slight_mq_queue_outgoing_t message = outgoing();
    slight_mq_queue_borrow_queue_t queue;
    slight_mq_queue_error_t error;
    http_string_t id;

    if (any_queue(&queue))
        (void)slight_mq_queue_method_queue_send(queue, &message, &id, &error);
}

static void send_many(void)
{
    slight_mq_queue_list_outgoing_t list = {.len = chaos_count()};
    slight_mq_queue_list_result_string_error_t results;
    slight_mq_queue_outgoing_t same = outgoing();
    slight_mq_queue_borrow_queue_t queue;
    slight_mq_queue_error_t error;

    list.ptr = chaos_new(list.len, sizeof(*list.ptr));
    for (size_t i = 0; i < list.len; i++)
        list.ptr[i] = same;
    if (any_queue(&queue))
        (void)slight_mq_queue_method_queue_send_many(queue, &list, &results,
                                                     &error);
}

static void receive(void)
{
    slight_mq_queue_receive_options_t options = {.limit = chaos_below(20),
                                                 .wait_ms = chaos_below(5),
                                                 .visibility_ms =
                                                     chaos_maybe_ms()};
    slight_mq_queue_borrow_queue_t queue;
    slight_mq_queue_list_own_message_t list;
    slight_mq_queue_error_t error;
    uint64_t depth;

    if (!any_queue(&queue))
        return;
    (void)slight_mq_queue_method_queue_depth(queue, &depth, &error);
    if (slight_mq_queue_method_queue_receive(queue, &options, &list, &error))
        for (size_t i = 0; i < list.len; i++)
            chaos_keep(&messages, list.ptr[i].__handle);
}

static void look_at_message(void)
{
    slight_mq_queue_borrow_message_t message;
    slight_mq_queue_delivery_t delivery;
    slight_mq_queue_error_t error;

    if (!chaos_any(&messages, &message.__handle))
        return;
    slight_mq_queue_method_message_get(message, &delivery);
    (void)slight_mq_queue_method_message_extend(message, chaos_ms(), &error);
}

/* Twice at times, and what is settled is kept at times. */
static void settle(void)
{
    http_string_t reason = chaos_text();
    slight_mq_queue_borrow_message_t message;
    slight_mq_queue_error_t error;
    int32_t handle;

    if (chaos_once_in(4) && chaos_take(&messages, &handle))
        drop_message(handle);
    if (!chaos_any(&messages, &message.__handle))
        return;
    switch (chaos_below(3)) {
    case 0:
        (void)slight_mq_queue_method_message_abandon(message, chaos_ms(),
                                                     &error);
        return;
    case 1:
        (void)slight_mq_queue_method_message_dead_letter(message, &reason,
                                                         &error);
        return;
    default:
        (void)slight_mq_queue_method_message_complete(message, &error);
    }
}

static bool any_broker(slight_pubsub_topics_borrow_broker_t *broker)
{
    slight_pubsub_topics_own_broker_t opened;
    slight_pubsub_topics_error_t error;
    http_string_t name;

    http_string_set(&name, "events");
    if (brokers.count == 0 &&
        slight_pubsub_topics_static_broker_open(&name, &opened, &error))
        chaos_keep(&brokers, opened.__handle);
    return chaos_any(&brokers, &broker->__handle);
}

static slight_pubsub_topics_outgoing_t event(void)
{
    slight_mq_types_attributes_t all = attributes();

    return (slight_pubsub_topics_outgoing_t){
        .payload = chaos_bytes(),
        .key = {.is_some = chaos_once_in(2), .val = chaos_bytes()},
        .attributes = {all.ptr, all.len}};
}

static void publish(void)
{
    slight_pubsub_topics_outgoing_t message = event();
    slight_pubsub_topics_borrow_broker_t broker;
    slight_pubsub_topics_error_t error;
    http_string_t topic = chaos_text();

    if (any_broker(&broker))
        (void)slight_pubsub_topics_method_broker_publish(broker, &topic,
                                                         &message, &error);
}

static void publish_many(void)
{
    slight_pubsub_topics_list_outgoing_t list = {.len = chaos_count()};
    slight_pubsub_topics_list_result_void_error_t results;
    slight_pubsub_topics_outgoing_t same = event();
    slight_pubsub_topics_borrow_broker_t broker;
    slight_pubsub_topics_error_t error;
    http_string_t topic = chaos_text();

    list.ptr = chaos_new(list.len, sizeof(*list.ptr));
    for (size_t i = 0; i < list.len; i++)
        list.ptr[i] = same;
    if (any_broker(&broker))
        (void)slight_pubsub_topics_method_broker_publish_many(
            broker, &topic, &list, &results, &error);
}

static void subscribe(void)
{
    slight_pubsub_topics_subscribe_options_t options = {
        .topic = chaos_text(),
        .group = chaos_text(),
        .start = (slight_pubsub_topics_start_t)chaos_below(2)};
    slight_pubsub_topics_own_subscription_t subscription;
    slight_pubsub_topics_borrow_broker_t broker;
    slight_pubsub_topics_error_t error;

    if (any_broker(&broker) && slight_pubsub_topics_method_broker_subscribe(
                                   broker, &options, &subscription, &error))
        chaos_keep(&subscriptions, subscription.__handle);
}

static void receive_events(void)
{
    slight_pubsub_topics_borrow_subscription_t subscription;
    slight_pubsub_topics_list_own_delivery_t list;
    slight_pubsub_topics_error_t error;

    if (chaos_any(&subscriptions, &subscription.__handle) &&
        slight_pubsub_topics_method_subscription_receive(
            subscription, chaos_below(20), chaos_below(5), &list, &error))
        for (size_t i = 0; i < list.len; i++)
            chaos_keep(&deliveries, list.ptr[i].__handle);
}

static void acknowledge(void)
{
    slight_pubsub_topics_borrow_delivery_t delivery;
    slight_pubsub_topics_event_t got;
    slight_pubsub_topics_error_t error;
    int32_t handle;

    if (chaos_once_in(3) && chaos_take(&deliveries, &handle))
        drop_delivery(handle);
    if (!chaos_any(&deliveries, &delivery.__handle))
        return;
    slight_pubsub_topics_method_delivery_get(delivery, &got);
    (void)slight_pubsub_topics_method_delivery_acknowledge(delivery, &error);
}

static void drop_any_subscription(void)
{
    int32_t handle;

    if (chaos_take(&subscriptions, &handle))
        drop_subscription(handle);
}

chaos_act *const chaos_message_acts[] = {send,
                                         send_many,
                                         receive,
                                         look_at_message,
                                         settle,
                                         publish,
                                         publish_many,
                                         subscribe,
                                         receive_events,
                                         acknowledge,
                                         drop_any_subscription,
                                         NULL};
