/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of every service's faults share.  A failure ends the test
 * (cmocka); no message may hold TEST_SERVER_PASSWORD.
 */
#ifndef TEST_FAULTS_FAULTS_H
#define TEST_FAULTS_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "support/proxy.h"
#include "support/server.h"
#include "support/stores.h"

/* Open a resource: settings as test_store_open has them.  Its timeout is a
 * minute, unless they say otherwise: nothing is late because the machine is
 * busy. */
void fault_open(struct test_store *store, const char *driver,
                const char *settings);

/* How the thread's last call failed, if it did: each helper here and of a
 * capability notes it. */
extern _Thread_local struct sl_error fault_said;
void fault_note(const struct sl_error *err);

/* That a call was answered so; the message of an error is shown. */
#define assert_status(call, expected)                                          \
    fault_status_is((call), (expected), #call, __FILE__, __LINE__)
void fault_status_is(enum sl_status status, enum sl_status expected,
                     const char *call, const char *file, int line);

/* Do one request, and how it failed; the answer is gone. */
struct sl_error fault_call(struct test_store *store, const void *request);

/* That a call which began at this time (sl_now_ns) was answered within its
 * deadline, as the store's settings have it, with room for a busy machine. */
void fault_in_time(const struct test_store *store, int64_t start,
                   int64_t wait_ms);

/*
 * Do one request, and check how it is answered: with this status, and a message
 * in which `says` stands, within the store's deadline for a call.
 */
void fault_call_is(struct test_store *store, const void *request,
                   enum sl_status expected, const char *says);

/*
 * The same once the connection works again, which may be cut under a call that
 * must not be repeated: SL_UNAVAILABLE and SL_TIMEOUT before are passed over,
 * for two minutes at most.
 */
void fault_call_soon_is(struct test_store *store, const void *request,
                        enum sl_status expected, const char *says);

/*
 * The same where the server ends its connections, perhaps a moment after it
 * said so: SL_UNAVAILABLE is passed over, once for each of so many.
 */
void fault_call_after_cuts_is(struct test_store *store, const void *request,
                              int connections, enum sl_status expected,
                              const char *says);

/* The same with the first call of a resource of its own. */
void fault_first_call_is(const char *driver, const char *settings,
                         const void *request, enum sl_status expected,
                         const char *says);

/* --- Traffic ------------------------------------------------------------ */

enum { FAULT_WRITERS = 8 };

struct fault_traffic {
    struct test_store *store;
    /*
     * The number-th write of a writer, each in a thread of its own; numbers
     * count from 1.  SL_OK: it was acknowledged.  Anything but that,
     * SL_UNAVAILABLE and SL_TIMEOUT fails the test.
     */
    enum sl_status (*write)(struct fault_traffic *traffic, int writer,
                            int number);
    int acknowledged[FAULT_WRITERS]; /* the last number */
    int attempted[FAULT_WRITERS];
    int failures; /* of all, once it is over */

    _Atomic bool stop; /* inside */
    _Atomic int failed;
    _Atomic int wrong;
    struct sl_error wrong_said; /* of the first one that was */
    _Atomic int lucky; /* writers of which something was acknowledged */
};

/* Write until disturb has returned and every writer has some acknowledged;
 * ten minutes later at the latest, which fails the test. */
void fault_traffic_run(struct fault_traffic *traffic,
                       void (*disturb)(void *context), void *context);

/* For disturb: kill -9 and restart, three times; context: struct test_server.
 */
void fault_kill_now_and_then(void *server);
/* Cut connections, at places that are the same in every run; context: struct
 * proxy. */
void fault_cut_now_and_then(void *proxy);

#endif
