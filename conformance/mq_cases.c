/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: delivery, order, redelivery, dead letters. */
#include "mq_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct receive one_look = {.limit = 1};

static enum status drop_settled(struct message *message, enum status status)
{
    const struct failure why = *last_failure();

    mq_drop(message);
    *last_failure() = why;
    return status;
}

enum status mq_complete(struct message *message)
{
    return drop_settled(message, message_complete(message));
}

enum status mq_abandon(struct message *message, uint64_t delay_ms)
{
    return drop_settled(message, message_abandon(message, delay_ms));
}

enum status mq_dead_letter(struct message *message, struct bytes reason)
{
    return drop_settled(message, message_dead_letter(message, reason));
}

void mq_put(struct resource *resource, const char *text)
{
    char id[MQ_NAME_MAX + 1];

    OK(mq_send(resource, (struct outgoing){.payload = bytes_of(text)}, id));
}

struct message *mq_take(struct resource *resource, uint64_t visibility_ms)
{
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    OK(mq_receive(resource,
                  (struct receive){.limit = 1,
                                   .wait_ms = 30000,
                                   .visibility_ms = visibility_ms},
                  messages, &count));
    CHECK(count == 1);
    return messages[0];
}

struct message *mq_expect(struct resource *resource, const char *text,
                          uint32_t delivery_count)
{
    struct message *message = mq_take(resource, 0);
    const struct delivery *delivery = mq_get(message);

    if (!bytes_equal(delivery->payload, bytes_of(text)))
        case_fail(__FILE__, __LINE__, "received \"%.*s\", not \"%s\"",
                  (int)delivery->payload.len,
                  (const char *)delivery->payload.ptr, text);
    CHECK(delivery->delivery_count == delivery_count);
    return message;
}

void mq_expect_none(struct resource *resource)
{
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    OK(mq_receive(resource, one_look, messages, &count));
    CHECK(count == 0);
}

static void put_in(struct resource *resource, const char *group,
                   const char *text, uint64_t delay_ms)
{
    char id[MQ_NAME_MAX + 1];

    OK(mq_send(resource,
               (struct outgoing){.payload = bytes_of(text),
                                 .group = group,
                                 .delay_ms = delay_ms},
               id));
}

static void sent_is_received(struct resource *resource)
{
    const struct pair attributes[] = {
        {TEXT("content-type"), TEXT("text/plain")},
        {TEXT("leer"), TEXT("")},
        {TEXT("\xc3\xa4"), TEXT("\xe2\x82\xac")},
    };
    const struct outgoing message = {.payload = TEXT("a\0b\xff"),
                                     .attributes = attributes,
                                     .attribute_count = 3};
    char id[MQ_NAME_MAX + 1];

    OK(mq_send(resource, message, id));
    struct message *received = mq_take(resource, 0);
    const struct delivery *delivery = mq_get(received);
    CHECK(strcmp(delivery->id, id) == 0 && id[0] != '\0');
    CHECK(bytes_equal(delivery->payload, message.payload));
    CHECK(delivery->attribute_count == 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(bytes_equal(delivery->attributes[i].name, attributes[i].name));
        CHECK(bytes_equal(delivery->attributes[i].value, attributes[i].value));
    }
    CHECK(delivery->group == NULL);
    CHECK(delivery->delivery_count == 1);
    CHECK(delivery->enqueued_at_ms > UINT64_C(1600000000000));
    OK(mq_complete(received));
    mq_expect_none(resource);
}

static void in_the_order_sent(struct resource *resource)
{
    char text[16];

    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "%d", i);
        mq_put(resource, text);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "%d", i);
        OK(mq_complete(mq_expect(resource, text, 1)));
    }
}

static void many_at_once(struct resource *resource)
{
    enum { COUNT = 250 };
    static struct outgoing messages[COUNT];
    static enum status each[COUNT];
    static char texts[COUNT][16];
    struct message *received[MQ_RECEIVE_MAX];
    size_t total = 0, count;
    uint64_t depth;

    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d", i);
        messages[i] = (struct outgoing){.payload = bytes_of(texts[i])};
    }
    OK(mq_send_many(resource, messages, COUNT, each));
    for (int i = 0; i < COUNT; i++)
        CHECK(each[i] == WORKED);
    OK(mq_depth(resource, &depth));
    CHECK(depth == COUNT);
    while (total < COUNT) {
        OK(mq_receive(
            resource,
            (struct receive){.limit = MQ_RECEIVE_MAX, .wait_ms = 10000},
            received, &count));
        CHECK(count > 0 && count <= MQ_RECEIVE_MAX);
        for (size_t i = 0; i < count; i++) {
            CHECK(bytes_equal(mq_get(received[i])->payload,
                              bytes_of(texts[total + i])));
            OK(mq_complete(received[i]));
        }
        total += count;
    }
    OK(mq_depth(resource, &depth));
    CHECK(depth == 0);
}

