/* SPDX-License-Identifier: Apache-2.0 */
/* mq_cases.h over the bindings of slight:mq; and what only a guest can do. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "mq_cases.h"

struct resource {
    slight_mq_queue_own_queue_t queue;
};

struct message {
    slight_mq_queue_own_message_t handle;
    slight_mq_queue_delivery_t got;
    struct delivery delivery;
};

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t string = string_of(bytes_of(name));
    slight_mq_queue_own_queue_t queue;
    slight_types_errors_error_t error;

    if (!slight_mq_queue_static_queue_open(&string, &queue, &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->queue = queue;
    return WORKED;
}

void suite_close(struct resource *resource)
{
    slight_mq_queue_queue_drop_own(resource->queue);
    free(resource);
}

static slight_mq_queue_borrow_queue_t borrow(struct resource *resource)
{
    return slight_mq_queue_borrow_queue(resource->queue);
}

/* The pairs of a case are those of the bindings, in other words. */
_Static_assert(sizeof(struct pair) == sizeof(command_tuple2_string_string_t),
               "not the same pairs");

static command_string_t name_of(const char *text)
{
    return text != NULL ? string_of(bytes_of(text)) : (command_string_t){0};
}

static slight_mq_queue_outgoing_t outgoing_of(const struct outgoing *message)
{
    return (slight_mq_queue_outgoing_t){
        .payload = {.ptr = (uint8_t *)(uintptr_t)message->payload.ptr,
                    .len = message->payload.len},
        .attributes = {.ptr = (void *)(uintptr_t)message->attributes,
                       .len = message->attribute_count},
        .delay_ms = {.is_some = message->delay_ms != 0,
                     .val = message->delay_ms},
        .group = {.is_some = message->group != NULL,
                  .val = name_of(message->group)},
        .deduplication_id = {.is_some = message->deduplication_id != NULL,
                             .val = name_of(message->deduplication_id)},
    };
}

enum status mq_send(struct resource *resource, struct outgoing message,
                    char id[MQ_NAME_MAX + 1])
{
    slight_mq_queue_outgoing_t outgoing = outgoing_of(&message);
    slight_types_errors_error_t error;
    command_string_t string;

    if (!slight_mq_queue_method_queue_send(borrow(resource), &outgoing, &string,
                                           &error))
        return failed(&error);
    CHECK(string.len <= MQ_NAME_MAX);
    memcpy(id, string.ptr, string.len);
    id[string.len] = '\0';
    command_string_free(&string);
    return WORKED;
}

enum status mq_send_many(struct resource *resource,
                         const struct outgoing messages[], size_t count,
                         enum status each[])
{
    slight_mq_queue_outgoing_t *all = must(calloc(count + 1, sizeof(*all)));
    slight_mq_queue_list_outgoing_t list = {.ptr = all, .len = count};
    slight_mq_queue_list_result_string_error_t results;
    slight_types_errors_error_t error;

    for (size_t i = 0; i < count; i++)
        all[i] = outgoing_of(&messages[i]);
    bool worked = slight_mq_queue_method_queue_send_many(
        borrow(resource), &list, &results, &error);
    free(all);
    if (!worked)
        return failed(&error);
    CHECK(results.len == count);
    for (size_t i = 0; i < count; i++)
        each[i] = results.ptr[i].is_err
                      ? (enum status)(results.ptr[i].val.err.code + 1)
                      : WORKED;
    slight_mq_queue_list_result_string_error_free(&results);
    return WORKED;
}

static struct message *message_of(slight_mq_queue_own_message_t handle)
{
    struct message *message = must(calloc(1, sizeof(*message)));

    message->handle = handle;
    slight_mq_queue_method_message_get(slight_mq_queue_borrow_message(handle),
                                       &message->got);
    const slight_mq_queue_delivery_t *got = &message->got;
    char *id = must(calloc(1, got->id.len + 1)), *group = NULL;
    memcpy(id, got->id.ptr, got->id.len);
    if (got->group.is_some) {
        group = must(calloc(1, got->group.val.len + 1));
        memcpy(group, got->group.val.ptr, got->group.val.len);
    }
    message->delivery = (struct delivery){
        .id = id,
        .payload = {got->payload.ptr, got->payload.len},
        .attributes = (const struct pair *)(const void *)got->attributes.ptr,
        .attribute_count = got->attributes.len,
        .group = group,
        .delivery_count = got->delivery_count,
        .enqueued_at_ms = got->enqueued_at_ms,
    };
    return message;
}

