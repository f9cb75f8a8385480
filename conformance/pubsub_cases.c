/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: groups, order per key, what comes back. */
#include "pubsub_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status pubsub_acknowledge(struct delivery *delivery)
{
    enum status status = delivery_acknowledge(delivery);
    const struct failure why = *last_failure();

    pubsub_drop(delivery);
    *last_failure() = why;
    return status;
}

struct bytes pubsub_topic(void)
{
    return bytes_of(case_word());
}

struct bytes pubsub_group(const char *name)
{
    static _Thread_local char text[PUBSUB_NAME_MAX];

    snprintf(text, sizeof(text), "%s-%s", case_word(), name);
    return bytes_of(text);
}

void pubsub_put(struct resource *resource, const char *key, const char *text)
{
    const struct bytes bytes = bytes_of(key != NULL ? key : "");

    OK(pubsub_publish(resource, pubsub_topic(),
                      (struct outgoing){.payload = bytes_of(text),
                                        .key = key != NULL ? &bytes : NULL}));
}

struct subscription *pubsub_join(struct resource *resource, const char *group,
                                 bool earliest)
{
    struct subscription *subscription;

    OK(pubsub_subscribe(resource, pubsub_topic(), pubsub_group(group), earliest,
                        &subscription));
    return subscription;
}

struct delivery *pubsub_take(struct subscription *subscription)
{
    static struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    size_t count;

    OK(pubsub_receive(subscription, 1, 30000, deliveries, &count));
    CHECK(count == 1);
    return deliveries[0];
}

struct delivery *pubsub_expect(struct subscription *subscription,
                               const char *text)
{
    struct delivery *delivery = pubsub_take(subscription);
    struct bytes payload = pubsub_get(delivery)->payload;

    if (!bytes_equal(payload, bytes_of(text)))
        case_fail(__FILE__, __LINE__, "received \"%.*s\", not \"%s\"",
                  (int)payload.len, (const char *)payload.ptr, text);
    return delivery;
}

void pubsub_expect_none(struct subscription *subscription)
{
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    size_t count;

    OK(pubsub_receive(subscription, 1, 0, deliveries, &count));
    CHECK(count == 0);
}

static void published_is_received(struct resource *resource)
{
    const struct pair attributes[] = {
        {TEXT("content-type"), TEXT("text/plain")},
        {TEXT("leer"), TEXT("")},
        {TEXT("\xc3\xa4"), TEXT("\xe2\x82\xac")},
    };
    const struct bytes key = TEXT("k\0\xff");
    const struct outgoing outgoing = {.payload = TEXT("a\0b\xff"),
                                      .key = &key,
                                      .attributes = attributes,
                                      .attribute_count = 3};
    struct subscription *subscription = pubsub_join(resource, "g", false);

    OK(pubsub_publish(resource, pubsub_topic(), outgoing));
    struct delivery *delivery = pubsub_take(subscription);
    const struct event *event = pubsub_get(delivery);
    CHECK(bytes_equal(event->topic, pubsub_topic()));
    CHECK(event->id.len > 0);
    CHECK(bytes_equal(event->payload, outgoing.payload));
    CHECK(event->key != NULL && bytes_equal(*event->key, key));
    CHECK(event->attribute_count == 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(bytes_equal(event->attributes[i].name, attributes[i].name));
        CHECK(bytes_equal(event->attributes[i].value, attributes[i].value));
    }
    CHECK(event->published_at_ms > UINT64_C(1600000000000));
    OK(pubsub_acknowledge(delivery));
    pubsub_put(resource, NULL, "");
    delivery = pubsub_expect(subscription, "");
    CHECK(pubsub_get(delivery)->key == NULL);
    OK(pubsub_acknowledge(delivery));
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

static void an_empty_key_is_one(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    pubsub_put(resource, "", "first");
    pubsub_put(resource, "", "second");
    struct delivery *first = pubsub_expect(subscription, "first");
    CHECK(pubsub_get(first)->key != NULL && pubsub_get(first)->key->len == 0);
    pubsub_expect_none(subscription);
    OK(pubsub_acknowledge(first));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "second")));
    pubsub_leave(subscription);
}

