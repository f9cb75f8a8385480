/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in the middle of traffic, with every driver that writes. */
#include <unistd.h>

#include "faults/driver.h"

/* Also in the middle of a handshake; now and then all is let through. */
void fault_cut_anywhere(void *proxy)
{
    unsigned seed = 7;

    for (int i = 0; i < 20; i++) {
        seed = seed * 1103515245 + 12345;
        int most = i % 2 == 0 ? 300 : fault_driver.service->cut_most;
        proxy_cut_after(proxy, (int64_t)(seed >> 16) % most);
        usleep(50000);
        proxy_cut_after(proxy, -1);
        usleep(100000);
        if (i % 3 == 0)
            proxy_cut_all(proxy);
    }
}

static void under_traffic(const struct fault_writing *writing,
                          void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    struct test_store store, straight;
    struct fault_traffic traffic = {.store = &store, .write = writing->write};

    fault_open_own(&straight, NULL, "");
    fault_open_own(&store, proxy, FAULT_PATIENT);
    writing->begin(&straight);
    fault_traffic_run(&traffic, disturb, context);
    fault_works_soon(&store);
    writing->check(&traffic, &straight);
    test_store_done(&store);
    test_store_done(&straight);
}

/* holds: kv-10 kv-11 sql-24 */
void fault_case_killed(void **state)
{
    (void)state;
    under_traffic(&fault_driver.writing, fault_kill_now_and_then, &fault_server,
                  NULL);
}

void fault_under_cuts(const struct fault_writing *writing)
{
    struct proxy *proxy = proxy_new(0, fault_port);

    assert_non_null(proxy);
    under_traffic(writing, fault_cut_anywhere, proxy, proxy);
    proxy_free(proxy);
}

/* holds: kv-11 sql-24 sql-25 */
void fault_case_cut(void **state)
{
    (void)state;
    fault_under_cuts(&fault_driver.writing);
}