static void each_by_itself(struct resource *resource)
{
    uint8_t *large = zeros(MQ_PAYLOAD_MAX + 1);
    const struct outgoing messages[] = {
        {.payload = TEXT("first")},
        {.payload = {large, MQ_PAYLOAD_MAX + 1}},
        {.payload = TEXT("third")},
    };
    enum status each[3];

    OK(mq_send_many(resource, messages, 3, each));
    free(large);
    CHECK(each[0] == WORKED && each[1] == TOO_LARGE && each[2] == WORKED);
    OK(mq_complete(mq_expect(resource, "first", 1)));
    OK(mq_complete(mq_expect(resource, "third", 1)));
    OK(mq_send_many(resource, NULL, 0, each));
    mq_expect_none(resource);
}

static void one_receiver_at_a_time(struct resource *resource)
{
    mq_put(resource, "only");
    struct message *message = mq_expect(resource, "only", 1);
    mq_expect_none(resource);
    OK(mq_complete(message));
    mq_expect_none(resource);
}

static void a_drop_abandons(struct resource *resource)
{
    mq_put(resource, "first");
    mq_put(resource, "second");
    mq_drop(mq_expect(resource, "first", 1));
    sleep_ms(300); /* a drop does not wait */
    OK(mq_complete(mq_expect(resource, "first", 2)));
    OK(mq_abandon(mq_expect(resource, "second", 1), 0));
    OK(mq_complete(mq_expect(resource, "second", 2)));
}

static void abandon_with_a_delay(struct resource *resource)
{
    mq_put(resource, "later");
    OK(mq_abandon(mq_expect(resource, "later", 1), 1500));
    mq_expect_none(resource);
    OK(mq_complete(mq_expect(resource, "later", 2)));
}

static void settled_is_settled(struct resource *resource)
{
    mq_put(resource, "first");
    struct message *message = mq_take(resource, 0);
    OK(message_complete(message));
    FAILS(message_complete(message), CONFLICT);
    FAILS(message_abandon(message, 0), CONFLICT);
    FAILS(mq_extend(message, MQ_VISIBILITY_MIN_MS), CONFLICT);
    CHECK(bytes_equal(mq_get(message)->payload, TEXT("first")));
    mq_drop(message);
    mq_expect_none(resource);

    /* One that was returned is somebody else's; to drop it does nothing. */
    mq_put(resource, "second");
    message = mq_take(resource, 0);
    OK(message_abandon(message, 0));
    struct message *again = mq_take(resource, 0);
    FAILS(message_complete(message), CONFLICT);
    mq_drop(message);
    mq_expect_none(resource);
    OK(mq_complete(again));
}

static void a_dead_letter_is_settled(struct resource *resource)
{
    mq_put(resource, "text");
    struct message *message = mq_take(resource, 0);
    OK(message_dead_letter(message, TEXT("reason")));
    FAILS(message_dead_letter(message, TEXT("reason")), CONFLICT);
    FAILS(message_complete(message), CONFLICT);
    mq_drop(message);
    mq_expect_none(resource);
}

static void a_failure_settles_nothing(struct resource *resource)
{
    static char reason[1026];

    memset(reason, 'r', 1025);
    mq_put(resource, "text");
    struct message *message = mq_take(resource, 0);
    FAILS(message_abandon(message, MQ_DELAY_MAX_MS + 1), INVALID_ARGUMENT);
    FAILS(message_dead_letter(message, bytes_of(reason)), INVALID_ARGUMENT);
    mq_expect_none(resource);
    OK(mq_extend(message, MQ_VISIBILITY_MAX_MS));
    OK(mq_complete(message));
    mq_expect_none(resource);
}

