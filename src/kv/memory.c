/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.memory: in the process, gone with it.  For tests, and for what can be
 * computed again.
 *
 * A skip list in the order of the keys (Pugh, 1990), so that pages of keys are
 * a walk from the last one, under a read-write lock.  Values are counted by
 * reference: a get hands the value itself out and copies nothing.
 */
#include "kv/driver.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { LEVELS = 20, SWEEP_NODES = 1000, SWEEP_EVERY_MS = 1000 };

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

struct blob {
    _Atomic unsigned owners;
    size_t len;
    uint8_t bytes[];
};

struct node {
    struct blob *value;
    uint64_t version;
    sl_deadline expires;
    size_t key_len;
    uint8_t *key; /* behind next */
    unsigned height;
    struct node *next[];
};

struct store {
    const struct options *options;
    pthread_rwlock_t lock;
    struct node *first[LEVELS];
    size_t bytes;
    uint64_t last_version;
    sl_deadline next_sweep;
    /* Where the sweep goes on: a key that may be gone by then. */
    uint8_t swept[SL_KV_KEY_MAX];
    size_t swept_len;
};

/* --- Blobs -------------------------------------------------------------- */

static struct blob *blob_new(struct sl_bytes bytes)
{
    struct blob *blob = malloc(sizeof(*blob) + bytes.len);

    if (blob == NULL)
        return NULL;
    atomic_init(&blob->owners, 1);
    blob->len = bytes.len;
    if (bytes.len > 0)
        memcpy(blob->bytes, bytes.ptr, bytes.len);
    return blob;
}

static void blob_unref(void *owner)
{
    struct blob *blob = owner;

    if (atomic_fetch_sub(&blob->owners, 1) == 1)
        free(blob);
}

/* --- The list ----------------------------------------------------------- */

static int compare(const struct node *node, struct sl_bytes key)
{
    size_t common = node->key_len < key.len ? node->key_len : key.len;
    int order = common == 0 ? 0 : memcmp(node->key, key.ptr, common);

    if (order != 0)
        return order;
    return (node->key_len > key.len) - (node->key_len < key.len);
}

/*
 * The first node whose key is not less than key.  If before is not NULL, it
 * gets the place that points to that node, or would, on every level.
 */
static struct node *seek(struct store *store, struct sl_bytes key,
                         struct node **before[LEVELS])
{
    struct node **row = store->first;

    for (unsigned level = LEVELS; level-- > 0;) {
        while (row[level] != NULL && compare(row[level], key) < 0)
            row = row[level]->next;
        if (before != NULL)
            before[level] = &row[level];
    }
    return row[0];
}

static bool is_alive(const struct node *node)
{
    return !sl_deadline_passed(node->expires);
}

/* The node of key, if it has not expired. */
static struct node *find(struct store *store, struct sl_bytes key)
{
    struct node *node = seek(store, key, NULL);

    if (node == NULL || compare(node, key) != 0 || !is_alive(node))
        return NULL;
    return node;
}

static size_t cost(size_t key_len, size_t value_len)
{
    return sizeof(struct node) + sizeof(struct blob) + key_len + value_len;
}

/* Half of the nodes are one level high, a quarter two, and so on. */
static unsigned random_height(void)
{
    unsigned height = 1 + (unsigned)__builtin_ctz(arc4random() | 1U << 31);

    return height < LEVELS ? height : LEVELS;
}

static struct node *node_new(struct sl_bytes key)
{
    unsigned height = random_height();
    size_t links = height * sizeof(struct node *);
    struct node *node = sl_alloc(sizeof(*node) + links + key.len);

    node->height = height;
    node->key_len = key.len;
    node->key = (uint8_t *)node->next + links;
    memcpy(node->key, key.ptr, key.len);
    return node;
}

static void node_free(struct store *store, struct node *node)
{
    store->bytes -= cost(node->key_len, node->value->len);
    blob_unref(node->value);
    free(node);
}

