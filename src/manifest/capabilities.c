/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/capabilities.h"

#include <string.h>

enum { DRIVERS_MAX = 256 };

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

bool sl_driver_is_left_out(const char *name)
{
    const char *left_out;

    for (size_t i = 0; sl_capabilities[i] != NULL; i++)
        for (size_t k = 0;
             (left_out = sl_capability_left_out(sl_capabilities[i], k)) != NULL;
             k++)
            if (strcmp(left_out, name) == 0)
                return true;
    return false;
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
