/* SPDX-License-Identifier: Apache-2.0 */
/* mq_cases.h over src/mq; and the cases with threads and processes. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "mq/driver.h"
#include "mq_cases.h"
#include "mq_dead.h"
#include "native.h"

/* --- The interface ------------------------------------------------------ */

struct message {
    struct sl_service *service;
    struct sl_delivery *message;
    struct delivery delivery;
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
                        const struct sl_mq_request *request,
                        struct sl_mq_answer *answer)
{
    (void)sl_service_do(service, NULL, request, 1, answer);
    return status_of((const struct sl_answer *)answer);
}

static struct sl_bytes name_of(const char *text)
{
    return text != NULL ? SL_BYTES(text, strlen(text)) : (struct sl_bytes){0};
}

/* The pairs of a case are those of src/, in other words. */
_Static_assert(sizeof(struct pair) == sizeof(struct sl_pair),
               "not the same pairs");

static struct sl_mq_request send_request(const struct outgoing *message)
{
    return (struct sl_mq_request){
        .verb = SL_MQ_SEND,
        .payload = in(message->payload),
        .attributes = (const struct sl_pair *)(const void *)message->attributes,
        .attribute_count = message->attribute_count,
        .group = name_of(message->group),
        .deduplication_id = name_of(message->deduplication_id),
        .delay_ms = message->delay_ms,
    };
}

enum status mq_send(struct resource *resource, struct outgoing message,
                    char id[MQ_NAME_MAX + 1])
{
    const struct sl_mq_request request = send_request(&message);
    struct sl_mq_answer answer;

    enum status status = call(resource->store.service, &request, &answer);
    memcpy(id, answer.id, MQ_NAME_MAX + 1);
    sl_mq_answer_done(&answer);
    return status;
}

enum status mq_send_many(struct resource *resource,
                         const struct outgoing messages[], size_t count,
                         enum status each[])
{
    struct sl_mq_request *requests = sl_alloc_array(count, sizeof(*requests));
    struct sl_mq_answer *answers = sl_alloc_array(count, sizeof(*answers));
    enum status status = WORKED;

    for (size_t i = 0; i < count; i++)
        requests[i] = send_request(&messages[i]);
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

static struct message *message_of(struct sl_service *service,
                                  struct sl_delivery *taken)
{
    struct message *message = sl_alloc(sizeof(*message));

    message->service = service;
    message->message = taken;
    message->delivery = (struct delivery){
        .id = sl_strndup(taken->id.ptr, taken->id.len),
        .payload = out(taken->payload),
        .attributes = (const struct pair *)(const void *)taken->attributes,
        .attribute_count = taken->attribute_count,
        .group = taken->key.ptr != NULL
                     ? sl_strndup(taken->key.ptr, taken->key.len)
                     : NULL,
        .delivery_count = taken->delivery_count,
        .enqueued_at_ms = taken->sent_at_ms,
    };
    return message;
}

enum status mq_receive(struct resource *resource, struct receive options,
                       struct message *messages[], size_t *count)
{
    const struct sl_mq_request request = {
        .verb = SL_MQ_RECEIVE,
        .limit = options.limit,
        .wait_ms = options.wait_ms,
        .has_visibility = options.visibility_ms != 0,
        .visibility_ms = options.visibility_ms,
    };
    struct sl_mq_answer answer;

    enum status status = call(resource->store.service, &request, &answer);
    *count = answer.deliveries.count;
    for (size_t i = 0; i < answer.deliveries.count; i++) {
        messages[i] =
            message_of(resource->store.service, answer.deliveries.items[i]);
        answer.deliveries.items[i] = NULL;
    }
    sl_mq_answer_done(&answer);
    return status;
}

enum status mq_depth(struct resource *resource, uint64_t *depth)
{
    const struct sl_mq_request request = {.verb = SL_MQ_DEPTH};
    struct sl_mq_answer answer;

    enum status status = call(resource->store.service, &request, &answer);
    *depth = answer.depth;
    return status;
}

const struct delivery *mq_get(struct message *message)
{
    return &message->delivery;
}

static void message_free(struct message *message)
{
    free((void *)(uintptr_t)message->delivery.id);
    free((void *)(uintptr_t)message->delivery.group);
    sl_delivery_free(message->message);
    free(message);
}

static enum status tell(struct message *message, struct sl_mq_request request)
{
    struct sl_mq_answer answer;

