/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: what an event is, how long it is kept, in which order it is
 * acknowledged. */
#include "pubsub_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_of(struct bytes bytes)
{
    char *text = zeros(bytes.len + 1);

    memcpy(text, bytes.ptr, bytes.len);
    return text;
}

static void an_id_stays(struct resource *resource)
{
    struct subscription *one = pubsub_join(resource, "one", false);
    struct subscription *other = pubsub_join(resource, "other", false);

    pubsub_put(resource, NULL, "text");
    struct delivery *delivery = pubsub_take(one);
    char *id = copy_of(pubsub_get(delivery)->id);
    pubsub_drop(delivery);
    delivery = pubsub_take(one);
    CHECK(bytes_equal(pubsub_get(delivery)->id, bytes_of(id)));
    OK(pubsub_acknowledge(delivery));
    delivery = pubsub_take(other);
    CHECK(bytes_equal(pubsub_get(delivery)->id, bytes_of(id)));
    OK(pubsub_acknowledge(delivery));
    free(id);
    pubsub_leave(one);
    pubsub_leave(other);
}

static enum status publish_with(struct resource *resource,
                                const struct pair *pairs, size_t count)
{
    return pubsub_publish(resource, pubsub_topic(),
                          (struct outgoing){.payload = TEXT("x"),
                                            .attributes = pairs,
                                            .attribute_count = count});
}

static void expect_attributes(struct subscription *subscription,
                              const struct pair *pairs, size_t count)
{
    struct delivery *delivery = pubsub_take(subscription);
    const struct event *event = pubsub_get(delivery);

    CHECK(event->attribute_count == count);
    for (size_t i = 0; i < count; i++) {
        CHECK(bytes_equal(event->attributes[i].name, pairs[i].name));
        CHECK(bytes_equal(event->attributes[i].value, pairs[i].value));
    }
    OK(pubsub_acknowledge(delivery));
}

/* Their number, their order, and a name that occurs twice. */
static void attributes_in_order(struct resource *resource)
{
    static struct pair pairs[PUBSUB_ATTRIBUTES_MAX];
    static char names[PUBSUB_ATTRIBUTES_MAX][8];
    struct subscription *subscription = pubsub_join(resource, "g", false);

    for (size_t i = 0; i < PUBSUB_ATTRIBUTES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu", i * 37 % 64);
        pairs[i] = (struct pair){bytes_of(names[i]), bytes_of(names[i])};
    }
    OK(publish_with(resource, pairs, PUBSUB_ATTRIBUTES_MAX));
    expect_attributes(subscription, pairs, PUBSUB_ATTRIBUTES_MAX);
    pairs[9].name = pairs[2].name;
    FAILS(publish_with(resource, pairs, PUBSUB_ATTRIBUTES_MAX),
          INVALID_ARGUMENT);
    pubsub_leave(subscription);
}

static void sizes_of_attributes(struct resource *resource)
{
    static char name[130], value[65536];
    struct pair pair = {{(const uint8_t *)name, 129}, TEXT("")};
    struct subscription *subscription = pubsub_join(resource, "g", false);

    memset(name, 'n', 129);
    memset(value, 'v', 65535);
    FAILS(publish_with(resource, &pair, 1), INVALID_ARGUMENT);
    pair.name.len = 0;
    FAILS(publish_with(resource, &pair, 1), INVALID_ARGUMENT);
    pair.name = TEXT("a\0b");
    FAILS(publish_with(resource, &pair, 1), INVALID_ARGUMENT);
    pair = (struct pair){TEXT("n"), TEXT("a\0b")};
    FAILS(publish_with(resource, &pair, 1), INVALID_ARGUMENT);
    pair = (struct pair){TEXT("nn"), bytes_of(value)};
    FAILS(publish_with(resource, &pair, 1), INVALID_ARGUMENT);
    pair.name.len = 1;
    OK(publish_with(resource, &pair, 1));
    expect_attributes(subscription, &pair, 1);
    pair = (struct pair){{(const uint8_t *)name, 128}, TEXT("")};
    OK(publish_with(resource, &pair, 1));
    expect_attributes(subscription, &pair, 1);
    pubsub_leave(subscription);
}

static void kept_when_acknowledged(struct resource *resource)
{
    struct subscription *first = pubsub_join(resource, "first", false);

    pubsub_put(resource, NULL, "text");
    OK(pubsub_acknowledge(pubsub_expect(first, "text")));
    pubsub_expect_none(first);
    struct subscription *late = pubsub_join(resource, "late", true);
    OK(pubsub_acknowledge(pubsub_expect(late, "text")));
    pubsub_leave(first);
    pubsub_leave(late);
}

/* Receive three of them, whichever comes first. */
static void take_three(struct subscription *subscription,
                       struct delivery *deliveries[3])
{
    for (size_t i = 0; i < 3; i++)
        deliveries[i] = pubsub_take(subscription);
}

/* The one that was not acknowledged comes back, and no other one. */
static void acknowledged_in_any_order(struct resource *resource)
{
    struct subscription *one = pubsub_join(resource, "g", false);
    struct delivery *deliveries[3];

    for (int i = 0; i < 3; i++)
        pubsub_put(resource, NULL, "text");
    take_three(one, deliveries);
    char *left = copy_of(pubsub_get(deliveries[0])->id);
    OK(pubsub_acknowledge(deliveries[2]));
    OK(pubsub_acknowledge(deliveries[1]));
    struct subscription *two = pubsub_join(resource, "g", false);
    pubsub_expect_none(two);
    pubsub_drop(deliveries[0]);
    pubsub_leave(one);
    struct delivery *back = pubsub_take(two);
    CHECK(bytes_equal(pubsub_get(back)->id, bytes_of(left)));
    OK(pubsub_acknowledge(back));
    pubsub_expect_none(two);
    free(left);
    pubsub_leave(two);
}

const struct suite_case pubsub_event_cases[] = {
    {"an id stays", PUBSUB_NEEDS_SUBSCRIBE, an_id_stays,
     .holds = "pubsub-8 pubsub-50"},
    {"attributes in order", PUBSUB_NEEDS_SUBSCRIBE, attributes_in_order,
     .holds = "pubsub-1 pubsub-3 pubsub-49"},
    {"sizes of attributes", PUBSUB_NEEDS_SUBSCRIBE, sizes_of_attributes,
     .holds = "pubsub-2 pubsub-20"},
    {"kept when it is acknowledged",
     PUBSUB_NEEDS_SUBSCRIBE | PUBSUB_NEEDS_EARLIEST, kept_when_acknowledged,
     .holds = "pubsub-14"},
    {"acknowledged in any order", PUBSUB_NEEDS_SUBSCRIBE,
     acknowledged_in_any_order, .holds = "pubsub-43"},
    {0},
};
