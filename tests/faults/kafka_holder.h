/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher of kafka_topic and a member of its group, in one process, which
 * goes on while its rights, or its broker, go and come back.  What it published
 * is numbered, and so is known to have come.
 */
#ifndef TEST_FAULTS_KAFKA_HOLDER_H
#define TEST_FAULTS_KAFKA_HOLDER_H

#include "faults/kafka_shared.h"

struct holder {
    struct test_store store;
    struct sl_subscription *member; /* NULL: the group does not know us */
    char *settings;                 /* is freed with it */
};

/* Nothing is published yet. */
void holder_open(struct holder *holder, char *settings);
void holder_free(struct holder *holder);

/* The next number; or with this many bytes behind it. */
struct sl_error holder_publish(struct holder *holder);
struct sl_error holder_publish_large(struct holder *holder, size_t size);
/* As whoever uses it would: join anew where the group does not know us. */
struct sl_error holder_receive(struct holder *holder);
/* A process that comes meanwhile, and goes. */
struct sl_error holder_join_anew(struct holder *holder);
/* How many numbers were published, acknowledged or not. */
int holder_numbers(void);
/* Whether all that was acknowledged has come. */
bool holder_all_came(void);

/* That it lasts is not said. */
bool holder_may_pass(enum sl_status status);
/*
 * Until it is answered so.  A broker acts on what it was told a moment later,
 * and librdkafka tells it once: meanwhile it may work, or wait in vain.
 */
void holder_until(struct holder *holder,
                  struct sl_error (*act)(struct holder *holder),
                  enum sl_status expected, const char *says);

/* Open one that works, and has published something to be received later. */
void holder_begin(struct holder *holder, char *settings);
/* It works again, and nothing that was published is lost. */
void holder_end(struct holder *holder);

#endif