static void every_group_gets_each(struct resource *resource)
{
    struct subscription *a = pubsub_join(resource, "a", false);
    struct subscription *b = pubsub_join(resource, "b", false);

    pubsub_put(resource, "k", "one");
    pubsub_put(resource, "k", "two");
    OK(pubsub_acknowledge(pubsub_expect(a, "one")));
    OK(pubsub_acknowledge(pubsub_expect(b, "one")));
    OK(pubsub_acknowledge(pubsub_expect(b, "two")));
    OK(pubsub_acknowledge(pubsub_expect(a, "two")));
    pubsub_expect_none(a);
    pubsub_expect_none(b);
    pubsub_leave(a);
    pubsub_leave(b);
}

static void topics_are_apart(struct resource *resource)
{
    struct subscription *other;
    struct subscription *subscription = pubsub_join(resource, "g", false);
    char other_name[PUBSUB_NAME_MAX];

    snprintf(other_name, sizeof(other_name), "%s.2", case_word());
    OK(pubsub_subscribe(resource, bytes_of(other_name), pubsub_group("g"),
                        false, &other));
    pubsub_put(resource, NULL, "here");
    OK(pubsub_publish(resource, bytes_of(other_name),
                      (struct outgoing){.payload = TEXT("there")}));
    OK(pubsub_acknowledge(pubsub_expect(other, "there")));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "here")));
    pubsub_expect_none(other);
    pubsub_leave(other);
    pubsub_leave(subscription);
}

static void members_share(struct resource *resource)
{
    enum { COUNT = 40 };
    struct subscription *members[] = {pubsub_join(resource, "g", false),
                                      pubsub_join(resource, "g", false)};
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    bool seen[COUNT] = {false};
    int total = 0;
    size_t count;
    char text[16];

    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "%d", i);
        pubsub_put(resource, text, text);
    }
    for (int round = 0; total < COUNT && round < 200; round++) {
        OK(pubsub_receive(members[round % 2], 3, 500, deliveries, &count));
        for (size_t i = 0; i < count; i++) {
            struct bytes payload = pubsub_get(deliveries[i])->payload;
            snprintf(text, sizeof(text), "%.*s", (int)payload.len,
                     (const char *)payload.ptr);
            long number = strtol(text, NULL, 10);
            CHECK(number >= 0 && number < COUNT && !seen[number]);
            seen[number] = true;
            total++;
            OK(pubsub_acknowledge(deliveries[i]));
        }
    }
    CHECK(total == COUNT);
    pubsub_leave(members[0]);
    pubsub_leave(members[1]);
}

static void earliest_and_latest(struct resource *resource)
{
    pubsub_put(resource, "k", "before");
    struct subscription *early = pubsub_join(resource, "early", true);
    struct subscription *late = pubsub_join(resource, "late", false);
    pubsub_put(resource, "k", "after");
    OK(pubsub_acknowledge(pubsub_expect(early, "before")));
    OK(pubsub_acknowledge(pubsub_expect(early, "after")));
    OK(pubsub_acknowledge(pubsub_expect(late, "after")));
    pubsub_leave(early);
    pubsub_leave(late);
}

/* A known group goes on where it was, whatever start says. */
static void a_group_goes_on(struct resource *resource)
{
    struct subscription *first = pubsub_join(resource, "g", false);

    pubsub_put(resource, "k", "one");
    pubsub_put(resource, "k", "two");
    OK(pubsub_acknowledge(pubsub_expect(first, "one")));
    pubsub_leave(first);
    pubsub_put(resource, "k", "three");
    struct subscription *second = pubsub_join(resource, "g", true);
    OK(pubsub_acknowledge(pubsub_expect(second, "two")));
    pubsub_leave(second);
    struct subscription *third = pubsub_join(resource, "g", false);
    OK(pubsub_acknowledge(pubsub_expect(third, "three")));
    pubsub_expect_none(third);
    pubsub_leave(third);
}

