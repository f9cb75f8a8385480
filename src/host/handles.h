/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handle of an opened resource can do.
 *
 * All that the host knows of one capability is in one file, as the functions of
 * its objects: sql_handles.c, lockd_handles.c, mq_handles.c, pubsub_handles.c.
 * A capability without such a file has plain services.
 */
#ifndef SL_HOST_HANDLES_H
#define SL_HOST_HANDLES_H

#include "host/object.h"

/* The ops of a service, by its capability. */
const struct sl_object_ops *
sl_object_ops_of(const struct sl_capability *capability);

/* Requests go to the service as they are. */
extern const struct sl_object_ops sl_service_object_ops;
extern const struct sl_object_ops sl_sql_object_ops;
extern const struct sl_object_ops sl_lockd_object_ops;
extern const struct sl_object_ops sl_mq_object_ops;
extern const struct sl_object_ops sl_pubsub_object_ops;

#endif