    request.receipt = message->message->receipt;
    enum status status = call(message->service, &request, &answer);
    sl_mq_answer_done(&answer);
    return status;
}

static enum status settle(struct message *message, struct sl_mq_request request)
{
    enum status status = tell(message, request);

    if (status == WORKED || status == CONFLICT)
        message->is_settled = true;
    return status;
}

enum status message_complete(struct message *message)
{
    return settle(message, (struct sl_mq_request){.verb = SL_MQ_COMPLETE});
}

enum status message_abandon(struct message *message, uint64_t delay_ms)
{
    return settle(message, (struct sl_mq_request){.verb = SL_MQ_ABANDON,
                                                  .delay_ms = delay_ms});
}

enum status message_dead_letter(struct message *message, struct bytes reason)
{
    return settle(message, (struct sl_mq_request){.verb = SL_MQ_DEAD_LETTER,
                                                  .reason = in(reason)});
}

/* As a guest's handle: what was not settled is abandoned. */
void mq_drop(struct message *message)
{
    if (!message->is_settled)
        (void)tell(message, (struct sl_mq_request){.verb = SL_MQ_ABANDON});
    message_free(message);
}

enum status mq_extend(struct message *message, uint64_t visibility_ms)
{
    return tell(message,
                (struct sl_mq_request){.verb = SL_MQ_EXTEND,
                                       .visibility_ms = visibility_ms});
}

/* --- Receivers that wait ------------------------------------------------ */

enum { WAITERS = 100 };

struct waiter {
    struct resource *resource;
    pthread_t thread;
    bool received;
};

static void *wait_for_one(void *context)
{
    struct waiter *waiter = context;
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    if (mq_receive(waiter->resource,
                   (struct receive){.limit = 1, .wait_ms = 60000}, messages,
                   &count) == WORKED &&
        count == 1)
        waiter->received = mq_complete(messages[0]) == WORKED;
    return NULL;
}

static void a_hundred_wait(struct resource *resource)
{
    static struct waiter waiters[WAITERS];
    struct resource *other = resource_again();

    CHECK(other != NULL);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.resource = i % 2 ? resource : other};
        CHECK(pthread_create(&waiters[i].thread, NULL, wait_for_one,
                             &waiters[i]) == 0);
    }
    for (int i = 0; i < WAITERS; i++)
        mq_put(i % 3 == 0 ? resource : other, "text");
    for (int i = 0; i < WAITERS; i++)
        pthread_join(waiters[i].thread, NULL);
    for (int i = 0; i < WAITERS; i++)
        CHECK(waiters[i].received);
    mq_expect_none(resource);
    resource_close(other);
}

static void no_op(void *context)
{
    (void)context;
}

/* What came for a receiver that is gone is there for the next one. */
static void who_gives_up_takes_nothing(struct resource *resource)
{
    const struct sl_mq_request request = {
        .verb = SL_MQ_RECEIVE, .limit = 10, .wait_ms = 60000};
    struct sl_call *call;

    for (uint32_t i = 0; i < 20; i++) {
        sl_service_submit(resource->store.service, NULL, &request, 1, no_op,
                          NULL, &call);
        if (i % 2 == 0)
            sleep_ms(5);
        mq_put(resource, "text");
        sl_call_release(call);
        OK(mq_complete(mq_take(resource, 0)));
    }
    mq_expect_none(resource);
}

/* --- Order under many receivers ----------------------------------------- */

enum { GROUPS = 5, PER_GROUP = 60, RECEIVERS = 6 };

struct ledger {
    pthread_mutex_t lock;
    struct resource *resource;
    int next[GROUPS];  /* what must be completed next */
    bool busy[GROUPS]; /* somebody has one of it */
    int completed;
    int wrong;
};

