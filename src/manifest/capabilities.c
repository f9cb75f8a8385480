/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities.  A new one is two lines here. */
#include "manifest/capabilities.h"

#include <string.h>

#include "kv/kv.h"
#include "lockd/lockd.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "sql/sql.h"

enum { DRIVERS_MAX = 256 };

const struct sl_capability *const sl_capabilities[] = {
    &sl_kv, &sl_sql, &sl_lockd, &sl_mq, &sl_pubsub, NULL,
};

const struct sl_driver *sl_driver_at(size_t index,
                                     const struct sl_capability **capability)
{
    for (size_t i = 0; sl_capabilities[i] != NULL; i++) {
        size_t count = 0;
        while (sl_capability_driver(sl_capabilities[i], count) != NULL)
            count++;
        if (index < count) {
            *capability = sl_capabilities[i];
            return sl_capability_driver(sl_capabilities[i], index);
        }
        index -= count;
    }
    return NULL;
}

const struct sl_driver *sl_driver_find(const char *name,
                                       const struct sl_capability **capability)
{
    const struct sl_capability *found;
    const struct sl_driver *driver;

    for (size_t i = 0; (driver = sl_driver_at(i, &found)) != NULL; i++) {
        if (strcmp(sl_driver_info(driver).name, name) != 0)
            continue;
        if (capability != NULL)
            *capability = found;
        return driver;
    }
    return NULL;
}

const char *sl_driver_nearest(const char *word)
{
    const char *names[DRIVERS_MAX + 1] = {NULL};
    const struct sl_capability *capability;
    const struct sl_driver *driver;

    for (size_t i = 0;
         i < DRIVERS_MAX && (driver = sl_driver_at(i, &capability)) != NULL;
         i++)
        names[i] = sl_driver_info(driver).name;
    return sl_nearest(word, names);
}