static void visibility_ends(struct resource *resource)
{
    mq_put(resource, "text");
    struct message *first = mq_take(resource, MQ_VISIBILITY_MIN_MS);
    struct message *second = mq_expect(resource, "text", 2);
    FAILS(mq_extend(first, 5000), CONFLICT);
    FAILS(mq_complete(first), CONFLICT);
    OK(mq_complete(second));
    mq_expect_none(resource);

    /* Although nobody else has it. */
    mq_put(resource, "text");
    first = mq_take(resource, MQ_VISIBILITY_MIN_MS);
    sleep_ms(MQ_VISIBILITY_MIN_MS + 300);
    FAILS(mq_complete(first), CONFLICT);
    OK(mq_complete(mq_expect(resource, "text", 2)));
}

static void what_is_extended_stays(struct resource *resource)
{
    mq_put(resource, "text");
    struct message *message = mq_take(resource, 2000);
    for (int i = 0; i < 6; i++) {
        sleep_ms(500);
        OK(mq_extend(message, 2000));
        mq_expect_none(resource);
    }
    OK(mq_extend(message, MQ_VISIBILITY_MIN_MS));
    OK(mq_complete(mq_expect(resource, "text", 2)));
    FAILS(mq_complete(message), CONFLICT);
}

static void a_delay(struct resource *resource)
{
    char id[MQ_NAME_MAX + 1];
    const struct outgoing later = {.payload = TEXT("later"), .delay_ms = 1500};

    OK(mq_send(resource, later, id));
    mq_put(resource, "now");
    OK(mq_complete(mq_expect(resource, "now", 1)));
    mq_expect_none(resource);
    OK(mq_complete(mq_expect(resource, "later", 1)));
}

static void the_same_id(struct resource *resource)
{
    char first[MQ_NAME_MAX + 1], second[MQ_NAME_MAX + 1];
    struct outgoing message = {.payload = TEXT("one"),
                               .deduplication_id = "order 7"};

    OK(mq_send(resource, message, first));
    message.payload = TEXT("two");
    OK(mq_send(resource, message, second));
    CHECK(strcmp(first, second) == 0);
    OK(mq_complete(mq_expect(resource, "one", 1)));
    OK(mq_send(resource, message, second)); /* it was handled meanwhile */
    mq_expect_none(resource);
    message.deduplication_id = "order 8";
    OK(mq_send(resource, message, second));
    CHECK(strcmp(first, second) != 0);
    OK(mq_complete(mq_expect(resource, "two", 1)));
}

static void a_group_is_in_order(struct resource *resource)
{
    put_in(resource, "a", "a1", 0);
    put_in(resource, "a", "a2", 0);
    put_in(resource, "b", "b1", 0);
    put_in(resource, NULL, "alone", 0);
    put_in(resource, "a", "a3", 0);
    struct message *a1 = mq_expect(resource, "a1", 1);
    CHECK(strcmp(mq_get(a1)->group, "a") == 0);
    struct message *b1 = mq_expect(resource, "b1", 1);
    struct message *alone = mq_expect(resource, "alone", 1);
    mq_expect_none(resource);
    OK(mq_abandon(a1, 0)); /* comes back before the others */
    a1 = mq_expect(resource, "a1", 2);
    mq_expect_none(resource);
    OK(mq_complete(a1));
    struct message *a2 = mq_expect(resource, "a2", 1);
    mq_expect_none(resource);
    OK(mq_complete(b1));
    OK(mq_complete(alone));
    mq_expect_none(resource);
    OK(mq_complete(a2));
    OK(mq_complete(mq_expect(resource, "a3", 1)));
    mq_expect_none(resource);
}

static void a_group_waits_for_what_is_hidden(struct resource *resource)
{
    put_in(resource, "a", "a1", 1200);
    put_in(resource, "a", "a2", 0);
    mq_expect_none(resource);
    struct message *a1 = mq_take(resource, MQ_VISIBILITY_MIN_MS);
    CHECK(bytes_equal(mq_get(a1)->payload, TEXT("a1")));
    struct message *again = mq_expect(resource, "a1", 2);
    FAILS(mq_complete(a1), CONFLICT);
    OK(mq_complete(again));
    OK(mq_complete(mq_expect(resource, "a2", 1)));
}

