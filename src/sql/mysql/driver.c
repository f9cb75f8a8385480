/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.mysql: MySQL and MariaDB, with MariaDB's client library.
 *
 * Every connection uses UTF-8, UTC and strict SQL modes, and runs one statement
 * at a time.  Neither side can read the other's files.
 */
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "net/peer.h"
#include "net/public_key.h"
#include "net/resolve.h"
#include "net/url.h"
#include "sql/mysql/connection.h"

enum {
    PORT = 3306,
    PACKET_MAX = 128 * 1024 * 1024, /* bytes of a row, or of a request */
    KILL_MS = 2000,                 /* to kill what still runs on the server */
};

struct options {
    const char *url;
    const char *user;
    const char *password;
    const char *database;
    const char *ca;
    const char *certificate;
    const char *key;
    const char *server_key;
};

static const struct sl_option option_table[] = {
    {.name = "url",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, url),
     .required = true,
     .secret = true,
     .port = 3306,
     .check = sl_sql_mysql_check_url,
     .help = "mysql://[user:password@]host[:3306][/database], or mysqls:// "
             "for TLS, which verifies the server's certificate and name; "
             "takes parameters such as ssl-mode, tls and charset after a ?"},
    {.name = "user",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, user),
     .help = "the user, instead of the one in the URL"},
    {.name = "password",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, password),
     .secret = true,
     .help = "the password, instead of the one in the URL"},
    {.name = "database",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, database),
     .help = "the database (schema), instead of the one in the URL"},
    {.name = "ca",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, ca),
     .help = "a PEM file with the certificate authorities to trust instead of "
             "the system's, for mysqls://"},
    {.name = "certificate",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, certificate),
     .help = "a PEM file with the client's certificate, for mysqls://"},
    {.name = "key",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, key),
     .help = "a PEM file with the private key of the certificate"},
    {.name = "server-public-key",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, server_key),
     .help = "a PEM file with the server's RSA public key, which allows "
             "mysql:// to another machine to log in with "
             "caching_sha2_password"},
    {0},
};

/* --- Stores ------------------------------------------------------------- */

static void tell_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct options *options = data;
    struct sl_url url;
    struct sl_error err;

    if (sl_url_parse(options->url, &url, &err) != SL_OK)
        return;
    if (!sl_sql_mysql_wants_tls(&url))
        sl_peer_tell_of_url(options->url, NULL, options->password,
                            "use mysqls://", tell, context);
    sl_url_done(&url);
}

static void init_library(void)
{
    (void)mysql_server_init(0, NULL, NULL);
}

static void free_mysql_store(void *store)
{
    struct sl_sql_mysql_store *mine = store;

    sl_url_done(&mine->url);
    free(mine);
}

static const char *setting_or_url(const char *setting, const char *in_url)
{
    return setting != NULL ? setting : in_url;
}

static enum sl_status new_mysql_store(const void *options, void **store,
                                      struct sl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct options *mine = options;
    struct sl_sql_mysql_store *made = sl_alloc(sizeof(*made));
    enum sl_status status = sl_url_parse(mine->url, &made->url, err);

    if (status != SL_OK) {
        free(made);
        return status;
    }
    pthread_once(&once, init_library);
    if (made->url.port == 0)
        made->url.port = PORT;
    made->user = setting_or_url(mine->user, made->url.user);
    made->password = setting_or_url(mine->password, made->url.password);
    made->database = setting_or_url(mine->database, made->url.path);
    made->ca = mine->ca;
    made->certificate = mine->certificate;
    made->key = mine->key;
    made->server_key = mine->server_key;
    made->tls = sl_sql_mysql_wants_tls(&made->url);
    if (!made->tls && (made->ca != NULL || made->certificate != NULL)) {
        free_mysql_store(made);
        return sl_fail(
            err, SL_INVALID_ARGUMENT,
            "ca and certificate need TLS; write mysqls:// in the url");
    }
    if (made->server_key != NULL)
        status =
            made->tls
                ? sl_fail(err, SL_INVALID_ARGUMENT,
                          "server-public-key is for mysql://; with TLS the "
                          "certificate authenticates the server")
                : sl_public_key_check(made->server_key, err);
    if (status != SL_OK) {
        free_mysql_store(made);
        return status;
    }
    *store = made;
    return SL_OK;
}