static void keys_in_order(struct resource *resource)
{
    struct subscription *one = pubsub_join(resource, "g", false);
    struct subscription *two = pubsub_join(resource, "g", false);

    pubsub_put(resource, "a", "a1");
    pubsub_put(resource, "a", "a2");
    pubsub_put(resource, "b", "b1");
    pubsub_put(resource, "a", "a3");
    struct delivery *a1 = pubsub_expect(one, "a1");
    struct delivery *b1 = pubsub_expect(two, "b1");
    pubsub_expect_none(one);
    pubsub_expect_none(two);
    OK(pubsub_acknowledge(a1));
    struct delivery *a2 = pubsub_expect(two, "a2");
    pubsub_expect_none(one);
    pubsub_drop(a2); /* it comes back before a3 */
    a2 = pubsub_expect(one, "a2");
    pubsub_expect_none(two);
    OK(pubsub_acknowledge(a2));
    OK(pubsub_acknowledge(pubsub_expect(two, "a3")));
    OK(pubsub_acknowledge(b1));
    pubsub_leave(one);
    pubsub_leave(two);
}

/* How many of at most 10 come until there are two, or none for a second. */
static size_t receive_two(struct subscription *subscription,
                          struct delivery *deliveries[])
{
    size_t total = 0, count = 1;

    while (total < 2 && count > 0) {
        OK(pubsub_receive(subscription, 10, 1000, deliveries + total, &count));
        total += count;
    }
    return total;
}

static void a_key_in_one_receive(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    struct delivery *deliveries[2 * PUBSUB_RECEIVE_MAX];

    pubsub_put(resource, "a", "a1");
    pubsub_put(resource, "a", "a2");
    pubsub_put(resource, NULL, "free");
    /* a1, and the one of no key */
    CHECK(receive_two(subscription, deliveries) == 2);
    pubsub_expect_none(subscription);
    for (size_t i = 0; i < 2; i++)
        OK(pubsub_acknowledge(deliveries[i]));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "a2")));
    pubsub_leave(subscription);
}

static void what_is_dropped_comes_back(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    pubsub_put(resource, NULL, "text");
    for (int i = 0; i < 3; i++)
        pubsub_drop(pubsub_expect(subscription, "text"));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "text")));
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

static void acknowledged_once(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    pubsub_put(resource, NULL, "text");
    struct delivery *delivery = pubsub_expect(subscription, "text");
    OK(delivery_acknowledge(delivery));
    FAILS(delivery_acknowledge(delivery), CONFLICT);
    CHECK(bytes_equal(pubsub_get(delivery)->payload, TEXT("text")));
    pubsub_drop(delivery);
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

static void what_a_member_had_goes_to_another(struct resource *resource)
{
    struct subscription *one = pubsub_join(resource, "g", false);
    struct subscription *two = pubsub_join(resource, "g", false);

    pubsub_put(resource, "a", "a1");
    pubsub_put(resource, "a", "a2");
    struct delivery *held = pubsub_expect(one, "a1");
    pubsub_expect_none(two);
    pubsub_leave(one);
    struct delivery *again = pubsub_expect(two, "a1");
    FAILS(pubsub_acknowledge(held), CONFLICT);
    OK(pubsub_acknowledge(again));
    OK(pubsub_acknowledge(pubsub_expect(two, "a2")));
    pubsub_expect_none(two);
    pubsub_leave(two);
}

/* Longer than a lease: the host says that the member lives. */
static void a_slow_member_keeps_what_it_has(struct resource *resource)
{
    struct subscription *one = pubsub_join(resource, "g", false);
    struct subscription *two = pubsub_join(resource, "g", false);

    pubsub_put(resource, NULL, "text");
    struct delivery *held = pubsub_expect(one, "text");
    sleep_ms((int)(2 * PUBSUB_LEASE_MS));
    pubsub_expect_none(two);
    OK(pubsub_acknowledge(held));
    pubsub_leave(one);
    pubsub_leave(two);
}

static void a_wait_ends(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    size_t count;

    OK(pubsub_receive(subscription, 1, 200, deliveries, &count));
    CHECK(count == 0);
    pubsub_put(resource, NULL, "text");
    OK(pubsub_acknowledge(pubsub_expect(subscription, "text")));
    pubsub_leave(subscription);
}

/* Publish and receive as many as can be; whether they came in their order. */
static bool publish_many_receive_all(struct resource *resource)
{
    static struct outgoing events[PUBSUB_MANY_MAX];
    static enum status each[PUBSUB_MANY_MAX];
    static char texts[PUBSUB_MANY_MAX][12];
    static struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    static bool seen[PUBSUB_MANY_MAX];
    struct subscription *subscription = pubsub_join(resource, "g", false);
    bool in_order = true;
    int total = 0;
    size_t count;
    char text[8];

    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < PUBSUB_MANY_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d", i);
        events[i] = (struct outgoing){.payload = bytes_of(texts[i])};
    }
    OK(pubsub_publish_many(resource, pubsub_topic(), events, PUBSUB_MANY_MAX,
                           each));
    for (int i = 0; i < PUBSUB_MANY_MAX; i++)
        CHECK(each[i] == WORKED);
    while (total < PUBSUB_MANY_MAX) {
        OK(pubsub_receive(subscription, 900, 5000, deliveries, &count));
        CHECK(count > 0);
        for (size_t i = 0; i < count; i++, total++) {
            struct bytes payload = pubsub_get(deliveries[i])->payload;
            snprintf(text, sizeof(text), "%.*s", (int)payload.len,
                     (const char *)payload.ptr);
            long number = strtol(text, NULL, 10);
            CHECK(number >= 0 && number < PUBSUB_MANY_MAX && !seen[number]);
            seen[number] = true;
            in_order = in_order && number == total;
            OK(pubsub_acknowledge(deliveries[i]));
        }
    }
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
    return in_order;
}

