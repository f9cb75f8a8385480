/* SPDX-License-Identifier: Apache-2.0 */
/* The faults that are the same for each driver whose requests are scripts. */
#include "faults/redis_scripts.h"

#include <stdio.h>

#include "base/alloc.h"

/* --- Who may do what ---------------------------------------------------- */

static const void *next_request(void)
{
    static int number = 1000000;

    return fault_driver.write(++number);
}

/* What a script needs from the moment when it is first run. */
void redis_needs_its_rights(void **state)
{
    static const char *const without[] = {
        "acl setuser worker -time -incr -xadd -get",
        "acl setuser worker '-script|load'",
    };
    SL_CLEANUP(sl_freep)
    char *settings =
        sl_asprintf("url = \"redis://worker:pw@127.0.0.1:%d\"", fault_port);

    (void)state;
    for (int i = 0; i < 2; i++) {
        fault_tell("%s", fault_driver.rights[0].give[0]);
        fault_first_write_is(settings, SL_OK, "");
        fault_tell("%s", without[i]);
        fault_first_write_is(settings, SL_PERMISSION_DENIED, "access rules");
    }
    fault_tell("acl deluser worker");
}

/* --- A server that says no ---------------------------------------------- */

void redis_a_replica_takes_no_writes(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "retry.attempts = 1");
    fault_works(&store);
    fault_tell("replicaof 127.0.0.1 1");
    fault_call_is(&store, next_request(), SL_UNAVAILABLE, "replica");
    fault_tell("replicaof no one");
    fault_works(&store);
    test_store_done(&store);
}

void redis_forgotten_scripts_are_loaded(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    fault_works(&store);
    fault_tell("script flush");
    fault_works(&store);
    test_store_done(&store);
}

/* Neither a conflict, which a guest would take for its own, nor lost. */
void redis_other_keys_are_internal(void **state)
{
    static const char *const keys[] = {"log", "ready", "seq", "token",
                                       "topic:t"};
    struct test_store store;
    char words[64];

    (void)state;
    fault_open_own(&store, NULL, "");
    fault_tell("flushall");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(words, sizeof(words), "hset '{own}:%s' a b", keys[i]);
        fault_tell("%s", words);
    }
    fault_call_is(&store, next_request(), SL_INTERNAL, "another type");
    fault_tell("flushall");
    fault_works(&store);
    test_store_done(&store);
}

void redis_without_a_file_is_refused(void **state)
{
    SL_CLEANUP(sl_freep) char *settings = fault_settings(NULL, "");
    SL_CLEANUP(sl_freep)
    char *on_disk = fault_settings(NULL, "durable = \"fsync\"");
    struct test_store store;

    (void)state;
    /* Debian's Redis is older than WAITAOF, and must not be taken for one that
     * has it. */
    fault_first_write_is(on_disk, SL_UNSUPPORTED, "needs WAITAOF");
    fault_tell("config set appendonly no");
    fault_first_write_is(on_disk, SL_UNSUPPORTED, "durable = false");
    fault_first_write_is(settings, SL_UNSUPPORTED, "durable = false");
    fault_open_own(&store, NULL, "durable = false");
    fault_works(&store);
    test_store_done(&store);
    fault_tell("config set appendonly yes");
}
