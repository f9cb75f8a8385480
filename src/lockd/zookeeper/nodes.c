/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions and nodes of lockd.zookeeper. */
#include "lockd/zookeeper/nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    SWEEP_INTERVAL_MS = 100,
    ANY_TTL_MS =
        16000, /* of the session for requests that need no certain one */
    DELETE_RETRY_MS = 5000, /* after the server refused to delete the node */
};

/* --- Sessions ----------------------------------------------------------- */

/*
 * The shortest session that guarantees ttl_ms: see
 * sl_lockd_zookeeper_guaranteed_ms.
 */
static int64_t session_ms(int64_t ttl_ms)
{
    int64_t by_part = (ttl_ms * 3 + 1) / 2;
    int64_t by_ping = ((ttl_ms + 1000) * 4 + 2) / 3;

    return by_part > by_ping ? by_part : by_ping;
}

uint64_t sl_lockd_zookeeper_guaranteed_ms(const struct sl_zk_session *session)
{
    int64_t all = session->timeout_ms;
    int64_t by_part = all * 2 / 3;
    /* Sessions are at least two ticks long, and servers forward heartbeats
     * every half tick; idle pings once a second. */
    int64_t by_ping = all * 3 / 4 - 1000;
    int64_t kept = by_part < by_ping ? by_part : by_ping;

    return (uint64_t)(kept > all / 3 ? kept : all / 3);
}

unsigned
sl_lockd_zookeeper_session_for(const struct sl_lockd_zookeeper_store *store,
                               uint64_t ttl_ms)
{
    int64_t class_ms = SL_LOCKD_TTL_MIN_MS;
    unsigned slot = 0;

    while ((uint64_t)class_ms < ttl_ms &&
           slot + 1 < SL_LOCKD_ZOOKEEPER_SESSIONS) {
        class_ms *= 2;
        slot++;
    }
    int64_t wanted = session_ms(class_ms);
    if (wanted < store->least_ms)
        wanted = store->least_ms;
    if (wanted > store->most_ms)
        wanted = store->most_ms;
    /* A session of the same timeout will do. */
    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++)
        if (store->sessions[i].id != 0 &&
            store->sessions[i].timeout_ms == wanted)
            return i;
    return slot;
}

/* A watched node was changed or deleted. */
static void on_watch_event(void *context, struct sl_bytes path)
{
    struct sl_lockd_zookeeper_store *store = context;

    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_BUCKETS; i++)
        for (struct sl_lockd_zookeeper_node *node = store->nodes[i];
             node != NULL; node = node->next)
            if (node->phase == SL_LOCKD_ZOOKEEPER_WAITING &&
                node->watched != NULL &&
                sl_bytes_equal(path, sl_bytes_of(node->watched)))
                node->recheck = store->changed = true;
}

struct sl_lockd_zookeeper_store *
sl_lockd_zookeeper_store_new(struct sl_zk_ensemble *ensemble, const char *path)
{
    struct sl_lockd_zookeeper_store *store = sl_alloc(sizeof(*store));

    store->ensemble = *ensemble; /* ownership moves here */
    store->initial_ensemble = *ensemble;
    store->root = sl_asprintf("%s%s", ensemble->chroot, path);
    store->most_ms = INT32_MAX;
    store->last = sl_lockd_zookeeper_session_for(store, ANY_TTL_MS);
    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++) {
        sl_zk_session_init(&store->sessions[i], &store->ensemble,
                           session_ms((int64_t)SL_LOCKD_TTL_MIN_MS << i));
        store->sessions[i].watched = on_watch_event;
        store->sessions[i].context = store;
    }
    return store;
}

void sl_lockd_zookeeper_store_free(struct sl_lockd_zookeeper_store *store)
{
    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++) {
        sl_lockd_zookeeper_store_expire(store, i);
        sl_zk_session_done(&store->sessions[i]);
    }
    sl_zk_ensemble_done(&store->ensemble);
    free(store->root);
    free(store);
}

/* Iterates over the nodes of a session; the one returned last may be freed. */
struct node_iterator {
    const struct sl_lockd_zookeeper_store *store;
    unsigned session;
    unsigned bucket;
    struct sl_lockd_zookeeper_node *next;
};

static struct node_iterator
iterate_nodes(const struct sl_lockd_zookeeper_store *store, unsigned session)
{
    return (struct node_iterator){store, session, 0, store->nodes[0]};
}

