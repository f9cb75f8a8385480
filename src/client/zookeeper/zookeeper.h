/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of ZooKeeper: an ensemble of servers, and sessions, which have one
 * connection at a time and outlive it.
 *
 * It implements the protocol instead of using ZooKeeper's C library: Debian's
 * build of that has neither TLS nor SASL; its TLS does not verify host names;
 * and its own threads, retries and waits cannot be bound by a deadline.
 *
 * A session is used by one thread at a time.
 */
#ifndef SL_CLIENT_ZOOKEEPER_ZOOKEEPER_H
#define SL_CLIENT_ZOOKEEPER_ZOOKEEPER_H

#include "base/option.h"
#include "client/zookeeper/protocol.h"
#include "net/conn.h"
#include "service/service.h"

/* --- Settings ----------------------------------------------------------- */

struct sl_zk_options {
    const char *servers;
    bool tls;
    const char *ca;
    const char *cert;
    const char *key;
    const char *auth;
    const char *user;
    const char *password;
};

enum sl_status sl_zk_check_servers(const void *field, struct sl_error *err);
enum sl_status sl_zk_check_auth(const void *field, struct sl_error *err);
/* A path of nodes: "/a/b". */
enum sl_status sl_zk_check_path(const void *field, struct sl_error *err);

/* The entries of an option table whose struct begins with the above. */
#define SL_ZK_OPTIONS                                                          \
    {.name = "servers",                                                        \
     .type = SL_OPTION_STRING,                                                 \
     .offset = offsetof(struct sl_zk_options, servers),                        \
     .required = true,                                                         \
     .port = 2181,                                                             \
     .check = sl_zk_check_servers,                                             \
     .help = "the connection string of the ensemble: "                         \
             "host[:2181],host[:2181]…[/chroot]"},                             \
        {.name = "tls",                                                        \
         .type = SL_OPTION_BOOLEAN,                                            \
         .offset = offsetof(struct sl_zk_options, tls),                        \
         .fallback = "false",                                                  \
         .help = "TLS, to the servers' secureClientPort"},                     \
        {.name = "ca",                                                         \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_zk_options, ca),                         \
         .help = "a file of authorities in PEM to trust instead of the "       \
                 "system's, for TLS"},                                         \
        {.name = "cert",                                                       \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_zk_options, cert),                       \
         .help = "a file with the client's certificate in PEM, and those "     \
                 "between it and its authority"},                              \
        {.name = "key",                                                        \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_zk_options, key),                        \
         .help = "a file with the private key of `cert`"},                     \
        {.name = "auth",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_zk_options, auth),                       \
         .fallback = "digest",                                                 \
         .check = sl_zk_check_auth,                                            \
         .help = "how user and password are sent: \"digest\", ZooKeeper's "    \
                 "own scheme, or \"sasl\", SASL DIGEST-MD5"},                  \
        {.name = "user",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_zk_options, user),                       \
         .help = "the user, who alone may access the created nodes"},          \
        {.name = "password",                                                   \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_zk_options, password),                   \
         .secret = true,                                                       \
         .help = "the user's password"}

enum { SL_ZK_SERVERS_MAX = 32 };

struct sl_zk_server {
    char *host;
    int port;
};

/* The parsed options. */
struct sl_zk_ensemble {
    struct sl_zk_server servers[SL_ZK_SERVERS_MAX];
    unsigned count;
    unsigned next; /* the server to try first */
    char *chroot;  /* "" or "/a/b" */
    struct sl_tls *tls;
    bool sasl;
    const char *user;
    const char *password;
};

/* Borrows from options.  The caller zeroes ensemble, and calls
 * sl_zk_ensemble_done also after a failure. */
SL_MUST_CHECK enum sl_status
sl_zk_ensemble_init(struct sl_zk_ensemble *ensemble,
                    const struct sl_zk_options *options, struct sl_error *err);
void sl_zk_ensemble_done(struct sl_zk_ensemble *ensemble);

/* --- Sessions ----------------------------------------------------------- */

/* A sent request; requests are answered in order. */
struct sl_zk_pending {
    int32_t xid;
    int64_t tag;
};

struct sl_zk_session {
    struct sl_zk_ensemble *ensemble;
    int64_t id;         /* 0: none yet */
    int64_t asked_ms;   /* the requested timeout */
    int64_t timeout_ms; /* the granted timeout */
    uint8_t password[SL_ZK_PASSWORD_SIZE];
    int64_t seen;    /* the last zxid that this session saw */
    int64_t contact; /* sl_now_ns() before the last write */
    int64_t heard;   /* and after the last read */

