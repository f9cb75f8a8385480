/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that fills what it may open, in one request each:
 *
 *     /fill/kv, /mq, /pubsub, /lockd, /sql   until a write fails: 400 with why
 *     /free/kv, /mq, /lockd, /sql            give some room back: 200
 *
 * The resources are named as their kinds; /fill/default and /free/default are
 * the key-value store "default".
 */
#include <stdio.h>

#include "http_reply.h"

typedef slight_types_errors_error_t error_t;

static uint8_t block[256 << 10];

static void set_text(http_string_t *to, const char *text)
{
    http_string_set(to, text);
}

/* Each returns false, with the error, where the write fails. */
static bool write_kv(const char *name, unsigned n, error_t *error)
{
    static slight_kv_store_own_bucket_t opened;
    http_list_u8_t value = {block, sizeof(block)};
    http_string_t text;
    char key[32];

    set_text(&text, name);
    if (n == 0 && !slight_kv_store_static_bucket_open(&text, &opened, error))
        return false;
    snprintf(key, sizeof(key), "%u", n);
    set_text(&text, key);
    return slight_kv_store_method_bucket_set(
        slight_kv_store_borrow_bucket(opened), &text, &value, error);
}

static bool free_kv(const char *name, error_t *error)
{
    slight_kv_store_own_bucket_t opened;
    http_string_t text;
    char key[32];
    bool was = true;

    set_text(&text, name);
    if (!slight_kv_store_static_bucket_open(&text, &opened, error))
        return false;
    for (unsigned n = 0; was; n++) {
        snprintf(key, sizeof(key), "%u", n);
        set_text(&text, key);
        if (!slight_kv_store_method_bucket_delete(
                slight_kv_store_borrow_bucket(opened), &text, &was, error))
            return false;
    }
    return true;
}

static bool write_mq(const char *name, unsigned n, error_t *error)
{
    static slight_mq_queue_own_queue_t opened;
    slight_mq_queue_outgoing_t message = {
        .payload = {block, sizeof(block) / 2}};
    http_string_t text, id;

    set_text(&text, name);
    if (n == 0 && !slight_mq_queue_static_queue_open(&text, &opened, error))
        return false;
    return slight_mq_queue_method_queue_send(
        slight_mq_queue_borrow_queue(opened), &message, &id, error);
}

static bool free_mq(const char *name, error_t *error)
{
    slight_mq_queue_receive_options_t options = {.limit = 8};
    slight_mq_queue_list_own_message_t got;
    slight_mq_queue_own_queue_t opened;
    http_string_t text;

    set_text(&text, name);
    if (!slight_mq_queue_static_queue_open(&text, &opened, error) ||
        !slight_mq_queue_method_queue_receive(
            slight_mq_queue_borrow_queue(opened), &options, &got, error))
        return false;
    for (size_t i = 0; i < got.len; i++)
        if (!slight_mq_queue_method_message_complete(
                slight_mq_queue_borrow_message(got.ptr[i]), error))
            return false;
    return got.len > 0;
}

static bool write_pubsub(const char *name, unsigned n, error_t *error)
{
    static slight_pubsub_topics_own_broker_t opened;
    slight_pubsub_topics_outgoing_t event = {
        .payload = {block, sizeof(block) / 2}};
    http_string_t text;

    set_text(&text, name);
    if (n == 0 &&
        !slight_pubsub_topics_static_broker_open(&text, &opened, error))
        return false;
    set_text(&text, "topic");
    return slight_pubsub_topics_method_broker_publish(
        slight_pubsub_topics_borrow_broker(opened), &text, &event, error);
}

static slight_lockd_locks_own_lock_t first_lock;

/* The locks are kept until the request ends. */
static bool write_lockd(const char *name, unsigned n, error_t *error)
{
    static slight_lockd_locks_own_service_t opened;
    slight_lockd_locks_options_t options = {.ttl_ms = 600000,
                                            .wait_ms = {.is_some = true}};
    slight_lockd_locks_own_lock_t lock;
    http_string_t text;
    char key[501];

    set_text(&text, name);
    if (n == 0 &&
        !slight_lockd_locks_static_service_open(&text, &opened, error))
        return false;
    snprintf(key, sizeof(key), "%0500u", n);
    set_text(&text, key);
    if (!slight_lockd_locks_method_service_acquire(
            slight_lockd_locks_borrow_service(opened), &text, &options, &lock,
            error))
        return false;
    if (n == 0)
        first_lock = lock;
    return true;
}

static bool run(const char *name, const char *statement, error_t *error)
{
    slight_sql_database_list_value_t none = {0};
    slight_sql_database_own_connection_t opened;
    slight_sql_database_done_t done;
    http_string_t text;

    set_text(&text, name);
    if (!slight_sql_database_static_connection_open(&text, &opened, error))
        return false;
    set_text(&text, statement);
    return slight_sql_database_method_connection_execute(
        slight_sql_database_borrow_connection(opened), &text, &none, &done,
        error);
}

static bool write_sql(const char *name, unsigned n, error_t *error)
{
    if (n == 0)
        return run(name, "CREATE TABLE IF NOT EXISTS a (b)", error);
    return run(name, "INSERT INTO a VALUES (zeroblob(262144))", error);
}

static bool free_sql(const char *name, error_t *error)
{
    return run(name, "DELETE FROM a", error);
}

static bool free_lockd(const char *name, error_t *error)
{
    unsigned n = 0;

    while (write_lockd(name, n, error))
        n++;
    /* Full: renewing still works, and all is released with the request. */
    return n > 0 && slight_lockd_locks_method_lock_renew(
                        slight_lockd_locks_borrow_lock(first_lock), error);
}

static const struct {
    const char *name;
    bool (*write)(const char *name, unsigned n, error_t *error);
    bool (*free)(const char *name, error_t *error);
} kinds[] = {
    {"kv", write_kv, free_kv},          {"default", write_kv, free_kv},
    {"mq", write_mq, free_mq},          {"pubsub", write_pubsub, NULL},
    {"lockd", write_lockd, free_lockd}, {"sql", write_sql, free_sql},
};

static bool act(const char *path, error_t *error)
{
    bool fills = strncmp(path, "/fill/", 6) == 0;
    unsigned n = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(path + 6, kinds[i].name) != 0)
            continue;
        if (!fills)
            return kinds[i].free(kinds[i].name, error);
        while (kinds[i].write(kinds[i].name, n, error))
            n++;
        return false;
    }
    return true;
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    char *path = http_path(wasi_http_types_borrow_incoming_request(owned));
    error_t error = {0};

    if (path != NULL && act(path, &error))
        http_reply_text(out, 200, "done\n");
    else
        http_reply(out, 400, "text/plain", error.message.ptr,
                   error.message.len);
}
