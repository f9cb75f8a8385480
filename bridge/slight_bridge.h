/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge: what only exists in Rust, for C.
 *
 * It compiles and runs components (Wasmtime), answers WASI, lifts and lowers
 * the slight interfaces, reads TOML (slight_toml.h), generates C bindings, and
 * makes core modules components.  It decides nothing: limits, grants and names
 * come from its caller.
 *
 * Rules that hold for every function here:
 *   - any thread may call it, unless it says otherwise;
 *   - sl_bytes arguments are borrowed for the call;
 *   - a failure fills err and leaves the outputs alone;
 *   - a Rust panic is caught at the boundary and becomes SL_INTERNAL;
 *   - output of unknown size goes to a sl_bridge_sink, in one or more pieces.
 * Rust's structs are generated from this header (bridge/build.rs).
 */
#ifndef SLIGHT_BRIDGE_H
#define SLIGHT_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "kv/kv.h"
#include "lockd/lockd.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "service/delivery.h"
#include "slight_toml.h"
#include "sql/sql.h"

/* Takes output.  Runs on the calling thread, before the function returns. */
struct sl_bridge_sink {
    void *context;
    void (*write)(void *context, struct sl_bytes bytes);
};

/* --- The engine ------------------------------------------------------- */

struct sl_bridge_engine;

/* Zero means the default that stands beside the field. */
struct sl_bridge_engine_config {
    uint32_t threads;        /* that run guests; 0: one per processor */
    uint32_t max_instances;  /* at once, in the pool; 1000 */
    uint64_t max_memory;     /* bytes of linear memory an instance may reach;
                                64 MiB.  Reserved address space, not memory. */
    uint32_t warm_instances; /* freed slots kept ready; 100 */
    /* Bytes of a freed slot's linear memory that stay resident for the next
     * instance; 1 MiB.  More is faster and costs memory for each warm slot. */
    uint64_t keep_resident;
    uint64_t max_table_elements; /* of each table; 20,000.  A table may begin
                                    with more, and then not grow */
};

/*
 * An engine with its threads.  A process needs one.  The pool of instances is
 * made with the first program, for all components that were compiled or loaded
 * by then: as many instances as were asked for, or as many as fit.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_engine_new(const struct sl_bridge_engine_config *config,
                     struct sl_bridge_engine **out, struct sl_error *err);

/*
 * End the guests that still run; wait a second at most.  NULL is fine.  Programs
 * and components of the engine must be freed before.
 */
void sl_bridge_engine_free(struct sl_bridge_engine *engine);

enum sl_bridge_short {
    SL_BRIDGE_SHORT_NOTHING,
    SL_BRIDGE_SHORT_ADDRESS_SPACE, /* its limit (ulimit -v) allows no more */
    SL_BRIDGE_SHORT_MAPS,          /* vm.max_map_count allows no more */
    SL_BRIDGE_SHORT_MEMORY,        /* the machine, or the control group, has no
                                    * memory for more, however small they are */
};

/* The size of the pool.  More instances at once fail to start. */
struct sl_bridge_room {
    uint32_t asked;
    uint32_t instances;
    enum sl_bridge_short short_of;
};

/* False before there is a program. */
bool sl_bridge_engine_room(const struct sl_bridge_engine *engine,
                           struct sl_bridge_room *room);

/*
 * A text that names everything that compiled code depends on: Wasmtime's
 * version, the processor's features, the settings.  Code with another
 * fingerprint is refused.  For the key of a cache.
 */
void sl_bridge_engine_fingerprint(const struct sl_bridge_engine *engine,
                                  struct sl_bridge_sink sink);

/* --- Components ------------------------------------------------------- */

struct sl_bridge_component;

enum sl_bridge_wasm_kind {
    SL_BRIDGE_NOT_WASM,
    SL_BRIDGE_CORE_MODULE,
    SL_BRIDGE_COMPONENT,
    SL_BRIDGE_WASM_TEXT, /* the text format: "(component" or "(module" */
};

