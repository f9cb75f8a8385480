/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a history. */
#include "histories/history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "kv/kv.h"
#include "support/stores.h"

enum {
    VALUE_MAX = 64,
    PAUSE_US = 300, /* between calls: the checker has much to do for each */
};

struct client {
    struct test_store store;
    const char *number;
    int log;
    int calls;
};

/* As one write, so that a kill cuts no line but the last one. */
__attribute__((format(printf, 2, 3))) static void
write_line(const struct client *client, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (len < 0 || write(client->log, line, (size_t)len) != len)
        abort();
}

static const char *outcome_of(const struct sl_kv_answer *answer)
{
    enum sl_status status = answer->err.status;

    if (status == SL_OK)
        return "ok";
    if (status == SL_CONFLICT || status == SL_ALREADY_EXISTS)
        return "refused";
    /* What may be repeated was certainly not done, or read. */
    return answer->retryable ? "undone" : "doubt";
}

/* What a call answered, as the checker has it. */
static void describe(const struct sl_kv_request *request,
                     const struct sl_kv_answer *answer, char text[VALUE_MAX])
{
    snprintf(text, VALUE_MAX, "-");
    if (answer->err.status != SL_OK)
        return;
    if (request->verb == SL_KV_GET && answer->found)
        snprintf(text, VALUE_MAX, "%.*s", (int)answer->value.bytes.len,
                 (const char *)answer->value.bytes.ptr);
    else if (request->verb == SL_KV_DELETE)
        snprintf(text, VALUE_MAX, "%s", answer->found ? "true" : "false");
    else if (request->verb == SL_KV_INCREMENT)
        snprintf(text, VALUE_MAX, "%" PRId64, answer->number);
}

/* The answer is the caller's to finish. */
static void do_call(struct client *client, const struct sl_kv_request *request,
                    const char *verb, const char *argument,
                    const char *expected, struct sl_kv_answer *answer)
{
    char value[VALUE_MAX];

    client->calls++;
    write_line(client, "call %d %" PRId64 " %.*s %s %s %s\n", client->calls,
               sl_now_ns(), (int)request->key.len,
               (const char *)request->key.ptr, verb, argument, expected);
    sl_service_do(client->store.service, NULL, request, 1, answer);
    describe(request, answer, value);
    write_line(client, "done %d %" PRId64 " %s %s\n", client->calls,
               sl_now_ns(), outcome_of(answer), value);
}

static void do_plain(struct client *client, struct sl_kv_request request,
                     const char *verb, const char *argument)
{
    struct sl_kv_answer answer;

    do_call(client, &request, verb, argument, "-", &answer);
    sl_kv_answer_done(&answer);
}

/* Read, and replace what was read. */
static void replace(struct client *client, struct sl_bytes key,
                    const char *value)
{
    const struct sl_kv_request get = {
        .verb = SL_KV_GET, .key = key, .want_version = true};
    struct sl_kv_answer read, written;
    char expected[VALUE_MAX];

    do_call(client, &get, "get", "-", "-", &read);
    describe(&get, &read, expected);
    if (read.err.status == SL_OK) {
        const struct sl_kv_request set = {
            .verb = SL_KV_SET,
            .key = key,
            .value = sl_bytes_of(value),
            .condition = read.found ? SL_KV_VERSION : SL_KV_ABSENT,
            .version = sl_bytes_of(read.version),
        };
        do_call(client, &set, "replace", value, expected, &written);
        sl_kv_answer_done(&written);
    }
    sl_kv_answer_done(&read);
}

/* Mostly reads and plain writes of two keys, and sums under a third. */
static void do_next(struct client *client)
{
    uint32_t choice = arc4random_uniform(100);
    struct sl_bytes key =
        arc4random_uniform(4) > 0 ? SL_LITERAL("one") : SL_LITERAL("two");
    char value[VALUE_MAX];

    snprintf(value, sizeof(value), "%s.%d", client->number, client->calls);
    if (choice < 40)
        do_plain(client, (struct sl_kv_request){.verb = SL_KV_GET, .key = key},
                 "get", "-");
    else if (choice < 80)
        do_plain(client,
                 (struct sl_kv_request){.verb = SL_KV_SET,
                                        .key = key,
                                        .value = sl_bytes_of(value)},
                 "set", value);
    else if (choice < 90)
        replace(client, key, value);
    else if (choice < 93)
        do_plain(client,
                 (struct sl_kv_request){.verb = SL_KV_DELETE, .key = key},
                 "delete", "-");
    else
        do_plain(client,
                 (struct sl_kv_request){.verb = SL_KV_INCREMENT,
                                        .key = SL_LITERAL("sum"),
                                        .delta = 1},
                 "add", "1");
}

int history_client(const char *driver, const char *settings, const char *number,
                   const char *path)
{
    struct client client = {.number = number};
    struct sl_error err;

    client.log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (client.log < 0 ||
        test_store_open(&client.store, driver, settings, &err) != SL_OK)
        return 1;
    for (;;) {
        do_next(&client);
        usleep(PAUSE_US);
    }
}