static void handle_in_order(struct ledger *ledger, struct message *message)
{
    const struct delivery *delivery = mq_get(message);
    int group = delivery->group[0] - 'a';
    int number = (int)strtol((const char *)delivery->payload.ptr, NULL, 10);
    bool complete = arc4random_uniform(4) != 0;

    pthread_mutex_lock(&ledger->lock);
    ledger->wrong += ledger->busy[group] || number != ledger->next[group];
    ledger->busy[group] = true;
    pthread_mutex_unlock(&ledger->lock);
    sleep_ms((int)arc4random_uniform(3));
    pthread_mutex_lock(&ledger->lock);
    ledger->busy[group] = false;
    ledger->next[group] += complete;
    ledger->completed += complete;
    pthread_mutex_unlock(&ledger->lock);
    bool last = mq_get(message)->delivery_count == MQ_DELIVERIES_MAX;
    if (last && !complete) { /* the last chance is taken */
        pthread_mutex_lock(&ledger->lock);
        ledger->next[group]++;
        ledger->completed++;
        pthread_mutex_unlock(&ledger->lock);
    }
    enum status status =
        last || complete ? mq_complete(message) : mq_abandon(message, 0);
    pthread_mutex_lock(&ledger->lock);
    ledger->wrong += status != WORKED;
    pthread_mutex_unlock(&ledger->lock);
}

static void *receive_in_order(void *context)
{
    struct ledger *ledger = context;
    struct message *messages[MQ_RECEIVE_MAX];
    size_t count;

    for (;;) {
        pthread_mutex_lock(&ledger->lock);
        bool done = ledger->completed >= GROUPS * PER_GROUP;
        pthread_mutex_unlock(&ledger->lock);
        if (done)
            return NULL;
        if (mq_receive(ledger->resource,
                       (struct receive){.limit = 2, .wait_ms = 200}, messages,
                       &count) != WORKED)
            return NULL;
        for (size_t i = 0; i < count; i++)
            handle_in_order(ledger, messages[i]);
    }
}

static void groups_in_order(struct resource *resource)
{
    struct ledger ledger = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .resource = resource};
    pthread_t threads[RECEIVERS];
    char text[16], group[2] = "a", id[MQ_NAME_MAX + 1];

    for (int i = 0; i < GROUPS * PER_GROUP; i++) {
        snprintf(text, sizeof(text), "%d", i / GROUPS);
        group[0] = (char)('a' + i % GROUPS);
        /* With its NUL, for strtol. */
        OK(mq_send(resource,
                   (struct outgoing){
                       .payload = {(const uint8_t *)text, strlen(text) + 1},
                       .group = group},
                   id));
    }
    for (int i = 0; i < RECEIVERS; i++)
        CHECK(pthread_create(&threads[i], NULL, receive_in_order, &ledger) ==
              0);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(ledger.wrong == 0);
    CHECK(ledger.completed == GROUPS * PER_GROUP);
    mq_expect_none(resource);
}

/* --- Processes that are killed ------------------------------------------ */

enum { KILLS = 100, MESSAGES = 2000 };

/* Receive and complete, and say what is about to be and what was completed,
 * until it is killed. */
static void consume(struct resource *resource)
{
    struct message *messages[MQ_RECEIVE_MAX];
    char line[32];
    size_t count;

    for (;;) {
        OK(mq_receive(resource,
                      (struct receive){.limit = 3,
                                       .wait_ms = 100,
                                       .visibility_ms = MQ_VISIBILITY_MIN_MS},
                      messages, &count));
        for (size_t i = 0; i < count; i++) {
            struct bytes text = mq_get(messages[i])->payload;
            int len = snprintf(line, sizeof(line), "?%.*s\n", (int)text.len,
                               (const char *)text.ptr);
            (void)!write(STDOUT_FILENO, line, (size_t)len);
            if (mq_complete(messages[i]) == WORKED)
                (void)!write(STDOUT_FILENO, line + 1, (size_t)len - 1);
        }
    }
}

static void send_one(struct resource *resource)
{
    sleep_ms(300); /* the other side waits by then */
    mq_put(resource, "from elsewhere");
}

void suite_work(struct resource *resource, const char *what)
{
    if (strcmp(what, "send") == 0)
        send_one(resource);
    else
        consume(resource);
}

bool suite_dialect(const char *name)
{
    (void)name;
    return true;
}

/* Count the numbers that a process said it completed, and those that it began
 * to. */
static void tally(int fd, int seen[MESSAGES], bool begun[MESSAGES])
{
    FILE *from = fdopen(fd, "r");
    char line[32];

    while (fgets(line, sizeof(line), from) != NULL) {
        bool begins = line[0] == '?';
        long number = strtol(line + begins, NULL, 10);
        if (strchr(line, '\n') == NULL) /* cut off */
            continue;
        CHECK(number >= 0 && number < MESSAGES);
        if (begins)
            begun[number] = true;
        else
            seen[number]++;
    }
    fclose(from);
}