static void many_at_once(struct resource *resource)
{
    (void)publish_many_receive_all(resource);
}

static void many_at_once_in_order(struct resource *resource)
{
    CHECK(publish_many_receive_all(resource));
}

static void one_bad_of_many(struct resource *resource)
{
    uint8_t *large = zeros(PUBSUB_PAYLOAD_MAX + 1);
    const struct bytes key = TEXT("k");
    const struct outgoing events[] = {
        {.payload = TEXT("one"), .key = &key},
        {.payload = {large, PUBSUB_PAYLOAD_MAX + 1}, .key = &key},
        {.payload = TEXT("three"), .key = &key},
    };
    struct subscription *subscription = pubsub_join(resource, "g", false);
    enum status each[3];

    OK(pubsub_publish_many(resource, pubsub_topic(), events, 3, each));
    free(large);
    CHECK(each[0] == WORKED && each[1] == TOO_LARGE && each[2] == WORKED);
    OK(pubsub_acknowledge(pubsub_expect(subscription, "one")));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "three")));
    OK(pubsub_publish_many(resource, pubsub_topic(), NULL, 0, each));
    pubsub_leave(subscription);
}

static void ids_are_unique(struct resource *resource)
{
    enum { COUNT = 20 };
    struct subscription *subscription = pubsub_join(resource, "g", false);
    char ids[COUNT][64];

    for (int i = 0; i < COUNT; i++) {
        pubsub_put(resource, NULL, "text");
        struct delivery *delivery = pubsub_take(subscription);
        struct bytes id = pubsub_get(delivery)->id;
        CHECK(id.len < sizeof(ids[i]));
        memcpy(ids[i], id.ptr, id.len);
        ids[i][id.len] = '\0';
        for (int j = 0; j < i; j++)
            CHECK(strcmp(ids[i], ids[j]) != 0);
        OK(pubsub_acknowledge(delivery));
    }
    pubsub_leave(subscription);
}

