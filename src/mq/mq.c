/* SPDX-License-Identifier: Apache-2.0 */
/* Message queues: what is the same for every driver. */
#include "mq/mq.h"

#include <inttypes.h>
#include <string.h>

#include "mq/driver.h"
#include "service/attributes.h"
#include "service/check.h"

static const struct sl_option options[] = {
    {.name = "max-payload",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_mq_config, max_payload),
     .min = 1,
     .max = 16 << 20,
     .fallback = "256KiB",
     .help = "the largest payload of a message"},
    {.name = "visibility",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_mq_config, visibility_ms),
     .min = SL_MQ_VISIBILITY_MIN_MS,
     .max = SL_MQ_VISIBILITY_MAX_MS,
     .fallback = "30s",
     .help = "how long a received message is hidden from others, unless the "
             "receiver says otherwise"},
    {.name = "max-deliveries",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_mq_config, max_deliveries),
     .min = 0,
     .max = 1000000,
     .fallback = "0",
     .help = "a message that was delivered so often goes to the dead letters "
             "instead of coming back; 0: never"},
    {0},
};

static const struct sl_feature features[] = {
    {SL_MQ_FEATURE_DELAY, "delay", "messages that are hidden at first"},
    {SL_MQ_FEATURE_GROUPS, "groups", "messages of a group in their order"},
    {SL_MQ_FEATURE_DEDUPLICATION, "deduplication",
     "messages with a deduplication id"},
    {SL_MQ_FEATURE_DEAD_LETTER, "dead-letter", "dead letters"},
    {SL_MQ_FEATURE_COUNT, "exact-count", "delivery counts are exact"},
    {SL_MQ_FEATURE_DURABLE, "durable", "what was sent survives a crash"},
    {SL_MQ_FEATURE_SHARED, "shared", "other processes see the same queue"},
    {0},
};

static const char *const verbs[SL_MQ_VERB_COUNT] = {
    [SL_MQ_SEND] = "send",
    [SL_MQ_RECEIVE] = "receive",
    [SL_MQ_COMPLETE] = "complete",
    [SL_MQ_ABANDON] = "abandon",
    [SL_MQ_EXTEND] = "extend",
    [SL_MQ_DEAD_LETTER] = "dead-letter",
    [SL_MQ_DEPTH] = "depth",
    [SL_MQ_DEAD_LIST] = "dead-list",
    [SL_MQ_DEAD_REPLAY] = "dead-replay",
    [SL_MQ_DEAD_DROP] = "dead-drop",
};

/* --- Requests and answers ----------------------------------------------- */

void sl_mq_answer_init(void *pointer)
{
    struct sl_mq_answer *answer = pointer;

    answer->err.status = SL_OK;
    answer->err.message[0] = '\0';
    answer->retryable = false;
    answer->refused = false;
    answer->id[0] = '\0';
    answer->depth = 0;
    answer->deliveries = (struct sl_deliveries){0};
}

void sl_mq_answer_done(void *answer)
{
    sl_held_done(&((struct sl_mq_answer *)answer)->deliveries.memory);
}

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_ARRAY(struct sl_mq_request, attributes, attribute_count,
                     sl_pair_fields),
    SL_REQUEST_BYTES(struct sl_mq_request, payload),
    SL_REQUEST_BYTES(struct sl_mq_request, group),
    SL_REQUEST_BYTES(struct sl_mq_request, deduplication_id),
    SL_REQUEST_BYTES(struct sl_mq_request, receipt),
    SL_REQUEST_BYTES(struct sl_mq_request, reason),
    {0},
};

/* --- Limits ------------------------------------------------------------- */

static enum sl_status check_call(const void *requests, size_t count,
                                 struct sl_error *err)
{
    (void)requests;
    if (count > SL_MQ_MANY_MAX)
        return sl_fail(err, SL_TOO_LARGE,
                       "more than %d messages in one call: split them",
                       SL_MQ_MANY_MAX);
    return SL_OK;
}

static unsigned features_for(const struct sl_mq_request *request)
{
    return (request->delay_ms > 0 ? SL_MQ_FEATURE_DELAY : 0u) |
           (request->group.ptr != NULL ? SL_MQ_FEATURE_GROUPS : 0u) |
           (request->deduplication_id.ptr != NULL ? SL_MQ_FEATURE_DEDUPLICATION
                                                  : 0u);
}

static enum sl_status check_send(const struct sl_driver *driver,
                                 const struct sl_mq_config *config,
                                 const struct sl_mq_request *request,
                                 struct sl_error *err)
{
    enum sl_status status =
        sl_attributes_check(request->attributes, request->attribute_count, err);

    if (request->payload.len > (size_t)config->max_payload)
        return sl_fail(err, SL_TOO_LARGE,
                       "a payload of %zu bytes: the manifest's max-payload "
                       "allows %" PRId64,
                       request->payload.len, config->max_payload);
    if (status == SL_OK && request->group.ptr != NULL)
        status =
            sl_check_text("a group", request->group, 1, SL_MQ_GROUP_MAX, err);
    if (status == SL_OK && request->deduplication_id.ptr != NULL)
        status = sl_check_text("a deduplication id", request->deduplication_id,
                               1, SL_MQ_GROUP_MAX, err);
    if (status == SL_OK)
        status = sl_check_range("a delay in ms", request->delay_ms, 0,
                                SL_MQ_DELAY_MAX_MS, err);
    if (status == SL_OK)
        status = sl_check_features(&sl_mq, driver, features_for(request), err);
    return status;
}

