/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub_cases.h over src/pubsub; and the cases with threads and processes. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "native.h"
#include "pubsub/driver.h"
#include "pubsub_cases.h"

/* --- The interface ------------------------------------------------------ */

struct subscription {
    struct sl_service *service;
    struct sl_subscription *member;
};

struct delivery {
    struct sl_service *service;
    struct sl_subscription *member;
    struct sl_delivery *taken;
    struct event event;
    struct bytes key;
    bool is_settled;
};

static struct sl_bytes in(struct bytes bytes)
{
    return SL_BYTES(bytes.ptr, bytes.len);
}

static struct bytes out(struct sl_bytes bytes)
{
    return (struct bytes){bytes.ptr, bytes.len};
}

static enum status call(struct sl_service *service,
                        const struct sl_pubsub_request *request,
                        struct sl_pubsub_answer *answer)
{
    (void)sl_service_do(service, NULL, request, 1, answer);
    return status_of((const struct sl_answer *)answer);
}

static enum status tell(struct sl_service *service,
                        const struct sl_pubsub_request *request)
{
    struct sl_pubsub_answer answer;
    enum status status = call(service, request, &answer);

    sl_pubsub_answer_done(&answer);
    return status;
}

/* The pairs of a case are those of src/, in other words. */
_Static_assert(sizeof(struct pair) == sizeof(struct sl_pair),
               "not the same pairs");

static struct sl_pubsub_request publish_request(struct bytes topic,
                                                const struct outgoing *event)
{
    return (struct sl_pubsub_request){
        .verb = SL_PUBSUB_PUBLISH,
        .topic = in(topic),
        .payload = in(event->payload),
        .key = event->key != NULL ? in(*event->key) : (struct sl_bytes){0},
        .attributes = (const struct sl_pair *)(const void *)event->attributes,
        .attribute_count = event->attribute_count,
    };
}

enum status pubsub_publish(struct resource *resource, struct bytes topic,
                           struct outgoing event)
{
    const struct sl_pubsub_request request = publish_request(topic, &event);

    return tell(resource->store.service, &request);
}

enum status pubsub_publish_many(struct resource *resource, struct bytes topic,
                                const struct outgoing events[], size_t count,
                                enum status each[])
{
    struct sl_pubsub_request *requests =
        sl_alloc_array(count, sizeof(*requests));
    struct sl_pubsub_answer *answers = sl_alloc_array(count, sizeof(*answers));
    enum status status = WORKED;

    for (size_t i = 0; i < count; i++)
        requests[i] = publish_request(topic, &events[i]);
    if (count > 0)
        (void)sl_service_do(resource->store.service, NULL, requests, count,
                            answers);
    for (size_t i = 0; i < count; i++)
        each[i] = status_of((const struct sl_answer *)&answers[i]);
    if (count > 0 && answers[0].refused)
        status = each[0];
    sl_answers_done(resource->store.service, answers, count);
    free(requests);
    free(answers);
    return status;
}

enum status pubsub_subscribe(struct resource *resource, struct bytes topic,
                             struct bytes group, bool earliest,
                             struct subscription **subscription)
{
    struct sl_subscription *member = sl_subscription_new(
        resource->store.service, in(topic), in(group), earliest);
    const struct sl_pubsub_request request =
        sl_subscription_request(member, SL_PUBSUB_SUBSCRIBE);

    enum status status = tell(resource->store.service, &request);
    if (status != WORKED) {
        sl_subscription_free(member);
        return status;
    }
    sl_subscription_begun(member);
    *subscription = sl_alloc(sizeof(**subscription));
    **subscription = (struct subscription){resource->store.service, member};
    return WORKED;
}

void pubsub_leave(struct subscription *subscription)
{
    sl_subscription_free(subscription->member);
    free(subscription);
}

static struct delivery *delivery_of(struct subscription *subscription,
                                    struct sl_delivery *taken)
{
    struct delivery *delivery = sl_alloc(sizeof(*delivery));

    delivery->service = subscription->service;
    delivery->member = sl_subscription_ref(subscription->member);
    delivery->taken = taken;
    delivery->key = out(taken->key);
    delivery->event = (struct event){
        .topic = out(taken->topic),
        .id = out(taken->id),
        .payload = out(taken->payload),
        .key = taken->key.ptr != NULL ? &delivery->key : NULL,
        .attributes = (const struct pair *)(const void *)taken->attributes,
        .attribute_count = taken->attribute_count,
        .published_at_ms = taken->sent_at_ms,
    };
    return delivery;
}