enum status mq_receive(struct resource *resource, struct receive options,
                       struct message *messages[], size_t *count)
{
    slight_mq_queue_receive_options_t asked = {
        .limit = options.limit,
        .wait_ms = options.wait_ms,
        .visibility_ms = {.is_some = options.visibility_ms != 0,
                          .val = options.visibility_ms},
    };
    slight_mq_queue_list_own_message_t list;
    slight_types_errors_error_t error;

    *count = 0;
    if (!slight_mq_queue_method_queue_receive(borrow(resource), &asked, &list,
                                              &error))
        return failed(&error);
    for (size_t i = 0; i < list.len; i++)
        messages[i] = message_of(list.ptr[i]);
    *count = list.len;
    free(list.ptr);
    return WORKED;
}

enum status mq_depth(struct resource *resource, uint64_t *depth)
{
    slight_types_errors_error_t error;

    if (!slight_mq_queue_method_queue_depth(borrow(resource), depth, &error))
        return failed(&error);
    return WORKED;
}

const struct delivery *mq_get(struct message *message)
{
    return &message->delivery;
}

static slight_mq_queue_borrow_message_t borrow_message(struct message *message)
{
    return slight_mq_queue_borrow_message(message->handle);
}

enum status message_complete(struct message *message)
{
    slight_types_errors_error_t error;

    if (!slight_mq_queue_method_message_complete(borrow_message(message),
                                                 &error))
        return failed(&error);
    return WORKED;
}

enum status message_abandon(struct message *message, uint64_t delay_ms)
{
    slight_types_errors_error_t error;

    if (!slight_mq_queue_method_message_abandon(borrow_message(message),
                                                delay_ms, &error))
        return failed(&error);
    return WORKED;
}

enum status message_dead_letter(struct message *message, struct bytes reason)
{
    command_string_t string = string_of(reason);
    slight_types_errors_error_t error;

    if (!slight_mq_queue_method_message_dead_letter(borrow_message(message),
                                                    &string, &error))
        return failed(&error);
    return WORKED;
}

void mq_drop(struct message *message)
{
    slight_mq_queue_message_drop_own(message->handle);
    slight_mq_queue_delivery_free(&message->got);
    free((void *)(uintptr_t)message->delivery.id);
    free((void *)(uintptr_t)message->delivery.group);
    free(message);
}

enum status mq_extend(struct message *message, uint64_t visibility_ms)
{
    slight_types_errors_error_t error;

    if (!slight_mq_queue_method_message_extend(borrow_message(message),
                                               visibility_ms, &error))
        return failed(&error);
    return WORKED;
}

/* --- What only a guest can do ------------------------------------------- */

static void only_what_is_granted(struct resource *resource)
{
    check_grants();
    mq_put(resource, "text");
    OK(mq_complete(mq_expect(resource, "text", 1)));
}

static void two_queues(struct resource *resource)
{
    struct resource *other;

    OK(suite_open("other", &other));
    mq_put(resource, "here");
    mq_put(other, "there");
    struct message *there = mq_expect(other, "there", 1);
    suite_close(other); /* the message is its own */
    OK(mq_complete(there));
    OK(mq_complete(mq_expect(resource, "here", 1)));
    mq_expect_none(resource);
}

static void too_many_handles(struct resource *resource)
{
    enum { MOST = 1023 }; /* the queue has one */
    static struct message *messages[MOST + MQ_RECEIVE_MAX];
    static struct outgoing outgoing[MQ_MANY_MAX];
    static enum status each[MQ_MANY_MAX];
    const struct receive all = {.limit = MQ_RECEIVE_MAX};
    size_t total = 0, count;

    for (size_t i = 0; i < MQ_MANY_MAX; i++)
        outgoing[i].payload = TEXT("x");
    OK(mq_send_many(resource, outgoing, MQ_MANY_MAX, each));
    OK(mq_send_many(resource, outgoing, MQ_MANY_MAX, each));
    while (total + MQ_RECEIVE_MAX <= MOST) {
        OK(mq_receive(resource, all, messages + total, &count));
        CHECK(count == MQ_RECEIVE_MAX);
        total += count;
    }
    FAILS(mq_receive(resource, all, messages + total, &count),
          RESOURCE_EXHAUSTED);
    OK(mq_complete(messages[--total]));
    for (size_t i = 0; i < total; i++)
        mq_drop(messages[i]);
    /* What did not fit is there still, all of it. */
    sleep_ms(500);
    uint64_t depth;
    OK(mq_depth(resource, &depth));
    CHECK(depth == 2 * MQ_MANY_MAX - 1);
}

const struct suite_case mq_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted,
     .holds = "mq-33"},
    {"two queues are two", 0, two_queues, .holds = "mq-54"},
    {"a thousand messages, and no more", 0, too_many_handles,
     .holds = "mq-34 mq-38"},
    {0},
};