/* The kind of a file, by its first bytes. */
enum sl_bridge_wasm_kind sl_bridge_wasm_kind_of(struct sl_bytes wasm);

/*
 * Compile.  May take seconds.  SL_INVALID_ARGUMENT where it is not valid,
 * SL_TOO_LARGE where it begins with more memory than the engine allows.
 */
SL_MUST_CHECK enum sl_status sl_bridge_component_compile(
    struct sl_bridge_engine *engine, struct sl_bytes wasm,
    struct sl_bridge_component **out, struct sl_error *err);

/*
 * The same without an engine, in a process that only compiles: the code goes to
 * sink, in one piece, and sl_bridge_component_load of an engine with this
 * configuration takes it.  SL_INVALID_ARGUMENT where it is not valid,
 * SL_UNAVAILABLE where there is not enough memory, as far as that can be told:
 * mostly the process is ended then (SIGABRT).
 */
SL_MUST_CHECK enum sl_status
sl_bridge_compile(const struct sl_bridge_engine_config *config,
                  struct sl_bytes wasm, struct sl_bridge_sink sink,
                  struct sl_error *err);

/* The compiled code, for sl_bridge_component_load. */
SL_MUST_CHECK enum sl_status
sl_bridge_component_serialize(const struct sl_bridge_component *component,
                              struct sl_bridge_sink sink, struct sl_error *err);

/*
 * Map compiled code from a descriptor that can be read, a file's or a memfd's,
 * which stays the caller's; where it cannot be mapped (no /proc, a file system
 * without execution), copy it.  It is machine code: the caller vouches that
 * only this user could have written it, or can while it is in use.
 * SL_INVALID_ARGUMENT where it is of another engine or damaged, SL_TOO_LARGE
 * where the component begins with more memory than the engine allows.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_component_load(struct sl_bridge_engine *engine, int fd,
                         struct sl_bridge_component **out,
                         struct sl_error *err);

void sl_bridge_component_free(struct sl_bridge_component *component);

/*
 * One import or export.  For "wasi:cli/run@0.2.3": package "wasi:cli",
 * interface "run", version "0.2.3".  Where the name is not of that form (a
 * plain function), package and version are empty.
 */
struct sl_bridge_extern {
    struct sl_bytes name;
    struct sl_bytes package;
    struct sl_bytes interface;
    struct sl_bytes version;
    bool is_instance; /* an interface; otherwise a function or a type */
};

typedef void sl_bridge_extern_fn(void *context,
                                 const struct sl_bridge_extern *item);
/* Of the file, without compiling it; nothing of what is broken in it is told. */
void sl_bridge_wasm_imports(struct sl_bytes wasm, sl_bridge_extern_fn *visit,
                            void *context);
void sl_bridge_wasm_exports(struct sl_bytes wasm, sl_bridge_extern_fn *visit,
                            void *context);

/* --- What the host answers -------------------------------------------- */

/*
 * A call that could not be answered at once.  While a host function runs, it
 * may take a waker from its wait, once, and then must have it woken exactly
 * once, from any thread, also when the guest is gone by then.
 */
struct sl_bridge_wait;
struct sl_bridge_waker;
struct sl_bridge_waker *sl_bridge_waker_take(struct sl_bridge_wait *wait);
void sl_bridge_waker_wake(struct sl_bridge_waker *waker);

/*
 * For how many milliseconds the host function may keep its thread: no other
 * guest needs it now, and this one has so much time left.  0: not at all.
 */
int64_t sl_bridge_wait_free_ms(const struct sl_bridge_wait *wait);
/* While a host function runs: what may take long.  Other guests' threads are as
 * many as before meanwhile. */
void sl_bridge_block(void (*run)(void *context), void *context);

/* What a guest may know of an open object without asking its service: which
 * struct the host fills. */
