/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of slight:pubsub/handler.  All events have one key: what is not
 * settled holds up what is behind it. */
#include "judge.h"

static slight_pubsub_topics_own_broker_t broker;

enum status judge_open(const char *name)
{
    command_string_t string = string_of(bytes_of(name));
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_static_broker_open(&string, &broker, &error))
        return failed(&error);
    return WORKED;
}

void judge_close(void)
{
    slight_pubsub_topics_broker_drop_own(broker);
}

enum status judge_send(const char *text)
{
    static const struct bytes key = TEXT("key");
    struct bytes bytes = bytes_of(text);
    command_string_t topic = string_of(TEXT("handled"));
    slight_pubsub_topics_outgoing_t event = {
        .payload = {(uint8_t *)(uintptr_t)bytes.ptr, bytes.len},
        .key = {.is_some = true,
                .val = {(uint8_t *)(uintptr_t)key.ptr, key.len}}};
    slight_types_errors_error_t error;

    if (!slight_pubsub_topics_method_broker_publish(
            slight_pubsub_topics_borrow_broker(broker), &topic, &event, &error))
        return failed(&error);
    return WORKED;
}

bool judge_is_settled(void)
{
    return true;
}