/* --- Connecting --------------------------------------------------------- */

static void set_tls(MYSQL *handle, const struct sl_sql_mysql_store *store)
{
    const my_bool on = 1, off = 0;

    mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
                   store->tls ? &on : &off);
    if (!store->tls)
        return;
    mysql_ssl_set(handle, store->key, store->certificate, store->ca, NULL,
                  NULL);
    mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(handle, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
}

/* Authentication methods that reveal the password to nobody but the server. */
static const char safe_plugins[] =
    "mysql_native_password,caching_sha2_password,sha256_password,"
    "client_ed25519";

/* Those that reveal it to nobody.  The others encrypt it with the key of
 * whichever server answers. */
static const char blind_plugins[] = "mysql_native_password,client_ed25519";

/* Whether the server is authenticated, or cannot be impersonated. */
static bool knows_server(const struct sl_sql_mysql_store *store)
{
    return store->tls || store->server_key != NULL ||
           sl_resolve_is_loopback(store->url.host);
}

/* seconds: for what the library reads before wait.c makes the socket
 * non-blocking. */
static MYSQL *handle_new(const struct sl_sql_mysql_store *store,
                         unsigned seconds)
{
    const unsigned protocol = MYSQL_PROTOCOL_TCP, no = 0;
    const unsigned long most = PACKET_MAX;
    MYSQL *handle = mysql_init(NULL);

    if (handle == NULL)
        return NULL;
    mysql_optionsv(handle, MYSQL_OPT_NONBLOCK, NULL);
    mysql_optionsv(handle, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_optionsv(handle, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_optionsv(handle, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_optionsv(handle, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &most);
    mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH,
                   knows_server(store) ? safe_plugins : blind_plugins);
    if (store->server_key != NULL)
        mysql_optionsv(handle, MYSQL_SERVER_PUBLIC_KEY, store->server_key);
    mysql_optionsv(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name",
                   "slight");
    set_tls(handle, store);
    return handle;
}

static enum sl_status name_server(const struct sl_sql_mysql_store *store,
                                  struct sl_error *err)
{
    return sl_fail_in(
        err, strchr(store->url.host, ':') == NULL ? "%s:%d" : "[%s]:%d",
        store->url.host, store->url.port);
}

/*
 * The library resolves the name without a deadline.  So it is resolved here
 * first, by a deadline, after which the library's own look-up is fast.
 */
static enum sl_status resolve_host(const struct sl_sql_mysql_conn *conn,
                                   struct sl_error *err)
{
    const struct sl_url *url = &conn->store->url;
    struct addrinfo *addresses = NULL;
    enum sl_status status =
        sl_resolve(url->host, url->port, conn->deadline, &addresses, err);

    if (addresses != NULL)
        freeaddrinfo(addresses);
    return status;
}

/* After a failed connect the library does not know which server it was. */
static bool is_of_mariadb(unsigned code)
{
    enum { USER_IS_BLOCKED = 4150, ACCOUNT_HAS_BEEN_LOCKED = 4151 };

    return code == USER_IS_BLOCKED || code == ACCOUNT_HAS_BEEN_LOCKED;
}

/* Why there is no connection. */
static enum sl_status explain_connect(struct sl_sql_mysql_conn *conn,
                                      struct sl_error *err)
{
    enum { RESTRICTED_AUTH = 5010 };
    const struct sl_sql_mysql_store *store = conn->store;
    unsigned code = mysql_errno(conn->handle);

    conn->mariadb = is_of_mariadb(code);
    if (conn->timed_out)
        return sl_fail(err, SL_TIMEOUT, "could not connect in time%s",
                       store->tls ? "; does the server speak TLS?" : "");
    if (code == RESTRICTED_AUTH && !knows_server(store))
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "the server asks for an authentication method that "
                       "would reveal the password without TLS; write mysqls:// "
                       "in the url, or set server-public-key");
    return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_CONNECTING, err);
}

static enum sl_status open_connection(struct sl_sql_mysql_conn *conn,
                                      struct sl_error *err)
{
    const struct sl_sql_mysql_store *store = conn->store;
    enum sl_status status = resolve_host(conn, err);

