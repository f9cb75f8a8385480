/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance has of a message queue: the messages that it received. */
#ifndef SL_HOST_QUEUE_H
#define SL_HOST_QUEUE_H

#include "host/instance.h"
#include "mq/mq.h"

/* A received message, until it is settled. */
struct sl_message;

/*
 * A handle for each message of an answer, which are the instance's then; there
 * is room for SL_MQ_RECEIVE_MAX.  After a failure no handle is made, and the
 * messages go back to the queue.
 */
SL_MUST_CHECK enum sl_status sl_messages_adopt(void *instance,
                                               struct sl_service *service,
                                               struct sl_mq_answer *answer,
                                               uint32_t *handles, size_t *count,
                                               struct sl_error *err);

const struct sl_mq_message *sl_message_get(const struct sl_message *message);

/* What came of a request to it. */
void sl_message_note(struct sl_message *message, enum sl_mq_verb verb,
                     const struct sl_mq_answer *answer);

/* Where it was not settled it goes back to the queue; does not wait. */
void sl_message_free(struct sl_message *message);

#endif
