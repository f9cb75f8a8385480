/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lockd.zookeeper keeps in mind from one run to the next: its sessions,
 * and every node that it has made, its places in lines.
 *
 * A place that is over is taken off the server whatever happened meanwhile: its
 * session may live on, kept by others, and a node that nobody remembers would
 * stand in everybody's way.
 */
#ifndef SL_LOCKD_ZOOKEEPER_PLACES_H
#define SL_LOCKD_ZOOKEEPER_PLACES_H

#include "client/zookeeper/zookeeper.h"
#include "lockd/driver.h"

#define SL_ZK_NS_PER_MS INT64_C(1000000)

enum {
    SL_ZK_SESSIONS = 13,    /* times to live of 1, 2, 4 … 4096 seconds */
    SL_ZK_ID_SIZE = 32,     /* hexadecimal digits in front of a node's name */
    SL_ZK_NAME_SIZE = 64,   /* of a node, and more */
    SL_ZK_BUCKETS = 1024,   /* of places */
    SL_ZK_FOLDER_MAX = 4096 /* bytes in the path of a key's line */
};

enum sl_zk_phase {
    SL_ZK_JOINING, /* the node may be there */
    SL_ZK_WAITING,
    SL_ZK_HOLDING,
    SL_ZK_LEAVING, /* the node is to be deleted */
};

struct sl_zk_place {
    struct sl_zk_place *next;
    int64_t ticket; /* of its op; more than 1 */
    enum sl_zk_phase phase;
    unsigned session;           /* whose node it is */
    char id[SL_ZK_ID_SIZE + 1]; /* the beginning of the name, of our choice */
    char name[SL_ZK_NAME_SIZE]; /* of the node; "": not known yet */
    int64_t token;
    char *folder;  /* the path of the line */
    char *watched; /* the path of who stands before it */
    bool look;     /* that may have gone */
    bool asked;    /* LEAVING: the server was told */
    /* On sl_lock_clock: WAITING and HOLDING are over then; LEAVING is tried
     * then. */
    int64_t until;
};

struct sl_zk_store {
    struct sl_zk_ensemble ensemble;
    struct sl_zk_ensemble first; /* the same as it was at first; borrows */
    char *root;                  /* chroot and path */
    struct sl_zk_session sessions[SL_ZK_SESSIONS];
    int64_t least_ms, most_ms; /* what servers make of a session's time */
    struct sl_zk_place *places[SL_ZK_BUCKETS];
    size_t counts[SL_ZK_SESSIONS]; /* of places, by session */
    unsigned last;                 /* the session that was used last */
    bool changed;                  /* somebody who waits may look again */
    int64_t next_sweep[SL_ZK_SESSIONS];
};

/* Takes over what is in ensemble. */
struct sl_zk_store *sl_zk_store_new(struct sl_zk_ensemble *ensemble,
                                    const char *path);
void sl_zk_store_free(struct sl_zk_store *store);

/* The session in which a lock of this time to live is held. */
unsigned sl_zk_session_for(const struct sl_zk_store *store, uint64_t ttl_ms);

/*
 * How long a lock is certain to be held after a sign of life.  Shorter than the
 * session: a server hands signs of life on to its leader, which counts, twice a
 * tick only, and may be cut off before it does.
 */
uint64_t sl_zk_kept_ms(const struct sl_zk_session *session);

/* Connect, if need be; where the session has expired, in a new one. */
SL_MUST_CHECK enum sl_status sl_zk_store_connect(struct sl_zk_store *store,
                                                 unsigned session,
                                                 sl_deadline deadline,
                                                 struct sl_error *err);
/* The session is over, and all places in it. */
void sl_zk_store_expire(struct sl_zk_store *store, unsigned session);
/* The session has lost its connection: what that means for its places. */
void sl_zk_store_lost(struct sl_zk_store *store, unsigned session);

/* The path of a key's line, into an empty buffer. */
SL_MUST_CHECK enum sl_status sl_zk_folder(const struct sl_zk_store *store,
                                          struct sl_bytes key,
                                          struct sl_buf *folder,
                                          struct sl_error *err);

/* --- Places ------------------------------------------------------------- */

struct sl_zk_place *sl_zk_place_new(struct sl_zk_store *store, unsigned session,
                                    struct sl_bytes folder);
struct sl_zk_place *sl_zk_place_find(const struct sl_zk_store *store,
                                     int64_t ticket);
/* The one whose node has this name, in this line. */
struct sl_zk_place *sl_zk_place_named(const struct sl_zk_store *store,
                                      struct sl_bytes name,
                                      struct sl_bytes folder);
void sl_zk_place_free(struct sl_zk_store *store, struct sl_zk_place *place);
/* Have its node deleted, soon. */
void sl_zk_place_leave(struct sl_zk_store *store, struct sl_zk_place *place);

/* The path of its node, into an empty buffer. */
struct sl_bytes sl_zk_place_path(const struct sl_zk_place *place,
                                 struct sl_buf *buf);

/*
 * The number at the end of a node's name, by which places stand in line; false:
 * no node of ours.
 */
bool sl_zk_sequence(struct sl_bytes name, int32_t *sequence);

/*
 * Who stands before a place, among the names in its folder: sl_zk_line_take for
 * each of them.
 */
struct sl_zk_line {
    const char *name; /* of the place's node */
    int32_t sequence;
    bool found;                  /* it is there */
    char ahead[SL_ZK_NAME_SIZE]; /* the nearest one before it; "": none */
    int32_t ahead_sequence;
};

void sl_zk_line_take(void *line, struct sl_bytes name);

/* --- What is over ------------------------------------------------------- */

/* Put requests to delete what is over behind those of a session, now and then;
 * their answers are for sl_zk_answer_aside.  Whether there are any. */
bool sl_zk_sweep(struct sl_zk_store *store, unsigned session);
/* The answer to a request with a tag that is not 0. */
void sl_zk_answer_aside(struct sl_zk_store *store,
                        const struct sl_zk_reply *reply);
/* Read what a session was sent, without waiting. */
void sl_zk_store_look(struct sl_zk_store *store, unsigned session);

#endif
