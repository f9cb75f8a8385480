/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of management share. */
#ifndef SL_MANAGEMENT_INTERNAL_H
#define SL_MANAGEMENT_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "host/host.h"

/* --- hosts.c ------------------------------------------------------------ */

/*
 * Whether it answers requests with this Host (the port does not count): an
 * address, localhost, the name it listens at, and those of allowed-hosts.
 */
bool sl_management_allows(const struct sl_manifest_management *settings,
                          struct sl_bytes field);

/* --- readiness.c -------------------------------------------------------- */

/* Checks of all required resources, at most one a second. */
struct sl_readiness;

struct sl_readiness *sl_readiness_new(struct sl_host *host,
                                      const struct sl_manifest *manifest);
void sl_readiness_free(struct sl_readiness *readiness);

/* Whether all of them answer.  Writes a line for each that does not.  Any
 * thread; blocks for at most about a second. */
bool sl_readiness_check(struct sl_readiness *readiness, FILE *out);

#endif