enum status pubsub_receive(struct subscription *subscription, uint32_t limit,
                           uint64_t wait_ms, struct delivery *deliveries[],
                           size_t *count)
{
    struct sl_pubsub_request request =
        sl_subscription_request(subscription->member, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;

    request.limit = limit;
    request.wait_ms = wait_ms;
    enum status status = call(subscription->service, &request, &answer);
    *count = answer.deliveries.count;
    for (size_t i = 0; i < answer.deliveries.count; i++) {
        deliveries[i] = delivery_of(subscription, answer.deliveries.items[i]);
        answer.deliveries.items[i] = NULL;
    }
    sl_pubsub_answer_done(&answer);
    return status;
}

const struct event *pubsub_get(struct delivery *delivery)
{
    return &delivery->event;
}

static enum status settle(struct delivery *delivery, enum sl_pubsub_verb verb)
{
    struct sl_pubsub_request request =
        sl_subscription_request(delivery->member, verb);

    request.receipt = delivery->taken->receipt;
    enum status status = tell(delivery->service, &request);
    if (status == WORKED || status == CONFLICT)
        delivery->is_settled = true;
    return status;
}

enum status delivery_acknowledge(struct delivery *delivery)
{
    return settle(delivery, SL_PUBSUB_ACKNOWLEDGE);
}

/* As a guest's handle: what was not settled goes back. */
void pubsub_drop(struct delivery *delivery)
{
    if (!delivery->is_settled)
        (void)settle(delivery, SL_PUBSUB_RETURN);
    sl_subscription_unref(delivery->member);
    sl_delivery_free(delivery->taken);
    free(delivery);
}

/* --- A member that dies ------------------------------------------------- */

/* Join, receive one, and be killed. */
static void hold_one(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);

    (void)pubsub_take(subscription);
    (void)!write(STDOUT_FILENO, "!", 1);
    pause();
}

static void the_dead_give_back(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    char byte;
    int fd;

    pid_t pid = start_process("hold", &fd);
    pubsub_put(resource, "a", "a1");
    pubsub_put(resource, "a", "a2");
    CHECK(read(fd, &byte, 1) == 1);
    close(fd);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    pubsub_expect_none(subscription);
    OK(pubsub_acknowledge(pubsub_expect(subscription, "a1")));
    OK(pubsub_acknowledge(pubsub_expect(subscription, "a2")));
    pubsub_leave(subscription);
}

/* The host could not say that it lives: it is told so. */
static void a_lease_that_ended(struct resource *resource)
{
    struct sl_subscription *silent =
        sl_subscription_new(resource->store.service, in(pubsub_topic()),
                            in(pubsub_group("g")), false);
    struct sl_pubsub_request request =
        sl_subscription_request(silent, SL_PUBSUB_SUBSCRIBE);

    OK(tell(resource->store.service, &request));
    sleep_ms((int)PUBSUB_LEASE_MS + 200);
    request = sl_subscription_request(silent, SL_PUBSUB_RECEIVE);
    request.limit = 1;
    FAILS(tell(resource->store.service, &request), CONFLICT);
    request.verb = SL_PUBSUB_RENEW;
    FAILS(tell(resource->store.service, &request), CONFLICT);
    sl_subscription_free(silent);
}

/* --- Order under many members ------------------------------------------- */

enum { KEYS = 5, PER_KEY = 100, MEMBERS = 6 };

struct ledger {
    pthread_mutex_t lock;
    struct resource *resource;
    int next[KEYS];  /* what must be acknowledged next */
    bool busy[KEYS]; /* somebody has one of it */
    int acknowledged;
    int wrong;
};

static int number_of(const struct event *event)
{
    char text[16];

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    return (int)strtol(text, NULL, 10);
}

static void handle_in_order(struct ledger *ledger, struct delivery *delivery)
{
    const struct event *event = pubsub_get(delivery);
    int key = event->key->ptr[0] - 'a';
    bool done = arc4random_uniform(4) != 0;

    pthread_mutex_lock(&ledger->lock);
    ledger->wrong += ledger->busy[key] || number_of(event) != ledger->next[key];
    ledger->busy[key] = true;
    pthread_mutex_unlock(&ledger->lock);
    sleep_ms((int)arc4random_uniform(3));
    pthread_mutex_lock(&ledger->lock);
    ledger->busy[key] = false;
    ledger->next[key] += done;
    ledger->acknowledged += done;
    pthread_mutex_unlock(&ledger->lock);
    if (!done) {
        pubsub_drop(delivery);
        return;
    }
    enum status status = pubsub_acknowledge(delivery);
    pthread_mutex_lock(&ledger->lock);
    ledger->wrong += status != WORKED;
    pthread_mutex_unlock(&ledger->lock);
}

