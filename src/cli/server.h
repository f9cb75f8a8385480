/* SPDX-License-Identifier: Apache-2.0 */
/* What `slight run` starts around a component: triggers and management. */
#ifndef SL_CLI_SERVER_H
#define SL_CLI_SERVER_H

#include <stdint.h>

#include "host/host.h"
#include "management/management.h"
#include "manifest/manifest.h"
#include "trigger/trigger.h"

/* The functions below return SL_EXIT_OK, or an exit code after a message. */
struct sl_server {
    const struct sl_manifest *manifest;
    struct sl_host *host;
    struct sl_triggers *triggers;
    struct sl_management *management; /* NULL: none */
};

/* How long a component that was interrupted may take to close its services. */
enum { SL_SERVER_CLOSE_SECONDS = 1 };

int sl_server_start_management(struct sl_server *server);
int sl_server_start_triggers(struct sl_server *server);

/* Serve until interrupt is readable; then calls in progress may take grace_ms
 * to finish. */
int sl_server_serve(const struct sl_server *server, int interrupt,
                    int64_t grace_ms);

/* Stop and free everything, the host as well.  code: the exit code of the
 * process, which ends here when a call of a resource never returns. */
void sl_server_end(struct sl_server *server, int code);

#endif