const struct suite_case pubsub_cases[] = {
    {"what is published is received", PUBSUB_NEEDS_KEYS, published_is_received,
     .holds = "pubsub-3 pubsub-9 pubsub-11 pubsub-13"},
    {"an empty key is one", PUBSUB_NEEDS_KEYS, an_empty_key_is_one,
     .holds = "pubsub-5 pubsub-7"},
    {"every group gets each", PUBSUB_NEEDS_KEYS, every_group_gets_each,
     .holds = "pubsub-10 pubsub-15"},
    {"topics are apart", PUBSUB_NEEDS_SUBSCRIBE, topics_are_apart,
     .holds = "pubsub-11"},
    {"members share", PUBSUB_NEEDS_KEYS, members_share,
     .holds = "pubsub-10 pubsub-19 pubsub-24"},
    {"earliest and latest", PUBSUB_NEEDS_EARLIEST | PUBSUB_NEEDS_KEYS,
     earliest_and_latest, .holds = "pubsub-22 pubsub-23 pubsub-31"},
    {"a group goes on where it was", PUBSUB_NEEDS_KEYS, a_group_goes_on,
     .holds = "pubsub-25 pubsub-41"},
    {"keys are in order", PUBSUB_NEEDS_KEYS, keys_in_order,
     .holds = "pubsub-5 pubsub-40"},
    {"a key in one receive", PUBSUB_NEEDS_KEYS, a_key_in_one_receive,
     .holds = "pubsub-5"},
    {"what is dropped comes back", PUBSUB_NEEDS_SUBSCRIBE,
     what_is_dropped_comes_back, .holds = "pubsub-16 pubsub-40"},
    {"what is acknowledged is settled", PUBSUB_NEEDS_SUBSCRIBE,
     acknowledged_once, .holds = "pubsub-41 pubsub-53"},
    {"what a member had goes to another", PUBSUB_NEEDS_KEYS,
     what_a_member_had_goes_to_another,
     .holds = "pubsub-16 pubsub-32 pubsub-34 pubsub-42"},
    {"a slow member keeps what it has", PUBSUB_NEEDS_SUBSCRIBE,
     a_slow_member_keeps_what_it_has, .holds = "pubsub-17"},
    {"a wait ends", PUBSUB_NEEDS_SUBSCRIBE, a_wait_ends,
     .holds = "pubsub-36 pubsub-37"},
    {"many at once", PUBSUB_NEEDS_SUBSCRIBE, many_at_once,
     .holds = "pubsub-29 pubsub-35"},
    {"many at once, in order", PUBSUB_NEEDS_SUBSCRIBE | PUBSUB_NEEDS_UNDIVIDED,
     many_at_once_in_order, .holds = "pubsub-18"},
    {"one bad of many", PUBSUB_NEEDS_KEYS, one_bad_of_many,
     .holds = "pubsub-29"},
    {"ids are unique", PUBSUB_NEEDS_SUBSCRIBE, ids_are_unique,
     .holds = "pubsub-8"},
    {0},
};

/* --- Limits ------------------------------------------------------------- */