static enum sl_status check_receive(const struct sl_mq_request *request,
                                    struct sl_error *err)
{
    enum sl_status status =
        sl_check_range("a limit", request->limit, 1, SL_MQ_RECEIVE_MAX, err);

    if (status == SL_OK)
        status = sl_check_range("a wait in ms", request->wait_ms, 0,
                                SL_MQ_WAIT_MAX_MS, err);
    if (status == SL_OK && request->has_visibility)
        status = sl_check_range("a visibility in ms", request->visibility_ms,
                                SL_MQ_VISIBILITY_MIN_MS,
                                SL_MQ_VISIBILITY_MAX_MS, err);
    return status;
}

static enum sl_status check_mq(const struct sl_driver *driver,
                               const void *config, const void *pointer,
                               struct sl_error *err)
{
    const struct sl_mq_request *request = pointer;

    switch ((enum sl_mq_verb)request->verb) {
    case SL_MQ_SEND:
        return check_send(driver, config, request, err);
    case SL_MQ_RECEIVE:
        return check_receive(request, err);
    case SL_MQ_ABANDON:
        return sl_check_range("a delay in ms", request->delay_ms, 0,
                              SL_MQ_DELAY_MAX_MS, err);
    case SL_MQ_EXTEND:
        return sl_check_range("a visibility in ms", request->visibility_ms,
                              SL_MQ_VISIBILITY_MIN_MS, SL_MQ_VISIBILITY_MAX_MS,
                              err);
    case SL_MQ_DEAD_LETTER: {
        enum sl_status status = sl_check_text("a reason", request->reason, 0,
                                              SL_MQ_REASON_MAX, err);
        return status == SL_OK
                   ? sl_check_features(&sl_mq, driver,
                                       SL_MQ_FEATURE_DEAD_LETTER, err)
                   : status;
    }
    case SL_MQ_DEAD_LIST: {
        enum sl_status status = check_receive(request, err);
        return status == SL_OK
                   ? sl_check_features(&sl_mq, driver,
                                       SL_MQ_FEATURE_DEAD_LETTER, err)
                   : status;
    }
    case SL_MQ_DEAD_REPLAY:
    case SL_MQ_DEAD_DROP:
        return sl_check_features(&sl_mq, driver, SL_MQ_FEATURE_DEAD_LETTER,
                                 err);
    case SL_MQ_COMPLETE:
    case SL_MQ_DEPTH:
        return SL_OK;
    }
    return SL_OK;
}

/* --- For the service ---------------------------------------------------- */

/*
 * A SEND with an id is the same one as long as the service remembers that, and
 * no try of a call comes later than its timeout.  Not an EXTEND: it may undo
 * one that came in between.
 */
static bool is_repeatable(const void *config, const void *pointer)
{
    const struct sl_mq_request *request = pointer;
    const struct sl_service_config *service = config;

    return request->verb == SL_MQ_DEPTH || request->verb == SL_MQ_DEAD_LIST ||
           (request->verb == SL_MQ_SEND &&
            request->deduplication_id.ptr != NULL &&
            service->timeout_ms < SL_MQ_DEDUPLICATION_MS);
}

/* A receipt names one delivery.  Where it was settled before, the service says
 * that the message is somebody else's. */
static bool is_harmless_mq(const void *pointer)
{
    const struct sl_mq_request *request = pointer;

    return request->verb == SL_MQ_COMPLETE || request->verb == SL_MQ_ABANDON ||
           request->verb == SL_MQ_DEAD_LETTER;
}

static int64_t wait_ms(const void *config, const void *pointer)
{
    const struct sl_mq_request *request = pointer;

    (void)config;
    return request->verb == SL_MQ_RECEIVE ? (int64_t)request->wait_ms : 0;
}

struct sl_mq_request sl_mq_request_for(const struct sl_delivery *message,
                                       enum sl_mq_verb verb)
{
    return (struct sl_mq_request){.verb = verb, .receipt = message->receipt};
}

void sl_mq_give_back(struct sl_service *service,
                     const struct sl_mq_answer *answer)
{
    for (size_t i = 0; i < answer->deliveries.count; i++) {
        if (answer->deliveries.items[i] == NULL)
            continue;
        const struct sl_mq_request abandon =
            sl_mq_request_for(answer->deliveries.items[i], SL_MQ_ABANDON);
        sl_service_post(service, NULL, &abandon, 1);
    }
}

static void discard_mq(struct sl_service *service, const void *request,
                       void *answer)
{
    if (((const struct sl_mq_request *)request)->verb == SL_MQ_RECEIVE)
        sl_mq_give_back(service, answer);
}

const struct sl_capability sl_mq = {
    .name = "mq",
    .drivers = sl_mq_drivers,
    .left_out = sl_mq_drivers_left_out,
    .features = features,
    .options = options,
    .config_size = sizeof(struct sl_mq_config),
    .verbs = verbs,
    .verb_count = SL_MQ_VERB_COUNT,
    .request_size = sizeof(struct sl_mq_request),
    .answer_size = sizeof(struct sl_mq_answer),
    .answer_init = sl_mq_answer_init,
    .answer_done = sl_mq_answer_done,
    .request_fields = request_fields,
    .check_call = check_call,
    .check = check_mq,
    .is_repeatable = is_repeatable,
    .is_harmless = is_harmless_mq,
    .wait_ms = wait_ms,
    .discard = discard_mq,
};
