/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Take a lock and give it back, again and again, when nobody else wants it:
 *
 *     locks DRIVER SETTINGS COUNT
 *
 * Settings are lines as a manifest has them.  Prints "lock <tab> 0 <tab> count
 * <tab> ns".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lockd/lockd.h"
#include "support/stores.h"

static bool lock_once(struct sl_service *service)
{
    struct sl_lockd_request request = {.verb = SL_LOCKD_ACQUIRE,
                                       .key = SL_LITERAL("bench"),
                                       .ttl_ms = 30000,
                                       .has_wait = true};
    struct sl_lockd_answer answer;

    if (sl_service_do(service, NULL, &request, 1, &answer) == SL_OK) {
        request.verb = SL_LOCKD_RELEASE;
        request.holder = sl_bytes_of(answer.holder);
        struct sl_lockd_answer released;
        if (sl_service_do(service, NULL, &request, 1, &released) == SL_OK)
            return true;
        answer = released;
    }
    fprintf(stderr, "locks: %s\n", answer.err.message);
    return false;
}

int main(int argc, char **argv)
{
    struct test_store store = {0};
    struct sl_error err;

    if (argc != 4)
        return 2;
    if (test_store_open(&store, argv[1], argv[2], &err) != SL_OK) {
        fprintf(stderr, "locks: %s\n", err.message);
        return 1;
    }
    long count = strtol(argv[3], NULL, 10);
    bool worked = lock_once(store.service); /* connected, logged in */
    int64_t start = sl_now_ns();
    for (long i = 0; i < count && worked; i++)
        worked = lock_once(store.service);
    printf("lock\t0\t%ld\t%" PRId64 "\n", count, sl_now_ns() - start);
    test_store_done(&store);
    return worked ? 0 : 1;
}