static void payloads(struct resource *resource)
{
    uint8_t *large = zeros(PUBSUB_PAYLOAD_MAX + 1);
    struct outgoing event = {.payload = {large, PUBSUB_PAYLOAD_MAX}};
    struct subscription *subscription = pubsub_join(resource, "g", false);

    OK(pubsub_publish(resource, pubsub_topic(), event));
    event.payload.len++;
    FAILS(pubsub_publish(resource, pubsub_topic(), event), TOO_LARGE);
    free(large);
    struct delivery *delivery = pubsub_take(subscription);
    CHECK(pubsub_get(delivery)->payload.len == PUBSUB_PAYLOAD_MAX);
    OK(pubsub_acknowledge(delivery));
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

static void names(struct resource *resource)
{
    static const char *const wrong[] = {"",     "a b", "a/b", "\xc3\xa4",
                                        "a\nb", ".",   ".."};
    const struct outgoing event = {.payload = TEXT("x")};
    struct subscription *subscription;
    char name[PUBSUB_NAME_MAX + 2];
    struct bytes bytes = {(const uint8_t *)name, PUBSUB_NAME_MAX};

    memset(name, 'a', sizeof(name));
    OK(pubsub_publish(resource, bytes, event));
    OK(pubsub_subscribe(resource, bytes, bytes, false, &subscription));
    pubsub_leave(subscription);
    bytes.len++;
    FAILS(pubsub_publish(resource, bytes, event), INVALID_ARGUMENT);
    FAILS(pubsub_subscribe(resource, TEXT("t"), bytes, false, &subscription),
          INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        FAILS(pubsub_publish(resource, bytes_of(wrong[i]), event),
              INVALID_ARGUMENT);
        FAILS(pubsub_subscribe(resource, TEXT("t"), bytes_of(wrong[i]), false,
                               &subscription),
              INVALID_ARGUMENT);
    }
}

static void keys_and_attributes(struct resource *resource)
{
    static uint8_t key[PUBSUB_KEY_MAX + 1];
    static struct pair pairs[PUBSUB_ATTRIBUTES_MAX + 1];
    static char names[PUBSUB_ATTRIBUTES_MAX + 1][8];
    struct bytes bytes = {key, PUBSUB_KEY_MAX};
    struct outgoing event = {.payload = TEXT("x"),
                             .key = &bytes,
                             .attributes = pairs,
                             .attribute_count = PUBSUB_ATTRIBUTES_MAX};

    for (size_t i = 0; i < PUBSUB_ATTRIBUTES_MAX + 1; i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
        pairs[i] = (struct pair){bytes_of(names[i]), TEXT("value")};
    }
    OK(pubsub_publish(resource, pubsub_topic(), event));
    event.attribute_count++;
    FAILS(pubsub_publish(resource, pubsub_topic(), event), INVALID_ARGUMENT);
    event.attribute_count = 0;
    bytes.len++;
    FAILS(pubsub_publish(resource, pubsub_topic(), event), INVALID_ARGUMENT);
}

static void counts_and_waits(struct resource *resource)
{
    static struct outgoing events[PUBSUB_MANY_MAX + 1];
    static enum status each[PUBSUB_MANY_MAX + 1];
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    struct subscription *subscription = pubsub_join(resource, "g", false);
    size_t count;

    FAILS(pubsub_publish_many(resource, pubsub_topic(), events,
                              PUBSUB_MANY_MAX + 1, each),
          TOO_LARGE);
    pubsub_expect_none(subscription);
    FAILS(pubsub_receive(subscription, 0, 0, deliveries, &count),
          INVALID_ARGUMENT);
    FAILS(pubsub_receive(subscription, PUBSUB_RECEIVE_MAX + 1, 0, deliveries,
                         &count),
          INVALID_ARGUMENT);
    FAILS(pubsub_receive(subscription, 1, PUBSUB_WAIT_MAX_MS + 1, deliveries,
                         &count),
          INVALID_ARGUMENT);
    OK(pubsub_receive(subscription, PUBSUB_RECEIVE_MAX, 0, deliveries, &count));
    pubsub_leave(subscription);
}

const struct suite_case pubsub_limit_cases[] = {
    {"payloads", PUBSUB_NEEDS_SUBSCRIBE, payloads, .holds = "pubsub-4"},
    {"names", PUBSUB_NEEDS_SUBSCRIBE, names, .holds = "pubsub-12 pubsub-20"},
    {"keys and attributes", PUBSUB_NEEDS_KEYS, keys_and_attributes,
     .holds = "pubsub-1 pubsub-6 pubsub-20"},
    {"counts and waits", PUBSUB_NEEDS_SUBSCRIBE, counts_and_waits,
     .holds = "pubsub-20 pubsub-30 pubsub-35 pubsub-36"},
    {0},
};

const struct suite_case *const suite[] = {
    pubsub_cases, pubsub_event_cases, pubsub_limit_cases, pubsub_side_cases,
    NULL,
};

struct suite_limit suite_limits[] = {
    {"max-payload", 65536},
    {"lease", 6000}, /* in milliseconds */
    {0},
};

/* --- Without a feature -------------------------------------------------- */

static void no_subscribe(struct resource *resource)
{
    struct subscription *subscription;

    FAILS(pubsub_subscribe(resource, pubsub_topic(), pubsub_group("g"), false,
                           &subscription),
          UNSUPPORTED);
}

static void no_keys(struct resource *resource)
{
    const struct bytes key = TEXT("key");
    const struct outgoing event = {.payload = TEXT("x"), .key = &key};

    FAILS(pubsub_publish(resource, pubsub_topic(), event), UNSUPPORTED);
}

static void no_earliest(struct resource *resource)
{
    struct subscription *subscription;

    FAILS(pubsub_subscribe(resource, pubsub_topic(), pubsub_group("g"), true,
                           &subscription),
          UNSUPPORTED);
}

const struct suite_feature suite_features[] = {
    {PUBSUB_NEEDS_SUBSCRIBE, "subscribe", no_subscribe},
    {PUBSUB_NEEDS_KEYS, "keys", no_keys},
    {PUBSUB_NEEDS_EARLIEST, "earliest", no_earliest},
    {PUBSUB_NEEDS_DURABLE, "durable", NULL},
    {PUBSUB_NEEDS_SHARED, "shared", NULL},
    {PUBSUB_NEEDS_UNDIVIDED, "undivided", NULL},
    {0},
};
