/* SPDX-License-Identifier: Apache-2.0 */
/* Redis, etcd, PostgreSQL, MySQL and ZooKeeper, as the cases of all drivers
 * need to know them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "faults/driver.h"
#include "kv/kv.h"

static const char *or_none(const char *text)
{
    return text != NULL ? text : "";
}

/* "user:password@", or nothing. */
static char *in_url(const struct fault_login *login)
{
    if (login->user == NULL && login->password == NULL)
        return sl_strdup("");
    return sl_asprintf("%s%s%s@", or_none(login->user),
                       login->password != NULL ? ":" : "",
                       or_none(login->password));
}

/* `name = "text"`, or nothing. */
static char *line(const char *name, const char *text)
{
    return text == NULL ? sl_strdup("")
                        : sl_asprintf("%s = \"%s\"\n", name, text);
}

static void tell(const struct test_server *server, const char *words)
{
    if (!test_server_tell(server, words))
        fail_msg("the server does not take: %s", words);
}

/* Where it is src/client that looks at them. */
#define SAYS_OF_CERTIFICATES                                                   \
    .says_other_name = "not for localhost", .says_not_trusted = "not trusted", \
    .says_expired = "server's certificate has expired"

/* --- Redis -------------------------------------------------------------- */

static char *redis_settings(const struct fault_login *login)
{
    SL_CLEANUP(sl_freep) char *who = in_url(login);
    SL_CLEANUP(sl_freep) char *ca = line("ca", login->ca);

    return sl_asprintf("url = \"redis%s://%s%s:%d\"\n%s",
                       login->ca != NULL ? "s" : "", who, login->host,
                       login->port, ca);
}

static void redis_fill(const struct test_server *server)
{
    tell(server, "config set maxmemory 1");
}

static void redis_make_room(struct test_server *server)
{
    tell(server, "config set maxmemory 0");
}

const struct fault_service fault_redis = {
    .name = "redis",
    .two_ports = true,
    .settings = redis_settings,
    .tries =
        {
            {NULL, "wrong", NULL, SL_UNAUTHENTICATED, "password is wrong"},
            {"nobody", "x", NULL, SL_UNAUTHENTICATED, "user or the password"},
            {NULL, NULL, NULL, SL_UNAUTHENTICATED, "set a password"},
        },
    SAYS_OF_CERTIFICATES,
    .says_refused = ": connection refused",
    .plain_status = SL_TIMEOUT, /* it waits for more of a command */
    .says_tls = "127.0.0.1",
    .cut_most = 600,
    .timeout = "500ms",
    .fill = redis_fill,
    .make_room = redis_make_room,
    .says_full = "out of memory",
    .full_status = SL_RESOURCE_EXHAUSTED,
};

/* --- etcd --------------------------------------------------------------- */

static char *etcd_settings(const struct fault_login *login)
{
    SL_CLEANUP(sl_freep) char *user = line("user", login->user);
    SL_CLEANUP(sl_freep) char *password = line("password", login->password);
    SL_CLEANUP(sl_freep) char *ca = line("ca", login->ca);

    return sl_asprintf("endpoints = \"http%s://%s:%d\"\n%s%s%s",
                       login->ca != NULL ? "s" : "", login->host, login->port,
                       user, password, ca);
}

static char *etcd_settings_of(const struct test_server *server)
{
    return etcd_settings(
        &(struct fault_login){.host = "127.0.0.1",
                              .port = fault_port_of(server),
                              .user = "slight",
                              .password = TEST_SERVER_PASSWORD});
}

/* Until its database is larger than it may be. */
static void etcd_fill(const struct test_server *server)
{
    enum { SIZE = 1 << 20 };
    SL_CLEANUP(sl_freep) char *bytes = sl_alloc(SIZE);
    SL_CLEANUP(sl_freep) char *settings = etcd_settings_of(server);
    const struct sl_kv_request set = {.verb = SL_KV_SET,
                                      .key = SL_LITERAL("large"),
                                      .value = SL_BYTES(bytes, SIZE)};
    struct sl_error err = {0};
    struct test_store store;

    fault_open(&store, "kv.etcd", settings);
    for (int i = 0; i < 100 && err.status == SL_OK; i++)
        err = fault_call(&store, &set);
    assert_status(err.status, SL_RESOURCE_EXHAUSTED);
    test_store_done(&store);
}

static void etcd_compact(const struct test_server *server)
{
    const struct sl_kv_request get = {
        .verb = SL_KV_GET, .key = SL_LITERAL("large"), .want_version = true};
    SL_CLEANUP(sl_freep) char *settings = etcd_settings_of(server);
    struct sl_kv_answer answer;
    struct test_store store;
    char compact[128];

    fault_open(&store, "kv.etcd", settings);
    sl_service_do(store.service, NULL, &get, 1, &answer);
    assert_status(answer.err.status, SL_OK);
    snprintf(compact, sizeof(compact), "compact %s", answer.version);
    sl_kv_answer_done(&answer);
    test_store_done(&store);
    tell(server, compact);
}

