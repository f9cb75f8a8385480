/* SPDX-License-Identifier: Apache-2.0 */
/* sender mq RESOURCE | sender pubsub RESOURCE TOPIC: sends each line of its
 * input; with "keyed", as events of the key that is the first character.
 * sender hold RESOURCE: receives messages, ten at a time, and keeps them, until
 * that fails; says how many it had, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static slight_mq_queue_own_queue_t queue;
static slight_pubsub_topics_own_broker_t broker;

static bool send_line(const char *topic, bool keyed, char *line)
{
    slight_types_errors_error_t error;
    command_list_u8_t payload = {(uint8_t *)line, strlen(line)};
    command_string_t string;

    if (topic == NULL) {
        slight_mq_queue_outgoing_t message = {.payload = payload};
        return slight_mq_queue_method_queue_send(
            slight_mq_queue_borrow_queue(queue), &message, &string, &error);
    }
    slight_pubsub_topics_outgoing_t event = {.payload = payload};
    event.key.is_some = keyed;
    event.key.val = (command_list_u8_t){(uint8_t *)line, 1};
    command_string_set(&string, topic);
    return slight_pubsub_topics_method_broker_publish(
        slight_pubsub_topics_borrow_broker(broker), &string, &event, &error);
}

static int hold(void)
{
    slight_mq_queue_list_own_message_t messages;
    slight_mq_queue_receive_options_t options = {.limit = 10};
    slight_types_errors_error_t error;
    size_t held = 0;

    while (slight_mq_queue_method_queue_receive(
        slight_mq_queue_borrow_queue(queue), &options, &messages, &error)) {
        if (messages.len == 0)
            return 1;
        held += messages.len;
    }
    printf("%zu held, then: %.*s\n", held, (int)error.message.len,
           (const char *)error.message.ptr);
    return 0;
}

int main(int argc, char **argv)
{
    slight_types_errors_error_t error;
    command_string_t name;
    char line[256];

    if (argc < 3)
        return 2;
    command_string_set(&name, argv[2]);
    const char *topic = strcmp(argv[1], "pubsub") == 0 ? argv[3] : NULL;
    if (topic == NULL
            ? !slight_mq_queue_static_queue_open(&name, &queue, &error)
            : !slight_pubsub_topics_static_broker_open(&name, &broker, &error))
        return 1;
    if (strcmp(argv[1], "hold") == 0)
        return hold();
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!send_line(topic, argc > 4, line))
            return 1;
    }
    return 0;
}
