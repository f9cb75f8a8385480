/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.mysql: MySQL and MariaDB, by MariaDB's client library.
 *
 * Every connection speaks UTF-8, in UTC, with strict rules, and one statement
 * at a time; neither side reads files of the other's.
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
#include "sql/mysql/run.h"

enum {
    PORT = 3306,
    PACKET_MAX = 128 * 1024 * 1024, /* of a row, or what is sent at once */
    KILL_MS = 2000,                 /* to end what still runs on the server */
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
             "ssl-mode, tls, charset and some more are understood behind a ?"},
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
     .help = "a file of authorities in PEM to trust instead of the system's, "
             "for mysqls://"},
    {.name = "certificate",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, certificate),
     .help = "a certificate in PEM that the server asks for, for mysqls://"},
    {.name = "key",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, key),
     .help = "the private key of that certificate, in PEM"},
    {.name = "server-public-key",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, server_key),
     .help = "a file with the server's RSA public key in PEM, by which "
             "mysql:// to another machine may log in with "
             "caching_sha2_password"},
    {0},
};

/* --- Stores ------------------------------------------------------------- */

static void risks(const void *data, sl_risk_fn *tell, void *context)
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

static void mysql_store_free(void *store)
{
    struct sl_sql_mysql_store *mine = store;

    sl_url_done(&mine->url);
    free(mine);
}

static const char *first_of(const char *setting, const char *in_url)
{
    return setting != NULL ? setting : in_url;
}

static enum sl_status mysql_store_new(const void *options, void **store,
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
    made->user = first_of(mine->user, made->url.user);
    made->password = first_of(mine->password, made->url.password);
    made->database = first_of(mine->database, made->url.path);
    made->ca = mine->ca;
    made->certificate = mine->certificate;
    made->key = mine->key;
    made->server_key = mine->server_key;
    made->tls = sl_sql_mysql_wants_tls(&made->url);
    if (!made->tls && (made->ca != NULL || made->certificate != NULL)) {
        mysql_store_free(made);
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "certificates are for TLS; write mysqls:// in the url");
    }
    if (made->server_key != NULL)
        status = made->tls
                     ? sl_fail(err, SL_INVALID_ARGUMENT,
                               "server-public-key is for mysql://; over TLS "
                               "the certificate proves the server")
                     : sl_public_key_check(made->server_key, err);
    if (status != SL_OK) {
        mysql_store_free(made);
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

/* The ways to log in that show the password to nobody but the server. */
static const char safe_plugins[] =
    "mysql_native_password,caching_sha2_password,sha256_password,"
    "client_ed25519";

/* And those that show it to nobody: the others encrypt it with the key of
 * whoever answers. */
static const char blind_plugins[] = "mysql_native_password,client_ed25519";

/* Who answers is the server, or can read no password that it gets. */
static bool knows_server(const struct sl_sql_mysql_store *store)
{
    return store->tls || store->server_key != NULL ||
           sl_is_loopback(store->url.host);
}

/*
 * seconds: for what the library reads before the socket is told not to block
 * (mysql_wait.c).
 */
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

static enum sl_status fail_at(const struct sl_sql_mysql_store *store,
                              struct sl_error *err)
{
    return sl_fail_in(
        err, strchr(store->url.host, ':') == NULL ? "%s:%d" : "[%s]:%d",
        store->url.host, store->url.port);
}

/*
 * The library looks the name up without a deadline; so it is looked up before,
 * by one, and the library finds it soon.
 */
static enum sl_status resolve(const struct sl_sql_mysql *mysql,
                              struct sl_error *err)
{
    const struct sl_url *url = &mysql->store->url;
    struct addrinfo *addresses = NULL;
    enum sl_status status =
        sl_resolve(url->host, url->port, mysql->deadline, &addresses, err);

    if (addresses != NULL)
        freeaddrinfo(addresses);
    return status;
}

/* Which server it is, the library has forgotten when connecting failed. */
static bool is_of_mariadb(unsigned code)
{
    enum { USER_IS_BLOCKED = 4150, ACCOUNT_HAS_BEEN_LOCKED = 4151 };

    return code == USER_IS_BLOCKED || code == ACCOUNT_HAS_BEEN_LOCKED;
}

/* Why there is no connection. */
static enum sl_status explain_connect(struct sl_sql_mysql *mysql,
                                      struct sl_error *err)
{
    enum { RESTRICTED_AUTH = 5010 };
    const struct sl_sql_mysql_store *store = mysql->store;
    unsigned code = mysql_errno(mysql->handle);

    mysql->mariadb = is_of_mariadb(code);
    if (mysql->expired)
        return sl_fail(err, SL_TIMEOUT, "no connection in time%s",
                       store->tls ? "; does the server speak TLS?" : "");
    if (code == RESTRICTED_AUTH && !knows_server(store))
        return sl_fail(err, SL_UNAUTHENTICATED,
                       "the way to log in that is asked for gives the password "
                       "to whoever answers, without TLS: write mysqls:// in "
                       "the url, or give the server's key "
                       "(server-public-key)");
    return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_CONNECTING, err);
}

