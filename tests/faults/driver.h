/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with every service, once for all drivers: a program of these
 * tests says which driver it is of (fault_driver), and has the cases of all
 * drivers, those of its capability (kv_faults.h, ...) and its own.
 */
#ifndef TEST_FAULTS_DRIVER_H
#define TEST_FAULTS_DRIVER_H

#include "faults/faults.h"

/* Who logs in where. */
struct fault_login {
    const char *host;
    int port;
    const char *ca;       /* a file: over TLS, by this authority */
    const char *user;     /* NULL: none is named */
    const char *password; /* NULL: none is given */
};

/* A login that is refused, or not. */
struct fault_try {
    const char *user;
    const char *password;
    const char *more; /* settings; may be NULL */
    enum sl_status status;
    const char *says;
};

enum { FAULT_TRIES = 8 };

enum { FAULT_WORDS = 8 };

/*
 * What is taken from the user `worker`, whose password is `pw`, and given back;
 * lists of what the administrator says, up to NULL.
 */
struct fault_right {
    const char *make[FAULT_WORDS]; /* once, before */
    const char *give[FAULT_WORDS];
    const char *take[FAULT_WORDS];
    enum sl_status status; /* of a write without it */
    const char *says;
    /*
     * The server ends the user's connections, perhaps a moment after it said
     * that it did: a call may go out on one of them, and be unavailable.
     */
    bool cuts;
};

/* A service, whatever its driver is: tests/services/NAME.sh. */
struct fault_service {
    const char *name;
    bool two_ports;   /* with TLS it listens elsewhere */
    const char *user; /* who the tests are; with TEST_SERVER_PASSWORD */
    /* Settings, in lines, to log in so; the caller frees them. */
    char *(*settings)(const struct fault_login *login);
    struct fault_try tries[FAULT_TRIES]; /* up to one that says NULL */
    /* Part of what is said of a server's certificate. */
    const char *says_other_name, *says_not_trusted, *says_expired;
    const char *says_refused; /* of a connection, behind host:port */
    /* With two ports: how a call ends that begins TLS at the plain one, and
     * what is said of one without TLS at the other, which is unavailable. */
    enum sl_status plain_status;
    const char *says_tls;
    /* Connections are cut after so many bytes at most: a handshake, and some
     * answers. */
    int cut_most;
    /* The shortest `timeout` in which a call makes a connection, a busy
     * machine considered. */
    const char *timeout;
    /*
     * Where it can be told to be full: of all at `server` until make_room, or
     * by fill being NULL until the driver's own writes fail.  limit_name and
     * limit are of the environment in which a server of the case's own is
     * started; without them it is the program's.
     */
    const char *limit_name, *limit;
    void (*fill)(const struct test_server *server);
    void (*make_room)(struct test_server *server);
    const char *says_full;
    enum sl_status full_status;
    /* What can be taken from a user, up to one that takes nothing; and settings
     * of that user. */
    const struct fault_right *rights;
    const char *more_of_worker;
};

extern const struct fault_service fault_redis, fault_etcd, fault_postgres,
    fault_mysql, fault_zookeeper;

/* What is written under traffic, and what must be so afterwards; `straight` is
 * never disturbed. */
struct fault_writing {
    void (*begin)(struct test_store *straight);
    enum sl_status (*write)(struct fault_traffic *traffic, int writer,
                            int number);
    void (*check)(const struct fault_traffic *traffic,
                  struct test_store *straight);
};

/* The driver that a program is of. */
struct fault_driver {
    const char *name;
    const struct fault_service *service;
    const char *settings; /* lines that each resource of it has; may be NULL */
    /* A write that works, by its number; valid until the thread's next one. */
    const void *(*write)(int number);
    /* For fault_case_killed and fault_case_cut. */
    struct fault_writing writing;
    /* Of a new server, before any write; may be NULL. */
    void (*prepare)(struct test_store *store);
    /* Where rights are of what a driver does: in place of the service's. */
    const struct fault_right *rights;
    const char *more_of_worker;
    /*
     * Around a server that is full, may be NULL: before it is, and what works
     * all the same.
     */
    void (*before_full)(struct test_store *store);
    void (*while_full)(struct test_store *store);
    /*
     * Locks: the driver knows by its own clock that the time to live is over,
     * and asks no server to learn that a lock is lost.
     */
    bool knows_when_lost;
    /*
     * Who waits asks for the lock, again and again: where the connection is
     * lost while it asks, it may have been granted, and is unavailable.
     */
    bool asks_in_line;
};

