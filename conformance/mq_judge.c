/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of slight:mq/handler. */
#include "judge.h"

static slight_mq_queue_own_queue_t queue;

enum status judge_open(const char *name)
{
    command_string_t string = string_of(bytes_of(name));
    slight_types_errors_error_t error;

    if (!slight_mq_queue_static_queue_open(&string, &queue, &error))
        return failed(&error);
    return WORKED;
}

void judge_close(void)
{
    slight_mq_queue_queue_drop_own(queue);
}

enum status judge_send(const char *text)
{
    struct bytes bytes = bytes_of(text);
    slight_mq_queue_outgoing_t message = {
        .payload = {(uint8_t *)(uintptr_t)bytes.ptr, bytes.len}};
    slight_types_errors_error_t error;
    command_string_t id;

    if (!slight_mq_queue_method_queue_send(slight_mq_queue_borrow_queue(queue),
                                           &message, &id, &error))
        return failed(&error);
    command_string_free(&id);
    return WORKED;
}

bool judge_is_settled(void)
{
    slight_types_errors_error_t error;
    uint64_t depth;

    if (!slight_mq_queue_method_queue_depth(slight_mq_queue_borrow_queue(queue),
                                            &depth, &error))
        OK(failed(&error));
    return depth == 0;
}
