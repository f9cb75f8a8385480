/* SPDX-License-Identifier: Apache-2.0 */
/* What the receipt of a dead letter says of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mq/driver.h"

bool sl_mq_answer_add_dead(struct sl_op *op, struct sl_delivery *message,
                           const struct sl_mq_burial *burial)
{
    char text[SL_MQ_PLACE_MAX + 32 + SL_MQ_REASON_MAX];

    int len = snprintf(text, sizeof(text), "%.*s %" PRIu64 " %.*s",
                       (int)burial->place.len, (const char *)burial->place.ptr,
                       burial->died_at_ms, (int)burial->reason.len,
                       burial->reason.len > 0 ? (const char *)burial->reason.ptr
                                              : "");
    message->receipt = SL_BYTES(
        text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    return sl_mq_answer_add(op, message);
}

static bool take_word(struct sl_bytes *text, struct sl_bytes *word)
{
    const uint8_t *space =
        text->len == 0 ? NULL : memchr(text->ptr, ' ', text->len);

    if (space == NULL)
        return false;
    *word = SL_BYTES(text->ptr, (size_t)(space - text->ptr));
    *text = SL_BYTES(space + 1, text->len - word->len - 1);
    return true;
}

bool sl_mq_read_burial(struct sl_bytes receipt, struct sl_mq_burial *out)
{
    struct sl_bytes died;
    int64_t at;

    if (!take_word(&receipt, &out->place) || !take_word(&receipt, &died) ||
        !sl_bytes_to_integer(died, &at) || at < 0)
        return false;
    out->died_at_ms = (uint64_t)at;
    out->reason = receipt;
    return true;
}
