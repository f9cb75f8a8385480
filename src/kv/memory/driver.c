/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.memory: in the process, gone with it.  For tests, and for what can be
 * computed again.  A list (memory_list.h) under a read-write lock; a get hands
 * the value itself out and copies nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/memory/list.h"

struct options {
    int64_t max_bytes;
};

static const struct sl_option option_table[] = {
    {.name = "max-bytes",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct options, max_bytes),
     .min = 1024,
     .max = INT64_C(1) << 40,
     .fallback = "256MiB",
     .help = "the most that keys and values together may take"},
    {0},
};

/* --- Verbs -------------------------------------------------------------- */

static void write_version(struct sl_kv_answer *answer, uint64_t version)
{
    snprintf(answer->version, sizeof(answer->version), "%" PRIu64, version);
}

static bool has_version(const struct sl_kv_memory_node *node,
                        struct sl_bytes version)
{
    char text[SL_KV_VERSION_MAX + 1];

    snprintf(text, sizeof(text), "%" PRIu64, node->version);
    return sl_bytes_equal(sl_bytes_of(text), version);
}

static void run_get(struct sl_kv_memory_store *store, struct sl_op *op)
{
    const struct sl_kv_memory_node *node =
        sl_kv_memory_find(store, sl_kv_request_of(op)->key);

    if (node == NULL || !sl_kv_op_take_budget(op, node->value->len))
        return;
    atomic_fetch_add(&node->value->owners, 1);
    sl_kv_answer_of(op)->found = true;
    sl_kv_answer_of(op)->value = (struct sl_held){
        .bytes = SL_BYTES(node->value->bytes, node->value->len),
        .owner = node->value,
        .release = sl_kv_memory_blob_unref,
    };
    if (sl_kv_request_of(op)->want_version)
        write_version(sl_kv_answer_of(op), node->version);
}

static enum sl_status check_condition(const struct sl_kv_memory_node *node,
                                      const struct sl_kv_request *request,
                                      struct sl_error *err)
{
    if (request->condition == SL_KV_ABSENT && node != NULL)
        return sl_fail(err, SL_ALREADY_EXISTS, "the key exists");
    if (request->condition == SL_KV_VERSION &&
        (node == NULL || !has_version(node, request->version)))
        return sl_fail(err, SL_CONFLICT, "the key is not in this version");
    return SL_OK;
}

/* Store a value in place of node, which may be NULL. */
static enum sl_status store_value(struct sl_kv_memory_store *store,
                                  const struct sl_kv_memory_node *node,
                                  struct sl_bytes key, struct sl_bytes value,
                                  sl_deadline expires, struct sl_error *err)
{
    size_t had =
        node == NULL ? 0 : sl_kv_memory_cost(node->key_len, node->value->len);
    size_t needs = sl_kv_memory_cost(key.len, value.len);

    if (needs > had && sl_kv_memory_make_room(store, needs - had, err) != SL_OK)
        return err->status;
    struct sl_kv_memory_blob *blob = sl_kv_memory_blob_new(value);
    if (blob == NULL)
        return sl_fail(err, SL_TOO_LARGE, "no memory for a value of %zu bytes",
                       value.len);
    sl_kv_memory_put(store, key, blob, expires);
    return SL_OK;
}

static void run_set(struct sl_kv_memory_store *store, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    const struct sl_kv_memory_node *node =
        sl_kv_memory_find(store, request->key);
    sl_deadline expires = request->has_ttl
                              ? sl_deadline_in_ms((int64_t)request->ttl_ms)
                              : SL_NEVER;

    if (check_condition(node, request, err) == SL_OK &&
        store_value(store, node, request->key, request->value, expires, err) ==
            SL_OK)
        write_version(sl_kv_answer_of(op), store->last_version);
}

static void run_delete(struct sl_kv_memory_store *store, struct sl_op *op)
{
    struct sl_kv_memory_node *node =
        sl_kv_memory_find(store, sl_kv_request_of(op)->key);

    if (check_condition(node, op->request, &sl_kv_answer_of(op)->err) !=
            SL_OK ||
        node == NULL)
        return;
    sl_kv_memory_remove(store, node);
    sl_kv_answer_of(op)->found = true;
}

static void run_increment(struct sl_kv_memory_store *store, struct sl_op *op)
{
    struct sl_kv_memory_node *node =
        sl_kv_memory_find(store, sl_kv_request_of(op)->key);
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    int64_t number = 0;
    char text[24];

    if (node != NULL &&
        !sl_bytes_to_integer(SL_BYTES(node->value->bytes, node->value->len),
                             &number)) {
        sl_fail(err, SL_INVALID_ARGUMENT, "the value is no integer");
        return;
    }
    if (__builtin_add_overflow(number, sl_kv_request_of(op)->delta, &number)) {
        sl_fail(err, SL_INVALID_ARGUMENT, "the sum leaves the range");
        return;
    }
    int len = snprintf(text, sizeof(text), "%" PRId64, number);
    if (store_value(store, node, sl_kv_request_of(op)->key,
                    SL_BYTES(text, (size_t)len),
                    node == NULL ? SL_NEVER : node->expires, err) == SL_OK)
        sl_kv_answer_of(op)->number = number;
}

