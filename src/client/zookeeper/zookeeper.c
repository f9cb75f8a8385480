/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with ZooKeeper: connecting, requests, replies. */
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

static enum sl_status read_frame_bytes(struct sl_zk_session *session,
                                       sl_deadline deadline,
                                       struct sl_error *err)
{
    struct sl_buf *in = &session->in;
    size_t got = 0;

    /* Drop the read part once it is most of the buffer. */
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
                               "ZooKeeper: a reply of more than %d bytes, "
                               "or another protocol",
                               SL_ZK_FRAME_MAX);
            if (rest.len - 4 >= length) {
                *frame = SL_BYTES(rest.ptr + 4, length);
                session->in_at += 4 + length;
                return SL_OK;
            }
        }
        enum sl_status status = read_frame_bytes(session, deadline, err);
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

static enum sl_status fail_unexpected(struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE, "ZooKeeper: unexpected reply");
}

/* --- Requests ----------------------------------------------------------- */

/* A frame that is being written to `out`. */
struct request {
    struct sl_zk_writer writer;
    size_t begin;
};

static struct request begin_request(struct sl_zk_session *session, int32_t xid,
                                    enum sl_zk_op op)
{
    struct request request = {.writer = {.buf = &session->out}};

    request.begin = sl_zk_begin_frame(&request.writer);
    sl_zk_put_int(&request.writer, xid);
    sl_zk_put_int(&request.writer, op);
    return request;
}

static void end_request(struct request *request)
{
    sl_zk_end_frame(&request->writer, request->begin);
}

static struct request begin_tagged_request(struct sl_zk_session *session,
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
    return begin_request(session, session->last_xid, op);
}

