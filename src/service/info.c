/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of capabilities and drivers, for those who may not see driver.h.
 */
#include "service/driver.h"

struct sl_capability_info
sl_capability_info(const struct sl_capability *capability)
{
    return (struct sl_capability_info){
        .name = capability->name,
        .features = capability->features,
        .options = capability->options,
        .config_size = capability->config_size,
        .verbs = capability->verbs,
        .verb_count = capability->verb_count,
    };
}

const struct sl_driver *
sl_capability_driver(const struct sl_capability *capability, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (capability->drivers[i] == NULL)
            return NULL;
    return capability->drivers[index];
}

const char *sl_capability_left_out(const struct sl_capability *capability,
                                   size_t index)
{
    return capability->left_out != NULL ? capability->left_out[index] : NULL;
}

struct sl_driver_info sl_driver_info(const struct sl_driver *driver)
{
    return (struct sl_driver_info){
        .name = driver->name,
        .service = driver->service,
        .summary = driver->summary,
        .options = driver->options,
        .options_size = driver->options_size,
        .features = driver->features,
        .connects_anywhere = driver->connects_anywhere,
    };
}

void sl_driver_risks(const struct sl_driver *driver, const void *options,
                     sl_risk_fn *report, void *context)
{
    if (driver->risks != NULL)
        driver->risks(options, report, context);
}