static void write_cursor(struct sl_kv_answer *answer, struct sl_bytes last)
{
    if (sl_buf_append(&answer->next, SL_LITERAL(">"), &answer->err) == SL_OK)
        (void)!sl_buf_append(&answer->next, last, &answer->err);
}

/* Where the page after this cursor starts; false: no page gave it. */
static bool read_cursor(const struct sl_kv_request *request,
                        struct sl_bytes *after)
{
    struct sl_bytes cursor = request->cursor;

    if (cursor.len < 2 || cursor.len > SL_KV_KEY_MAX + 1 ||
        cursor.ptr[0] != '>')
        return false;
    *after = SL_BYTES(cursor.ptr + 1, cursor.len - 1);
    return sl_bytes_start_with(*after, request->key);
}

/* Append a key to the page; false: the page is over. */
static bool add_key(struct sl_kv_answer *answer, struct sl_bytes key)
{
    if (sl_buf_append(&answer->keys, key, &answer->err) != SL_OK ||
        sl_buf_append(&answer->keys, SL_BYTES("", 1), &answer->err) != SL_OK)
        return false;
    answer->key_count++;
    return true;
}

/* A cursor is a mark and the last key of the page before. */
static void run_keys(struct sl_kv_memory_store *store, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    struct sl_bytes after = request->key, last = {0};
    bool goes_on = request->cursor.len > 0;

    if (goes_on && !read_cursor(request, &after)) {
        sl_fail(&answer->err, SL_INVALID_ARGUMENT, "invalid cursor");
        return;
    }
    const struct sl_kv_memory_node *node =
        sl_kv_memory_seek(store, after, NULL);
    for (; node != NULL; node = node->next[0]) {
        struct sl_bytes key = SL_BYTES(node->key, node->key_len);
        if (!sl_bytes_start_with(key, request->key))
            break;
        if (!sl_kv_memory_is_alive(node) ||
            (goes_on && sl_bytes_equal(key, after)))
            continue;
        if (answer->key_count == request->limit) {
            write_cursor(answer, last);
            break;
        }
        if (!add_key(answer, key))
            break;
        last = key;
    }
}

static void run_read(struct sl_kv_memory_store *store, struct sl_op *op)
{
    switch (sl_kv_request_of(op)->verb) {
    case SL_KV_GET:
        run_get(store, op);
        break;
    case SL_KV_EXISTS:
        sl_kv_answer_of(op)->found =
            sl_kv_memory_find(store, sl_kv_request_of(op)->key) != NULL;
        break;
    default:
        run_keys(store, op);
        break;
    }
}

static void run_write(struct sl_kv_memory_store *store, struct sl_op *op)
{
    switch (sl_kv_request_of(op)->verb) {
    case SL_KV_SET:
        run_set(store, op);
        break;
    case SL_KV_DELETE:
        run_delete(store, op);
        break;
    default:
        run_increment(store, op);
        break;
    }
}

/* --- The driver --------------------------------------------------------- */

static bool is_read(enum sl_kv_verb verb)
{
    return verb == SL_KV_GET || verb == SL_KV_EXISTS || verb == SL_KV_KEYS;
}

static void memory_run(void *connection, struct sl_op *const ops[],
                       size_t count)
{
    struct sl_kv_memory_store *store = connection;

    for (size_t i = 0; i < count; i++) {
        if (is_read(sl_kv_request_of(ops[i])->verb)) {
            pthread_rwlock_rdlock(&store->lock);
            run_read(store, ops[i]);
        } else {
            pthread_rwlock_wrlock(&store->lock);
            sl_kv_memory_sweep(store);
            run_write(store, ops[i]);
        }
        pthread_rwlock_unlock(&store->lock);
    }
}

static bool memory_usage(void *data, struct sl_usage *out)
{
    struct sl_kv_memory_store *store = data;

    pthread_rwlock_rdlock(&store->lock);
    *out = (struct sl_usage){.used = (int64_t)store->bytes,
                             .limit = (int64_t)store->max_bytes};
    pthread_rwlock_unlock(&store->lock);
    return true;
}

static enum sl_status memory_store_new(const void *options, void **out,
                                       struct sl_error *err)
{
    const struct options *mine = options;
    struct sl_kv_memory_store *store = sl_alloc(sizeof(*store));

    (void)err;
    store->max_bytes = (size_t)mine->max_bytes;
    pthread_rwlock_init(&store->lock, NULL);
    *out = store;
    return SL_OK;
}

static void memory_store_free(void *data)
{
    struct sl_kv_memory_store *store = data;

    sl_kv_memory_free_all(store);
    pthread_rwlock_destroy(&store->lock);
    free(store);
}

/* Every connection is the store itself, which has a lock. */
static enum sl_status memory_open(void *store, sl_deadline deadline,
                                  void **connection, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *connection = store;
    return SL_OK;
}

static void memory_close(void *connection)
{
    (void)connection;
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_kv_memory = {
    .name = "kv.memory",
    .service = "memory of the process",
    .summary = "values in the memory of slight, gone when it ends",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_LINEARIZABLE,
    /* A listing may have to go over many that are over. */
    .inline_verbs = ((1U << SL_KV_VERB_COUNT) - 1) & ~(1U << SL_KV_KEYS),
    .max_batch = 64,
    .store_new = memory_store_new,
    .store_free = memory_store_free,
    .usage = memory_usage,
    .open = memory_open,
    .close = memory_close,
    .run = memory_run,
};