enum sl_bridge_view {
    SL_BRIDGE_VIEW_COLUMNS,  /* of a cursor: struct sl_bridge_columns */
    SL_BRIDGE_VIEW_LOCK,     /* struct sl_bridge_lock_state */
    SL_BRIDGE_VIEW_DELIVERY, /* of a message, or an event: const struct
                                sl_delivery *, as long as its handle is open */
};

/* As long as the cursor is open. */
struct sl_bridge_columns {
    const struct sl_sql_column *columns;
    size_t count;
};

struct sl_bridge_lock_state {
    struct sl_bytes key; /* as long as the handle is open */
    uint64_t fencing_token;
    uint64_t ttl_ms;
    bool held;
};

/* The server of a guest's own HTTP request. */
struct sl_bridge_http_server {
    struct sl_bytes host;    /* of the URL; an IPv6 address has no brackets */
    struct sl_bytes address; /* empty: not known yet; 4 or 16 bytes, in network
                                order */
    uint16_t port;
    bool is_tls;
};

enum sl_bridge_socket_use {
    SL_BRIDGE_SOCKET_LOOK_UP, /* a name: the first one; no address */
    SL_BRIDGE_SOCKET_TCP_CONNECT,
    SL_BRIDGE_SOCKET_TCP_BIND, /* a local address; port 0: the system's choice;
                                  without address (all zeros) for connecting */
    SL_BRIDGE_SOCKET_TCP_LISTEN, /* the local address */
    SL_BRIDGE_SOCKET_TCP_ACCEPT, /* the address of the peer */
    SL_BRIDGE_SOCKET_UDP_BIND,   /* as TCP_BIND */
    SL_BRIDGE_SOCKET_UDP_SEND,
    SL_BRIDGE_SOCKET_UDP_RECEIVE, /* the address of the peer */
};

/* A guest uses a socket of WASI. */
struct sl_bridge_socket {
    enum sl_bridge_socket_use used;
    const struct sl_bytes *names; /* those that it looked up and that have the
                                     address */
    size_t name_count;
    struct sl_bytes address; /* 4 or 16 bytes, in network order */
    uint16_t port;
};

/* Why a guest's own HTTP request failed, as far as an operator can change it. */
enum sl_bridge_request_fault {
    SL_BRIDGE_NO_CERTIFICATES, /* of authorities: the system has none */
    SL_BRIDGE_HEAD_TOO_LARGE,  /* more than max_response_fields, or 400 KiB */
};

/*
 * All that the host answers.  Borrowed by a program as long as it lives.
 *
 * What a guest holds of the host (a bucket, a transaction) is a handle: a
 * number whose meaning only the host knows.  Calls of one instance do not
 * overlap, except collect and release.
 */