static void so_often_and_no_more(struct resource *resource)
{
    uint64_t depth;

    mq_put(resource, "bad");
    for (uint32_t i = 1; i <= MQ_DELIVERIES_MAX; i++)
        OK(mq_abandon(mq_expect(resource, "bad", i), 0));
    mq_expect_none(resource);
    OK(mq_depth(resource, &depth));
    CHECK(depth == 0);
    mq_put(resource, "good");
    OK(mq_complete(mq_expect(resource, "good", 1)));
}

static void the_dead_hold_up_nobody(struct resource *resource)
{
    put_in(resource, "a", "a1", 0);
    put_in(resource, "a", "a2", 0);
    put_in(resource, "a", "a3", 0);
    OK(mq_dead_letter(mq_expect(resource, "a1", 1), TEXT("no such order")));
    for (uint32_t i = 1; i <= MQ_DELIVERIES_MAX; i++)
        OK(mq_abandon(mq_expect(resource, "a2", i), 0));
    OK(mq_complete(mq_expect(resource, "a3", 1)));
    mq_expect_none(resource);
}

static void a_wait_runs_out(struct resource *resource)
{
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    OK(mq_receive(resource, (struct receive){.limit = 5, .wait_ms = 400},
                  messages, &count));
    CHECK(count == 0);
}

const struct suite_case mq_cases[] = {
    {"what is sent is received", 0, sent_is_received,
     .holds = "mq-3 mq-11 mq-12 mq-13 mq-15 mq-44"},
    {"in the order sent", 0, in_the_order_sent, .holds = "mq-17"},
    {"many at once", 0, many_at_once, .holds = "mq-14 mq-26 mq-36 mq-39"},
    {"each of many by itself", 0, each_by_itself, .holds = "mq-36"},
    {"one receiver at a time", 0, one_receiver_at_a_time,
     .holds = "mq-14 mq-28"},
    {"a drop abandons", MQ_NEEDS_COUNT, a_drop_abandons,
     .holds = "mq-16 mq-18 mq-40"},
    {"abandon with a delay", MQ_NEEDS_COUNT, abandon_with_a_delay,
     .holds = "mq-45"},
    {"what is settled is settled", 0, settled_is_settled, .holds = "mq-55"},
    {"a dead letter is settled", MQ_NEEDS_DEAD_LETTER, a_dead_letter_is_settled,
     .holds = "mq-20 mq-46 mq-55"},
    {"a failure settles nothing", 0, a_failure_settles_nothing,
     .holds = "mq-43"},
    {"visibility ends", MQ_NEEDS_COUNT, visibility_ends,
     .holds = "mq-16 mq-30 mq-42"},
    {"what is extended stays hidden", MQ_NEEDS_COUNT, what_is_extended_stays,
     .holds = "mq-42 mq-47"},
    {"a delay", MQ_NEEDS_DELAY, a_delay, .holds = "mq-6"},
    {"a second one of the same id", MQ_NEEDS_DEDUPLICATION, the_same_id,
     .holds = "mq-9"},
    {"a group is in order", MQ_NEEDS_GROUPS | MQ_NEEDS_COUNT,
     a_group_is_in_order, .holds = "mq-7 mq-18"},
    {"a group waits for what is hidden",
     MQ_NEEDS_GROUPS | MQ_NEEDS_COUNT | MQ_NEEDS_DELAY,
     a_group_waits_for_what_is_hidden, .holds = "mq-7"},
    {"exactly so many deliveries", MQ_NEEDS_DEAD_LETTER | MQ_NEEDS_COUNT,
     so_often_and_no_more, .holds = "mq-19 mq-20"},
    {"the dead hold up nobody",
     MQ_NEEDS_DEAD_LETTER | MQ_NEEDS_COUNT | MQ_NEEDS_GROUPS,
     the_dead_hold_up_nobody, .holds = "mq-7 mq-20"},
    {"a wait runs out", 0, a_wait_runs_out, .holds = "mq-29"},
    {0},
};

/* --- Limits ------------------------------------------------------------- */

static enum status send_with(struct resource *resource, struct outgoing message)
{
    char id[MQ_NAME_MAX + 1];

    return mq_send(resource, message, id);
}