static void unlink_node(struct store *store, struct node *node)
{
    struct node **before[LEVELS];

    seek(store, SL_BYTES(node->key, node->key_len), before);
    for (unsigned level = 0; level < node->height; level++)
        *before[level] = node->next[level];
    node_free(store, node);
}

static void put(struct store *store, struct sl_bytes key, struct blob *value,
                sl_deadline expires)
{
    struct node **before[LEVELS];
    struct node *node = seek(store, key, before);

    if (node != NULL && compare(node, key) == 0) {
        store->bytes -= node->value->len;
        store->bytes += value->len;
        blob_unref(node->value);
    } else {
        node = node_new(key);
        store->bytes += cost(key.len, value->len);
        for (unsigned level = 0; level < node->height; level++) {
            node->next[level] = *before[level];
            *before[level] = node;
        }
    }
    node->value = value;
    node->expires = expires;
    node->version = ++store->last_version;
}

/* --- Expiry ------------------------------------------------------------- */

/* Remove what has expired among the next nodes; true at the end of the list. */
static bool sweep_some(struct store *store)
{
    struct node *node =
        seek(store, SL_BYTES(store->swept, store->swept_len), NULL);

    for (int i = 0; node != NULL && i < SWEEP_NODES; i++) {
        struct node *next = node->next[0];
        memcpy(store->swept, node->key, node->key_len);
        store->swept_len = node->key_len;
        if (!is_alive(node))
            unlink_node(store, node);
        node = next;
    }
    if (node == NULL)
        store->swept_len = 0;
    return node == NULL;
}

/* Nothing waits in this driver, so what writes sweeps: a little, now and then.
 */
static void sweep_if_due(struct store *store)
{
    if (!sl_deadline_passed(store->next_sweep))
        return;
    store->next_sweep = sl_deadline_in_ms(SWEEP_EVERY_MS);
    sweep_some(store);
}

/* Whether more bytes fit, if need be without what has expired. */
static enum sl_status make_room(struct store *store, size_t more,
                                struct sl_error *err)
{
    size_t max = (size_t)store->options->max_bytes;

    if (more <= max && store->bytes <= max - more)
        return SL_OK;
    store->swept_len = 0;
    while (!sweep_some(store))
        continue;
    if (more <= max && store->bytes <= max - more)
        return SL_OK;
    return sl_fail(
        err, SL_TOO_LARGE,
        "kv.memory is full: it holds %zu bytes, and max-bytes allows "
        "%zu; delete keys, or raise it",
        store->bytes, max);
}

/* --- Verbs -------------------------------------------------------------- */

static void write_version(struct sl_kv_answer *answer, uint64_t version)
{
    snprintf(answer->version, sizeof(answer->version), "%" PRIu64, version);
}

static bool has_version(const struct node *node, struct sl_bytes version)
{
    char text[SL_KV_VERSION_MAX + 1];

    snprintf(text, sizeof(text), "%" PRIu64, node->version);
    return sl_bytes_equal(sl_bytes_of(text), version);
}

static void run_get(struct store *store, struct sl_op *op)
{
    const struct node *node = find(store, sl_kv_request_of(op)->key);

    if (node == NULL || !sl_kv_op_make_room(op, node->value->len))
        return;
    atomic_fetch_add(&node->value->owners, 1);
    sl_kv_answer_of(op)->found = true;
    sl_kv_answer_of(op)->value = (struct sl_held){
        .bytes = SL_BYTES(node->value->bytes, node->value->len),
        .owner = node->value,
        .release = blob_unref,
    };
    if (sl_kv_request_of(op)->want_version)
        write_version(sl_kv_answer_of(op), node->version);
}