    /* If the library cannot read the file, it asks the server for the key. */
    if (status == SL_OK && store->server_key != NULL)
        status = sl_public_key_check(store->server_key, err);
    if (status != SL_OK)
        return status;
    conn->handle = handle_new(
        store, (unsigned)sl_deadline_left_ms(conn->deadline) / 1000 + 1);
    if (conn->handle == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "out of memory for a connection");
    if (sl_sql_mysql_connect(conn, store->database) != 0) {
        status = explain_connect(conn, err);
        return name_server(store, err) == SL_OK ? status : err->status;
    }
    conn->mariadb = mariadb_connection(conn->handle) != 0;
    sl_sql_mysql_hook_parameter_types(conn);
    return SL_OK;
}

/* Nothing more is sent over a broken connection. */
static void close_connection(struct sl_sql_mysql_conn *conn)
{
    if (conn->handle == NULL)
        return;
    if (conn->broken && mysql_get_socket(conn->handle) >= 0)
        shutdown(mysql_get_socket(conn->handle), SHUT_RDWR);
    sl_sql_mysql_cursors_close(conn);
    sl_sql_mysql_statements_close(conn);
    /* The library (3.3) frees its copy only when it gets another one. */
    if (conn->store->server_key != NULL)
        mysql_optionsv(conn->handle, MYSQL_SERVER_PUBLIC_KEY, NULL);
    mysql_close(conn->handle);
    conn->handle = NULL;
}

/*
 * The server does not notice that nobody waits for the statement any more: kill
 * it over another connection.
 */
static void kill_thread(const struct sl_sql_mysql_store *store,
                        unsigned long thread)
{
    struct sl_sql_mysql_conn second = {.store = store,
                                       .deadline = sl_deadline_in_ms(KILL_MS)};
    struct sl_error err;
    char text[64];

    snprintf(text, sizeof(text), "KILL %lu", thread);
    if (open_connection(&second, &err) == SL_OK &&
        sl_sql_mysql_exec(&second, text, &err) != SL_OK)
        second.broken = true; /* it has ended already, or this is too late */
    close_connection(&second);
}

/* --- Connections -------------------------------------------------------- */

static void close_mysql(void *connection)
{
    struct sl_sql_mysql_conn *conn = connection;
    unsigned long thread = conn->handle != NULL && conn->timed_out
                               ? mysql_thread_id(conn->handle)
                               : 0;

    conn->deadline = sl_deadline_in_ms(KILL_MS);
    close_connection(conn);
    if (thread != 0)
        kill_thread(conn->store, thread);
    sl_buf_done(&conn->scratch);
    free(conn);
}

static enum sl_status open_mysql(void *store, sl_deadline deadline,
                                 void **connection, struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = sl_alloc(sizeof(*conn));

    conn->store = store;
    conn->deadline = deadline;
    conn->scratch = (struct sl_buf)SL_BUF(PACKET_MAX);
    sl_sql_mysql_session_init(conn);
    enum sl_status status = open_connection(conn, err);
    if (status == SL_OK)
        status = sl_sql_mysql_session_setup(conn, err);
    if (status != SL_OK) {
        conn->timed_out = false; /* no statement of a guest runs */
        conn->broken = true;
        close_mysql(conn);
        return status;
    }
    *connection = conn;
    return SL_OK;
}

static bool reset_mysql(void *connection)
{
    return sl_sql_mysql_session_reset(connection);
}

static void run_mysql_ops(void *connection, struct sl_op *const ops[],
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sql_mysql_run(connection, ops[i]);
}

/* The only symbol of this file. */
const struct sl_sql_driver sl_driver_sql_mysql = {
    .driver = {.name = "sql.mysql",
               .service = "MySQL, MariaDB",
               .summary = "MySQL 8.0 or newer, or MariaDB 10.11 or newer, over "
                          "TCP, with or without TLS",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_LAST_INSERT_ID |
                           SL_SQL_FEATURE_WRITERS | SL_SQL_FEATURE_SHARED,
               .blocking_safe = true,
               .max_batch = 1,
               .risks = tell_risks,
               .store_new = new_mysql_store,
               .store_free = free_mysql_store,
               .open = open_mysql,
               .close = close_mysql,
               .run = run_mysql_ops,
               .reset = reset_mysql},
    .dialect = SL_SQL_MYSQL,
};