static struct sl_lockd_zookeeper_node *next_node(struct node_iterator *iterator)
{
    for (;;) {
        while (iterator->next == NULL) {
            if (++iterator->bucket == SL_LOCKD_ZOOKEEPER_BUCKETS)
                return NULL;
            iterator->next = iterator->store->nodes[iterator->bucket];
        }
        struct sl_lockd_zookeeper_node *node = iterator->next;
        iterator->next = node->next;
        if (node->session == iterator->session)
            return node;
    }
}

void sl_lockd_zookeeper_store_disconnected(
    struct sl_lockd_zookeeper_store *store, unsigned session)
{
    struct node_iterator iterator = iterate_nodes(store, session);
    struct sl_lockd_zookeeper_node *node;

    while ((node = next_node(&iterator)) != NULL) {
        node->asked = false;
        node->recheck = true; /* watches end with the connection */
        store->changed =
            store->changed || node->phase == SL_LOCKD_ZOOKEEPER_WAITING;
        if (node->phase == SL_LOCKD_ZOOKEEPER_JOINING)
            sl_lockd_zookeeper_node_leave(store, node);
    }
}

void sl_lockd_zookeeper_store_expire(struct sl_lockd_zookeeper_store *store,
                                     unsigned session)
{
    struct node_iterator iterator = iterate_nodes(store, session);
    struct sl_lockd_zookeeper_node *node;

    sl_zk_disconnect(&store->sessions[session]);
    store->sessions[session].id = 0;
    store->sessions[session].seen = 0;
    memset(store->sessions[session].password, 0, SL_ZK_PASSWORD_SIZE);
    while ((node = next_node(&iterator)) != NULL)
        sl_lockd_zookeeper_node_free(store, node);
}

/* Servers report how they have bounded the requested timeout. */
static void note_session_bounds(struct sl_lockd_zookeeper_store *store,
                                const struct sl_zk_session *session)
{
    if (session->timeout_ms > session->asked_ms)
        store->least_ms = session->timeout_ms;
    if (session->timeout_ms < session->asked_ms)
        store->most_ms = session->timeout_ms;
}

enum sl_status
sl_lockd_zookeeper_store_connect(struct sl_lockd_zookeeper_store *store,
                                 unsigned index, sl_deadline deadline,
                                 struct sl_error *err)
{
    struct sl_zk_session *session = &store->sessions[index];

    if (session->conn != NULL)
        sl_lockd_zookeeper_store_poll(
            store, index); /* the server may have closed it */
    if (session->conn != NULL)
        return SL_OK;
    sl_lockd_zookeeper_store_disconnected(store, index);
    if (session->id == 0)
        session->asked_ms = session_ms((int64_t)SL_LOCKD_TTL_MIN_MS << index);
    enum sl_status status = sl_zk_connect(session, deadline, err);
    if (status == SL_NOT_FOUND) {
        sl_lockd_zookeeper_store_expire(store, index);
        status = sl_zk_connect(session, deadline, err);
    }
    if (status == SL_NOT_FOUND)
        status = sl_fail(err, SL_UNAVAILABLE,
                         "ZooKeeper: the server refuses to open a session");
    if (status == SL_OK)
        note_session_bounds(store, session);
    return status;
}

/* --- Paths -------------------------------------------------------------- */

/* Every other byte is percent-encoded: it may be special in paths. */
static bool is_plain_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

enum sl_status
sl_lockd_zookeeper_queue_path(const struct sl_lockd_zookeeper_store *store,
                              struct sl_bytes key, struct sl_buf *queue_path,
                              struct sl_error *err)
{
    enum sl_status status = sl_buf_printf(queue_path, err, "%s/", store->root);

    for (size_t i = 0; status == SL_OK && i < key.len; i++)
        status = is_plain_byte(key.ptr[i])
                     ? sl_buf_append(queue_path, SL_BYTES(key.ptr + i, 1), err)
                     : sl_buf_printf(queue_path, err, "%%%02X", key.ptr[i]);
    return status;
}

