/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions and places of lockd.zookeeper. */
#include "lockd/zookeeper/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    SWEEP_EVERY_MS = 100,
    ANY_TTL_MS = 16000,    /* of the session that only asks who holds a key */
    LEAVE_AGAIN_MS = 5000, /* where the server would not delete it */
};

/* --- Sessions ----------------------------------------------------------- */

/*
 * The shortest session in which a lock is kept for ttl_ms: see sl_zk_kept_ms.
 */
static int64_t session_ms(int64_t ttl_ms)
{
    int64_t by_part = (ttl_ms * 3 + 1) / 2;
    int64_t by_ping = ((ttl_ms + 1000) * 4 + 2) / 3;

    return by_part > by_ping ? by_part : by_ping;
}

uint64_t sl_zk_kept_ms(const struct sl_zk_session *session)
{
    int64_t all = session->timeout_ms;
    int64_t by_part = all * 2 / 3;
    /* Servers have no sessions below two ticks, and pass signs of life on every
     * half tick; idle pings once a second. */
    int64_t by_ping = all * 3 / 4 - 1000;
    int64_t kept = by_part < by_ping ? by_part : by_ping;

    return (uint64_t)(kept > all / 3 ? kept : all / 3);
}

unsigned sl_zk_session_for(const struct sl_zk_store *store, uint64_t ttl_ms)
{
    int64_t class_ms = SL_LOCKD_TTL_MIN_MS;
    unsigned slot = 0;

    while ((uint64_t)class_ms < ttl_ms && slot + 1 < SL_ZK_SESSIONS) {
        class_ms *= 2;
        slot++;
    }
    int64_t wanted = session_ms(class_ms);
    if (wanted < store->least_ms)
        wanted = store->least_ms;
    if (wanted > store->most_ms)
        wanted = store->most_ms;
    /* One that lives as long does as well. */
    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++)
        if (store->sessions[i].id != 0 &&
            store->sessions[i].timeout_ms == wanted)
            return i;
    return slot;
}

/* A node that somebody watched has changed, or is gone. */
static void watched(void *context, struct sl_bytes path)
{
    struct sl_zk_store *store = context;

    for (unsigned i = 0; i < SL_ZK_BUCKETS; i++)
        for (struct sl_zk_place *place = store->places[i]; place != NULL;
             place = place->next)
            if (place->phase == SL_ZK_WAITING && place->watched != NULL &&
                sl_bytes_equal(path, sl_bytes_of(place->watched)))
                place->look = store->changed = true;
}

struct sl_zk_store *sl_zk_store_new(struct sl_zk_ensemble *ensemble,
                                    const char *path)
{
    struct sl_zk_store *store = sl_alloc(sizeof(*store));

    store->ensemble = *ensemble; /* handed over */
    store->first = *ensemble;
    store->root = sl_asprintf("%s%s", ensemble->chroot, path);
    store->most_ms = INT32_MAX;
    store->last = sl_zk_session_for(store, ANY_TTL_MS);
    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++) {
        sl_zk_session_init(&store->sessions[i], &store->ensemble,
                           session_ms((int64_t)SL_LOCKD_TTL_MIN_MS << i));
        store->sessions[i].watched = watched;
        store->sessions[i].context = store;
    }
    return store;
}

void sl_zk_store_free(struct sl_zk_store *store)
{
    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++) {
        sl_zk_store_expire(store, i);
        sl_zk_session_done(&store->sessions[i]);
    }
    sl_zk_ensemble_done(&store->ensemble);
    free(store->root);
    free(store);
}

/* The places of a session, one after the other; the last one may be freed. */
struct walk {
    const struct sl_zk_store *store;
    unsigned session;
    unsigned bucket;
    struct sl_zk_place *next;
};

static struct walk walk_of(const struct sl_zk_store *store, unsigned session)
{
    return (struct walk){store, session, 0, store->places[0]};
}

static struct sl_zk_place *step(struct walk *walk)
{
    for (;;) {
        while (walk->next == NULL) {
            if (++walk->bucket == SL_ZK_BUCKETS)
                return NULL;
            walk->next = walk->store->places[walk->bucket];
        }
        struct sl_zk_place *place = walk->next;
        walk->next = place->next;
        if (place->session == walk->session)
            return place;
    }
}

void sl_zk_store_lost(struct sl_zk_store *store, unsigned session)
{
    struct walk walk = walk_of(store, session);
    struct sl_zk_place *place;

    while ((place = step(&walk)) != NULL) {
        place->asked = false;
        place->look = true; /* watches are gone with the connection */
        store->changed = store->changed || place->phase == SL_ZK_WAITING;
        if (place->phase == SL_ZK_JOINING)
            sl_zk_place_leave(store, place);
    }
}

void sl_zk_store_expire(struct sl_zk_store *store, unsigned session)
{
    struct walk walk = walk_of(store, session);
    struct sl_zk_place *place;

    sl_zk_disconnect(&store->sessions[session]);
    store->sessions[session].id = 0;
    store->sessions[session].seen = 0;
    memset(store->sessions[session].password, 0, SL_ZK_PASSWORD_SIZE);
    while ((place = step(&walk)) != NULL)
        sl_zk_place_free(store, place);
}

