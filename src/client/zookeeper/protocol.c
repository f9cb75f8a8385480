/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of ZooKeeper, and the meaning of its error codes. */
#include "client/zookeeper/protocol.h"

#include <string.h>

/* --- Writing ------------------------------------------------------------ */

static void append_bytes(struct sl_zk_writer *writer, struct sl_bytes bytes)
{
    if (!writer->full)
        writer->full = sl_buf_append(writer->buf, bytes, NULL) != SL_OK;
}

static void encode_int(uint8_t out[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void sl_zk_put_int(struct sl_zk_writer *writer, int32_t value)
{
    uint8_t bytes[4];

    encode_int(bytes, (uint32_t)value);
    append_bytes(writer, SL_BYTES(bytes, sizeof(bytes)));
}

void sl_zk_put_long(struct sl_zk_writer *writer, int64_t value)
{
    sl_zk_put_int(writer, (int32_t)(uint32_t)((uint64_t)value >> 32));
    sl_zk_put_int(writer, (int32_t)(uint32_t)(uint64_t)value);
}

void sl_zk_put_bool(struct sl_zk_writer *writer, bool value)
{
    const uint8_t byte = value;

    append_bytes(writer, SL_BYTES(&byte, 1));
}

void sl_zk_put_bytes(struct sl_zk_writer *writer, struct sl_bytes bytes)
{
    sl_zk_put_int(writer, (int32_t)bytes.len);
    append_bytes(writer, bytes);
}

size_t sl_zk_begin_frame(struct sl_zk_writer *writer)
{
    size_t begin = writer->buf->len;

    sl_zk_put_int(writer, 0);
    return begin;
}

void sl_zk_end_frame(struct sl_zk_writer *writer, size_t begin)
{
    if (!writer->full)
        encode_int(writer->buf->ptr + begin,
                   (uint32_t)(writer->buf->len - begin - 4));
}

/* --- Reading ------------------------------------------------------------ */

static struct sl_bytes take_frame_bytes(struct sl_zk_reader *reader,
                                        size_t count)
{
    struct sl_bytes bytes = {reader->rest.ptr, count};

    if (reader->bad || count > reader->rest.len) {
        reader->bad = true;
        reader->rest.len = 0;
        return SL_BYTES("", 0);
    }
    reader->rest.ptr += count;
    reader->rest.len -= count;
    return bytes;
}

int32_t sl_zk_get_int(struct sl_zk_reader *reader)
{
    struct sl_bytes bytes = take_frame_bytes(reader, 4);
    uint32_t value = 0;

    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.ptr[i];
    return (int32_t)value;
}

int64_t sl_zk_get_long(struct sl_zk_reader *reader)
{
    uint64_t high = (uint32_t)sl_zk_get_int(reader);
    uint64_t low = (uint32_t)sl_zk_get_int(reader);

    return reader->bad ? 0 : (int64_t)(high << 32 | low);
}

struct sl_bytes sl_zk_get_bytes(struct sl_zk_reader *reader)
{
    int32_t length = sl_zk_get_int(reader);

    if (length < -1)
        reader->bad = true;
    return take_frame_bytes(reader, length < 0 ? 0 : (size_t)length);
}

bool sl_zk_frame_length(struct sl_bytes bytes, size_t *length)
{
    struct sl_zk_reader reader = {bytes, false};
    int32_t value = sl_zk_get_int(&reader);

    if (reader.bad)
        return false;
    *length = value < 0 || value > SL_ZK_FRAME_MAX ? SIZE_MAX
                                                   : (size_t)(uint32_t)value;
    return true;
}

bool sl_zk_parse_welcome(struct sl_bytes frame, struct sl_zk_welcome *welcome)
{
    struct sl_zk_reader reader = {frame, false};

    (void)sl_zk_get_int(&reader); /* the protocol version: always 0 */
    welcome->timeout_ms = sl_zk_get_int(&reader);
    welcome->session = sl_zk_get_long(&reader);
    struct sl_bytes password = sl_zk_get_bytes(&reader);
    if (reader.bad || password.len != SL_ZK_PASSWORD_SIZE)
        return false;
    memcpy(welcome->password, password.ptr, SL_ZK_PASSWORD_SIZE);
    if (welcome->timeout_ms <= 0)
        welcome->timeout_ms = 0;
    return true;
}

bool sl_zk_parse_packet(struct sl_bytes frame, struct sl_zk_packet *packet)
{
    packet->body = (struct sl_zk_reader){frame, false};
    packet->xid = sl_zk_get_int(&packet->body);
    packet->zxid = sl_zk_get_long(&packet->body);
    packet->error = sl_zk_get_int(&packet->body);
    return !packet->body.bad;
}

bool sl_zk_parse_created(struct sl_zk_reader body, struct sl_bytes *path,
                         int64_t *czxid)
{
    *path = sl_zk_get_bytes(&body);
    *czxid = sl_zk_get_long(&body); /* the first field of the node's stat */
    return !body.bad && *czxid > 0;
}

bool sl_zk_parse_children(struct sl_zk_reader body,
                          void (*take)(void *context, struct sl_bytes name),
                          void *context)
{
    int32_t count = sl_zk_get_int(&body);

    for (int32_t i = 0; i < count && !body.bad; i++) {
        struct sl_bytes name = sl_zk_get_bytes(&body);
        if (!body.bad)
            take(context, name);
    }
    return !body.bad;
}

bool sl_zk_parse_event(struct sl_zk_reader body, struct sl_bytes *path)
{
    (void)sl_zk_get_int(&body); /* the type of the event */
    (void)sl_zk_get_int(&body); /* the state of the session */
    *path = sl_zk_get_bytes(&body);
    return !body.bad;
}

/* --- Errors ------------------------------------------------------------- */

const struct sl_zk_error sl_zk_errors[] = {
    {-1, "ZSYSTEMERROR", SL_INTERNAL, false, "a system error"},
    {-2, "ZRUNTIMEINCONSISTENCY", SL_INTERNAL, false,
     "its runtime is inconsistent"},
    {-3, "ZDATAINCONSISTENCY", SL_INTERNAL, false, "its data is inconsistent"},
    {-4, "ZCONNECTIONLOSS", SL_UNAVAILABLE, false, "the connection was lost"},
    {-5, "ZMARSHALLINGERROR", SL_INTERNAL, true,
     "it does not understand the request"},
    {-6, "ZUNIMPLEMENTED", SL_UNSUPPORTED, true,
     "it does not know the request; ZooKeeper 3.5.3 or newer is needed"},
    {-7, "ZOPERATIONTIMEOUT", SL_TIMEOUT, false, "it took too long"},
    {-8, "ZBADARGUMENTS", SL_INVALID_ARGUMENT, true,
     "it refuses the path; check the settings"},
    {-9, "ZINVALIDSTATE", SL_UNAVAILABLE, true, "it is in the wrong state"},
    {-12, "ZUNKNOWNSESSION", SL_UNAVAILABLE, true,
     "it does not know the session"},
    {-13, "ZNEWCONFIGNOQUORUM", SL_UNAVAILABLE, true,
     "the new configuration has no quorum"},
    {-14, "ZRECONFIGINPROGRESS", SL_UNAVAILABLE, true,
     "it is being configured"},
    {-15, "ZSSLCONNECTIONERROR", SL_UNAVAILABLE, true, "no TLS connection"},
    {-100, "ZAPIERROR", SL_INTERNAL, false, "an unspecified error"},
    {SL_ZK_NO_NODE, "ZNONODE", SL_NOT_FOUND, true, "the node does not exist"},
    {-102, "ZNOAUTH", SL_PERMISSION_DENIED, true,
     "the node's ACL forbids it; check `user` and `password`, or the ACL of "
     "`path`"},
    {-103, "ZBADVERSION", SL_CONFLICT, true, "the node has another version"},
    {-108, "ZNOCHILDRENFOREPHEMERALS", SL_INVALID_ARGUMENT, true,
     "`path` leads into an ephemeral node; choose another one"},
    {SL_ZK_NODE_EXISTS, "ZNODEEXISTS", SL_ALREADY_EXISTS, true,
     "the node exists"},
    {-111, "ZNOTEMPTY", SL_CONFLICT, true, "the node has children"},
    {SL_ZK_SESSION_EXPIRED, "ZSESSIONEXPIRED", SL_UNAVAILABLE, true,
     "the session has expired"},
    {-113, "ZINVALIDCALLBACK", SL_INTERNAL, true, "an invalid callback"},
    {-114, "ZINVALIDACL", SL_UNAUTHENTICATED, true,
     "it does not know this user, so it cannot set the ACL; check `user`, "
     "`password` and `auth`"},
    {SL_ZK_AUTH_FAILED, "ZAUTHFAILED", SL_UNAUTHENTICATED, true,
     "it refuses the user or the password"},
    {-116, "ZCLOSING", SL_UNAVAILABLE, true, "it is closing"},
    {-117, "ZNOTHING", SL_INTERNAL, true, "nothing to do"},
    {-118, "ZSESSIONMOVED", SL_UNAVAILABLE, true,
     "the session has moved to another server"},
    {-119, "ZNOTREADONLY", SL_UNAVAILABLE, true,
     "it has lost the other servers and is read-only"},
    {-120, "ZEPHEMERALONLOCALSESSION", SL_UNSUPPORTED, true,
     "sessions are local there, and cannot hold locks; set "
     "localSessionsUpgradingEnabled"},
    {-121, "ZNOWATCHER", SL_INTERNAL, true, "there is no such watch"},
    {-122, "ZREQUESTTIMEOUT", SL_TIMEOUT, false, "it took too long"},
    {-123, "ZRECONFIGDISABLED", SL_UNSUPPORTED, true,
     "it does not allow reconfiguration"},
    {-124, "ZSESSIONCLOSEDREQUIRESASLAUTH", SL_UNAUTHENTICATED, true,
     "it requires another authentication; check `auth`, `user` and `password`"},
    {-125, "ZQUOTAEXCEEDED", SL_UNAVAILABLE, true,
     "the quota of `path` is used up"},
    {-127, "ZTHROTTLEDOP", SL_UNAVAILABLE, true, "it is overloaded"},
    {0},
};

enum sl_status sl_zk_fail(int32_t code, bool *unchanged, struct sl_error *err)
{
    for (const struct sl_zk_error *error = sl_zk_errors; error->name != NULL;
         error++)
        if (error->code == code) {
            *unchanged = error->unchanged;
            return sl_fail(err, error->status, "ZooKeeper: %s (%s)",
                           error->text, error->name + 1);
        }
    *unchanged = false;
    return sl_fail(err, SL_INTERNAL, "ZooKeeper: unknown error (%d)", code);
}
