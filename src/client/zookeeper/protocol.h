/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes and decodes ZooKeeper's packets.  Numbers are big-endian; texts and
 * lists are preceded by their length in 4 bytes. (zookeeper.jute in ZooKeeper's
 * sources is the specification.)
 */
#ifndef SL_CLIENT_ZOOKEEPER_PROTOCOL_H
#define SL_CLIENT_ZOOKEEPER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum sl_zk_op {
    SL_ZK_OP_DELETE = 2,
    SL_ZK_OP_GET_DATA = 4,
    SL_ZK_OP_SET_DATA = 5,
    SL_ZK_OP_GET_CHILDREN = 8,
    SL_ZK_OP_SYNC = 9,
    SL_ZK_OP_PING = 11,
    SL_ZK_OP_CREATE = 15, /* create2, whose reply has the czxid */
    SL_ZK_OP_CREATE_CONTAINER = 19,
    SL_ZK_OP_AUTH = 100,
    SL_ZK_OP_SASL = 102,
    SL_ZK_OP_CLOSE = -11,
};

/* The xid of packets that are not replies to a numbered request. */
enum { SL_ZK_XID_EVENT = -1, SL_ZK_XID_PING = -2, SL_ZK_XID_AUTH = -4 };

enum {
    SL_ZK_PASSWORD_SIZE = 16,   /* of a session */
    SL_ZK_FRAME_MAX = 16 << 20, /* bytes in a reply */
};

/* The codes that have a name here; sl_zk_errors has all of them. */
enum sl_zk_code {
    SL_ZK_NO_NODE = -101,
    SL_ZK_NODE_EXISTS = -110,
    SL_ZK_SESSION_EXPIRED = -112,
    SL_ZK_AUTH_FAILED = -115,
};

/* --- Writing ------------------------------------------------------------ */

/* Appends to a buffer; `full` tells at the end whether all of it fitted. */
struct sl_zk_writer {
    struct sl_buf *buf;
    bool full;
};

void sl_zk_put_int(struct sl_zk_writer *writer, int32_t value);
void sl_zk_put_long(struct sl_zk_writer *writer, int64_t value);
void sl_zk_put_bool(struct sl_zk_writer *writer, bool value);
void sl_zk_put_bytes(struct sl_zk_writer *writer, struct sl_bytes bytes);

/* A frame is preceded by its length. begin returns the offset of the frame. */
size_t sl_zk_begin_frame(struct sl_zk_writer *writer);
void sl_zk_end_frame(struct sl_zk_writer *writer, size_t begin);

/* --- Reading ------------------------------------------------------------ */

/* The unread rest of a frame.  Reading past its end returns 0 and sets
 * `bad`. */
struct sl_zk_reader {
    struct sl_bytes rest;
    bool bad;
};

int32_t sl_zk_get_int(struct sl_zk_reader *reader);
int64_t sl_zk_get_long(struct sl_zk_reader *reader);
/* Borrowed from the frame; length -1: empty. */
struct sl_bytes sl_zk_get_bytes(struct sl_zk_reader *reader);

/*
 * The length of the frame at the start of bytes, without the 4 bytes of the
 * length.  False: they have not arrived yet.  An invalid length is SIZE_MAX.
 */
bool sl_zk_frame_length(struct sl_bytes bytes, size_t *length);

struct sl_zk_welcome {
    int32_t timeout_ms; /* 0: the session has expired */
    int64_t session;
    uint8_t password[SL_ZK_PASSWORD_SIZE];
};

/* The reply to the connect request; false: invalid. */
bool sl_zk_parse_welcome(struct sl_bytes frame, struct sl_zk_welcome *welcome);

/* A decoded frame.  Everything is borrowed from it. */
struct sl_zk_packet {
    int32_t xid;
    int64_t zxid;  /* 0 or less: none */
    int32_t error; /* 0: success */
    struct sl_zk_reader body;
};

bool sl_zk_parse_packet(struct sl_bytes frame, struct sl_zk_packet *packet);

/* The bodies of successful replies.  False: invalid. */
bool sl_zk_parse_created(struct sl_zk_reader body, struct sl_bytes *path,
                         int64_t *czxid);
/* Calls take for each name, in the server's order. */
bool sl_zk_parse_children(struct sl_zk_reader body,
                          void (*take)(void *context, struct sl_bytes name),
                          void *context);
bool sl_zk_parse_event(struct sl_zk_reader body, struct sl_bytes *path);

/* --- Errors ------------------------------------------------------------- */

struct sl_zk_error {
    int32_t code;
    const char *name; /* "ZNONODE" */
    enum sl_status status;
    bool unchanged; /* the server has certainly not acted */
    const char *text;
};

/* Every documented code; ends with an entry without a name. */
extern const struct sl_zk_error sl_zk_errors[];

/* Fill err with the meaning of a code; *unchanged as above. */
enum sl_status sl_zk_fail(int32_t code, bool *unchanged, struct sl_error *err);

#endif
