/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of key-value calls: the limits of wit/kv/kv.wit. */
#include "kv/check.h"

#include <inttypes.h>

#define TTL_MAX_MS UINT64_C(315360000000) /* ten years */

enum sl_status sl_kv_check_call(const void *pointer, size_t count,
                                struct sl_error *err)
{
    const struct sl_kv_request *requests = pointer;
    size_t bytes = 0;

    if (count > SL_KV_MANY_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "a call takes at most %d keys; make several calls",
                       SL_KV_MANY_MAX);
    for (size_t i = 0; i < count && count > 1; i++) {
        if (requests[i].value.len > SL_KV_CALL_BYTES_MAX - bytes)
            return sl_fail(err, SL_TOO_LARGE,
                           "the values of one call together are at most %zu "
                           "bytes; make several calls",
                           SL_KV_CALL_BYTES_MAX);
        bytes += requests[i].value.len;
    }
    return SL_OK;
}

static enum sl_status check_key(struct sl_bytes key, const char *what,
                                struct sl_error *err)
{
    if (key.len > SL_KV_KEY_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a %s of %zu bytes: at most %d are allowed", what,
                       key.len, SL_KV_KEY_MAX);
    if (!sl_bytes_are_text(key))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a %s that is not UTF-8 without NUL", what);
    return SL_OK;
}

static enum sl_status check_keys(const struct sl_kv_request *request,
                                 struct sl_error *err)
{
    if (request->limit < 1 || request->limit > SL_KV_PAGE_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a page of %" PRIu32 " keys: 1 to %d are allowed",
                       request->limit, SL_KV_PAGE_MAX);
    if (request->cursor.len > SL_KV_CURSOR_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "this cursor is none that a page gave");
    return check_key(request->key, "prefix", err);
}

static enum sl_status check_set(const struct sl_kv_config *config,
                                const struct sl_kv_request *request,
                                struct sl_error *err)
{
    if (request->value.len > (size_t)config->max_value)
        return sl_fail(err, SL_TOO_LARGE,
                       "a value of %zu bytes: at most %" PRId64
                       " are allowed; the manifest's max-value sets this",
                       request->value.len, config->max_value);
    if (request->has_ttl &&
        (request->ttl_ms < 1 || request->ttl_ms > TTL_MAX_MS))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a time to live of %" PRIu64 " ms: 1 to %" PRIu64
                       " are allowed",
                       request->ttl_ms, TTL_MAX_MS);
    return SL_OK;
}

static bool may_be_version(struct sl_bytes version)
{
    if (version.len < 1 || version.len > SL_KV_VERSION_MAX)
        return false;
    for (size_t i = 0; i < version.len; i++)
        if (version.ptr[i] < 0x21 || version.ptr[i] > 0x7e)
            return false;
    return true;
}

static unsigned features_of(const struct sl_kv_request *request)
{
    unsigned features = 0;

    if (request->verb == SL_KV_INCREMENT)
        features |= SL_KV_FEATURE_INCREMENT;
    if (request->verb == SL_KV_KEYS)
        features |= SL_KV_FEATURE_KEYS;
    if (request->condition == SL_KV_ABSENT)
        features |= SL_KV_FEATURE_ABSENT;
    if (request->condition == SL_KV_VERSION || request->want_version)
        features |= SL_KV_FEATURE_VERSION;
    if (request->has_ttl)
        features |= SL_KV_FEATURE_TTL;
    return features;
}

static enum sl_status check_limits(const struct sl_kv_config *config,
                                   const struct sl_kv_request *request,
                                   struct sl_error *err)
{
    if (request->verb == SL_KV_KEYS)
        return check_keys(request, err);
    if (request->key.len == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "an empty key");
    enum sl_status status = check_key(request->key, "key", err);
    if (status == SL_OK && request->verb == SL_KV_SET)
        status = check_set(config, request, err);
    return status;
}

enum sl_status sl_kv_check_request(const struct sl_driver *driver,
                                   const void *config, const void *pointer,
                                   struct sl_error *err)
{
    const struct sl_kv_request *request = pointer;
    enum sl_status status = check_limits(config, request, err);

    if (status == SL_OK)
        status = sl_check_features(&sl_kv, driver, features_of(request), err);
    if (status == SL_OK && request->condition == SL_KV_VERSION &&
        !may_be_version(request->version))
        return sl_fail(err, SL_CONFLICT, "the key is not in this version");
    return status;
}
