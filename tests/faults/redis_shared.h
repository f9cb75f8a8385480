/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lockd.redis, mq.redis and pubsub.redis on bad days share: a
 * server of their own, and the cases that are the same for each.
 */
#ifndef TEST_FAULTS_REDIS_SHARED_H
#define TEST_FAULTS_REDIS_SHARED_H

#include "faults/faults.h"

/* What the test is of; it defines redis_kind. */
struct redis_kind {
    const char *driver;
    const char *name; /* the setting that names the resource: "queue" */
    /* A write that works, by its number; valid until the next one. */
    const void *(*request)(int number);
    const char *rights; /* commands that its scripts call */
};
extern const struct redis_kind redis_kind;

extern struct test_server redis_server;
extern int redis_port;

/* For the group's set-up and tear-down. */
int redis_start(void **state);
int redis_stop(void **state);

/* Over the proxy, or straight where that is NULL; with more settings. The
 * resource is called "own". */
void redis_open(struct test_store *store, const struct proxy *proxy,
                const char *more);

/* "url = ...", as the user `default` on the plain port. */
void redis_write_settings(char *settings, size_t size, int port,
                          const char *more);

/* The cases. */
void redis_wrong_credentials(void **state);
void redis_access_rules_hold(void **state);
void redis_only_the_right_certificate(void **state);
void redis_restarted_is_found_again(void **state);
void redis_stalled_times_out(void **state);
void redis_a_replica_takes_no_writes(void **state);
void redis_forgotten_scripts_are_loaded(void **state);
void redis_other_keys_are_internal(void **state);
void redis_without_a_file_is_refused(void **state);

#define REDIS_SHARED_CASES                                                     \
    cmocka_unit_test(redis_wrong_credentials),                                 \
        cmocka_unit_test(redis_access_rules_hold),                             \
        cmocka_unit_test(redis_only_the_right_certificate),                    \
        cmocka_unit_test(redis_restarted_is_found_again),                      \
        cmocka_unit_test(redis_stalled_times_out),                             \
        cmocka_unit_test(redis_a_replica_takes_no_writes),                     \
        cmocka_unit_test(redis_forgotten_scripts_are_loaded),                  \
        cmocka_unit_test(redis_other_keys_are_internal),                       \
        cmocka_unit_test(redis_without_a_file_is_refused)

#endif