static void payloads(struct resource *resource)
{
    uint8_t *bytes = zeros(MQ_PAYLOAD_MAX + 1);
    struct outgoing message = {.payload = {bytes, MQ_PAYLOAD_MAX + 1}};

    for (size_t i = 0; i <= MQ_PAYLOAD_MAX; i++)
        bytes[i] = (uint8_t)(i * 7);
    FAILS(send_with(resource, message), TOO_LARGE);
    message.payload.len = MQ_PAYLOAD_MAX;
    OK(send_with(resource, message));
    message.payload.len = 0;
    OK(send_with(resource, message));
    struct message *received = mq_take(resource, 0);
    CHECK(bytes_equal(mq_get(received)->payload,
                      (struct bytes){bytes, MQ_PAYLOAD_MAX}));
    free(bytes);
    OK(mq_complete(received));
    received = mq_take(resource, 0);
    CHECK(mq_get(received)->payload.len == 0);
    OK(mq_complete(received));
    mq_expect_none(resource);
}

static void attributes(struct resource *resource)
{
    static struct pair pairs[MQ_ATTRIBUTES_MAX + 1];
    static char names[MQ_ATTRIBUTES_MAX + 1][8];
    static char name[MQ_NAME_MAX + 2], value[65537];
    struct outgoing message = {.payload = TEXT(""), .attributes = pairs};

    for (size_t i = 0; i <= MQ_ATTRIBUTES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
        pairs[i] = (struct pair){bytes_of(names[i]), TEXT("value")};
    }
    message.attribute_count = MQ_ATTRIBUTES_MAX + 1;
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    message.attribute_count = MQ_ATTRIBUTES_MAX;
    OK(send_with(resource, message));
    struct message *received = mq_take(resource, 0);
    CHECK(mq_get(received)->attribute_count == MQ_ATTRIBUTES_MAX);
    for (size_t i = 0; i < MQ_ATTRIBUTES_MAX; i++)
        CHECK(bytes_equal(mq_get(received)->attributes[i].name,
                          bytes_of(names[i])));
    OK(mq_complete(received));
    pairs[1].name = pairs[7].name;
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    memset(name, 'n', MQ_NAME_MAX + 1);
    memset(value, 'v', 65536);
    message.attribute_count = 1;
    pairs[0].name = bytes_of(name);
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    pairs[0].name = TEXT("");
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    pairs[0].name = TEXT("a\0b");
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    pairs[0] = (struct pair){TEXT("n"), bytes_of(value)};
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    pairs[0].value.len = 65535;
    OK(send_with(resource, message));
    received = mq_take(resource, 0);
    CHECK(mq_get(received)->attributes[0].value.len == 65535);
    OK(mq_complete(received));
}

static void names(struct resource *resource)
{
    static char name[MQ_NAME_MAX + 2];
    struct outgoing message = {.payload = TEXT("x"), .group = ""};

    memset(name, 'g', MQ_NAME_MAX + 1);
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    message.group = name;
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    message.group = NULL;
    message.deduplication_id = "";
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    message.deduplication_id = name;
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    name[MQ_NAME_MAX] = '\0';
    message.group = name;
    OK(send_with(resource, message));
    struct message *received = mq_take(resource, 0);
    CHECK(strcmp(mq_get(received)->group, name) == 0);
    OK(mq_complete(received));
}

static void times_and_counts(struct resource *resource)
{
    struct message *messages[MQ_RECEIVE_MAX];
    struct outgoing message = {.payload = TEXT("x"),
                               .delay_ms = MQ_DELAY_MAX_MS + 1};
    struct receive receive = {0};
    size_t count;

    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    message.delay_ms = UINT64_MAX;
    FAILS(send_with(resource, message), INVALID_ARGUMENT);
    FAILS(mq_receive(resource, receive, messages, &count), INVALID_ARGUMENT);
    receive.limit = MQ_RECEIVE_MAX + 1;
    FAILS(mq_receive(resource, receive, messages, &count), INVALID_ARGUMENT);
    receive.limit = 1;
    receive.wait_ms = 3600001;
    FAILS(mq_receive(resource, receive, messages, &count), INVALID_ARGUMENT);
    receive.wait_ms = 0;
    receive.visibility_ms = MQ_VISIBILITY_MIN_MS - 1;
    FAILS(mq_receive(resource, receive, messages, &count), INVALID_ARGUMENT);
    receive.visibility_ms = MQ_VISIBILITY_MAX_MS + 1;
    FAILS(mq_receive(resource, receive, messages, &count), INVALID_ARGUMENT);
    mq_put(resource, "text");
    struct message *received = mq_take(resource, MQ_VISIBILITY_MAX_MS);
    FAILS(mq_extend(received, MQ_VISIBILITY_MIN_MS - 1), INVALID_ARGUMENT);
    FAILS(mq_extend(received, UINT64_MAX), INVALID_ARGUMENT);
    OK(mq_extend(received, MQ_VISIBILITY_MAX_MS));
    OK(mq_complete(received));
}