static void send_numbers(struct resource *resource)
{
    static struct outgoing messages[MQ_MANY_MAX];
    static enum status each[MQ_MANY_MAX];
    static char texts[MQ_MANY_MAX][8];

    for (int sent = 0; sent < MESSAGES; sent += MQ_MANY_MAX) {
        for (int i = 0; i < MQ_MANY_MAX; i++) {
            snprintf(texts[i], sizeof(texts[i]), "%d", sent + i);
            messages[i] = (struct outgoing){.payload = bytes_of(texts[i])};
        }
        OK(mq_send_many(resource, messages, MQ_MANY_MAX, each));
    }
}

/* The rest, and nothing that was completed before. */
static void drain(struct resource *resource, int seen[MESSAGES])
{
    struct message *messages[MQ_RECEIVE_MAX];
    uint64_t depth = 1;
    size_t count;

    while (depth > 0) {
        OK(mq_receive(
            resource,
            (struct receive){.limit = MQ_RECEIVE_MAX, .wait_ms = 2000},
            messages, &count));
        for (size_t i = 0; i < count; i++) {
            char text[16];
            struct bytes payload = mq_get(messages[i])->payload;
            snprintf(text, sizeof(text), "%.*s", (int)payload.len,
                     (const char *)payload.ptr);
            seen[strtol(text, NULL, 10)]++;
            OK(mq_complete(messages[i]));
        }
        OK(mq_depth(resource, &depth));
    }
}

/*
 * Nothing is lost, and nothing is completed twice.  What is not known to be
 * completed was begun by a process that was killed before it could say so.
 */
static void killed_a_hundred_times(struct resource *resource)
{
    static int seen[MESSAGES];
    static bool begun[MESSAGES];
    int fd;

    send_numbers(resource);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = start_process("consume", &fd);
        sleep_ms((int)arc4random_uniform(60));
        CHECK(kill(pid, SIGKILL) == 0);
        CHECK(waitpid(pid, NULL, 0) == pid);
        tally(fd, seen, begun);
    }
    drain(resource, seen);
    for (int i = 0; i < MESSAGES; i++) {
        CHECK(seen[i] <= 1);
        CHECK(seen[i] == 1 || begun[i]);
    }
}

static void woken_by_another_process(struct resource *resource)
{
    int fd, how;

    pid_t pid = start_process("send", &fd);
    OK(mq_complete(mq_expect(resource, "from elsewhere", 1)));
    close(fd);
    CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) &&
          WEXITSTATUS(how) == 0);
}

static void text_that_is_none(struct resource *resource)
{
    const struct pair pair = {TEXT("n"), TEXT("\xff")};
    struct outgoing message = {.payload = TEXT("x"), .group = "\xff"};
    char id[MQ_NAME_MAX + 1];

    FAILS(mq_send(resource, message, id), INVALID_ARGUMENT);
    message.group = NULL;
    message.attributes = &pair;
    message.attribute_count = 1;
    FAILS(mq_send(resource, message, id), INVALID_ARGUMENT);
}

const struct suite_case mq_side_cases[] = {
    {"a hundred receivers wait", MQ_NEEDS_SHARED, a_hundred_wait},
    {"who gives up takes nothing", 0, who_gives_up_takes_nothing},
    {"groups are in order under many receivers",
     MQ_NEEDS_GROUPS | MQ_NEEDS_COUNT, groups_in_order, .holds = "mq-7"},
    {"killed a hundred times", MQ_NEEDS_SHARED | MQ_NEEDS_DURABLE,
     killed_a_hundred_times, .holds = "mq-15"},
    {"woken by another process", MQ_NEEDS_SHARED, woken_by_another_process},
    {"dead letters are told", MQ_NEEDS_DEAD_LETTER | MQ_NEEDS_GROUPS,
     mq_case_dead_letters_are_told, .holds = "mq-20 mq-46"},
    {"the dead are sent again", MQ_NEEDS_DEAD_LETTER,
     mq_case_the_dead_are_sent_again},
    {"the dead keep their group", MQ_NEEDS_DEAD_LETTER | MQ_NEEDS_GROUPS,
     mq_case_the_dead_keep_their_group},
    {"many dead", MQ_NEEDS_DEAD_LETTER, mq_case_many_dead},
    {"texts that are none", MQ_NEEDS_GROUPS, text_that_is_none,
     .holds = "mq-2 mq-8"},
    {0},
};
