/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest that publishes events of one size, a hundred a call:
 *
 *     publish NAME SIZE CALLS     to the topic "bench" of the resource NAME
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

enum { BATCH = 100 };

static int give_up(const slight_pubsub_topics_error_t *error)
{
    fprintf(stderr, "bench: %.*s\n", (int)error->message.len,
            (const char *)error->message.ptr);
    return 1;
}

int main(int argc, char **argv)
{
    slight_pubsub_topics_outgoing_t events[BATCH] = {0};
    slight_pubsub_topics_list_outgoing_t list = {events, BATCH};
    slight_pubsub_topics_list_result_void_error_t answers;
    slight_pubsub_topics_own_broker_t broker;
    slight_pubsub_topics_error_t error;
    command_string_t name, topic;

    if (argc != 4 + 1)
        return 2;
    size_t size = strtoul(argv[3], NULL, 10);
    uint8_t *payload = calloc(1, size);
    for (int i = 0; i < BATCH; i++) {
        events[i].payload.ptr = payload;
        events[i].payload.len = size;
    }
    command_string_set(&name, argv[2]);
    command_string_set(&topic, "bench");
    if (!slight_pubsub_topics_static_broker_open(&name, &broker, &error))
        return give_up(&error);
    for (long calls = strtol(argv[4], NULL, 10); calls > 0; calls--) {
        if (!slight_pubsub_topics_method_broker_publish_many(
                slight_pubsub_topics_borrow_broker(broker), &topic, &list,
                &answers, &error))
            return give_up(&error);
        for (size_t i = 0; i < answers.len; i++)
            if (answers.ptr[i].is_err)
                return give_up(&answers.ptr[i].val.err);
        slight_pubsub_topics_list_result_void_error_free(&answers);
    }
    return 0;
}