bool sl_lockd_zookeeper_parse_sequence(struct sl_bytes name, int32_t *sequence)
{
    int64_t value = 0;
    size_t at = SL_LOCKD_ZOOKEEPER_ID_SIZE + 1;

    if (name.len < at + 10 || name.len >= SL_LOCKD_ZOOKEEPER_NAME_SIZE ||
        name.ptr[SL_LOCKD_ZOOKEEPER_ID_SIZE] != '-')
        return false;
    bool negative = name.ptr[at] == '-'; /* follows 2147483647 */
    for (at += negative; at < name.len; at++) {
        if (name.ptr[at] < '0' || name.ptr[at] > '9' || value > INT32_MAX)
            return false;
        value = value * 10 + (name.ptr[at] - '0');
    }
    *sequence = (int32_t)(uint32_t)(uint64_t)(negative ? -value : value);
    return true;
}

/* Sequence numbers wrap around. */
static bool is_before(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b) < 0;
}

void sl_lockd_zookeeper_queue_add(void *context, struct sl_bytes name)
{
    struct sl_lockd_zookeeper_queue *queue = context;
    int32_t sequence;

    if (!sl_lockd_zookeeper_parse_sequence(name, &sequence))
        return;
    if (sl_bytes_equal(name, sl_bytes_of(queue->name))) {
        queue->found = true;
        return;
    }
    if (!is_before(sequence, queue->sequence) ||
        (queue->ahead[0] != '\0' && is_before(sequence, queue->ahead_sequence)))
        return;
    memcpy(queue->ahead, name.ptr, name.len);
    queue->ahead[name.len] = '\0';
    queue->ahead_sequence = sequence;
}

/* --- Nodes -------------------------------------------------------------- */

static struct sl_lockd_zookeeper_node **
node_bucket_of(const struct sl_lockd_zookeeper_store *store, int64_t ticket)
{
    struct sl_lockd_zookeeper_store *own =
        (struct sl_lockd_zookeeper_store *)(uintptr_t)store;

    return &own->nodes[(uint64_t)ticket % SL_LOCKD_ZOOKEEPER_BUCKETS];
}

/* The ticket is the start of the id. */
static int64_t ticket_of(const char *id)
{
    char first[17];

    memcpy(first, id, 16);
    first[16] = '\0';
    return (int64_t)(strtoull(first, NULL, 16) & INT64_MAX);
}

struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_new(struct sl_lockd_zookeeper_store *store,
                            unsigned session, struct sl_bytes queue_path)
{
    struct sl_lockd_zookeeper_node *node = sl_alloc(sizeof(*node));

    do {
        for (size_t i = 0; i < SL_LOCKD_ZOOKEEPER_ID_SIZE / 8; i++)
            snprintf(node->id + i * 8, 9, "%08" PRIx32, arc4random());
        node->ticket = ticket_of(node->id);
    } while (node->ticket < 2 ||
             sl_lockd_zookeeper_node_find(store, node->ticket) != NULL);
    node->phase = SL_LOCKD_ZOOKEEPER_JOINING;
    node->session = session;
    node->queue_path = sl_strndup(queue_path.ptr, queue_path.len);
    struct sl_lockd_zookeeper_node **bucket =
        node_bucket_of(store, node->ticket);
    node->next = *bucket;
    *bucket = node;
    store->counts[session]++;
    return node;
}

struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_find(const struct sl_lockd_zookeeper_store *store,
                             int64_t ticket)
{
    struct sl_lockd_zookeeper_node *node = *node_bucket_of(store, ticket);

    while (node != NULL && node->ticket != ticket)
        node = node->next;
    return node;
}

struct sl_lockd_zookeeper_node *
sl_lockd_zookeeper_node_find_named(const struct sl_lockd_zookeeper_store *store,
                                   struct sl_bytes name,
                                   struct sl_bytes queue_path)
{
    int32_t sequence;

    if (!sl_lockd_zookeeper_parse_sequence(name, &sequence))
        return NULL;
    struct sl_lockd_zookeeper_node *node =
        sl_lockd_zookeeper_node_find(store, ticket_of((const char *)name.ptr));
    if (node == NULL || !sl_bytes_equal(name, sl_bytes_of(node->name)) ||
        !sl_bytes_equal(queue_path, sl_bytes_of(node->queue_path)))
        return NULL;
    return node;
}

void sl_lockd_zookeeper_node_free(struct sl_lockd_zookeeper_store *store,
                                  struct sl_lockd_zookeeper_node *node)
{
    struct sl_lockd_zookeeper_node **link = node_bucket_of(store, node->ticket);

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    store->counts[node->session]--;
    free(node->watched);
    free(node->queue_path);
    free(node);
}