/* As an operator does: all but the newest version of each key goes. */
static void etcd_make_room(struct test_server *server)
{
    etcd_compact(server);
    tell(server, "defrag");
    tell(server, "alarm disarm");
}

static const struct fault_right etcd_rights[] = {
    {.make = {"role add worker",
              "role grant-permission worker --prefix=true readwrite own/",
              "user add worker:pw"},
     .give = {"user grant-role worker worker"},
     .take = {"user revoke-role worker worker"},
     .status = SL_PERMISSION_DENIED,
     .says = ""},
    {.make = {"user delete worker"},
     .give = {"user add worker:pw", "user grant-role worker worker"},
     .take = {"user delete worker"},
     .status = SL_UNAUTHENTICATED,
     .says = ""},
    {.take = {NULL}},
};

const struct fault_service fault_etcd = {
    .name = "etcd",
    .two_ports = true,
    .user = "slight",
    .settings = etcd_settings,
    .tries =
        {
            {"slight", "wrong", NULL, SL_UNAUTHENTICATED, "password is wrong"},
            {"nobody", "x", NULL, SL_UNAUTHENTICATED, "password is wrong"},
            {NULL, NULL, NULL, SL_UNAUTHENTICATED, "set `user`"},
        },
    .says_other_name = "not for this name",
    .says_not_trusted = "not trusted",
    .says_expired = "expired",
    .says_refused = ": no connection",
    .plain_status = SL_UNAVAILABLE,
    .says_tls = "closed the connection",
    .cut_most = 3000,
    .timeout = "2s", /* a login is slow */
    .limit_name = "SL_TEST_ETCD_ARGS",
    .limit = "--quota-backend-bytes 8388608",
    .fill = etcd_fill,
    .make_room = etcd_make_room,
    .says_full = "full",
    .full_status = SL_RESOURCE_EXHAUSTED,
    .rights = etcd_rights,
    .more_of_worker = "prefix = \"own/\"",
};

/* --- PostgreSQL --------------------------------------------------------- */

static char *postgres_settings(const struct fault_login *login)
{
    SL_CLEANUP(sl_freep) char *who = in_url(login);
    SL_CLEANUP(sl_freep) char *ca = line("ca", login->ca);

    return sl_asprintf("url = \"postgres://%s%s:%d/slight\"\n%s", who,
                       login->host, login->port, ca);
}

/* It cannot be told how large it may be: its tables say what it says of a disk
 * that is full. */
static void postgres_fill(const struct test_server *server)
{
    tell(server,
         "-d slight -c \"CREATE FUNCTION disk_is_full() RETURNS trigger "
         "LANGUAGE plpgsql AS 'BEGIN RAISE disk_full USING MESSAGE = ''could "
         "not extend file: No space left on device''; END'\" -c \"DO 'BEGIN "
         "EXECUTE (SELECT string_agg(format(''CREATE TRIGGER disk_is_full "
         "BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION disk_is_full()'', "
         "tablename), '';'') FROM pg_tables WHERE schemaname = ''public''); "
         "END'\"");
}

static void postgres_make_room(struct test_server *server)
{
    tell(server, "-d slight -c \"DROP FUNCTION disk_is_full CASCADE\"");
}

#define POSTGRES_GIVE                                                          \
    {"-d slight -c \"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES "      \
     "IN SCHEMA public TO worker; GRANT USAGE ON ALL SEQUENCES IN SCHEMA "     \
     "public TO worker; ALTER USER worker LOGIN\""}

static const struct fault_right postgres_rights[] = {
    {.make = {"-d slight -c \"CREATE USER worker PASSWORD 'pw'\""},
     .give = POSTGRES_GIVE,
     .take = {"-d slight -c \"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "
              "worker\""},
     .status = SL_PERMISSION_DENIED,
     .says = "42501"},
    {.give = POSTGRES_GIVE,
     .take = {"-d slight -c \"ALTER USER worker NOLOGIN\" -c \"SELECT "
              "pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE "
              "usename = 'worker'\""},
     .status = SL_UNAUTHENTICATED,
     .says = "28000",
     .cuts = true},
    {.take = {NULL}},
};

const struct fault_service fault_postgres = {
    .name = "postgres",
    .user = "slight",
    .settings = postgres_settings,
    .tries =
        {
            {"slight", "wrong", NULL, SL_UNAUTHENTICATED,
             "password authentication failed for user \"slight\" (28P01)"},
            {"nobody", "x", NULL, SL_UNAUTHENTICATED, "28P01"},
            {"slight", NULL, NULL, SL_UNAUTHENTICATED, "requires a password"},
            {"client", "x", NULL, SL_UNAUTHENTICATED, "certificate"},
        },
    .says_other_name = "for another name",
    .says_not_trusted = "not trusted",
    .says_expired = "certificate",
    .says_refused = ": connection refused",
    .cut_most = 12000,
    .timeout = "1s",
    .fill = postgres_fill,
    .make_room = postgres_make_room,
    .says_full = "53100",
    .full_status = SL_RESOURCE_EXHAUSTED,
    .rights = postgres_rights,
};

/* --- MySQL and MariaDB -------------------------------------------------- */

