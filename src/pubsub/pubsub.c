/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: what is the same for every driver. */
#include "pubsub/pubsub.h"

#include <inttypes.h>
#include <string.h>

#include "pubsub/driver.h"
#include "service/attributes.h"
#include "service/check.h"

static const struct sl_option options[] = {
    {.name = "max-payload",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_pubsub_config, max_payload),
     .min = 1,
     .max = 16 << 20,
     .fallback = "256KiB",
     .help = "the largest payload of an event"},
    {.name = "lease",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_pubsub_config, lease_ms),
     .min = 1000,
     .max = 3600000,
     .fallback = "30s",
     .help = "how long a member of a group that died without a word keeps what "
             "it received"},
    {.name = "retention",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_pubsub_config, retention_ms),
     .min = 1000,
     .max = INT64_C(31536000000),
     .fallback = "168h",
     .help = "how long an event is kept, acknowledged or not, where the "
             "service does not decide that"},
    {0},
};

static const struct sl_feature features[] = {
    {SL_PUBSUB_FEATURE_SUBSCRIBE, "subscribe", "groups that receive events"},
    {SL_PUBSUB_FEATURE_KEYS, "keys", "events of a key in their order"},
    {SL_PUBSUB_FEATURE_EARLIEST, "earliest",
     "groups that begin with the oldest event"},
    {SL_PUBSUB_FEATURE_DURABLE, "durable",
     "what was published survives a crash"},
    {SL_PUBSUB_FEATURE_SHARED, "shared", "other processes see the same topics"},
    {SL_PUBSUB_FEATURE_UNDIVIDED, "undivided",
     "any process of a group gets what is next"},
    {0},
};

static const char *const verbs[SL_PUBSUB_VERB_COUNT] = {
    [SL_PUBSUB_PUBLISH] = "publish", [SL_PUBSUB_SUBSCRIBE] = "subscribe",
    [SL_PUBSUB_RECEIVE] = "receive", [SL_PUBSUB_ACKNOWLEDGE] = "acknowledge",
    [SL_PUBSUB_RETURN] = "return",   [SL_PUBSUB_RENEW] = "renew",
    [SL_PUBSUB_LEAVE] = "leave",
};

/* --- Requests and answers ----------------------------------------------- */

void sl_pubsub_answer_init(void *pointer)
{
    struct sl_pubsub_answer *answer = pointer;

    answer->err.status = SL_OK;
    answer->err.message[0] = '\0';
    answer->retryable = false;
    answer->refused = false;
    answer->deliveries = (struct sl_deliveries){0};
}

void sl_pubsub_answer_done(void *answer)
{
    sl_held_done(&((struct sl_pubsub_answer *)answer)->deliveries.memory);
}

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_ARRAY(struct sl_pubsub_request, attributes, attribute_count,
                     sl_pair_fields),
    SL_REQUEST_BYTES(struct sl_pubsub_request, topic),
    SL_REQUEST_BYTES(struct sl_pubsub_request, payload),
    SL_REQUEST_BYTES(struct sl_pubsub_request, key),
    SL_REQUEST_BYTES(struct sl_pubsub_request, group),
    SL_REQUEST_BYTES(struct sl_pubsub_request, member),
    SL_REQUEST_BYTES(struct sl_pubsub_request, receipt),
    {0},
};

/* --- Limits ------------------------------------------------------------- */

static enum sl_status check_call(const void *requests, size_t count,
                                 struct sl_error *err)
{
    (void)requests;
    if (count > SL_PUBSUB_MANY_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "more than %d events in one call: split them",
                       SL_PUBSUB_MANY_MAX);
    return SL_OK;
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' ||
           byte == '-';
}

/* Kafka's rule for topics, which the others can keep as well. */
static bool is_only_dots(struct sl_bytes name)
{
    return sl_bytes_equal(name, SL_LITERAL(".")) ||
           sl_bytes_equal(name, SL_LITERAL(".."));
}

static enum sl_status check_name(const char *what, struct sl_bytes name,
                                 struct sl_error *err)
{
    enum sl_status status =
        sl_check_text(what, name, 1, SL_PUBSUB_NAME_MAX, err);

    for (size_t i = 0; status == SL_OK && i < name.len; i++)
        if (!is_name_byte(name.ptr[i]))
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "%s with other characters than letters, digits, "
                           "\".\", \"_\" and \"-\"",
                           what);
    if (status == SL_OK && is_only_dots(name))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s with the name \".\" or \"..\"", what);
    return status;
}

static enum sl_status check_publish(const struct sl_pubsub_config *config,
                                    const struct sl_pubsub_request *request,
                                    struct sl_error *err)
{
    if (request->payload.len > (size_t)config->max_payload)
        return sl_fail(err, SL_TOO_LARGE,
                       "a payload of %zu bytes: the manifest's max-payload "
                       "allows %" PRId64,
                       request->payload.len, config->max_payload);
    if (request->key.len > SL_PUBSUB_KEY_MAX)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a key of %zu bytes: at most %d are allowed",
                       request->key.len, SL_PUBSUB_KEY_MAX);
    return sl_attributes_check(request->attributes, request->attribute_count,
                               err);
}

