/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with ZooKeeper: connecting, requests, answers. */
#include "client/zookeeper/zookeeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    READ_SIZE = 64 * 1024,
    OUT_MAX = 64 << 20,
    PERMISSIONS_ALL = 31,
};

void sl_zk_session_init(struct sl_zk_session *session,
                        struct sl_zk_ensemble *ensemble, int64_t timeout_ms)
{
    memset(session, 0, sizeof(*session));
    session->ensemble = ensemble;
    session->asked_ms = timeout_ms;
    session->timeout_ms = timeout_ms;
    session->out = (struct sl_buf)SL_BUF(OUT_MAX);
    session->in = (struct sl_buf)SL_BUF(SL_ZK_FRAME_MAX + READ_SIZE + 4);
}

void sl_zk_disconnect(struct sl_zk_session *session)
{
    sl_conn_free(session->conn);
    session->conn = NULL;
    sl_buf_clear(&session->out);
    sl_buf_clear(&session->in);
    session->in_at = 0;
    session->pending_at = session->pending_count = 0;
}

void sl_zk_session_done(struct sl_zk_session *session)
{
    sl_zk_disconnect(session);
    sl_buf_done(&session->out);
    sl_buf_done(&session->in);
    free(session->pending);
    session->pending = NULL;
    session->pending_room = 0;
}

/* --- Frames ------------------------------------------------------------- */

static enum sl_status read_more(struct sl_zk_session *session,
                                sl_deadline deadline, struct sl_error *err)
{
    struct sl_buf *in = &session->in;
    size_t got = 0;

    /* What was read makes room, once it is most of the buffer. */
    if (session->in_at > 0 && session->in_at * 2 >= in->len) {
        memmove(in->ptr, in->ptr + session->in_at, in->len - session->in_at);
        in->len -= session->in_at;
        session->in_at = 0;
    }
    enum sl_status status = sl_buf_reserve(in, READ_SIZE, err);
    if (status == SL_OK)
        status = sl_conn_read(session->conn, in->ptr + in->len, READ_SIZE,
                              deadline, &got, err);
    in->len += got;
    if (status == SL_OK)
        session->heard = sl_now_ns();
    return status;
}

/* The next frame, borrowed until the next call. */
static enum sl_status read_frame(struct sl_zk_session *session,
                                 sl_deadline deadline, struct sl_bytes *frame,
                                 struct sl_error *err)
{
    for (;;) {
        struct sl_bytes rest = SL_BYTES(session->in.ptr + session->in_at,
                                        session->in.len - session->in_at);
        size_t length;
        if (sl_zk_frame_length(rest, &length)) {
            if (length == SIZE_MAX)
                return sl_fail(err, SL_UNAVAILABLE,
                               "ZooKeeper: an answer of more than %d bytes, "
                               "or another protocol",
                               SL_ZK_FRAME_MAX);
            if (rest.len - 4 >= length) {
                *frame = SL_BYTES(rest.ptr + 4, length);
                session->in_at += 4 + length;
                return SL_OK;
            }
        }
        enum sl_status status = read_more(session, deadline, err);
        if (status != SL_OK)
            return status;
    }
}

static enum sl_status write_out(struct sl_zk_session *session,
                                sl_deadline deadline, struct sl_error *err)
{
    session->contact = sl_now_ns();
    enum sl_status status = sl_conn_write(
        session->conn, sl_buf_bytes(&session->out), deadline, err);
    sl_buf_clear(&session->out);
    return status;
}

static enum sl_status not_spoken(struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE,
                   "ZooKeeper: the server does not answer the question");
}

/* --- Requests ----------------------------------------------------------- */

/* A frame on its way into `out`. */
struct request {
    struct sl_zk_writer writer;
    size_t begin;
};

static struct request begin(struct sl_zk_session *session, int32_t xid,
                            enum sl_zk_op op)
{
    struct request request = {.writer = {.buf = &session->out}};

    request.begin = sl_zk_begin_frame(&request.writer);
    sl_zk_put_int(&request.writer, xid);
    sl_zk_put_int(&request.writer, op);
    return request;
}

static void end(struct request *request)
{
    sl_zk_end_frame(&request->writer, request->begin);
}

