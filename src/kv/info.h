/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the key-value drivers without opening anything: for the
 * manifest, which reads their settings, and for help, which lists them.
 */
#ifndef SL_KV_INFO_H
#define SL_KV_INFO_H

#include "base/option.h"
#include "kv/kv.h"

/* Something that not every service can do. */
struct sl_kv_feature_info {
    unsigned bit;     /* in the features of a driver */
    const char *name; /* "if-absent" */
    const char *help; /* a few words */
};

/* Every feature, ended by a zeroed entry. */
extern const struct sl_kv_feature_info sl_kv_features[];

struct sl_kv_info {
    const char *name;    /* "kv.redis" */
    const char *service; /* "Redis" */
    const char *summary; /* one sentence */
    const struct sl_option *options;
    size_t options_size; /* of the struct that they fill */
    unsigned features;
};

/* The drivers of this build, counted from 0; NULL behind the last. */
const struct sl_kv_driver *sl_kv_driver_at(size_t index);

struct sl_kv_info sl_kv_driver_info(const struct sl_kv_driver *driver);

/* The driver whose name is nearest to word, or NULL when none is near. */
const char *sl_kv_driver_nearest(const char *word);

#endif