static enum sl_status check_member(const struct sl_driver *driver,
                                   const struct sl_pubsub_request *request,
                                   struct sl_error *err)
{
    unsigned wanted = SL_PUBSUB_FEATURE_SUBSCRIBE;
    enum sl_status status = check_name("a group", request->group, err);

    if (request->verb == SL_PUBSUB_SUBSCRIBE && request->from_earliest)
        wanted |= SL_PUBSUB_FEATURE_EARLIEST;
    if (status == SL_OK && request->verb == SL_PUBSUB_RECEIVE)
        status = sl_check_range("a limit", request->limit, 1,
                                SL_PUBSUB_RECEIVE_MAX, err);
    if (status == SL_OK)
        status = sl_check_range("a wait in ms", request->wait_ms, 0,
                                SL_PUBSUB_WAIT_MAX_MS, err);
    if (status == SL_OK)
        status = sl_check_range("a delay in ms", request->delay_ms, 0,
                                SL_PUBSUB_DELAY_MAX_MS, err);
    return status == SL_OK ? sl_check_features(&sl_pubsub, driver, wanted, err)
                           : status;
}

static enum sl_status check_pubsub(const struct sl_driver *driver,
                                   const void *config, const void *pointer,
                                   struct sl_error *err)
{
    const struct sl_pubsub_request *request = pointer;
    enum sl_status status = check_name("a topic", request->topic, err);

    if (status != SL_OK)
        return status;
    if (request->verb != SL_PUBSUB_PUBLISH)
        return check_member(driver, request, err);
    status = check_publish(config, request, err);
    if (status == SL_OK && request->key.ptr != NULL)
        status =
            sl_check_features(&sl_pubsub, driver, SL_PUBSUB_FEATURE_KEYS, err);
    return status;
}

/* --- For the service ---------------------------------------------------- */

/* What names a member, which nobody else has. */
static bool is_repeatable(const void *config, const void *pointer)
{
    const struct sl_pubsub_request *request = pointer;

    (void)config;
    return request->verb == SL_PUBSUB_SUBSCRIBE ||
           request->verb == SL_PUBSUB_RENEW || request->verb == SL_PUBSUB_LEAVE;
}

/* A receipt names one delivery to one member. */
static bool is_harmless_pubsub(const void *pointer)
{
    const struct sl_pubsub_request *request = pointer;

    return request->verb == SL_PUBSUB_ACKNOWLEDGE ||
           request->verb == SL_PUBSUB_RETURN;
}

/* What happens to a topic is for each group of it. */
static void wait_keys_of(const void *pointer, uint64_t *about, uint64_t *line)
{
    const struct sl_pubsub_request *request = pointer;

    *about = sl_bytes_hash(request->topic, 0);
    *line = sl_bytes_hash(request->group, *about);
}

static int64_t wait_ms(const void *config, const void *pointer)
{
    const struct sl_pubsub_request *request = pointer;

    (void)config;
    return request->verb == SL_PUBSUB_RECEIVE ? (int64_t)request->wait_ms : 0;
}

void sl_pubsub_give_back(struct sl_service *service,
                         const struct sl_pubsub_request *request,
                         const struct sl_pubsub_answer *answer)
{
    struct sl_pubsub_request back = {.verb = SL_PUBSUB_RETURN,
                                     .topic = request->topic,
                                     .group = request->group,
                                     .member = request->member};

    for (size_t i = 0; i < answer->deliveries.count; i++) {
        if (answer->deliveries.items[i] == NULL)
            continue;
        back.receipt = answer->deliveries.items[i]->receipt;
        sl_service_post(service, NULL, &back, 1);
    }
}

/* Nobody handles them; or nobody is there to be the member. */
static void discard_pubsub(struct sl_service *service, const void *pointer,
                           void *answer)
{
    const struct sl_pubsub_request *request = pointer;
    struct sl_pubsub_request leave = *request;

    sl_pubsub_give_back(service, request, answer);
    leave.verb = SL_PUBSUB_LEAVE;
    if (request->verb == SL_PUBSUB_SUBSCRIBE)
        sl_service_post(service, NULL, &leave, 1);
}

const struct sl_capability sl_pubsub = {
    .name = "pubsub",
    .drivers = sl_pubsub_drivers,
    .left_out = sl_pubsub_drivers_left_out,
    .features = features,
    .options = options,
    .config_size = sizeof(struct sl_pubsub_config),
    .verbs = verbs,
    .verb_count = SL_PUBSUB_VERB_COUNT,
    .request_size = sizeof(struct sl_pubsub_request),
    .answer_size = sizeof(struct sl_pubsub_answer),
    .answer_init = sl_pubsub_answer_init,
    .answer_done = sl_pubsub_answer_done,
    .request_fields = request_fields,
    .check_call = check_call,
    .check = check_pubsub,
    .is_repeatable = is_repeatable,
    .is_harmless = is_harmless_pubsub,
    .wait_keys = wait_keys_of,
    .wait_ms = wait_ms,
    .discard = discard_pubsub,
};