struct sl_bridge_host {
    /* A new instance of the program begins; what returns is `instance`. */
    void *(*instance_new)(void *context);
    /* It ended: every handle that it did not drop is let go.  Exactly once. */
    void (*instance_free)(void *instance);
    /* capability: "kv", "sql", "lockd", "mq", "pubsub". */
    enum sl_status (*open)(void *instance, const char *capability,
                           struct sl_bytes name, uint32_t *handle,
                           struct sl_error *err);
    /* The guest dropped it: once a handle. */
    void (*drop)(void *instance, uint32_t handle);
    /*
     * The requests and answers are those of the handle's capability (kv/kv.h,
     * sql/sql.h).  A call has at most one request more than the capability
     * allows: the bridge leaves away what a guest passes beyond, and the host
     * refuses the call.  Where the first answer is refused, the guest's call
     * fails as a whole; otherwise each answer is its request's.
     *
     * True: answers[0..count) are filled, and the bridge frees what they hold.
     * False: a waker was taken, *call is set; once woken the bridge calls
     * collect, and in any case release, once.
     *
     * made is not NULL for one request that makes something (a transaction, a
     * cursor, a lock, a subscription): then *made may be set to its handle at
     * once.  Where the request fails, the bridge drops that, and where it
     * succeeds, calls attach.
     */
    bool (*call)(void *instance, uint32_t handle, const void *requests,
                 size_t count, void *answers, uint32_t *made,
                 struct sl_bridge_wait *wait, struct sl_call **call);
    /* The request with this verb that made the object has succeeded, or one to
     * it was answered, by a failure too: keep what is needed of the answer. */
    void (*attach)(void *instance, uint32_t handle, uint32_t verb,
                   void *answer);
    void (*collect)(struct sl_call *call, void *answers);
    void (*release)(struct sl_call *call);
    /* Fill the struct of a view.  False where the handle has no such view. */
    bool (*view)(void *instance, uint32_t handle, enum sl_bridge_view view,
                 void *out);
    /*
     * The request to this handle has succeeded, and there are deliveries in its
     * answer: make a handle for each.  There is room for as many handles as
     * were asked for.  After a failure none is made, and the deliveries were
     * returned to the service.
     */
    enum sl_status (*attach_many)(void *instance, uint32_t handle, void *answer,
                                  uint32_t *handles, size_t *count,
                                  struct sl_error *err);
    /*
     * Whether a guest of this program may send a request to that server: asked
     * for each request without an address, then of each address that its name
     * has, before it is connected to.  context is the program's.  Any thread,
     * until the engine is freed; must not block.
     */
    bool (*may_request)(void *context,
                        const struct sl_bridge_http_server *server);
    /*
     * WASI holds so many bytes of the host's memory for the instance, headers
     * and bodies, and may come to hold `more` before this is called again.
     * False where that is beyond the instance's budget: every call of wasi:http
     * traps from then on.
     */
    bool (*hold)(void *instance, size_t bytes, size_t more);
    /* A guest's request failed, and has been told so; for the log.  server is
     * without an address.  Any thread, as may_request. */
    void (*request_failed)(void *context,
                           const struct sl_bridge_http_server *server,
                           enum sl_bridge_request_fault fault);
    /* Whether a guest of this program may do that.  Any thread, as may_request.
     */
    bool (*may_use_socket)(void *context,
                           const struct sl_bridge_socket *socket);
};

/* --- Programs --------------------------------------------------------- */

/* Limits of the HTTP requests that a guest makes itself.  Nothing is zero. */
struct sl_bridge_client_limits {
    uint32_t max_requests; /* open at once, of one instance; one more fails with
                              connection-limit-reached */
    uint32_t max_response_fields;  /* header fields of a response; with more the
                                      request fails */
    uint32_t max_idle_connections; /* kept open to one server */
    uint32_t max_addresses;        /* of a server's name that are tried */
    uint64_t idle_timeout_ms;      /* of a connection that is kept open */
    uint64_t connect_timeout_ms;   /* where the guest sets none */
    uint64_t response_timeout_ms;  /* where the guest sets none: until the
                                      response begins, and between its pieces */
    uint64_t address_timeout_ms; /* of connecting to one of several addresses */
    uint64_t first_piece_timeout_ms; /* a GET or HEAD with a body of unknown
                                        length waits so long for its first
                                        piece; an empty body is not sent */
};

/* Limits of one instance.  Nothing is zero. */
struct sl_bridge_limits {
    uint32_t max_resources;  /* of WASI, open at once: streams, HTTP fields,
                                files.  One more traps. */
    uint32_t max_handles;    /* of the component model, open at once: resources,
                                streams, futures, tasks.  One more traps. */
    uint64_t max_call_bytes; /* copied by one call of WASI, or by the result
                                of an export.  More traps. */
    uint64_t max_random_bytes; /* of one call.  More traps. */
    uint64_t max_fields_bytes; /* of one set of HTTP fields: names, values and
                                  what Wasmtime adds for each.  More traps. */
    uint64_t max_name_bytes;   /* of the method and of the authority of a
                                  request: a longer one is invalid */
    uint64_t body_chunk_bytes; /* written to an HTTP body at once; two such
                                  pieces may wait to be sent */
    struct sl_bridge_client_limits client;
};