static void too_many(struct resource *resource)
{
    static struct outgoing messages[MQ_MANY_MAX + 1];
    static enum status each[MQ_MANY_MAX + 1];
    uint64_t depth;

    for (size_t i = 0; i <= MQ_MANY_MAX; i++)
        messages[i].payload = TEXT("x");
    FAILS(mq_send_many(resource, messages, MQ_MANY_MAX + 1, each), TOO_LARGE);
    OK(mq_depth(resource, &depth));
    CHECK(depth == 0);
    OK(mq_send_many(resource, messages, MQ_MANY_MAX, each));
    OK(mq_depth(resource, &depth));
    CHECK(depth == MQ_MANY_MAX);
}

static void reasons(struct resource *resource)
{
    static char reason[1026];

    memset(reason, 'r', 1025);
    mq_put(resource, "one");
    FAILS(mq_dead_letter(mq_expect(resource, "one", 1), bytes_of(reason)),
          INVALID_ARGUMENT);
    sleep_ms(300); /* it was dropped, and so abandoned */
    reason[1024] = '\0';
    OK(mq_dead_letter(mq_expect(resource, "one", 2), bytes_of(reason)));
    mq_expect_none(resource);
}

const struct suite_case mq_limit_cases[] = {
    {"limits of payloads", 0, payloads, .holds = "mq-5"},
    {"limits of attributes", 0, attributes,
     .holds = "mq-1 mq-2 mq-3 mq-4 mq-22"},
    {"limits of groups and ids", MQ_NEEDS_GROUPS | MQ_NEEDS_DEDUPLICATION,
     names, .holds = "mq-8 mq-10 mq-22"},
    {"limits of times and counts", MQ_NEEDS_DELAY, times_and_counts,
     .holds = "mq-6 mq-22 mq-26 mq-27 mq-30 mq-47"},
    {"limits of many", 0, too_many, .holds = "mq-37"},
    {"limits of reasons", MQ_NEEDS_DEAD_LETTER | MQ_NEEDS_COUNT, reasons,
     .holds = "mq-46"},
    {0},
};

const struct suite_case *const suite[] = {mq_cases, mq_queue_cases,
                                          mq_limit_cases, mq_side_cases, NULL};

struct suite_limit suite_limits[] = {
    {"max-payload", 65536},
    {"max-deliveries", 10},
    {0},
};

/* --- Without a feature -------------------------------------------------- */

static void no_delay(struct resource *resource)
{
    const struct outgoing message = {.payload = TEXT("x"), .delay_ms = 1000};

    FAILS(send_with(resource, message), UNSUPPORTED);
    mq_expect_none(resource);
}

static void no_groups(struct resource *resource)
{
    const struct outgoing message = {.payload = TEXT("x"), .group = "group"};

    FAILS(send_with(resource, message), UNSUPPORTED);
    mq_expect_none(resource);
}

static void no_deduplication(struct resource *resource)
{
    const struct outgoing message = {.payload = TEXT("x"),
                                     .deduplication_id = "id"};

    FAILS(send_with(resource, message), UNSUPPORTED);
    mq_expect_none(resource);
}

static void no_dead_letter(struct resource *resource)
{
    mq_put(resource, "x");
    FAILS(mq_dead_letter(mq_take(resource, 0), TEXT("reason")), UNSUPPORTED);
}

const struct suite_feature suite_features[] = {
    {MQ_NEEDS_DELAY, "delay", no_delay},
    {MQ_NEEDS_GROUPS, "groups", no_groups},
    {MQ_NEEDS_DEDUPLICATION, "deduplication", no_deduplication},
    {MQ_NEEDS_DEAD_LETTER, "dead-letter", no_dead_letter},
    {MQ_NEEDS_COUNT, "exact-count", NULL},
    {MQ_NEEDS_DURABLE, "durable", NULL},
    {MQ_NEEDS_SHARED, "shared", NULL},
    {0},
};