static enum sl_status connect_to(struct sl_sql_mysql *mysql,
                                 struct sl_error *err)
{
    const struct sl_sql_mysql_store *store = mysql->store;
    enum sl_status status = resolve(mysql, err);

    /* Of a file that it cannot read the library asks the server for the key. */
    if (status == SL_OK && store->server_key != NULL)
        status = sl_public_key_check(store->server_key, err);
    if (status != SL_OK)
        return status;
    mysql->handle = handle_new(
        store, (unsigned)sl_deadline_left_ms(mysql->deadline) / 1000 + 1);
    if (mysql->handle == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "no memory for a connection");
    if (sl_sql_mysql_connect(mysql, store->database) != 0) {
        status = explain_connect(mysql, err);
        return fail_at(store, err) == SL_OK ? status : err->status;
    }
    mysql->mariadb = mariadb_connection(mysql->handle) != 0;
    sl_sql_mysql_learn_types(mysql);
    return SL_OK;
}

/* Nothing more is said over a connection that is lost. */
static void disconnect(struct sl_sql_mysql *mysql)
{
    if (mysql->handle == NULL)
        return;
    if (mysql->lost && mysql_get_socket(mysql->handle) >= 0)
        shutdown(mysql_get_socket(mysql->handle), SHUT_RDWR);
    sl_sql_mysql_close_cursors(mysql);
    sl_sql_mysql_forget(mysql);
    /* The library (3.3) frees its copy only where it gets another one. */
    if (mysql->store->server_key != NULL)
        mysql_optionsv(mysql->handle, MYSQL_SERVER_PUBLIC_KEY, NULL);
    mysql_close(mysql->handle);
    mysql->handle = NULL;
}

/*
 * The server does not notice that nobody waits any more for what it does: end
 * its side, by another connection.
 */
static void kill_thread(const struct sl_sql_mysql_store *store,
                        unsigned long thread)
{
    struct sl_sql_mysql second = {.store = store,
                                  .deadline = sl_deadline_in_ms(KILL_MS)};
    struct sl_error err;
    char text[64];

    snprintf(text, sizeof(text), "KILL %lu", thread);
    if (connect_to(&second, &err) == SL_OK &&
        sl_sql_mysql_perform(&second, text, &err) != SL_OK)
        second.lost = true; /* it was gone already, or this is too late */
    disconnect(&second);
}

/* --- States ------------------------------------------------------------- */

static void mysql_state_close(void *state)
{
    struct sl_sql_mysql *mysql = state;
    unsigned long thread = mysql->handle != NULL && mysql->expired
                               ? mysql_thread_id(mysql->handle)
                               : 0;

    mysql->deadline = sl_deadline_in_ms(KILL_MS);
    disconnect(mysql);
    if (thread != 0)
        kill_thread(mysql->store, thread);
    sl_buf_done(&mysql->scratch);
    free(mysql);
}

static enum sl_status mysql_state_open(void *store, sl_deadline deadline,
                                       void **state, struct sl_error *err)
{
    struct sl_sql_mysql *mysql = sl_alloc(sizeof(*mysql));

    mysql->store = store;
    mysql->deadline = deadline;
    mysql->scratch = (struct sl_buf)SL_BUF(PACKET_MAX);
    enum sl_status status = connect_to(mysql, err);
    if (status == SL_OK)
        status = sl_sql_mysql_set_up(mysql, err);
    if (status != SL_OK) {
        mysql->expired = false; /* nothing of a user's runs */
        mysql->lost = true;
        mysql_state_close(mysql);
        return status;
    }
    *state = mysql;
    return SL_OK;
}

static bool mysql_state_reset(void *state)
{
    return sl_sql_mysql_end(state);
}

static void mysql_state_run(void *state, struct sl_op *const ops[],
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sql_mysql_run(state, ops[i]);
}

/* The only symbol this file exports. */
const struct sl_sql_driver sl_driver_sql_mysql = {
    .driver = {.name = "sql.mysql",
               .service = "MySQL, MariaDB",
               .summary = "MySQL 8.0 or newer, or MariaDB 10.11 or newer, over "
                          "TCP, with or without TLS",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_LAST_INSERT_ID |
                           SL_SQL_FEATURE_WRITERS | SL_SQL_FEATURE_SHARED,
               .waits_aside = true,
               .max_batch = 1,
               .risks = risks,
               .store_new = mysql_store_new,
               .store_free = mysql_store_free,
               .open = mysql_state_open,
               .close = mysql_state_close,
               .run = mysql_state_run,
               .reset = mysql_state_reset},
    .dialect = SL_SQL_MYSQL,
};
