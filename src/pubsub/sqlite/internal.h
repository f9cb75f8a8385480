/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of pubsub.sqlite share; driver.c explains the tables. */
#ifndef SL_PUBSUB_SQLITE_INTERNAL_H
#define SL_PUBSUB_SQLITE_INTERNAL_H

#include "driverkit/embedded.h"
#include "pubsub/driver.h"

/* Stored in the file. */
enum sl_pubsub_sqlite_state {
    SL_PUBSUB_SQLITE_READY,
    SL_PUBSUB_SQLITE_HIDDEN,
    SL_PUBSUB_SQLITE_IN_FLIGHT,
    SL_PUBSUB_SQLITE_BLOCKED
};

enum sl_pubsub_sqlite_statement {
    SL_PUBSUB_SQLITE_ADD_TOPIC,
    SL_PUBSUB_SQLITE_FIND_TOPIC,
    SL_PUBSUB_SQLITE_INSERT,
    SL_PUBSUB_SQLITE_LAST,
    SL_PUBSUB_SQLITE_ADD_GROUP,
    SL_PUBSUB_SQLITE_FIND_GROUP,
    SL_PUBSUB_SQLITE_ADD_MEMBER,
    SL_PUBSUB_SQLITE_FIND_MEMBER,
    SL_PUBSUB_SQLITE_RENEW,
    SL_PUBSUB_SQLITE_REMOVE_MEMBER,
    SL_PUBSUB_SQLITE_TAKE_BACK,
    SL_PUBSUB_SQLITE_DEAD,
    SL_PUBSUB_SQLITE_NEXT_DEATH,
    SL_PUBSUB_SQLITE_RETURNED,
    SL_PUBSUB_SQLITE_SHOW,
    SL_PUBSUB_SQLITE_NEXT_SHOWN,
    SL_PUBSUB_SQLITE_NEXT_READY,
    SL_PUBSUB_SQLITE_DELIVER_AGAIN,
    SL_PUBSUB_SQLITE_NEXT_NEW,
    SL_PUBSUB_SQLITE_KEY_IS_BUSY,
    SL_PUBSUB_SQLITE_DELIVER,
    SL_PUBSUB_SQLITE_ADVANCE,
    SL_PUBSUB_SQLITE_FIND_DELIVERY,
    SL_PUBSUB_SQLITE_ACKNOWLEDGE,
    SL_PUBSUB_SQLITE_UNBLOCK,
    SL_PUBSUB_SQLITE_RETURN,
    SL_PUBSUB_SQLITE_OVER,
    SL_PUBSUB_SQLITE_SWEEP,
};

struct sl_pubsub_sqlite_options {
    struct sl_embedded_options embedded; /* first: SL_EMBEDDED_OPTIONS */
    int64_t max_topics;
    int64_t max_groups; /* of a topic */
};

struct sl_pubsub_sqlite {
    struct sl_embedded embedded;
    int64_t max_topics;
    int64_t max_groups;
    struct sl_buf packed; /* attributes */
    struct sl_buf key;    /* of a delivery */
};

/* The member of a request. */
struct sl_pubsub_member {
    int64_t id;
    int64_t group;
    int64_t position;
    int64_t topic;
    bool alive;
};

/* --- sqlite_schema.c ------------------------------------------------------ */

/* Creates the tables and sets the format of the file. */
extern const char sl_pubsub_sqlite_tables[];
extern const char *const sl_pubsub_sqlite_statements[];

sqlite3_stmt *sl_pubsub_sqlite_get(struct sl_embedded *connection,
                                   enum sl_pubsub_sqlite_statement which);
/* A statement with its first parameters. */
sqlite3_stmt *sl_pubsub_sqlite_with(struct sl_embedded *connection,
                                    enum sl_pubsub_sqlite_statement which,
                                    int64_t first, int64_t second);
int sl_pubsub_sqlite_perform(struct sl_embedded *connection,
                             enum sl_pubsub_sqlite_statement which,
                             int64_t first, int64_t second);
/* No key at all is NULL. */
int sl_pubsub_sqlite_bind_key(sqlite3_stmt *statement, int at,
                              struct sl_bytes key);
struct sl_bytes sl_pubsub_sqlite_key(sqlite3_stmt *statement, int column);

/* --- sqlite_receive.c ----------------------------------------------------- */

int sl_pubsub_sqlite_receive(struct sl_embedded *connection, struct sl_op *op,
                             const struct sl_pubsub_member *member);
/* A column's bytes, for after the statement. */
int sl_pubsub_sqlite_keep_key(struct sl_embedded *connection,
                              sqlite3_stmt *statement, int column,
                              struct sl_bytes *key);
/* It is over; the next of its key may come. */
int sl_pubsub_sqlite_forget(struct sl_embedded *connection, struct sl_op *op,
                            int64_t group, int64_t seq, struct sl_bytes key);

#endif
