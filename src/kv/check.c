/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of key-value calls: the limits of wit/kv/kv.wit. */
#include "kv/check.h"

#include <inttypes.h>

#include "service/check.h"

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

static enum sl_status check_keys(const struct sl_kv_request *request,
                                 struct sl_error *err)
{
    enum sl_status status = sl_check_range("a page's limit", request->limit, 1,
                                           SL_KV_PAGE_MAX, err);

    if (status == SL_OK && request->cursor.len > SL_KV_CURSOR_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT, "invalid cursor");
    return status == SL_OK
               ? sl_check_text("a prefix", request->key, 0, SL_KV_KEY_MAX, err)
               : status;
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
    return request->has_ttl
               ? sl_check_range("a time to live in ms", request->ttl_ms, 1,
                                TTL_MAX_MS, err)
               : SL_OK;
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
    if (request->condition == SL_KV_VERSION ||
        (request->verb == SL_KV_GET && request->want_version))
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
    enum sl_status status =
        sl_check_text("a key", request->key, 1, SL_KV_KEY_MAX, err);
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
