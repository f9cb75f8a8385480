/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of an etcd of the test's own. */
#ifndef TEST_FAULTS_ETCD_SHARED_H
#define TEST_FAULTS_ETCD_SHARED_H

#include "faults/faults.h"
#include "lockd/driver.h"

/* Of the program, from etcd_start to etcd_stop, which are cmocka's. */
extern struct test_server etcd_server;
extern int etcd_port;

int etcd_start(void **state);
int etcd_stop(void **state);

#define ETCD_LOGIN                                                             \
    "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"\n"

/* A resource lockd.etcd; straight, or over a proxy's port. */
void etcd_open_at(struct test_store *store, int at, const char *more);

/* As its administrator; it must work. */
void etcd_tell(const char *words);

struct terms {
    const char *key;
    uint64_t ttl_ms;
    uint64_t wait_ms;
    bool keep_alive;
};

struct sl_lockd_request etcd_request_of(struct terms terms);
/* *lock is NULL where it was not granted. */
enum sl_status etcd_acquire(struct test_store *store, struct terms terms,
                            struct sl_lock **lock);
struct sl_lock *etcd_must_acquire(struct test_store *store, struct terms terms);
enum sl_status etcd_tell_of(struct test_store *store, struct sl_lock *lock,
                            enum sl_lockd_verb verb);
/* And free it. */
enum sl_status etcd_release(struct test_store *store, struct sl_lock *lock);
bool etcd_is_locked(struct test_store *store, const char *key);

#endif
