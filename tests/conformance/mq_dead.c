/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters, as operators see them. */
#include "mq_dead.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "mq/driver.h"
#include "mq_cases.h"
#include "native.h"

/* The dead letters behind this one; "": the oldest. */
static struct sl_mq_answer dead_behind(struct resource *resource,
                                       struct sl_bytes receipt, uint32_t limit)
{
    const struct sl_mq_request request = {
        .verb = SL_MQ_DEAD_LIST, .limit = limit, .receipt = receipt};
    struct sl_mq_answer answer;

    (void)sl_service_do(resource->store.service, NULL, &request, 1, &answer);
    OK(status_of((const struct sl_answer *)&answer));
    return answer;
}

/* The only dead letter, or the first; the test's to free. */
static struct sl_delivery *first_dead(struct resource *resource)
{
    struct sl_mq_answer answer = dead_behind(resource, SL_LITERAL(""), 1);

    CHECK(answer.deliveries.count == 1);
    struct sl_delivery *message = answer.deliveries.items[0];
    answer.deliveries.items[0] = NULL;
    sl_mq_answer_done(&answer);
    return message;
}

static enum status settle_dead(struct resource *resource,
                               struct sl_bytes receipt, enum sl_mq_verb verb)
{
    const struct sl_mq_request request = {.verb = verb, .receipt = receipt};
    struct sl_mq_answer answer;

    (void)sl_service_do(resource->store.service, NULL, &request, 1, &answer);
    enum status status = status_of((const struct sl_answer *)&answer);
    sl_mq_answer_done(&answer);
    return status;
}

void mq_case_dead_letters_are_told(struct resource *resource)
{
    uint64_t before = sl_service_dead_letters(resource->store.service);
    const struct pair pair = {TEXT("n"), TEXT("v")};
    const struct outgoing message = {.payload = TEXT("x\0y"),
                                     .attributes = &pair,
                                     .attribute_count = 1,
                                     .group = "a group"};
    struct sl_mq_burial burial;
    char id[MQ_NAME_MAX + 1];

    OK(mq_send(resource, message, id));
    OK(mq_dead_letter(mq_take(resource, 0), TEXT("no such order")));
    CHECK(sl_service_dead_letters(resource->store.service) == before + 1);
    struct sl_delivery *dead = first_dead(resource);
    CHECK(sl_bytes_equal(dead->id, sl_bytes_of(id)));
    CHECK(sl_bytes_equal(dead->payload, SL_LITERAL("x\0y")));
    CHECK(sl_bytes_equal(dead->key, SL_LITERAL("a group")));
    CHECK(dead->attribute_count == 1 && dead->delivery_count == 1);
    CHECK(sl_mq_read_burial(dead->receipt, &burial));
    CHECK(sl_bytes_equal(burial.reason, SL_LITERAL("no such order")));
    CHECK(burial.died_at_ms >= dead->sent_at_ms);
    sl_delivery_free(dead);
}

void mq_case_the_dead_are_sent_again(struct resource *resource)
{
    struct sl_mq_burial burial;

    mq_put(resource, "first");
    mq_put(resource, "second");
    OK(mq_dead_letter(mq_expect(resource, "first", 1), TEXT("")));
    OK(mq_dead_letter(mq_expect(resource, "second", 1), TEXT("no")));
    mq_put(resource, "third");
    struct sl_delivery *dead = first_dead(resource);
    CHECK(sl_mq_read_burial(dead->receipt, &burial) && burial.reason.len == 0);
    OK(settle_dead(resource, dead->receipt, SL_MQ_DEAD_REPLAY));
    FAILS(settle_dead(resource, dead->receipt, SL_MQ_DEAD_REPLAY), NOT_FOUND);
    FAILS(settle_dead(resource, dead->receipt, SL_MQ_DEAD_DROP), NOT_FOUND);
    sl_delivery_free(dead);
    OK(mq_complete(mq_expect(resource, "third", 1)));
    OK(mq_complete(mq_expect(resource, "first", 1)));
    dead = first_dead(resource);
    CHECK(sl_bytes_equal(dead->payload, SL_LITERAL("second")));
    OK(settle_dead(resource, dead->receipt, SL_MQ_DEAD_DROP));
    sl_delivery_free(dead);
    struct sl_mq_answer none = dead_behind(resource, SL_LITERAL(""), 1);
    CHECK(none.deliveries.count == 0);
    sl_mq_answer_done(&none);
    FAILS(settle_dead(resource, SL_LITERAL("nonsense"), SL_MQ_DEAD_DROP),
          NOT_FOUND);
}

static void put_in_group(struct resource *resource, const char *text)
{
    const struct outgoing message = {.payload = bytes_of(text), .group = "g"};
    char id[MQ_NAME_MAX + 1];

    OK(mq_send(resource, message, id));
}

/* The next one of its group waits for what was sent again. */
void mq_case_the_dead_keep_their_group(struct resource *resource)
{
    put_in_group(resource, "one");
    OK(mq_dead_letter(mq_expect(resource, "one", 1), TEXT("no")));
    put_in_group(resource, "two");
    struct sl_delivery *dead = first_dead(resource);
    OK(settle_dead(resource, dead->receipt, SL_MQ_DEAD_REPLAY));
    sl_delivery_free(dead);
    struct message *two = mq_expect(resource, "two", 1);
    mq_expect_none(resource);
    OK(mq_complete(two));
    OK(mq_complete(mq_expect(resource, "one", 1)));
}

/* In pages, the oldest first. */
void mq_case_many_dead(struct resource *resource)
{
    enum { DEAD = 25, DEAD_PAGE = 10 };
    SL_CLEANUP(sl_freep) char *after = sl_strdup("");
    char text[16];
    int seen = 0;

    for (int i = 0; i < DEAD; i++) {
        snprintf(text, sizeof(text), "%d", i);
        mq_put(resource, text);
        OK(mq_dead_letter(mq_expect(resource, text, 1), TEXT("no")));
    }
    for (size_t count = 1; count > 0;) {
        struct sl_mq_answer page =
            dead_behind(resource, sl_bytes_of(after), DEAD_PAGE);
        count = page.deliveries.count;
        CHECK(count <= DEAD_PAGE);
        for (size_t i = 0; i < count; i++, seen++) {
            snprintf(text, sizeof(text), "%d", seen);
            CHECK(sl_bytes_equal(page.deliveries.items[i]->payload,
                                 sl_bytes_of(text)));
        }
        if (count > 0) {
            struct sl_bytes last = page.deliveries.items[count - 1]->receipt;
            free(after);
            after = sl_strndup(last.ptr, last.len);
        }
        sl_mq_answer_done(&page);
    }
    CHECK(seen == DEAD);
}
