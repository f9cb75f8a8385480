/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of management share. */
#ifndef SL_MANAGEMENT_INTERNAL_H
#define SL_MANAGEMENT_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "management/management.h"

/* --- exposition.c ------------------------------------------------------- */

/* Write all metrics in Prometheus' text format 0.0.4. */
void sl_exposition_write(FILE *out, struct sl_host *host,
                         const struct sl_manifest *manifest,
                         const struct sl_triggers *triggers);

/* --- exposition_output.c ------------------------------------------------ */

/* What was to be written to the standard streams, and was not. */
void sl_exposition_write_lost(FILE *out, const struct sl_host *host,
                              const struct sl_manifest *manifest);

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

/* Whether all answer; writes a line for each that does not.  Any thread; blocks
 * for a second at the longest. */
bool sl_readiness_check(struct sl_readiness *readiness, FILE *out);

#endif