/* Servers say what they make of the time that is asked for. */
static void learn(struct sl_zk_store *store,
                  const struct sl_zk_session *session)
{
    if (session->timeout_ms > session->asked_ms)
        store->least_ms = session->timeout_ms;
    if (session->timeout_ms < session->asked_ms)
        store->most_ms = session->timeout_ms;
}

enum sl_status sl_zk_store_connect(struct sl_zk_store *store, unsigned index,
                                   sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_session *session = &store->sessions[index];

    if (session->conn != NULL)
        sl_zk_store_look(store, index); /* or the server has closed it */
    if (session->conn != NULL)
        return SL_OK;
    sl_zk_store_lost(store, index);
    if (session->id == 0)
        session->asked_ms = session_ms((int64_t)SL_LOCKD_TTL_MIN_MS << index);
    enum sl_status status = sl_zk_connect(session, deadline, err);
    if (status == SL_NOT_FOUND) {
        sl_zk_store_expire(store, index);
        status = sl_zk_connect(session, deadline, err);
    }
    if (status == SL_NOT_FOUND)
        status = sl_fail(err, SL_UNAVAILABLE,
                         "ZooKeeper: the server gives no session");
    if (status == SL_OK)
        learn(store, session);
    return status;
}

/* --- Paths -------------------------------------------------------------- */

/* What has a meaning in paths, or is not allowed in them, is written "%2F". */
static bool is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

enum sl_status sl_zk_folder(const struct sl_zk_store *store,
                            struct sl_bytes key, struct sl_buf *folder,
                            struct sl_error *err)
{
    enum sl_status status = sl_buf_printf(folder, err, "%s/", store->root);

    for (size_t i = 0; status == SL_OK && i < key.len; i++)
        status = is_plain(key.ptr[i])
                     ? sl_buf_append(folder, SL_BYTES(key.ptr + i, 1), err)
                     : sl_buf_printf(folder, err, "%%%02X", key.ptr[i]);
    return status;
}

bool sl_zk_sequence(struct sl_bytes name, int32_t *sequence)
{
    int64_t value = 0;
    size_t at = SL_ZK_ID_SIZE + 1;

    if (name.len < at + 10 || name.len >= SL_ZK_NAME_SIZE ||
        name.ptr[SL_ZK_ID_SIZE] != '-')
        return false;
    bool negative = name.ptr[at] == '-'; /* behind 2147483647 */
    for (at += negative; at < name.len; at++) {
        if (name.ptr[at] < '0' || name.ptr[at] > '9' || value > INT32_MAX)
            return false;
        value = value * 10 + (name.ptr[at] - '0');
    }
    *sequence = (int32_t)(uint32_t)(uint64_t)(negative ? -value : value);
    return true;
}

/* Numbers begin anew behind the largest. */
static bool is_before(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b) < 0;
}

void sl_zk_line_take(void *context, struct sl_bytes name)
{
    struct sl_zk_line *line = context;
    int32_t sequence;

    if (!sl_zk_sequence(name, &sequence))
        return;
    if (sl_bytes_equal(name, sl_bytes_of(line->name))) {
        line->found = true;
        return;
    }
    if (!is_before(sequence, line->sequence) ||
        (line->ahead[0] != '\0' && is_before(sequence, line->ahead_sequence)))
        return;
    memcpy(line->ahead, name.ptr, name.len);
    line->ahead[name.len] = '\0';
    line->ahead_sequence = sequence;
}

/* --- Places ------------------------------------------------------------- */

static struct sl_zk_place **bucket_of(const struct sl_zk_store *store,
                                      int64_t ticket)
{
    struct sl_zk_store *own = (struct sl_zk_store *)(uintptr_t)store;

    return &own->places[(uint64_t)ticket % SL_ZK_BUCKETS];
}

/* The ticket is the beginning of the id. */
static int64_t ticket_of(const char *id)
{
    char first[17];

    memcpy(first, id, 16);
    first[16] = '\0';
    return (int64_t)(strtoull(first, NULL, 16) & INT64_MAX);
}

struct sl_zk_place *sl_zk_place_new(struct sl_zk_store *store, unsigned session,
                                    struct sl_bytes folder)
{
    struct sl_zk_place *place = sl_alloc(sizeof(*place));

    do {
        for (size_t i = 0; i < SL_ZK_ID_SIZE / 8; i++)
            snprintf(place->id + i * 8, 9, "%08" PRIx32, arc4random());
        place->ticket = ticket_of(place->id);
    } while (place->ticket < 2 ||
             sl_zk_place_find(store, place->ticket) != NULL);
    place->phase = SL_ZK_JOINING;
    place->session = session;
    place->folder = sl_strndup(folder.ptr, folder.len);
    struct sl_zk_place **bucket = bucket_of(store, place->ticket);
    place->next = *bucket;
    *bucket = place;
    store->counts[session]++;
    return place;
}

