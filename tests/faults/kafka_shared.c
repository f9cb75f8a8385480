/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/kafka_shared.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

struct test_server kafka_server;
struct proxy *kafka_proxy;
char kafka_topic[32];

char *kafka_settings(const char *user, const char *password, const char *more)
{
    return sl_asprintf("brokers = \"127.0.0.1:%d\"\nuser = \"%s\"\n"
                       "password = \"%s\"\n%s",
                       proxy_port(kafka_proxy), user, password, more);
}

void kafka_open_as(struct test_store *store, const char *user, const char *more)
{
    SL_CLEANUP(sl_freep)
    char *settings = kafka_settings(user, TEST_SERVER_PASSWORD, more);

    fault_open(store, "pubsub.kafka", settings);
}

void kafka_open(struct test_store *store, const char *more)
{
    kafka_open_as(store, "slight", more);
}

void kafka_new_topic(void)
{
    static int number;

    snprintf(kafka_topic, sizeof(kafka_topic), "topic-%d", ++number);
}

struct sl_pubsub_request kafka_publish_of(const char *payload)
{
    return (struct sl_pubsub_request){.verb = SL_PUBSUB_PUBLISH,
                                      .topic = sl_bytes_of(kafka_topic),
                                      .payload = sl_bytes_of(payload)};
}

/* The port that the broker says it has is the proxy's. */
int kafka_start(void **state)
{
    char port[16];

    (void)state;
    int free_port = test_free_port();
    snprintf(port, sizeof(port), "%d", free_port);
    setenv("SL_TEST_KAFKA_PROXY", port, 1);
    test_server_start(&kafka_server, "kafka", "server");
    kafka_proxy = proxy_new(
        free_port, test_server_port(&kafka_server, "SL_TEST_KAFKA_PORT"));
    return kafka_proxy != NULL ? 0 : -1;
}

int kafka_stop(void **state)
{
    (void)state;
    proxy_free(kafka_proxy);
    test_server_stop(&kafka_server);
    return 0;
}