static enum sl_status check_condition(const struct node *node,
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
static enum sl_status store_value(struct store *store, const struct node *node,
                                  struct sl_bytes key, struct sl_bytes value,
                                  sl_deadline expires, struct sl_error *err)
{
    size_t had = node == NULL ? 0 : cost(node->key_len, node->value->len);
    size_t needs = cost(key.len, value.len);

    if (needs > had && make_room(store, needs - had, err) != SL_OK)
        return err->status;
    struct blob *blob = blob_new(value);
    if (blob == NULL)
        return sl_fail(err, SL_TOO_LARGE, "no memory for a value of %zu bytes",
                       value.len);
    put(store, key, blob, expires);
    return SL_OK;
}

static void run_set(struct store *store, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    const struct node *node = find(store, request->key);
    sl_deadline expires = request->has_ttl
                              ? sl_deadline_in_ms((int64_t)request->ttl_ms)
                              : SL_NEVER;

    if (check_condition(node, request, err) == SL_OK &&
        store_value(store, node, request->key, request->value, expires, err) ==
            SL_OK)
        write_version(sl_kv_answer_of(op), store->last_version);
}

static void run_delete(struct store *store, struct sl_op *op)
{
    struct node *node = find(store, sl_kv_request_of(op)->key);

    if (check_condition(node, op->request, &sl_kv_answer_of(op)->err) !=
            SL_OK ||
        node == NULL)
        return;
    unlink_node(store, node);
    sl_kv_answer_of(op)->found = true;
}

static void run_increment(struct store *store, struct sl_op *op)
{
    struct node *node = find(store, sl_kv_request_of(op)->key);
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
static void run_keys(struct store *store, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    struct sl_bytes after = request->key, last = {0};
    bool goes_on = request->cursor.len > 0;

    if (goes_on && !read_cursor(request, &after)) {
        sl_fail(&answer->err, SL_INVALID_ARGUMENT,
                "this cursor is none that a page gave");
        return;
    }
    const struct node *node = seek(store, after, NULL);
    for (; node != NULL; node = node->next[0]) {
        struct sl_bytes key = SL_BYTES(node->key, node->key_len);
        if (!sl_bytes_start_with(key, request->key))
            break;
        if (!is_alive(node) || (goes_on && sl_bytes_equal(key, after)))
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

static void run_read(struct store *store, struct sl_op *op)
{
    switch (sl_kv_request_of(op)->verb) {
    case SL_KV_GET:
        run_get(store, op);
        break;
    case SL_KV_EXISTS:
        sl_kv_answer_of(op)->found =
            find(store, sl_kv_request_of(op)->key) != NULL;
        break;
    default:
        run_keys(store, op);
        break;
    }
}

static void run_write(struct store *store, struct sl_op *op)
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

static void memory_run(void *state, struct sl_op *const ops[], size_t count)
{
    struct store *store = state;

    for (size_t i = 0; i < count; i++) {
        if (is_read(sl_kv_request_of(ops[i])->verb)) {
            pthread_rwlock_rdlock(&store->lock);
            run_read(store, ops[i]);
        } else {
            pthread_rwlock_wrlock(&store->lock);
            sweep_if_due(store);
            run_write(store, ops[i]);
        }
        pthread_rwlock_unlock(&store->lock);
    }
}

static enum sl_status memory_store_new(const void *options, void **out,
                                       struct sl_error *err)
{
    struct store *store = sl_alloc(sizeof(*store));

    (void)err;
    store->options = options;
    store->next_sweep = sl_deadline_in_ms(SWEEP_EVERY_MS);
    pthread_rwlock_init(&store->lock, NULL);
    *out = store;
    return SL_OK;
}

static void memory_store_free(void *data)
{
    struct store *store = data;
    struct node *node = store->first[0];

    while (node != NULL) {
        struct node *next = node->next[0];
        node_free(store, node);
        node = next;
    }
    pthread_rwlock_destroy(&store->lock);
    free(store);
}

/* The store is the state of all: it has a lock of its own. */
static enum sl_status memory_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

static void memory_close(void *state)
{
    (void)state;
}

/* The only symbol this file exports. */
const struct sl_driver sl_kv_memory = {
    .name = "kv.memory",
    .service = "memory of the process",
    .summary = "values in the memory of slight, gone when it ends",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_LINEARIZABLE,
    .inline_verbs = (1U << SL_KV_VERB_COUNT) - 1,
    .max_batch = 64,
    .store_new = memory_store_new,
    .store_free = memory_store_free,
    .open = memory_open,
    .close = memory_close,
    .run = memory_run,
};
