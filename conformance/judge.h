/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of the handlers of slight:mq and slight:pubsub.  Two components:
 * the host calls the subject (mq_subject.c, pubsub_subject.c) with what the judge
 * sends, the subject writes what it saw into a slight:kv, and the judge reads
 * that.  README.md tells how a host connects them.
 */
#ifndef CONFORMANCE_JUDGE_H
#define CONFORMANCE_JUDGE_H

#include "guest.h"

/* One for each kind: what mq_judge.c and pubsub_judge.c do. */
enum status judge_open(const char *name);
void judge_close(void);
/* Send this text to the subject. */
enum status judge_send(const char *text);
/* Whether nothing is left to be settled; always, where nobody can know. */
bool judge_is_settled(void);

#endif
