/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of capabilities and drivers, for those who may not see driver.h;
 * and what the capabilities' own checks share.
 */
#include <string.h>

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
                     sl_risk_fn *tell, void *context)
{
    if (driver->risks != NULL)
        driver->risks(options, tell, context);
}

enum sl_status sl_check_features(const struct sl_capability *capability,
                                 const struct sl_driver *driver,
                                 unsigned features, struct sl_error *err)
{
    const struct sl_feature *feature = capability->features;
    unsigned missing = features & ~driver->features;

    if (missing == 0)
        return SL_OK;
    while (feature->name != NULL && (feature->bit & missing) == 0)
        feature++;
    return sl_fail(err, SL_UNSUPPORTED,
                   "%s cannot do this (%s); \"slight providers\" lists what "
                   "each provider can do",
                   driver->name,
                   feature->name != NULL ? feature->help : "a new feature");
}

struct sl_bytes sl_copy_bytes(uint8_t **tail, struct sl_bytes bytes)
{
    struct sl_bytes copy = SL_BYTES(*tail, bytes.len);

    if (bytes.ptr == NULL)
        return bytes; /* none, which is not the same as empty */
    memcpy(*tail, bytes.ptr, bytes.len);
    *tail += bytes.len;
    return copy;
}

void *sl_copy_array(uint8_t **tail, const void *array, size_t size)
{
    uintptr_t end = (uintptr_t)*tail;
    uint8_t *copy = *tail + (-end & (SL_COPY_ALIGN - 1));

    if (size > 0)
        memcpy(copy, array, size);
    *tail = copy + size;
    return copy;
}