/* The creator's alone; open to everyone without a login. */
static void append_acl(const struct sl_zk_session *session,
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
    struct request request = begin_tagged_request(
        session,
        kind == SL_ZK_CONTAINER ? SL_ZK_OP_CREATE_CONTAINER : SL_ZK_OP_CREATE,
        tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bytes(&request.writer, data);
    append_acl(session, &request.writer);
    sl_zk_put_int(&request.writer, (int32_t)kind);
    end_request(&request);
}

void sl_zk_set(struct sl_zk_session *session, struct sl_bytes path,
               struct sl_bytes data, int64_t tag)
{
    struct request request =
        begin_tagged_request(session, SL_ZK_OP_SET_DATA, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bytes(&request.writer, data);
    sl_zk_put_int(&request.writer, -1); /* any version */
    end_request(&request);
}

void sl_zk_delete(struct sl_zk_session *session, struct sl_bytes path,
                  int64_t tag)
{
    struct request request =
        begin_tagged_request(session, SL_ZK_OP_DELETE, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_int(&request.writer, -1);
    end_request(&request);
}

static void read_node(struct sl_zk_session *session, enum sl_zk_op op,
                      struct sl_bytes path, bool watch, int64_t tag)
{
    struct request request = begin_tagged_request(session, op, tag);

    sl_zk_put_bytes(&request.writer, path);
    sl_zk_put_bool(&request.writer, watch);
    end_request(&request);
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
    struct request request = begin_tagged_request(session, SL_ZK_OP_SYNC, tag);

    sl_zk_put_bytes(&request.writer, path);
    end_request(&request);
}

void sl_zk_ping(struct sl_zk_session *session)
{
    struct request request =
        begin_request(session, SL_ZK_XID_PING, SL_ZK_OP_PING);

    end_request(&request);
}

enum sl_status sl_zk_send(struct sl_zk_session *session, sl_deadline deadline,
                          struct sl_error *err)
{
    enum sl_status status = write_out(session, deadline, err);

    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* --- Replies ------------------------------------------------------------ */

/* Handle a packet that is not a reply to a numbered request; false: it is
 * one. */
static bool handle_event(struct sl_zk_session *session,
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

static enum sl_status read_packet(struct sl_zk_session *session,
                                  sl_deadline deadline,
                                  struct sl_zk_reply *reply,
                                  struct sl_error *err)
{
    struct sl_zk_packet packet;
    struct sl_bytes frame;

    do {
        enum sl_status status = read_frame(session, deadline, &frame, err);
        if (status != SL_OK)
            return status;
        if (!sl_zk_parse_packet(frame, &packet))
            return fail_unexpected(err);
        if (packet.zxid > session->seen)
            session->seen = packet.zxid;
    } while (handle_event(session, &packet));
    if (session->pending_at == session->pending_count ||
        session->pending[session->pending_at].xid != packet.xid)
        return fail_unexpected(err);
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
    enum sl_status status = read_packet(session, deadline, reply, err);

    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

enum sl_status sl_zk_poll(struct sl_zk_session *session,
                          struct sl_zk_reply *reply, bool *got,
                          struct sl_error *err)
{
    enum sl_status status = read_packet(session, 0, reply, err);

    *got = status == SL_OK;
    if (status == SL_TIMEOUT)
        return SL_OK;
    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* --- Connecting --------------------------------------------------------- */

static void put_connect_request(struct sl_zk_session *session)
{
    struct sl_zk_writer writer = {.buf = &session->out};
    size_t at = sl_zk_begin_frame(&writer);

    sl_zk_put_int(&writer, 0);
    sl_zk_put_long(&writer, session->seen);
    sl_zk_put_int(&writer, (int32_t)session->asked_ms);
    sl_zk_put_long(&writer, session->id);
    sl_zk_put_bytes(&writer, SL_BYTES(session->password, SL_ZK_PASSWORD_SIZE));
    sl_zk_put_bool(&writer, false); /* no read-only server */
    sl_zk_end_frame(&writer, at);
}

static void forget_session(struct sl_zk_session *session)
{
    session->id = 0;
    session->seen = 0;
    memset(session->password, 0, SL_ZK_PASSWORD_SIZE);
}

static enum sl_status open_session(struct sl_zk_session *session,
                                   sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_welcome welcome;
    struct sl_bytes frame;

    put_connect_request(session);
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = read_frame(session, deadline, &frame, err);
    if (status != SL_OK)
        return status;
    if (!sl_zk_parse_welcome(frame, &welcome))
        return fail_unexpected(err);
    if (welcome.timeout_ms == 0) {
        forget_session(session);
        return sl_fail(err, SL_NOT_FOUND, "the session has expired");
    }
    session->id = welcome.session;
    session->timeout_ms = welcome.timeout_ms;
    memcpy(session->password, welcome.password, SL_ZK_PASSWORD_SIZE);
    return SL_OK;
}

/* ZooKeeper's own "digest" scheme. */
static enum sl_status log_in_digest(struct sl_zk_session *session,
                                    sl_deadline deadline, struct sl_error *err)
{
    const struct sl_zk_ensemble *ensemble = session->ensemble;
    struct sl_zk_packet packet;
    struct sl_bytes frame;
    bool unchanged;
    SL_CLEANUP(sl_freep)
    char *secret = sl_asprintf("%s:%s", ensemble->user, ensemble->password);

    struct request request =
        begin_request(session, SL_ZK_XID_AUTH, SL_ZK_OP_AUTH);
    sl_zk_put_int(&request.writer, 0);
    sl_zk_put_bytes(&request.writer, sl_bytes_of("digest"));
    sl_zk_put_bytes(&request.writer, sl_bytes_of(secret));
    end_request(&request);
    explicit_bzero(secret, strlen(secret));
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = read_frame(session, deadline, &frame, err);
    if (status != SL_OK)
        return status;
    if (!sl_zk_parse_packet(frame, &packet) || packet.xid != SL_ZK_XID_AUTH)
        return fail_unexpected(err);
    return packet.error == 0 ? SL_OK
                             : sl_zk_fail(packet.error, &unchanged, err);
}

/* One step of SASL: send a token and read one. */
static enum sl_status sasl_step(struct sl_zk_session *session,
                                struct sl_bytes token, sl_deadline deadline,
                                struct sl_bytes *answer, struct sl_error *err)
{
    struct sl_zk_reply reply;
    bool unchanged;
    struct request request = begin_tagged_request(session, SL_ZK_OP_SASL, 0);

    sl_zk_put_bytes(&request.writer, token);
    end_request(&request);
    enum sl_status status = write_out(session, deadline, err);
    if (status == SL_OK)
        status = read_packet(session, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (reply.error != 0)
        return sl_zk_fail(reply.error, &unchanged, err);
    *answer = sl_zk_get_bytes(&reply.body);
    return reply.body.bad ? fail_unexpected(err) : SL_OK;
}

static enum sl_status log_in_sasl(struct sl_zk_session *session,
                                  sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf answer = SL_BUF(8192);
    char cnonce[40], proof[SL_ZK_PROOF_MAX];
    struct sl_bytes challenge;

    snprintf(cnonce, sizeof(cnonce), "%08x%08x%08x%08x", arc4random(),
             arc4random(), arc4random(), arc4random());
    enum sl_status status =
        sasl_step(session, SL_BYTES("", 0), deadline, &challenge, err);
    if (status == SL_OK)
        status = sl_zk_digest_md5_respond(challenge, session->ensemble->user,
                                          session->ensemble->password, cnonce,
                                          &answer, proof, err);
    if (status == SL_OK)
        status = sasl_step(session, sl_buf_bytes(&answer), deadline, &challenge,
                           err);
    if (status == SL_OK && !sl_bytes_equal(challenge, sl_bytes_of(proof)))
        status =
            sl_fail(err, SL_UNAUTHENTICATED,
                    "the server cannot prove that it knows the password; is "
                    "this the right server?");
    return status;
}

static enum sl_status connect_to_server(struct sl_zk_session *session,
                                        const struct sl_zk_server *server,
                                        sl_deadline deadline,
                                        struct sl_error *err)
{
    const struct sl_zk_ensemble *ensemble = session->ensemble;

    sl_zk_disconnect(session);
    enum sl_status status =
        sl_conn_open(server->host, server->port, ensemble->tls, deadline,
                     &session->conn, err);
    if (status != SL_OK)
        return sl_fail_in(err, "ZooKeeper");
    status = open_session(session, deadline, err);
    if (status == SL_OK && ensemble->user != NULL)
        status = ensemble->sasl ? log_in_sasl(session, deadline, err)
                                : log_in_digest(session, deadline, err);
    if (status != SL_OK)
        sl_zk_disconnect(session);
    return status;
}

/* The share of the time that is left for one of the remaining servers. */
static sl_deadline server_deadline(sl_deadline deadline, unsigned servers)
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
        enum sl_status status = connect_to_server(
            session, &ensemble->servers[ensemble->next],
            server_deadline(deadline, ensemble->count - i), &own);
        if (status == SL_OK || status == SL_NOT_FOUND)
            return status == SL_OK ? status
                                   : sl_fail(err, status, "%s", own.message);
        ensemble->next = (ensemble->next + 1) % ensemble->count;
        /* The first failure is reported, but refused credentials rather than
         * that. */
        if (first.status == SL_OK || own.status == SL_UNAUTHENTICATED)
            first = own;
    }
    return sl_fail(err, first.status, "%s", first.message);
}

void sl_zk_end(struct sl_zk_session *session, sl_deadline deadline)
{
    struct sl_zk_reply reply;

    if (session->conn != NULL) {
        struct request request =
            begin_tagged_request(session, SL_ZK_OP_CLOSE, -1);
        end_request(&request);
        if (write_out(session, deadline, NULL) == SL_OK)
            do
                reply.tag = 0;
            while (read_packet(session, deadline, &reply, NULL) == SL_OK &&
                   reply.tag != -1);
        sl_zk_disconnect(session);
    }
    forget_session(session);
}