/* A component, linked: ready to be run any number of times, at once. */
struct sl_bridge_program;

/*
 * Link with WASI 0.2, WASI 0.3 and what the host answers.  The component may be
 * freed afterwards.  SL_NOT_FOUND where an import is missing or of another type
 * (the message names the first one).  unanswered: names of imports that are
 * linked with functions that trap when they are called.  limits is copied.
 * context is for instance_new.
 */
SL_MUST_CHECK enum sl_status sl_bridge_program_new(
    struct sl_bridge_engine *engine,
    const struct sl_bridge_component *component,
    const struct sl_bridge_host *host, const struct sl_bridge_limits *limits,
    const struct sl_bytes *unanswered, size_t unanswered_count, void *context,
    struct sl_bridge_program **out, struct sl_error *err);
void sl_bridge_program_free(struct sl_bridge_program *program);

/* What the component exports, of what can be called: a set of these. */
enum {
    SL_BRIDGE_EXPORTS_RUN = 1,    /* wasi:cli/run 0.2 or 0.3 */
    SL_BRIDGE_EXPORTS_HTTP = 2,   /* wasi:http/incoming-handler 0.2, or
                                     wasi:http/handler 0.3 */
    SL_BRIDGE_EXPORTS_MQ = 4,     /* slight:mq/handler 0.1 */
    SL_BRIDGE_EXPORTS_PUBSUB = 8, /* slight:pubsub/handler 0.1 */
};
unsigned sl_bridge_program_exports(const struct sl_bridge_program *program);

/* A directory that the guest sees. */
struct sl_bridge_directory {
    struct sl_bytes host_path;
    struct sl_bytes guest_path;
    bool writable;
};

/* A guest wrote a line to a standard stream, 1 or 2: without its end, cut at
 * 64 KiB.  Any thread; must not block for long. */
typedef void sl_bridge_output_fn(void *context, int stream,
                                 struct sl_bytes bytes);

/*
 * Write bytes of a guest to a standard stream, 1 or 2.  How many were taken; or
 * minus an errno.  may_wait: take all of them, for as long as it needs; without
 * it, as many as can be written without waiting, perhaps none.  For each stream
 * one call at a time, on any thread; one may still wait when the engine is
 * gone.
 */
typedef int64_t sl_bridge_write_fn(void *context, int stream,
                                   struct sl_bytes bytes, bool may_wait);

/* The grants of an instance.  Zero means none, unless a field says otherwise. */
struct sl_bridge_run {
    const struct sl_bytes *args; /* the first one is the program's name */
    size_t arg_count;
    const struct sl_pair *env;
    size_t env_count;
    const struct sl_bridge_directory *directories;
    size_t directory_count;
    bool inherit_stdin;      /* otherwise empty */
    bool tcp;                /* it has TCP sockets, and looks names up */
    bool udp;                /* the same with UDP */
    bool stdout_is_terminal; /* what the guest is told */
    bool stderr_is_terminal;
    uint64_t max_memory; /* bytes of linear memory, all memories together; 0:
                            what the engine allows */
    uint64_t timeout_ms; /* of wall clock, waiting included; 0: no limit */
    /* Standard output and error: lines, without waiting; or bytes, for which
     * only the guest waits.  Both NULL: discarded. */
    sl_bridge_output_fn *output;
    sl_bridge_write_fn *write;
    void *output_context;
};

