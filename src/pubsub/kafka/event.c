/* SPDX-License-Identifier: Apache-2.0 */
/* Converts between events and messages of Kafka. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pubsub/kafka/internal.h"
#include "service/attributes.h"

enum sl_status
sl_pubsub_kafka_make_headers(const struct sl_pubsub_request *request,
                             rd_kafka_headers_t **headers, struct sl_error *err)
{
    rd_kafka_headers_t *made;

    *headers = NULL;
    if (request->attribute_count == 0)
        return SL_OK;
    made = rd_kafka_headers_new(request->attribute_count);
    for (size_t i = 0; i < request->attribute_count; i++) {
        const struct sl_pair *pair = &request->attributes[i];
        /* NULL would mean no value instead of an empty one. */
        const uint8_t *value =
            pair->value.len > 0 ? pair->value.ptr : (const uint8_t *)"";
        rd_kafka_resp_err_t code = rd_kafka_header_add(
            made, (const char *)pair->name.ptr, (ssize_t)pair->name.len, value,
            (ssize_t)pair->value.len);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(made);
            return sl_fail(err, SL_INVALID_ARGUMENT,
                           "an attribute that Kafka does not accept: %s",
                           rd_kafka_err2str(code));
        }
    }
    *headers = made;
    return SL_OK;
}

/* Where a name occurs twice the later header counts, in the earlier one's
 * place, as with Kafka's lastHeader. */
static size_t put_header(struct sl_pair pairs[SL_ATTRIBUTES_MAX], size_t count,
                         struct sl_pair pair)
{
    for (size_t i = 0; i < count; i++)
        if (sl_bytes_equal(pairs[i].name, pair.name)) {
            pairs[i] = pair;
            return count;
        }
    pairs[count] = pair;
    return count + 1;
}

/* Other publishers may have put anything there; headers that cannot be
 * attributes are skipped. */
static size_t read_headers(const rd_kafka_message_t *message,
                           struct sl_pair pairs[SL_ATTRIBUTES_MAX])
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len, count = 0, bytes = 0;

    if (rd_kafka_message_headers(message, &headers) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    for (size_t i = 0;
         count < SL_ATTRIBUTES_MAX &&
         rd_kafka_header_get_all(headers, i, &name, &value, &len) ==
             RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        struct sl_pair pair = {sl_bytes_of(name),
                               SL_BYTES(value, value != NULL ? len : 0)};
        bytes += pair.name.len + pair.value.len;
        if (pair.name.len == 0 || pair.name.len > SL_ATTRIBUTE_NAME_MAX ||
            bytes > SL_ATTRIBUTE_BYTES_MAX || !sl_bytes_are_text(pair.name) ||
            !sl_bytes_are_text(pair.value))
            bytes -= pair.name.len + pair.value.len;
        else
            count = put_header(pairs, count, pair);
    }
    return count;
}

struct sl_delivery *
sl_pubsub_kafka_make_event(const char *topic, const rd_kafka_message_t *message)
{
    struct sl_pair pairs[SL_ATTRIBUTES_MAX];
    rd_kafka_timestamp_type_t type;
    int64_t published = rd_kafka_message_timestamp(message, &type);
    char id[48];

    snprintf(id, sizeof(id), "%" PRId32 "-%" PRId64, message->partition,
             message->offset);
    const struct sl_delivery event = {
        .topic = sl_bytes_of(topic),
        .id = sl_bytes_of(id),
        .payload = SL_BYTES(message->payload,
                            message->payload != NULL ? message->len : 0),
        .key = {message->key, message->key != NULL ? message->key_len : 0},
        .attributes = pairs,
        .attribute_count = read_headers(message, pairs),
        .sent_at_ms = published > 0 ? (uint64_t)published : 0,
    };
    return sl_delivery_copy(&event);
}