static void *receive_in_order(void *context)
{
    struct ledger *ledger = context;
    struct subscription *subscription;
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    bool done = false;
    size_t count;

    if (pubsub_subscribe(ledger->resource, pubsub_topic(), pubsub_group("g"),
                         false, &subscription) != WORKED)
        return NULL;
    while (!done &&
           pubsub_receive(subscription, 2, 200, deliveries, &count) == WORKED) {
        for (size_t i = 0; i < count; i++)
            handle_in_order(ledger, deliveries[i]);
        pthread_mutex_lock(&ledger->lock);
        done = ledger->acknowledged >= KEYS * PER_KEY;
        pthread_mutex_unlock(&ledger->lock);
    }
    pubsub_leave(subscription);
    return NULL;
}

static void many_members(struct resource *resource)
{
    struct ledger ledger = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .resource = resource};
    struct subscription *first = pubsub_join(resource, "g", false);
    pthread_t threads[MEMBERS];
    char text[16], key[2] = "a";

    for (int i = 0; i < KEYS * PER_KEY; i++) {
        snprintf(text, sizeof(text), "%d", i / KEYS);
        key[0] = (char)('a' + i % KEYS);
        pubsub_put(resource, key, text);
    }
    for (int i = 0; i < MEMBERS; i++)
        CHECK(pthread_create(&threads[i], NULL, receive_in_order, &ledger) ==
              0);
    for (int i = 0; i < MEMBERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(ledger.wrong == 0);
    CHECK(ledger.acknowledged == KEYS * PER_KEY);
    pubsub_expect_none(first);
    pubsub_leave(first);
}

/* --- Members that wait -------------------------------------------------- */

enum { WAITERS = 50 };

struct waiter {
    struct subscription *subscription;
    pthread_t thread;
    bool received;
};

static void *wait_for_one(void *context)
{
    struct waiter *waiter = context;
    struct delivery *deliveries[1];
    size_t count;

    if (pubsub_receive(waiter->subscription, 1, 60000, deliveries, &count) ==
            WORKED &&
        count == 1)
        waiter->received = pubsub_acknowledge(deliveries[0]) == WORKED;
    return NULL;
}

static void many_wait(struct resource *resource)
{
    static struct waiter waiters[WAITERS];
    struct resource *other = resource_again();

    CHECK(other != NULL);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){
            .subscription = pubsub_join(i % 2 ? resource : other, "g", false)};
        CHECK(pthread_create(&waiters[i].thread, NULL, wait_for_one,
                             &waiters[i]) == 0);
    }
    for (int i = 0; i < WAITERS; i++)
        pubsub_put(i % 3 == 0 ? resource : other, NULL, "text");
    for (int i = 0; i < WAITERS; i++)
        pthread_join(waiters[i].thread, NULL);
    for (int i = 0; i < WAITERS; i++) {
        CHECK(waiters[i].received);
        pubsub_leave(waiters[i].subscription);
    }
    resource_close(other);
}

static void woken_by_another_process(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    int fd, how;

    pid_t pid = start_process("publish", &fd);
    OK(pubsub_acknowledge(pubsub_expect(subscription, "from elsewhere")));
    close(fd);
    CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) &&
          WEXITSTATUS(how) == 0);
    pubsub_leave(subscription);
}

static void no_op(void *context)
{
    (void)context;
}

/* What came for a receiver that is gone is there for the next one. */
static void who_gives_up_takes_nothing(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    struct sl_pubsub_request request =
        sl_subscription_request(subscription->member, SL_PUBSUB_RECEIVE);
    struct sl_call *given_up;

    request.limit = 10;
    request.wait_ms = 60000;
    for (int i = 0; i < 20; i++) {
        sl_service_submit(resource->store.service, NULL, &request, 1, no_op,
                          NULL, &given_up);
        if (i % 2 == 0)
            sleep_ms(5);
        pubsub_put(resource, NULL, "text");
        sl_call_release(given_up);
        OK(pubsub_acknowledge(pubsub_take(subscription)));
    }
    pubsub_expect_none(subscription);
    pubsub_leave(subscription);
}

/* --- Processes that are killed ------------------------------------------ */

enum { KILLS = 100, EVENTS = 2000, KILL_KEYS = 50 };

/* Receive and acknowledge, and say what is about to be and what was
 * acknowledged, until it is killed. */
static void consume(struct resource *resource)
{
    struct subscription *subscription = pubsub_join(resource, "g", false);
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    char line[32];
    size_t count;

    for (;;) {
        OK(pubsub_receive(subscription, 3, 100, deliveries, &count));
        for (size_t i = 0; i < count; i++) {
            int len = snprintf(line, sizeof(line), "?%d\n",
                               number_of(pubsub_get(deliveries[i])));
            (void)!write(STDOUT_FILENO, line, (size_t)len);
            if (pubsub_acknowledge(deliveries[i]) == WORKED)
                (void)!write(STDOUT_FILENO, line + 1, (size_t)len - 1);
        }
    }
}