struct sl_zk_place *sl_zk_place_find(const struct sl_zk_store *store,
                                     int64_t ticket)
{
    struct sl_zk_place *place = *bucket_of(store, ticket);

    while (place != NULL && place->ticket != ticket)
        place = place->next;
    return place;
}

struct sl_zk_place *sl_zk_place_named(const struct sl_zk_store *store,
                                      struct sl_bytes name,
                                      struct sl_bytes folder)
{
    int32_t sequence;

    if (!sl_zk_sequence(name, &sequence))
        return NULL;
    struct sl_zk_place *place =
        sl_zk_place_find(store, ticket_of((const char *)name.ptr));
    if (place == NULL || !sl_bytes_equal(name, sl_bytes_of(place->name)) ||
        !sl_bytes_equal(folder, sl_bytes_of(place->folder)))
        return NULL;
    return place;
}

void sl_zk_place_free(struct sl_zk_store *store, struct sl_zk_place *place)
{
    struct sl_zk_place **link = bucket_of(store, place->ticket);

    while (*link != place)
        link = &(*link)->next;
    *link = place->next;
    store->counts[place->session]--;
    free(place->watched);
    free(place->folder);
    free(place);
}

void sl_zk_place_leave(struct sl_zk_store *store, struct sl_zk_place *place)
{
    place->phase = SL_ZK_LEAVING;
    place->asked = false;
    place->until = 0;
    store->next_sweep[place->session] = 0;
}

struct sl_bytes sl_zk_place_path(const struct sl_zk_place *place,
                                 struct sl_buf *buf)
{
    /* It fits: SL_ZK_FOLDER_MAX and a name. */
    (void)!sl_buf_printf(buf, NULL, "%s/%s", place->folder, place->name);
    return sl_buf_bytes(buf);
}

/* --- What is over ------------------------------------------------------- */

/* By its name, or first ask for that: the answer to its creation was lost. */
static void ask_to_leave(struct sl_zk_session *session,
                         struct sl_zk_place *place)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf path = SL_BUF(SL_ZK_FOLDER_MAX + SL_ZK_NAME_SIZE);

    place->asked = true;
    if (place->name[0] != '\0')
        sl_zk_delete(session, sl_zk_place_path(place, &path), place->ticket);
    else
        sl_zk_children(session, sl_bytes_of(place->folder), -place->ticket);
}

bool sl_zk_sweep(struct sl_zk_store *store, unsigned session)
{
    struct walk walk = walk_of(store, session);
    struct sl_zk_place *place;
    int64_t now = sl_lock_clock();
    bool any = false;

    if (now < store->next_sweep[session] ||
        store->sessions[session].conn == NULL || store->counts[session] == 0)
        return false;
    store->next_sweep[session] = now + SWEEP_EVERY_MS * SL_ZK_NS_PER_MS;
    while ((place = step(&walk)) != NULL) {
        if (place->phase == SL_ZK_JOINING || now < place->until)
            continue;
        if (place->phase != SL_ZK_LEAVING)
            sl_zk_place_leave(store, place);
        if (place->asked)
            continue;
        ask_to_leave(&store->sessions[session], place);
        any = true;
    }
    return any;
}

struct search {
    struct sl_zk_place *place;
};

static void find_own(void *context, struct sl_bytes name)
{
    struct search *search = context;
    int32_t sequence;

    if (sl_zk_sequence(name, &sequence) &&
        memcmp(name.ptr, search->place->id, SL_ZK_ID_SIZE) == 0) {
        memcpy(search->place->name, name.ptr, name.len);
        search->place->name[name.len] = '\0';
    }
}

void sl_zk_answer_aside(struct sl_zk_store *store,
                        const struct sl_zk_reply *reply)
{
    bool searched = reply->tag < 0;
    struct sl_zk_place *place =
        sl_zk_place_find(store, searched ? -reply->tag : reply->tag);
    struct search search = {place};

    if (place == NULL)
        return;
    place->asked = false;
    if (reply->error != 0 && reply->error != SL_ZK_NO_NODE) {
        place->until = sl_lock_clock() + LEAVE_AGAIN_MS * SL_ZK_NS_PER_MS;
        return;
    }
    if (searched && reply->error == 0)
        (void)!sl_zk_parse_children(reply->body, find_own, &search);
    if (searched && place->name[0] != '\0')
        store->next_sweep[place->session] = 0; /* delete it */
    else
        sl_zk_place_free(store, place);
}

void sl_zk_store_look(struct sl_zk_store *store, unsigned index)
{
    struct sl_zk_session *session = &store->sessions[index];
    struct sl_zk_reply reply;
    bool got = true;

    while (got && session->conn != NULL) {
        if (sl_zk_poll(session, &reply, &got, NULL) != SL_OK) {
            sl_zk_store_lost(store, index);
            return;
        }
        if (got)
            sl_zk_answer_aside(store, &reply);
    }
}
