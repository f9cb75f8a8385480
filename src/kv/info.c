/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers' tables, for those who may not see driver.h. */
#include "kv/info.h"

#include "kv/driver.h"

enum { DRIVERS_MAX = 64 };

const struct sl_kv_feature_info sl_kv_features[] = {
    {SL_KV_FEATURE_TTL, "ttl", "values with a time to live"},
    {SL_KV_FEATURE_VERSION, "versions",
     "versioned reads, and writes on the condition of a version"},
    {SL_KV_FEATURE_ABSENT, "if-absent", "writes only where there is no value"},
    {SL_KV_FEATURE_INCREMENT, "increment", "atomic counters"},
    {SL_KV_FEATURE_KEYS, "keys", "listing of keys by prefix"},
    {SL_KV_FEATURE_DURABLE, "durable", "an answered write survives a crash"},
    {SL_KV_FEATURE_SHARED, "shared", "other processes see the same data"},
    {SL_KV_FEATURE_LINEARIZABLE, "linearizable",
     "what others wrote is read at once"},
    {0},
};

const struct sl_kv_driver *sl_kv_driver_at(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (sl_kv_drivers[i] == NULL)
            return NULL;
    return sl_kv_drivers[index];
}

struct sl_kv_info sl_kv_driver_info(const struct sl_kv_driver *driver)
{
    return (struct sl_kv_info){
        .name = driver->name,
        .service = driver->service,
        .summary = driver->summary,
        .options = driver->options,
        .options_size = driver->options_size,
        .features = driver->features,
    };
}

const char *sl_kv_driver_nearest(const char *word)
{
    const char *names[DRIVERS_MAX] = {NULL};

    for (size_t i = 0; i < DRIVERS_MAX - 1 && sl_kv_drivers[i] != NULL; i++)
        names[i] = sl_kv_drivers[i]->name;
    return sl_nearest(word, names);
}