enum sl_bridge_end {
    SL_BRIDGE_RETURNED,  /* ok, or exit(0) */
    SL_BRIDGE_EXITED,    /* exit_code says how; an error from run is 1 */
    SL_BRIDGE_TRAPPED,   /* message: why; backtrace: where in the guest */
    SL_BRIDGE_TIMED_OUT, /* backtrace: empty */
    SL_BRIDGE_FAILED,    /* it could not be started; message: why */
    SL_BRIDGE_RETRY,     /* a handler's failure; its reason in message */
    SL_BRIDGE_REJECTED,  /* the same: it is not to be tried again */
};

/* How a run ended.  The bytes are borrowed while done runs. */
struct sl_bridge_outcome {
    enum sl_bridge_end end;
    int32_t exit_code;
    struct sl_bytes message;   /* one line, in the guest's terms */
    struct sl_bytes backtrace; /* lines "  0: name (file:line)", or empty */
};

/* Runs on a thread of the engine; must not block. */
typedef void sl_bridge_done_fn(void *context,
                               const struct sl_bridge_outcome *outcome);

/*
 * Start a run on the engine's threads: a fresh instance.  run is copied.
 * done(context) runs exactly once.
 */
void sl_bridge_program_start(struct sl_bridge_program *program,
                             const struct sl_bridge_run *run,
                             sl_bridge_done_fn *done, void *context);

/* --- Handlers ------------------------------------------------------------ */

/*
 * What the instances get that the functions below start: once, before the first
 * of them.  SL_NOT_FOUND where a folder cannot be opened.  Without it they get
 * nothing.  What it is copied from may be freed; output and its context live as
 * long as the engine.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_program_prepare(struct sl_bridge_program *program,
                          const struct sl_bridge_run *run,
                          struct sl_error *err);

enum sl_bridge_handler {
    SL_BRIDGE_HANDLER_MQ,
    SL_BRIDGE_HANDLER_PUBSUB,
};

/*
 * Call a handler with a delivery, in a fresh instance.  resource is the
 * manifest's name of the service.  Both live until done(context), which runs
 * exactly once.  The outcome is SL_BRIDGE_RETURNED, SL_BRIDGE_RETRY,
 * SL_BRIDGE_REJECTED, SL_BRIDGE_TRAPPED, SL_BRIDGE_TIMED_OUT or
 * SL_BRIDGE_FAILED.
 */
void sl_bridge_program_handle(struct sl_bridge_program *program,
                              enum sl_bridge_handler handler,
                              struct sl_bytes resource,
                              const struct sl_delivery *delivery,
                              sl_bridge_done_fn *done, void *context);

/* --- HTTP ---------------------------------------------------------------- */

/* A server: one address, in front of any number of programs.  A request is
 * answered by an instance of the program of its route; or by C. */
struct sl_bridge_http;

struct sl_bridge_http_route {
    /* It exports SL_BRIDGE_EXPORTS_HTTP. NULL: GET and HEAD are answered by the
     * config's answer, anything else by 405. */
    struct sl_bridge_program *program;
    uint32_t reuse; /* requests that an instance answers, one after the other;
                       1: each has a fresh one */
    uint32_t max_requests;        /* of this route, at once; 0: the config's */
    struct sl_bytes content_type; /* of what C answers */
};

/* Write the body of an answer, and return its status.  It runs on a thread of
 * its own, and may take as long as a request may. */
typedef uint32_t sl_bridge_http_answer_fn(void *context, size_t route,
                                          struct sl_bridge_sink body);

/* A request is over: what was sent, and how its instance ended.  Borrowed. */
struct sl_bridge_http_end {
    size_t route; /* SIZE_MAX: none matched */
    struct sl_bytes method;
    struct sl_bytes path; /* as it was sent, without the query */
    struct sl_bytes request_id;
    uint32_t status; /* 0: the client left before there was one */
    enum sl_bridge_end end;
    uint64_t ns;
    uint64_t bytes_in; /* of bodies */
    uint64_t bytes_out;
    struct sl_bytes message; /* of an instance that did not return */
    struct sl_bytes backtrace;
    /* The client did not get the whole response: the connection was cut, since
     * the response was not finished or came too late, or the client left. */
    bool is_cut;
};

