/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: ids, the depth, the many of a call, ids that are sent twice. */
#include "mq_cases.h"

#include <stdlib.h>
#include <string.h>

enum { IDS = 25, SINGLE = 5 };

/* Those of one call, and those of calls of their own. */
static void send_for_ids(struct resource *resource,
                         char singly[SINGLE][MQ_NAME_MAX + 1])
{
    static struct outgoing many[IDS - SINGLE];
    static enum status each[IDS - SINGLE];

    for (size_t i = 0; i < SINGLE; i++)
        OK(mq_send(resource, (struct outgoing){.payload = TEXT("x")},
                   singly[i]));
    for (size_t i = 0; i < IDS - SINGLE; i++)
        many[i].payload = TEXT("x");
    OK(mq_send_many(resource, many, IDS - SINGLE, each));
}

static bool is_among(const char *id, char ids[][MQ_NAME_MAX + 1], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(id, ids[i]) == 0)
            return true;
    return false;
}

static void ids_are_unique(struct resource *resource)
{
    static char singly[SINGLE][MQ_NAME_MAX + 1], ids[IDS][MQ_NAME_MAX + 1];

    send_for_ids(resource, singly);
    for (size_t i = 0; i < IDS; i++) {
        struct message *message = mq_take(resource, 0);
        const char *id = mq_get(message)->id;
        CHECK(id[0] != '\0' && strlen(id) <= MQ_NAME_MAX);
        CHECK(!is_among(id, ids, i));
        strcpy(ids[i], id);
        OK(mq_complete(message));
    }
    for (size_t i = 0; i < SINGLE; i++)
        CHECK(is_among(singly[i], ids, IDS));
    mq_expect_none(resource);
}

static void expect_depth(struct resource *resource, uint64_t expected)
{
    uint64_t depth;

    OK(mq_depth(resource, &depth));
    CHECK(depth == expected);
}

static void the_depth(struct resource *resource)
{
    char id[MQ_NAME_MAX + 1];

    expect_depth(resource, 0);
    mq_put(resource, "received");
    struct message *received = mq_take(resource, 0);
    OK(mq_send(resource,
               (struct outgoing){.payload = TEXT("hidden"),
                                 .delay_ms = MQ_DELAY_MAX_MS},
               id));
    mq_put(resource, "ready");
    expect_depth(resource, 3);
    OK(mq_dead_letter(received, TEXT("")));
    expect_depth(resource, 2);
    OK(mq_complete(mq_take(resource, 0)));
    expect_depth(resource, 1);
}

static void the_longest_delay(struct resource *resource)
{
    mq_put(resource, "text");
    struct message *message = mq_take(resource, 0);
    FAILS(message_abandon(message, MQ_DELAY_MAX_MS + 1), INVALID_ARGUMENT);
    FAILS(message_abandon(message, UINT64_MAX), INVALID_ARGUMENT);
    OK(mq_abandon(message, MQ_DELAY_MAX_MS));
    mq_expect_none(resource);
    expect_depth(resource, 1);
}

/* One of a group that fails holds up none behind it. */
static void one_bad_of_a_group(struct resource *resource)
{
    uint8_t *large = zeros(MQ_PAYLOAD_MAX + 1);
    const struct outgoing messages[] = {
        {.payload = TEXT("first"), .group = "g"},
        {.payload = {large, MQ_PAYLOAD_MAX + 1}, .group = "g"},
        {.payload = TEXT("third"), .group = "g"},
    };
    enum status each[3];

    OK(mq_send_many(resource, messages, 3, each));
    free(large);
    CHECK(each[0] == WORKED && each[1] == TOO_LARGE && each[2] == WORKED);
    OK(mq_complete(mq_expect(resource, "first", 1)));
    OK(mq_complete(mq_expect(resource, "third", 1)));
    mq_expect_none(resource);
}

/* The id alone says that it is the same one. */
static void the_same_id_of_another(struct resource *resource)
{
    struct outgoing message = {.payload = TEXT("one"),
                               .deduplication_id = "id"};
    char first[MQ_NAME_MAX + 1], again[MQ_NAME_MAX + 1];

    OK(mq_send(resource, message, first));
    message.group = "g";
    message.payload = TEXT("two");
    OK(mq_send(resource, message, again));
    CHECK(strcmp(first, again) == 0);
    OK(mq_dead_letter(mq_expect(resource, "one", 1), TEXT("reason")));
    OK(mq_send(resource, message, again));
    CHECK(strcmp(first, again) == 0);
    mq_expect_none(resource);
}

/* Whatever receives it, and however often: only complete takes it away. */
static void only_complete_removes(struct resource *resource)
{
    mq_put(resource, "text");
    for (uint32_t i = 1; i < MQ_DELIVERIES_MAX; i++)
        OK(mq_abandon(mq_expect(resource, "text", i), 0));
    OK(mq_complete(mq_expect(resource, "text", MQ_DELIVERIES_MAX)));
    mq_expect_none(resource);
    expect_depth(resource, 0);
}

const struct suite_case mq_queue_cases[] = {
    {"ids are unique", 0, ids_are_unique, .holds = "mq-11 mq-35"},
    {"the depth", MQ_NEEDS_DELAY | MQ_NEEDS_DEAD_LETTER, the_depth,
     .holds = "mq-39"},
    {"the longest delay of one that comes back", 0, the_longest_delay,
     .holds = "mq-22 mq-45"},
    {"one bad of a group", MQ_NEEDS_GROUPS | MQ_NEEDS_COUNT, one_bad_of_a_group,
     .holds = "mq-36"},
    {"the same id of another message",
     MQ_NEEDS_DEDUPLICATION | MQ_NEEDS_GROUPS | MQ_NEEDS_DEAD_LETTER |
         MQ_NEEDS_COUNT,
     the_same_id_of_another, .holds = "mq-9"},
    {"only complete removes", MQ_NEEDS_COUNT, only_complete_removes,
     .holds = "mq-16 mq-21"},
    {0},
};
