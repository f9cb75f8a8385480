/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The faults that are the same for each driver whose requests are scripts on
 * Redis: lockd.redis, mq.redis and pubsub.redis.
 */
#ifndef TEST_FAULTS_REDIS_SCRIPTS_H
#define TEST_FAULTS_REDIS_SCRIPTS_H

#include "faults/driver.h"

/* The user `worker`, with no more rights than a driver's page says. */
#define REDIS_GIVE(commands)                                                   \
    {"acl setuser worker reset on '>pw' '~{own}:*' +auth +select +info "       \
     "'+script|load' +evalsha '+client|setname' " commands}

/* For fault_driver.rights. */
#define REDIS_RIGHTS(commands)                                                 \
    {.give = REDIS_GIVE(commands),                                             \
     .take = {"acl setuser worker resetkeys '~{other}:*'"},                    \
     .status = SL_PERMISSION_DENIED,                                           \
     .says = "access rules"},                                                  \
        {.give = REDIS_GIVE(commands),                                         \
         .take = {"acl deluser worker"},                                       \
         .status = SL_UNAUTHENTICATED,                                         \
         .says = "",                                                           \
         .cuts = true},                                                        \
    {                                                                          \
        .take = { NULL }                                                       \
    }

/* The cases. */
void redis_needs_its_rights(void **state);
void redis_a_replica_takes_no_writes(void **state);
void redis_forgotten_scripts_are_loaded(void **state);
void redis_other_keys_are_internal(void **state);
void redis_without_a_file_is_refused(void **state);

#define REDIS_SCRIPT_CASES                                                     \
    FAULT_TWO_PORTS_CASE, cmocka_unit_test(redis_needs_its_rights),            \
        cmocka_unit_test(redis_a_replica_takes_no_writes),                     \
        cmocka_unit_test(redis_forgotten_scripts_are_loaded),                  \
        cmocka_unit_test(redis_other_keys_are_internal),                       \
        cmocka_unit_test(redis_without_a_file_is_refused)

#endif