/* Any thread; must not block.  It may be called until the engine is freed. */
typedef void sl_bridge_http_ended_fn(void *context,
                                     const struct sl_bridge_http_end *end);

/* The route of a request's path, as it was sent and without the query: an
 * index; SIZE_MAX: none, 404; anything else: it cannot be said, 400.  Any
 * thread; must not block. */
typedef size_t sl_bridge_http_find_fn(void *context, struct sl_bytes path);

/* Whether requests to this host, with its port, are answered; otherwise 421.  A
 * request without a host is for the address that the client connected to.  Any
 * thread. */
typedef bool sl_bridge_http_may_ask_fn(void *context, struct sl_bytes host);

/* How a server treats its connections.  Nothing is zero. */
struct sl_bridge_http_limits {
    uint32_t max_header_fields; /* of a request; 431 beyond */
    uint32_t max_request_id;    /* characters of a client's x-request-id; a
                                   longer one is replaced */
    uint64_t queue_timeout_ms;  /* a request that finds max_requests of its
                                   route waits so long for one to end; then
                                   503 */
    uint32_t backlog; /* connections that the kernel keeps until they are
                         accepted */
    /* TCP keep-alive: the silence before the first probe, the time between
     * probes, and how many of them without an answer end the connection. */
    uint32_t keepalive_idle_s;
    uint32_t keepalive_interval_s;
    uint32_t keepalive_probes;
    /* A connection is closed for another one (close_idle) only if it has been
     * idle for so long: its next request may be on its way. */
    uint64_t min_idle_ms;
    /* A client that has closed its sending half and waits for a response is
     * sent 100 (Continue) so often: one that is gone answers with a reset. */
    uint64_t probe_interval_ms;
    /* A response may begin before the end of its request's body.  So much of
     * the rest is read and discarded, for so long, to keep the connection. */
    uint64_t max_discard_bytes;
    uint64_t discard_timeout_ms;
    /* Otherwise the connection closes behind the response.  The rest is read
     * until this limit, this time, or this long a silence: closing a socket
     * with unread bytes would reset it, and the response could be lost. */
    uint64_t max_linger_bytes;
    uint64_t linger_timeout_ms;
    uint64_t linger_idle_timeout_ms;
};

/* A field must not be zero unless it says what that means. */
struct sl_bridge_http_config {
    struct sl_bytes listen; /* "127.0.0.1:8080", "[::]:80"; port 0: any */
    const struct sl_bridge_http_route *routes;
    size_t route_count;
    uint64_t max_header_bytes;   /* 431 beyond; at least 8192 */
    uint64_t max_body_bytes;     /* of a request; 413 beyond */
    uint64_t idle_timeout_ms;    /* until a request's header has come */
    uint64_t request_timeout_ms; /* until a response begins, from the last that
                                    the client has sent of its body: then 504,
                                    or where the client was waited for, 408.
                                    And for what an instance does after its
                                    response: then it is ended */
    uint32_t max_connections;    /* more wait to be accepted */
    uint32_t max_requests; /* at once, of each route that has no number of its
                              own; more wait (queue_timeout_ms) */
    sl_bridge_http_find_fn *find;
    sl_bridge_http_ended_fn *ended;
    void *context;
    sl_bridge_http_answer_fn *answer; /* NULL where every route has a program */
    /* Of one address (IPv6: of one network of 64 bits) at once; more are closed
     * as soon as they are accepted.  0: no limit. */
    uint32_t max_peer_connections;
    /* In both cases the connection that is idle for longest (min_idle_ms at
     * least) is closed instead, if there is one: one that is slow or silent
     * keeps no other client out. */
    bool close_idle;
    sl_bridge_http_may_ask_fn *may_ask; /* NULL: any host */
    /* How long an instance waits for more of a request's body (then its read
     * fails), how long it may take for more of its response's (then the
     * connection is cut), and how long a client may take nothing of what waits
     * for it (then too).  0: request_timeout_ms. */
    uint64_t between_bytes_timeout_ms;
    /* Of a request and its response in all, the same ends.  0: no limit. */
    uint64_t total_timeout_ms;
    /* A client that lets bytes wait takes so many a second on average, once it
     * has let them wait for between_bytes_timeout_ms.  0: any. */
    uint64_t min_rate;
    const struct sl_bridge_http_limits *limits; /* copied */
};

