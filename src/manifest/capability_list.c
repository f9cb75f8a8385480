/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities.  A new one is two lines here. */
#include "kv/kv.h"
#include "lockd/lockd.h"
#include "manifest/capabilities.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "sql/sql.h"

const struct sl_capability *const sl_capabilities[] = {
    &sl_kv, &sl_sql, &sl_lockd, &sl_mq, &sl_pubsub, NULL,
};