void sl_lockd_zookeeper_node_leave(struct sl_lockd_zookeeper_store *store,
                                   struct sl_lockd_zookeeper_node *node)
{
    node->phase = SL_LOCKD_ZOOKEEPER_LEAVING;
    node->asked = false;
    node->until = 0;
    store->next_sweep[node->session] = 0;
}

struct sl_bytes
sl_lockd_zookeeper_node_path(const struct sl_lockd_zookeeper_node *node,
                             struct sl_buf *buf)
{
    /* It fits: SL_LOCKD_ZOOKEEPER_PATH_MAX and a name. */
    (void)!sl_buf_printf(buf, NULL, "%s/%s", node->queue_path, node->name);
    return sl_buf_bytes(buf);
}

/* --- Deleting nodes ----------------------------------------------------- */

/* Delete a node by its name; without one, since the reply to its creation was
 * lost, search the queue for it. */
static void append_node_delete(struct sl_zk_session *session,
                               struct sl_lockd_zookeeper_node *node)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf path =
        SL_BUF(SL_LOCKD_ZOOKEEPER_PATH_MAX + SL_LOCKD_ZOOKEEPER_NAME_SIZE);

    node->asked = true;
    if (node->name[0] != '\0')
        sl_zk_delete(session, sl_lockd_zookeeper_node_path(node, &path),
                     node->ticket);
    else
        sl_zk_children(session, sl_bytes_of(node->queue_path), -node->ticket);
}

bool sl_lockd_zookeeper_sweep(struct sl_lockd_zookeeper_store *store,
                              unsigned session)
{
    struct node_iterator iterator = iterate_nodes(store, session);
    struct sl_lockd_zookeeper_node *node;
    int64_t now = sl_lock_clock();
    bool any = false;

    if (now < store->next_sweep[session] ||
        store->sessions[session].conn == NULL || store->counts[session] == 0)
        return false;
    store->next_sweep[session] =
        now + SWEEP_INTERVAL_MS * SL_LOCKD_ZOOKEEPER_NS_PER_MS;
    while ((node = next_node(&iterator)) != NULL) {
        if (node->phase == SL_LOCKD_ZOOKEEPER_JOINING || now < node->until)
            continue;
        if (node->phase != SL_LOCKD_ZOOKEEPER_LEAVING)
            sl_lockd_zookeeper_node_leave(store, node);
        if (node->asked)
            continue;
        append_node_delete(&store->sessions[session], node);
        any = true;
    }
    return any;
}

struct node_search {
    struct sl_lockd_zookeeper_node *node;
};

static void match_own_name(void *context, struct sl_bytes name)
{
    struct node_search *search = context;
    int32_t sequence;

    if (sl_lockd_zookeeper_parse_sequence(name, &sequence) &&
        memcmp(name.ptr, search->node->id, SL_LOCKD_ZOOKEEPER_ID_SIZE) == 0) {
        memcpy(search->node->name, name.ptr, name.len);
        search->node->name[name.len] = '\0';
    }
}

void sl_lockd_zookeeper_take_reply(struct sl_lockd_zookeeper_store *store,
                                   const struct sl_zk_reply *reply)
{
    bool searched = reply->tag < 0;
    struct sl_lockd_zookeeper_node *node = sl_lockd_zookeeper_node_find(
        store, searched ? -reply->tag : reply->tag);
    struct node_search search = {node};

    if (node == NULL)
        return;
    node->asked = false;
    if (reply->error != 0 && reply->error != SL_ZK_NO_NODE) {
        node->until =
            sl_lock_clock() + DELETE_RETRY_MS * SL_LOCKD_ZOOKEEPER_NS_PER_MS;
        return;
    }
    if (searched && reply->error == 0)
        (void)!sl_zk_parse_children(reply->body, match_own_name, &search);
    if (searched && node->name[0] != '\0')
        store->next_sweep[node->session] = 0; /* delete it at the next sweep */
    else
        sl_lockd_zookeeper_node_free(store, node);
}

void sl_lockd_zookeeper_store_poll(struct sl_lockd_zookeeper_store *store,
                                   unsigned index)
{
    struct sl_zk_session *session = &store->sessions[index];
    struct sl_zk_reply reply;
    bool got = true;

    while (got && session->conn != NULL) {
        if (sl_zk_poll(session, &reply, &got, NULL) != SL_OK) {
            sl_lockd_zookeeper_store_disconnected(store, index);
            return;
        }
        if (got)
            sl_lockd_zookeeper_take_reply(store, &reply);
    }
}
