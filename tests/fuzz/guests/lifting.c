/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls every function of slight's interfaces with arguments of anything:
 * pointers, lengths and discriminants that no binding would pass.  Its argument
 * is a script in hexadecimal, which writes into an area of memory and calls
 * with what it says. A trap is fine; it is the host that must be well
 * afterwards.
 *
 * The functions are those of the world, as the canonical ABI flattens them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(module, name)                                                   \
    __attribute__((__import_module__(module), __import_name__(name))) extern

/* clang-format off */
IMPORT("slight:kv/store@0.2.0", "[static]bucket.open")
void raw_kv_static_bucket_open(uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.get")
void raw_kv_method_bucket_get(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.get-entry")
void raw_kv_method_bucket_get_entry(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.exists")
void raw_kv_method_bucket_exists(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.set")
void raw_kv_method_bucket_set(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.set-with")
void raw_kv_method_bucket_set_with(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.delete")
void raw_kv_method_bucket_delete(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.delete-if")
void raw_kv_method_bucket_delete_if(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.increment")
void raw_kv_method_bucket_increment(uint32_t, uint32_t, uint32_t, uint64_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.keys")
void raw_kv_method_bucket_keys(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.get-many")
void raw_kv_method_bucket_get_many(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.set-many")
void raw_kv_method_bucket_set_many(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[method]bucket.delete-many")
void raw_kv_method_bucket_delete_many(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[static]service.open")
void raw_lockd_static_service_open(uint32_t, uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]service.acquire")
void raw_lockd_method_service_acquire(uint32_t, uint32_t, uint32_t, uint64_t, uint32_t, uint64_t, uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]service.is-locked")
void raw_lockd_method_service_is_locked(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.key")
void raw_lockd_method_lock_key(uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.fencing-token")
uint64_t raw_lockd_method_lock_fencing_token(uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.ttl-ms")
uint64_t raw_lockd_method_lock_ttl_ms(uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.is-held")
uint32_t raw_lockd_method_lock_is_held(uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.renew")
void raw_lockd_method_lock_renew(uint32_t, uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[method]lock.release")
void raw_lockd_method_lock_release(uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[static]queue.open")
void raw_mq_static_queue_open(uint32_t, uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]queue.send")
void raw_mq_method_queue_send(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]queue.send-many")
void raw_mq_method_queue_send_many(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]queue.receive")
void raw_mq_method_queue_receive(uint32_t, uint32_t, uint64_t, uint32_t, uint64_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]queue.depth")
void raw_mq_method_queue_depth(uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]message.get")
void raw_mq_method_message_get(uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]message.complete")
void raw_mq_method_message_complete(uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]message.abandon")
void raw_mq_method_message_abandon(uint32_t, uint64_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]message.dead-letter")
void raw_mq_method_message_dead_letter(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[method]message.extend")
void raw_mq_method_message_extend(uint32_t, uint64_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[static]broker.open")
void raw_pubsub_static_broker_open(uint32_t, uint32_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]broker.publish")
void raw_pubsub_method_broker_publish(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]broker.publish-many")
void raw_pubsub_method_broker_publish_many(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]broker.subscribe")
void raw_pubsub_method_broker_subscribe(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]subscription.receive")
void raw_pubsub_method_subscription_receive(uint32_t, uint32_t, uint64_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]delivery.get")
void raw_pubsub_method_delivery_get(uint32_t, uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[method]delivery.acknowledge")
void raw_pubsub_method_delivery_acknowledge(uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[static]connection.open")
void raw_sql_static_connection_open(uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]connection.query")
void raw_sql_method_connection_query(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]connection.open-cursor")
void raw_sql_method_connection_open_cursor(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]connection.execute")
void raw_sql_method_connection_execute(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]connection.execute-many")
void raw_sql_method_connection_execute_many(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]connection.begin")
void raw_sql_method_connection_begin(uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]cursor.columns")
void raw_sql_method_cursor_columns(uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]cursor.next")
void raw_sql_method_cursor_next(uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]transaction.query")
void raw_sql_method_transaction_query(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]transaction.open-cursor")
void raw_sql_method_transaction_open_cursor(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]transaction.execute")
void raw_sql_method_transaction_execute(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[method]transaction.execute-many")
void raw_sql_method_transaction_execute_many(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[static]transaction.commit")
void raw_sql_static_transaction_commit(uint32_t, uint32_t);
IMPORT("slight:sql/database@0.2.0", "[static]transaction.rollback")
void raw_sql_static_transaction_rollback(uint32_t, uint32_t);
IMPORT("slight:kv/store@0.2.0", "[resource-drop]bucket")
void raw_kv_resource_drop_bucket(uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[resource-drop]service")
void raw_lockd_resource_drop_service(uint32_t);
IMPORT("slight:lockd/locks@0.2.0", "[resource-drop]lock")
void raw_lockd_resource_drop_lock(uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[resource-drop]queue")
void raw_mq_resource_drop_queue(uint32_t);
IMPORT("slight:mq/queue@0.2.0", "[resource-drop]message")
void raw_mq_resource_drop_message(uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[resource-drop]broker")
void raw_pubsub_resource_drop_broker(uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[resource-drop]subscription")
void raw_pubsub_resource_drop_subscription(uint32_t);
IMPORT("slight:pubsub/topics@0.2.0", "[resource-drop]delivery")
void raw_pubsub_resource_drop_delivery(uint32_t);
IMPORT("slight:sql/database@0.2.0", "[resource-drop]connection")
void raw_sql_resource_drop_connection(uint32_t);
IMPORT("slight:sql/database@0.2.0", "[resource-drop]cursor")
void raw_sql_resource_drop_cursor(uint32_t);
IMPORT("slight:sql/database@0.2.0", "[resource-drop]transaction")
void raw_sql_resource_drop_transaction(uint32_t);
/* clang-format on */

enum { FUNCTIONS = 64, AREA = 1 << 20, WORDS = 16 };

/* What was opened first, by the function: 1 to 5; what came later is 6. */
static const uint8_t handles[FUNCTIONS] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 6, 6, 6, 6, 6, 6,
    4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 5, 5, 5, 5, 6, 6, 6, 2, 2, 2, 2, 2,
    2, 6, 6, 6, 6, 6, 6, 6, 6, 1, 3, 6, 4, 6, 5, 6, 6, 2, 6, 6};

static uint8_t *area;
static uint8_t script[32768];
static size_t script_len, at;
static uint32_t words[WORDS];

static uint8_t next(void)
{
    return at < script_len ? script[at++] : 0;
}

static uint32_t next_two(void)
{
    uint32_t low = next();

    return low | (uint32_t)next() << 8;
}

/* Of the script: a small number, a place in the area, or anything. */
static uint32_t next_word(void)
{
    uint32_t low;

    switch (next() % 4) {
    case 0:
        return next();
    case 1:
        return (uint32_t)(uintptr_t)area + next_two() * 8;
    case 2:
        return next_two() << 8;
    default:
        low = next_two();
        return low | next_two() << 16;
    }
}

static uint32_t word(int i)
{
    return words[i];
}

static uint64_t wide(int i)
{
    return (uint64_t)words[i] << 32 | words[i + 1];
}

static void call(unsigned function)
{
    switch (function) {
    case 0:
        raw_kv_static_bucket_open(word(0), word(1), word(2));
        break;
    case 1:
        raw_kv_method_bucket_get(word(0), word(1), word(2), word(3));
        break;
    case 2:
        raw_kv_method_bucket_get_entry(word(0), word(1), word(2), word(3));
        break;
    case 3:
        raw_kv_method_bucket_exists(word(0), word(1), word(2), word(3));
        break;
    case 4:
        raw_kv_method_bucket_set(word(0), word(1), word(2), word(3), word(4),
                                 word(5));
        break;
    case 5:
        raw_kv_method_bucket_set_with(word(0), word(1), word(2), word(3),
                                      word(4), word(5), word(6), word(7),
                                      word(8), wide(9), word(10));
        break;
    case 6:
        raw_kv_method_bucket_delete(word(0), word(1), word(2), word(3));
        break;
    case 7:
        raw_kv_method_bucket_delete_if(word(0), word(1), word(2), word(3),
                                       word(4), word(5));
        break;
    case 8:
        raw_kv_method_bucket_increment(word(0), word(1), word(2), wide(3),
                                       word(4));
        break;
    case 9:
        raw_kv_method_bucket_keys(word(0), word(1), word(2), word(3), word(4),
                                  word(5), word(6), word(7));
        break;
    case 10:
        raw_kv_method_bucket_get_many(word(0), word(1), word(2), word(3));
        break;
    case 11:
        raw_kv_method_bucket_set_many(word(0), word(1), word(2), word(3));
        break;
    case 12:
        raw_kv_method_bucket_delete_many(word(0), word(1), word(2), word(3));
        break;
    case 13:
        raw_lockd_static_service_open(word(0), word(1), word(2));
        break;
    case 14:
        raw_lockd_method_service_acquire(word(0), word(1), word(2), wide(3),
                                         word(4), wide(5), word(6), word(7));
        break;
    case 15:
        raw_lockd_method_service_is_locked(word(0), word(1), word(2), word(3));
        break;
    case 16:
        raw_lockd_method_lock_key(word(0), word(1));
        break;
    case 17:
        raw_lockd_method_lock_fencing_token(word(0));
        break;
    case 18:
        raw_lockd_method_lock_ttl_ms(word(0));
        break;
    case 19:
        raw_lockd_method_lock_is_held(word(0));
        break;
    case 20:
        raw_lockd_method_lock_renew(word(0), word(1));
        break;
    case 21:
        raw_lockd_method_lock_release(word(0), word(1));
        break;
    case 22:
        raw_mq_static_queue_open(word(0), word(1), word(2));
        break;
    case 23:
        raw_mq_method_queue_send(word(0), word(1), word(2), word(3), word(4),
                                 word(5), wide(6), word(7), word(8), word(9),
                                 word(10), word(11), word(12), word(13));
        break;
    case 24:
        raw_mq_method_queue_send_many(word(0), word(1), word(2), word(3));
        break;
    case 25:
        raw_mq_method_queue_receive(word(0), word(1), wide(2), word(3), wide(4),
                                    word(5));
        break;
    case 26:
        raw_mq_method_queue_depth(word(0), word(1));
        break;
    case 27:
        raw_mq_method_message_get(word(0), word(1));
        break;
    case 28:
        raw_mq_method_message_complete(word(0), word(1));
        break;
    case 29:
        raw_mq_method_message_abandon(word(0), wide(1), word(2));
        break;
    case 30:
        raw_mq_method_message_dead_letter(word(0), word(1), word(2), word(3));
        break;
    case 31:
        raw_mq_method_message_extend(word(0), wide(1), word(2));
        break;
    case 32:
        raw_pubsub_static_broker_open(word(0), word(1), word(2));
        break;
    case 33:
        raw_pubsub_method_broker_publish(word(0), word(1), word(2), word(3),
                                         word(4), word(5), word(6), word(7),
                                         word(8), word(9), word(10));
        break;
    case 34:
        raw_pubsub_method_broker_publish_many(word(0), word(1), word(2),
                                              word(3), word(4), word(5));
        break;
    case 35:
        raw_pubsub_method_broker_subscribe(word(0), word(1), word(2), word(3),
                                           word(4), word(5), word(6));
        break;
    case 36:
        raw_pubsub_method_subscription_receive(word(0), word(1), wide(2),
                                               word(3));
        break;
    case 37:
        raw_pubsub_method_delivery_get(word(0), word(1));
        break;
    case 38:
        raw_pubsub_method_delivery_acknowledge(word(0), word(1));
        break;
    case 39:
        raw_sql_static_connection_open(word(0), word(1), word(2));
        break;
    case 40:
        raw_sql_method_connection_query(word(0), word(1), word(2), word(3),
                                        word(4), word(5));
        break;
    case 41:
        raw_sql_method_connection_open_cursor(word(0), word(1), word(2),
                                              word(3), word(4), word(5));
        break;
    case 42:
        raw_sql_method_connection_execute(word(0), word(1), word(2), word(3),
                                          word(4), word(5));
        break;
    case 43:
        raw_sql_method_connection_execute_many(word(0), word(1), word(2),
                                               word(3), word(4), word(5));
        break;
    case 44:
        raw_sql_method_connection_begin(word(0), word(1), word(2), word(3));
        break;
    case 45:
        raw_sql_method_cursor_columns(word(0), word(1));
        break;
    case 46:
        raw_sql_method_cursor_next(word(0), word(1), word(2));
        break;
    case 47:
        raw_sql_method_transaction_query(word(0), word(1), word(2), word(3),
                                         word(4), word(5));
        break;
    case 48:
        raw_sql_method_transaction_open_cursor(word(0), word(1), word(2),
                                               word(3), word(4), word(5));
        break;
    case 49:
        raw_sql_method_transaction_execute(word(0), word(1), word(2), word(3),
                                           word(4), word(5));
        break;
    case 50:
        raw_sql_method_transaction_execute_many(word(0), word(1), word(2),
                                                word(3), word(4), word(5));
        break;
    case 51:
        raw_sql_static_transaction_commit(word(0), word(1));
        break;
    case 52:
        raw_sql_static_transaction_rollback(word(0), word(1));
        break;
    case 53:
        raw_kv_resource_drop_bucket(word(0));
        break;
    case 54:
        raw_lockd_resource_drop_service(word(0));
        break;
    case 55:
        raw_lockd_resource_drop_lock(word(0));
        break;
    case 56:
        raw_mq_resource_drop_queue(word(0));
        break;
    case 57:
        raw_mq_resource_drop_message(word(0));
        break;
    case 58:
        raw_pubsub_resource_drop_broker(word(0));
        break;
    case 59:
        raw_pubsub_resource_drop_subscription(word(0));
        break;
    case 60:
        raw_pubsub_resource_drop_delivery(word(0));
        break;
    case 61:
        raw_sql_resource_drop_connection(word(0));
        break;
    case 62:
        raw_sql_resource_drop_cursor(word(0));
        break;
    case 63:
        raw_sql_resource_drop_transaction(word(0));
        break;
    default:
        break;
    }
}

static void open_all(void)
{
    static const char *const names[] = {"kv", "sql", "lockd", "mq", "pubsub"};
    uint32_t result = (uint32_t)(uintptr_t)area + AREA;
    void (*const opens[])(uint32_t, uint32_t, uint32_t) = {
        raw_kv_static_bucket_open, raw_sql_static_connection_open,
        raw_lockd_static_service_open, raw_mq_static_queue_open,
        raw_pubsub_static_broker_open};

    for (int i = 0; i < 5; i++)
        opens[i]((uint32_t)(uintptr_t)names[i], (uint32_t)strlen(names[i]),
                 result);
}

static void read_script(const char *text)
{
    for (; text[0] != '\0' && text[1] != '\0' && script_len < sizeof(script);
         text += 2) {
        char pair[3] = {text[0], text[1], '\0'};
        script[script_len++] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

static void step(void)
{
    uint8_t what = next();

    if (what % 4 == 0) { /* a word of the area, some times over */
        uint32_t place = next_two() * 4, value = next_word(), stride, times;
        stride = next() % 64 * 4;
        times = next() % 4 == 0 ? 4096 : 1;
        for (uint32_t i = 0; i < times && place + 4 <= AREA; i++) {
            memcpy(area + place, &value, sizeof(value));
            place += stride;
        }
        return;
    }
    uint8_t function = next();
    for (int i = 0; i < WORDS - 1; i++)
        words[i] = next_word();
    function %= FUNCTIONS;
    if (what % 4 != 1)
        words[0] = handles[function];
    call(function);
}

int main(int argc, char **argv)
{
    area = calloc(1, AREA + 4096);
    if (argc < 2 || area == NULL)
        return 1;
    memset(area, 'a', AREA / 2);
    read_script(argv[1]);
    open_all();
    while (at < script_len)
        step();
    return 0;
}