static struct request begin_tagged(struct sl_zk_session *session,
                                   enum sl_zk_op op, int64_t tag)
{
    if (session->pending_count == session->pending_room) {
        session->pending_room = session->pending_room * 2 + 64;
        session->pending =
            sl_realloc(session->pending,
                       session->pending_room * sizeof(*session->pending));
    }
    session->last_xid =
        session->last_xid == INT32_MAX ? 1 : session->last_xid + 1;
    session->pending[session->pending_count++] =
        (struct sl_zk_pending){session->last_xid, tag};
    return begin(session, session->last_xid, op);
}

/* The creator's alone; everybody's where nobody has logged in. */
static void put_acl(const struct sl_zk_session *session,
                    struct sl_zk_writer *writer)
{
    bool own = session->ensemble->user != NULL;

    sl_zk_put_int(writer, 1);
    sl_zk_put_int(writer, PERMISSIONS_ALL);
    sl_zk_put_bytes(writer, sl_bytes_of(own ? "auth" : "world"));
    sl_zk_put_bytes(writer, sl_bytes_of(own ? "" : "anyone"));
}

void sl_zk_create(struct sl_zk_session *session, struct sl_bytes path,
                  struct sl_bytes data, enum sl_zk_kind kind, int64_t tag)
{
    struct request request = begin_tagged(
        session,
        kind == SL_ZK_CONTAINER ? SL_ZK_OP_CREATE_CONTAINER : SL_ZK_OP_CREATE,
        tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bytes(&request.writer, data);
    put_acl(session, &request.writer);
    sl_zk_put_int(&request.writer, (int32_t)kind);
    end(&request);
}

void sl_zk_set(struct sl_zk_session *session, struct sl_bytes path,
               struct sl_bytes data, int64_t tag)
{
    struct request request = begin_tagged(session, SL_ZK_OP_SET_DATA, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bytes(&request.writer, data);
    sl_zk_put_int(&request.writer, -1); /* whatever its version */
    end(&request);
}

void sl_zk_delete(struct sl_zk_session *session, struct sl_bytes path,
                  int64_t tag)
{
    struct request request = begin_tagged(session, SL_ZK_OP_DELETE, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_int(&request.writer, -1);
    end(&request);
}

static void read_node(struct sl_zk_session *session, enum sl_zk_op op,
                      struct sl_bytes path, bool watch, int64_t tag)
{
    struct request request = begin_tagged(session, op, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bool(&request.writer, watch);
    end(&request);
}

void sl_zk_children(struct sl_zk_session *session, struct sl_bytes path,
                    int64_t tag)
{
    read_node(session, SL_ZK_OP_GET_CHILDREN, path, false, tag);
}

void sl_zk_watch(struct sl_zk_session *session, struct sl_bytes path,
                 int64_t tag)
{
    read_node(session, SL_ZK_OP_GET_DATA, path, true, tag);
}

void sl_zk_sync(struct sl_zk_session *session, struct sl_bytes path,
                int64_t tag)
{
    struct request request = begin_tagged(session, SL_ZK_OP_SYNC, tag);

    sl_zk_put_bytes(&request.writer, path);
    end(&request);
}

void sl_zk_ping(struct sl_zk_session *session)
{
    struct request request = begin(session, SL_ZK_XID_PING, SL_ZK_OP_PING);

    end(&request);
}

enum sl_status sl_zk_send(struct sl_zk_session *session, sl_deadline deadline,
                          struct sl_error *err)
{
    enum sl_status status = write_out(session, deadline, err);

    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* --- Answers ------------------------------------------------------------ */

/* What is no answer to a request; false: it is one. */
static bool is_aside(struct sl_zk_session *session,
                     const struct sl_zk_packet *packet)
{
    struct sl_bytes path;

    if (packet->xid == SL_ZK_XID_PING)
        return true;
    if (packet->xid != SL_ZK_XID_EVENT)
        return false;
    if (session->watched != NULL && sl_zk_parse_event(packet->body, &path))
        session->watched(session->context, path);
    return true;
}

static enum sl_status receive(struct sl_zk_session *session,
                              sl_deadline deadline, struct sl_zk_reply *reply,
                              struct sl_error *err)
{
    struct sl_zk_packet packet;
    struct sl_bytes frame;

    do {
        enum sl_status status = read_frame(session, deadline, &frame, err);
        if (status != SL_OK)
            return status;
        if (!sl_zk_parse_packet(frame, &packet))
            return not_spoken(err);
        if (packet.zxid > session->seen)
            session->seen = packet.zxid;
    } while (is_aside(session, &packet));
    if (session->pending_at == session->pending_count ||
        session->pending[session->pending_at].xid != packet.xid)
        return not_spoken(err);
    reply->tag = session->pending[session->pending_at++].tag;
    reply->error = packet.error;
    reply->body = packet.body;
    if (session->pending_at == session->pending_count)
        session->pending_at = session->pending_count = 0;
    return SL_OK;
}

enum sl_status sl_zk_receive(struct sl_zk_session *session,
                             sl_deadline deadline, struct sl_zk_reply *reply,
                             struct sl_error *err)
{
    enum sl_status status = receive(session, deadline, reply, err);

    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

enum sl_status sl_zk_look(struct sl_zk_session *session,
                          struct sl_zk_reply *reply, bool *got,
                          struct sl_error *err)
{
    enum sl_status status = receive(session, 0, reply, err);

    *got = status == SL_OK;
    if (status == SL_TIMEOUT)
        return SL_OK;
    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* --- Connecting --------------------------------------------------------- */

static void put_hello(struct sl_zk_session *session)
{
    struct sl_zk_writer writer = {.buf = &session->out};
    size_t at = sl_zk_begin_frame(&writer);

    sl_zk_put_int(&writer, 0);
    sl_zk_put_long(&writer, session->seen);
    sl_zk_put_int(&writer, (int32_t)session->asked_ms);
    sl_zk_put_long(&writer, session->id);
    sl_zk_put_bytes(&writer, SL_BYTES(session->password, SL_ZK_PASSWORD_SIZE));
    sl_zk_put_bool(&writer, false); /* not with one that only reads */
    sl_zk_end_frame(&writer, at);
}

static void forget(struct sl_zk_session *session)
{
    session->id = 0;
    session->seen = 0;
    memset(session->password, 0, SL_ZK_PASSWORD_SIZE);
}

static enum sl_status greet(struct sl_zk_session *session, sl_deadline deadline,
                            struct sl_error *err)
{
    struct sl_zk_welcome welcome;
    struct sl_bytes frame;

    put_hello(session);
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = read_frame(session, deadline, &frame, err);
    if (status != SL_OK)
        return status;
    if (!sl_zk_parse_welcome(frame, &welcome))
        return not_spoken(err);
    if (welcome.timeout_ms == 0) {
        forget(session);
        return sl_fail(err, SL_NOT_FOUND, "the session has expired");
    }
    session->id = welcome.session;
    session->timeout_ms = welcome.timeout_ms;
    memcpy(session->password, welcome.password, SL_ZK_PASSWORD_SIZE);
    return SL_OK;
}

/* ZooKeeper's own scheme: who has the password is that user. */
static enum sl_status log_in_digest(struct sl_zk_session *session,
                                    sl_deadline deadline, struct sl_error *err)
{
    const struct sl_zk_ensemble *ensemble = session->ensemble;
    struct sl_zk_packet packet;
    struct sl_bytes frame;
    bool unchanged;
    SL_CLEANUP(sl_freep)
    char *secret = sl_asprintf("%s:%s", ensemble->user, ensemble->password);

    struct request request = begin(session, SL_ZK_XID_AUTH, SL_ZK_OP_AUTH);
    sl_zk_put_int(&request.writer, 0);
    sl_zk_put_bytes(&request.writer, sl_bytes_of("digest"));
    sl_zk_put_bytes(&request.writer, sl_bytes_of(secret));
    end(&request);
    explicit_bzero(secret, strlen(secret));
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = read_frame(session, deadline, &frame, err);
    if (status != SL_OK)
        return status;
    if (!sl_zk_parse_packet(frame, &packet) || packet.xid != SL_ZK_XID_AUTH)
        return not_spoken(err);
    return packet.error == 0 ? SL_OK
                             : sl_zk_fail(packet.error, &unchanged, err);
}

/* One step of SASL: say something, and hear something. */
static enum sl_status exchange(struct sl_zk_session *session,
                               struct sl_bytes token, sl_deadline deadline,
                               struct sl_bytes *answer, struct sl_error *err)
{
    struct sl_zk_reply reply;
    bool unchanged;
    struct request request = begin_tagged(session, SL_ZK_OP_SASL, 0);

    sl_zk_put_bytes(&request.writer, token);
    end(&request);
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = receive(session, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (reply.error != 0)
        return sl_zk_fail(reply.error, &unchanged, err);
    *answer = sl_zk_get_bytes(&reply.body);
    return reply.body.bad ? not_spoken(err) : SL_OK;
}

static enum sl_status log_in_sasl(struct sl_zk_session *session,
                                  sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf answer = SL_BUF(8192);
    char cnonce[40], proof[SL_ZK_PROOF_MAX];
    struct sl_bytes said;

    snprintf(cnonce, sizeof(cnonce), "%08x%08x%08x%08x", arc4random(),
             arc4random(), arc4random(), arc4random());
    enum sl_status status =
        exchange(session, SL_BYTES("", 0), deadline, &said, err);
    if (status == SL_OK)
        status = sl_zk_answer_challenge(said, session->ensemble->user,
                                        session->ensemble->password, cnonce,
                                        &answer, proof, err);
    if (status == SL_OK)
        status = exchange(session, sl_buf_bytes(&answer), deadline, &said, err);
    if (status == SL_OK && !sl_bytes_equal(said, sl_bytes_of(proof)))
        status = sl_fail(err, SL_UNAUTHENTICATED,
                         "the server does not know the password either; is it "
                         "the right one?");
    return status;
}

static enum sl_status connect_to(struct sl_zk_session *session,
                                 const struct sl_zk_server *server,
                                 sl_deadline deadline, struct sl_error *err)
{
    const struct sl_zk_ensemble *ensemble = session->ensemble;

    sl_zk_disconnect(session);
    enum sl_status status =
        sl_conn_open(server->host, server->port, ensemble->tls, deadline,
                     &session->conn, err);
    if (status != SL_OK)
        return sl_fail_in(err, "ZooKeeper");
    status = greet(session, deadline, err);
    if (status == SL_OK && ensemble->user != NULL)
        status = ensemble->sasl ? log_in_sasl(session, deadline, err)
                                : log_in_digest(session, deadline, err);
    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* A part of what is left, so that there is some for the other servers. */
static sl_deadline share(sl_deadline deadline, unsigned servers)
{
    int left = sl_deadline_left_ms(deadline);

    return servers <= 1 ? deadline : sl_deadline_in_ms(left / (int)servers + 1);
}

enum sl_status sl_zk_connect(struct sl_zk_session *session,
                             sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_ensemble *ensemble = session->ensemble;
    struct sl_error first = {.status = SL_OK}, own;

    for (unsigned i = 0; i < ensemble->count; i++) {
        enum sl_status status =
            connect_to(session, &ensemble->servers[ensemble->next],
                       share(deadline, ensemble->count - i), &own);
        if (status == SL_OK || status == SL_NOT_FOUND)
            return status == SL_OK ? status
                                   : sl_fail(err, status, "%s", own.message);
        ensemble->next = (ensemble->next + 1) % ensemble->count;
        /* That one of many is down is seldom why. */
        if (first.status == SL_OK || own.status == SL_UNAUTHENTICATED)
            first = own;
    }
    return sl_fail(err, first.status, "%s", first.message);
}

void sl_zk_end(struct sl_zk_session *session, sl_deadline deadline)
{
    struct sl_zk_reply reply;

    if (session->conn != NULL) {
        struct request request = begin_tagged(session, SL_ZK_OP_CLOSE, -1);
        end(&request);
        if (write_out(session, deadline, NULL) == SL_OK)
            do
                reply.tag = 0;
            while (receive(session, deadline, &reply, NULL) == SL_OK &&
                   reply.tag != -1);
        sl_zk_disconnect(session);
    }
    forget(session);
}