/*
 * Listen and serve.  SL_UNAVAILABLE where the address is taken,
 * SL_INVALID_ARGUMENT where it is not an address.  config and the programs' handles may
 * be freed afterwards; the engine lives until sl_bridge_http_free.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_http_start(struct sl_bridge_engine *engine,
                     const struct sl_bridge_http_config *config,
                     struct sl_bridge_http **out, struct sl_error *err);

/* The port that it listens at. */
uint16_t sl_bridge_http_port(const struct sl_bridge_http *server);

/* How many connections are open, and how many requests are answered, now. */
void sl_bridge_http_load(const struct sl_bridge_http *server,
                         uint32_t *connections, uint32_t *requests);

/*
 * Accept no more, close connections that are idle, finish requests that run;
 * then done(context), on a thread of the engine.  Once.
 */
void sl_bridge_http_drain(struct sl_bridge_http *server,
                          void (*done)(void *context), void *context);

/* Cut what is left, within about a second.  NULL is fine. */
void sl_bridge_http_free(struct sl_bridge_http *server);

/* For benchmarks: instantiate and throw away, count times; nanoseconds. */
SL_MUST_CHECK enum sl_status
sl_bridge_program_time_instances(struct sl_bridge_program *program,
                                 uint64_t count, uint64_t *ns,
                                 struct sl_error *err);

/* --- WIT, bindings, components from core modules ----------------------- */

/* A WIT file: its path ("kv/kv.wit") tells its package's folder. */
struct sl_bridge_wit_file {
    struct sl_bytes path;
    struct sl_bytes text;
};

/*
 * Check that the packages in files resolve.  world, if not empty, must exist.
 * The message names file, line and column.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_wit_check(const struct sl_bridge_wit_file *files, size_t count,
                    struct sl_bytes world, struct sl_error *err);

/* A file that was generated. */
typedef enum sl_status sl_bridge_file_fn(void *context, struct sl_bytes name,
                                         struct sl_bytes content,
                                         struct sl_error *err);

/*
 * C bindings of a world ("slight:kv/imports@0.2.0", without the version where
 * one alone is there, "command" where only one package has it): NAME.c, NAME.h
 * and NAME_component_type.o, which a guest links.  features: of the @unstable
 * items to bind, separated by commas.  A failing visit ends it with that
 * failure.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_bindgen_c(const struct sl_bridge_wit_file *files, size_t count,
                    struct sl_bytes world, struct sl_bytes features,
                    sl_bridge_file_fn *visit, void *context,
                    struct sl_error *err);

struct sl_bridge_componentize {
    struct sl_bytes core; /* a core module for wasm32-wasip1 */
    /* To embed a world that the module does not carry; empty: it does. */
    const struct sl_bridge_wit_file *files;
    size_t file_count;
    struct sl_bytes world;
    struct sl_bytes features; /* as for sl_bridge_bindgen_c */
};

/*
 * Make a core module a component, with the preview 1 adapter for a command
 * where it exports _start, otherwise for a reactor.
 */
SL_MUST_CHECK enum sl_status
sl_bridge_componentize(const struct sl_bridge_componentize *request,
                       struct sl_bridge_sink sink, struct sl_error *err);

/* "wasmtime 48.0.8", one line for each part that the bridge is made of. */
void sl_bridge_versions(struct sl_bridge_sink sink);

#endif