struct tally {
    int seen[EVENTS];   /* how often it was acknowledged */
    bool begun[EVENTS]; /* or perhaps was */
    int last[KILL_KEYS];
};

/* Event i is of the key i % KILL_KEYS: none is before an earlier one. */
static void note_begun(struct tally *tally, int number)
{
    int key = number % KILL_KEYS;

    CHECK(number >= 0 && number < EVENTS);
    CHECK(number >= tally->last[key]);
    tally->begun[number] = true;
    tally->last[key] = number;
}

static void read_tally(int fd, struct tally *tally)
{
    FILE *from = fdopen(fd, "r");
    char line[32];

    while (fgets(line, sizeof(line), from) != NULL) {
        bool begins = line[0] == '?';
        int number = (int)strtol(line + begins, NULL, 10);
        if (strchr(line, '\n') == NULL) /* cut off */
            continue;
        if (begins)
            note_begun(tally, number);
        else
            tally->seen[number]++;
    }
    fclose(from);
}

static void publish_numbers(struct resource *resource)
{
    char text[16], key[16];

    for (int i = 0; i < EVENTS; i++) {
        snprintf(text, sizeof(text), "%d", i);
        snprintf(key, sizeof(key), "%d", i % KILL_KEYS);
        pubsub_put(resource, key, text);
    }
}

static void drain(struct subscription *subscription, struct tally *tally)
{
    struct delivery *deliveries[PUBSUB_RECEIVE_MAX];
    size_t count = 1;

    while (count > 0) {
        OK(pubsub_receive(subscription, PUBSUB_RECEIVE_MAX, 2 * PUBSUB_LEASE_MS,
                          deliveries, &count));
        for (size_t i = 0; i < count; i++) {
            int number = number_of(pubsub_get(deliveries[i]));
            note_begun(tally, number);
            tally->seen[number]++;
            OK(pubsub_acknowledge(deliveries[i]));
        }
    }
}

/*
 * Nothing is lost, nothing is acknowledged twice, and a key is in order.  What
 * is not known to be acknowledged was begun by a process that was killed before
 * it could say so.
 */
static void killed_a_hundred_times(struct resource *resource)
{
    static struct tally tally;
    struct subscription *subscription = pubsub_join(resource, "g", false);
    int fd;

    publish_numbers(resource);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = start_process("consume", &fd);
        sleep_ms(20 + (int)arc4random_uniform(60));
        CHECK(kill(pid, SIGKILL) == 0);
        CHECK(waitpid(pid, NULL, 0) == pid);
        read_tally(fd, &tally);
    }
    drain(subscription, &tally);
    for (int i = 0; i < EVENTS; i++) {
        CHECK(tally.seen[i] <= 1);
        CHECK(tally.seen[i] == 1 || tally.begun[i]);
    }
    pubsub_leave(subscription);
}

void suite_work(struct resource *resource, const char *what)
{
    if (strcmp(what, "hold") == 0) {
        hold_one(resource);
    } else if (strcmp(what, "publish") == 0) {
        sleep_ms(300); /* the other side waits by then */
        pubsub_put(resource, NULL, "from elsewhere");
    } else {
        consume(resource);
    }
}

bool suite_dialect(const char *name)
{
    (void)name;
    return true;
}

const struct suite_case pubsub_side_cases[] = {
    {"the dead give back",
     PUBSUB_NEEDS_SHARED | PUBSUB_NEEDS_KEYS | PUBSUB_NEEDS_UNDIVIDED,
     the_dead_give_back, .holds = "pubsub-16"},
    {"a lease that ended", PUBSUB_NEEDS_SUBSCRIBE, a_lease_that_ended,
     .holds = "pubsub-17 pubsub-39 pubsub-42"},
    {"keys are in order under many members", PUBSUB_NEEDS_KEYS, many_members,
     .holds = "pubsub-5"},
    {"fifty members wait", PUBSUB_NEEDS_SHARED | PUBSUB_NEEDS_UNDIVIDED,
     many_wait},
    {"woken by another process", PUBSUB_NEEDS_SHARED, woken_by_another_process},
    {"who gives up takes nothing", PUBSUB_NEEDS_SUBSCRIBE,
     who_gives_up_takes_nothing},
    {"killed a hundred times",
     PUBSUB_NEEDS_SHARED | PUBSUB_NEEDS_DURABLE | PUBSUB_NEEDS_KEYS |
         PUBSUB_NEEDS_UNDIVIDED,
     killed_a_hundred_times, .holds = "pubsub-13 pubsub-15"},
    {0},
};
