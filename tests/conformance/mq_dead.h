/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of mq_native.c: dead letters, as operators see them. */
#ifndef TEST_CONFORMANCE_MQ_DEAD_H
#define TEST_CONFORMANCE_MQ_DEAD_H

struct resource;

void mq_case_dead_letters_are_told(struct resource *resource);
void mq_case_the_dead_are_sent_again(struct resource *resource);
void mq_case_the_dead_keep_their_group(struct resource *resource);
void mq_case_many_dead(struct resource *resource);

#endif