/* The program's; and its server, from fault_start to fault_stop. */
extern const struct fault_driver fault_driver;
extern struct test_server fault_server;
extern int fault_port;

/* For cmocka's group. */
int fault_start(void **state);
int fault_stop(void **state);

/* Of any server of this service: its port, without TLS where it has two. */
int fault_port_of(const struct test_server *server);
int fault_tls_port_of(const struct test_server *server);

/* Settings of any driver of the service, as its user: straight, or over the
 * proxy; the caller frees them. */
char *fault_settings(const struct proxy *proxy, const char *more);
/* A resource of the program's driver, by these. */
void fault_open_own(struct test_store *store, const struct proxy *proxy,
                    const char *more);
/* One at another port, and one at another server. */
void fault_open_port(struct test_store *store, int port, const char *more);
void fault_open_at(struct test_store *store, const struct test_server *server,
                   const char *more);
/* A first call of a resource of the program's driver with these settings. */
void fault_first_write_is(const char *settings, enum sl_status expected,
                          const char *says);

/*
 * A resource whose one connection, an open one, has just been stalled, as well
 * as any that is made anew; and its end, with a write that works once the
 * connection does.
 */
struct proxy *fault_open_stalled(struct test_store *store);
void fault_stalled_done(struct test_store *store, struct proxy *proxy);

/* A write works; the same as soon as the connection does. */
void fault_works(struct test_store *store);
void fault_works_soon(struct test_store *store);

/* As the administrator; it must work. */
void fault_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Settings for TLS with one of the authorities in the server's certs/. */
char *fault_tls_settings(const struct test_server *server, const char *host,
                         const char *ca, const char *more);

/* Settings of what is disturbed under traffic. */
#define FAULT_PATIENT                                                          \
    "timeout = \"4s\"\nretry.backoff = \"5ms\"\nconnections = 4"
/* Write while connections are cut, and check. */
void fault_under_cuts(const struct fault_writing *writing);

/* For fault_traffic_run: cut connections, at places that are the same in every
 * run; context: struct proxy. */
void fault_cut_anywhere(void *proxy);

/* --- The cases ---------------------------------------------------------- */

void fault_case_credentials(void **state);
void fault_case_certificates(void **state);
void fault_case_two_ports(void **state);
void fault_case_refused(void **state);
void fault_case_restarted(void **state);
void fault_case_stalled(void **state);
void fault_case_delayed(void **state);
void fault_case_revoked(void **state);
void fault_case_full(void **state);

/* Of drivers that have `writing`: nothing acknowledged is lost. */
void fault_case_killed(void **state);
void fault_case_cut(void **state);
#define FAULT_WRITING_CASES                                                    \
    {"a server killed under traffic loses nothing", fault_case_killed, NULL,   \
     NULL, NULL},                                                              \
    {                                                                          \
        "connections cut under traffic lose nothing", fault_case_cut, NULL,    \
            NULL, NULL                                                         \
    }

/* All of them; each is named as what holds. */
#define FAULT_DRIVER_CASES                                                     \
    {"only who has the right password may log in", fault_case_credentials,     \
     NULL, NULL, NULL},                                                        \
        {"only the right certificate will do", fault_case_certificates, NULL,  \
         NULL, NULL},                                                          \
        {"a refused connection says where", fault_case_refused, NULL, NULL,    \
         NULL},                                                                \
        {"a restarted server is found again", fault_case_restarted, NULL,      \
         NULL, NULL},                                                          \
        {"a stalled connection times out", fault_case_stalled, NULL, NULL,     \
         NULL},                                                                \
        {"a delayed connection only takes longer", fault_case_delayed, NULL,   \
         NULL, NULL},                                                          \
        {"rights are taken away while connected", fault_case_revoked, NULL,    \
         NULL, NULL},                                                          \
    {                                                                          \
        "a full server says so", fault_case_full, NULL, NULL, NULL             \
    }

/* And where TLS has a port of its own. */
#define FAULT_TWO_PORTS_CASE                                                   \
    {"TLS to a plain port says so", fault_case_two_ports, NULL, NULL, NULL}

#endif