static char *mysql_settings(const struct fault_login *login)
{
    SL_CLEANUP(sl_freep) char *who = in_url(login);
    SL_CLEANUP(sl_freep) char *ca = line("ca", login->ca);

    return sl_asprintf("url = \"mysql%s://%s%s:%d/slight\"\n%s",
                       login->ca != NULL ? "s" : "", who, login->host,
                       login->port, ca);
}

/* How large its tables may be together. */
#define MYSQL_LIMIT(size)                                                      \
    "--innodb-file-per-table=0 "                                               \
    "--innodb-data-file-path=ibdata1:12M:autoextend:max:" size

static void mysql_make_room(struct test_server *server)
{
    test_server_kill(server);
    setenv("SL_TEST_MYSQL_OPTIONS", MYSQL_LIMIT("400M"), 1);
    test_server_restart(server);
    unsetenv("SL_TEST_MYSQL_OPTIONS");
}

/* Of a table, so that it counts at once. */
static const struct fault_right mysql_rights[] = {
    {.make = {"-D slight -e \"CREATE USER worker@'%' IDENTIFIED BY 'pw'\""},
     .give = {"-D slight -e \"GRANT SELECT, INSERT ON slight.written TO "
              "worker@'%'\""},
     .take = {"-D slight -e \"REVOKE INSERT ON slight.written FROM "
              "worker@'%'\""},
     .status = SL_PERMISSION_DENIED,
     .says = "INSERT"},
    {.take = {NULL}},
};

const struct fault_service fault_mysql = {
    .name = "mysql",
    .user = "slight",
    .settings = mysql_settings,
    .tries =
        {
            {"slight", "wrong", NULL, SL_UNAUTHENTICATED, "Access denied"},
            {"nobody", "wrong", NULL, SL_UNAUTHENTICATED, "Access denied"},
            {"slight", TEST_SERVER_PASSWORD, "database = \"nowhere\"",
             SL_INVALID_ARGUMENT, "nowhere"},
        },
    .says_other_name = "certificate",
    .says_not_trusted = "certificate",
    .says_expired = "certificate",
    .says_refused = "",
    .cut_most = 6000,
    .timeout = "1s",
    .limit_name = "SL_TEST_MYSQL_OPTIONS",
    .limit = MYSQL_LIMIT("40M"),
    .make_room = mysql_make_room,
    .says_full = "full",
    .full_status = SL_RESOURCE_EXHAUSTED,
    .rights = mysql_rights,
};

/* --- ZooKeeper ---------------------------------------------------------- */

static char *zookeeper_settings(const struct fault_login *login)
{
    SL_CLEANUP(sl_freep) char *user = line("user", login->user);
    SL_CLEANUP(sl_freep) char *password = line("password", login->password);
    SL_CLEANUP(sl_freep) char *ca = line("ca", login->ca);

    return sl_asprintf("servers = \"%s:%d/slight-test\"\n%s%s%s%s", login->host,
                       login->port, login->ca != NULL ? "tls = true\n" : "",
                       user, password, ca);
}

static void zookeeper_fill(const struct test_server *server)
{
    tell(server, "setquota -N 1 /slight-test");
}

static void zookeeper_make_room(struct test_server *server)
{
    tell(server, "delquota -N /slight-test");
}

static const struct fault_right zookeeper_rights[] = {
    {.make = {"create /slight-test/work '' world:anyone:cdrwa"},
     .give = {"setAcl /slight-test/work world:anyone:cdrwa"},
     .take = {"setAcl /slight-test/work world:anyone:r"},
     .status = SL_PERMISSION_DENIED,
     .says = "ACL forbids"},
    {.take = {NULL}},
};

#define SASL "auth = \"sasl\"\n"

const struct fault_service fault_zookeeper = {
    .name = "zookeeper",
    .two_ports = true,
    .user = "slight",
    .settings = zookeeper_settings,
    .tries =
        {
            /* It checks no digest: it is another user, and each makes its own
             * nodes. */
            {"slight", "wrong", "path = \"/who1\"", SL_PERMISSION_DENIED,
             "ACL forbids"},
            {NULL, NULL, "path = \"/who2\"", SL_PERMISSION_DENIED,
             "ACL forbids"},
            {"slight", "wrong", SASL "path = \"/who3\"", SL_UNAUTHENTICATED,
             "password"},
            {"nobody", "x", SASL "path = \"/who4\"", SL_UNAUTHENTICATED,
             "password"},
            {"slight", TEST_SERVER_PASSWORD, SASL "path = \"/who5\"", SL_OK,
             ""},
            {"slight", TEST_SERVER_PASSWORD, "path = \"/who6\"", SL_OK, ""},
        },
    SAYS_OF_CERTIFICATES,
    .says_refused = ": connection refused",
    .plain_status = SL_UNAVAILABLE,
    .says_tls = "127.0.0.1",
    .cut_most = 600,
    .timeout = "3s",
    .fill = zookeeper_fill,
    .make_room = zookeeper_make_room,
    .says_full = "",
    .full_status = SL_UNAVAILABLE,
    .rights = zookeeper_rights,
    .more_of_worker = "path = \"/work\"",
};