    struct sl_conn *conn; /* NULL: none */
    struct sl_buf out, in;
    size_t in_at; /* the offset of the unread part of `in` */
    int32_t last_xid;
    struct sl_zk_pending *pending; /* starting at pending_at */
    size_t pending_at, pending_count, pending_room;

    /* Called when a watched node was changed or deleted. */
    void (*watched)(void *context, struct sl_bytes path);
    void *context;
};

void sl_zk_session_init(struct sl_zk_session *session,
                        struct sl_zk_ensemble *ensemble, int64_t timeout_ms);
/* Does not close the session on the server. */
void sl_zk_session_done(struct sl_zk_session *session);

/*
 * Connect and log in to one of the servers, trying each at most once; resumes
 * the session, or opens one if there is none.
 *
 * SL_NOT_FOUND: the session has expired and was reset.  SL_UNAVAILABLE,
 * SL_TIMEOUT, SL_UNAUTHENTICATED: no server accepted us.
 */
SL_MUST_CHECK enum sl_status sl_zk_connect(struct sl_zk_session *session,
                                           sl_deadline deadline,
                                           struct sl_error *err);
/* Close the connection; the session stays alive on the server. */
void sl_zk_disconnect(struct sl_zk_session *session);
/* Close the session, which deletes its ephemeral nodes; waits until the
 * deadline. */
void sl_zk_end(struct sl_zk_session *session, sl_deadline deadline);

/* --- Requests --------------------------------------------------------------
 *
 * Each call appends a request; sl_zk_send sends them.  Replies arrive in the
 * same order, with the tag of their request.  Paths are absolute, including the
 * chroot.
 */

enum sl_zk_kind {
    SL_ZK_PERSISTENT = 0,
    SL_ZK_EPHEMERAL_SEQUENTIAL = 3,
    SL_ZK_CONTAINER = 4, /* deleted by the server once it is empty */
};

void sl_zk_create(struct sl_zk_session *session, struct sl_bytes path,
                  struct sl_bytes data, enum sl_zk_kind kind, int64_t tag);
void sl_zk_set(struct sl_zk_session *session, struct sl_bytes path,
               struct sl_bytes data, int64_t tag);
void sl_zk_delete(struct sl_zk_session *session, struct sl_bytes path,
                  int64_t tag);
void sl_zk_children(struct sl_zk_session *session, struct sl_bytes path,
                    int64_t tag);
/* Read a node and watch for its next change; no watch if it does not exist. */
void sl_zk_watch(struct sl_zk_session *session, struct sl_bytes path,
                 int64_t tag);
/* Make earlier writes of other clients visible. */
void sl_zk_sync(struct sl_zk_session *session, struct sl_bytes path,
                int64_t tag);
/* A heartbeat; its reply is not passed on. */
void sl_zk_ping(struct sl_zk_session *session);

struct sl_zk_reply {
    int64_t tag;
    int32_t error;
    struct sl_zk_reader body; /* borrowed until the next call */
};

/* A failure of one of these closes the connection. */
SL_MUST_CHECK enum sl_status sl_zk_send(struct sl_zk_session *session,
                                        sl_deadline deadline,
                                        struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_zk_receive(struct sl_zk_session *session,
                                           sl_deadline deadline,
                                           struct sl_zk_reply *reply,
                                           struct sl_error *err);
/* The same without waiting; *got is false if there is no reply. */
SL_MUST_CHECK enum sl_status sl_zk_poll(struct sl_zk_session *session,
                                        struct sl_zk_reply *reply, bool *got,
                                        struct sl_error *err);

/* The client's side of SASL DIGEST-MD5 (RFC 2831): the response to the server's
 * challenge, and the proof that the server must send. */
enum { SL_ZK_PROOF_MAX = 48 };
SL_MUST_CHECK enum sl_status
sl_zk_digest_md5_respond(struct sl_bytes challenge, const char *user,
                         const char *password, const char *cnonce,
                         struct sl_buf *answer, char proof[SL_ZK_PROOF_MAX],
                         struct sl_error *err);

/* For a driver's `risks`, whose options begin with these. */
void sl_zk_risks(const void *options, sl_risk_fn *tell, void *context);

#endif
