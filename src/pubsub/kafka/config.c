/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of pubsub.kafka, and those of librdkafka that follow from
 * them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pubsub/kafka/internal.h"

static enum sl_status check_word(const void *field,
                                 const char *const allowed_words[],
                                 const char *expected, struct sl_error *err)
{
    const char *word = *(const char *const *)field;

    for (size_t i = 0; allowed_words[i] != NULL; i++)
        if (strcmp(word, allowed_words[i]) == 0)
            return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "expected %s", expected);
}

static enum sl_status check_mechanism(const void *field, struct sl_error *err)
{
    static const char *const allowed_words[] = {"plain", "scram-sha-256",
                                                "scram-sha-512", NULL};

    return check_word(field, allowed_words,
                      "\"plain\", \"scram-sha-256\" or \"scram-sha-512\"", err);
}

static enum sl_status check_partitioner(const void *field, struct sl_error *err)
{
    static const char *const allowed_words[] = {"murmur2", "consistent", NULL};

    return check_word(field, allowed_words, "\"murmur2\" or \"consistent\"",
                      err);
}

static enum sl_status check_compression(const void *field, struct sl_error *err)
{
    static const char *const allowed_words[] = {"none", "gzip", "snappy",
                                                "lz4",  "zstd", NULL};

    return check_word(field, allowed_words,
                      "\"none\", \"gzip\", \"snappy\", \"lz4\" or \"zstd\"",
                      err);
}

static enum sl_status check_kafka_prefix(const void *field,
                                         struct sl_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *prefix = *(const char *const *)field;

    if (strlen(prefix) >= SL_PUBSUB_NAME_MAX ||
        strspn(prefix, allowed) != strlen(prefix))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected letters, digits, \".\", \"_\" and \"-\"");
    return SL_OK;
}

static enum sl_status check_brokers(const void *field, struct sl_error *err)
{
    const char *brokers = *(const char *const *)field;

    if (*brokers == '\0' || strpbrk(brokers, "/@?# ") != NULL)
        return sl_fail(
            err, SL_INVALID_ARGUMENT,
            "expected host:port, several separated by commas, without "
            "kafka:// and without a query: write tls, user, password, "
            "mechanism and ca as separate settings");
    return SL_OK;
}

#define FIELD(name) .offset = offsetof(struct sl_pubsub_kafka_options, name)

const struct sl_option sl_pubsub_kafka_option_table[] = {
    {.name = "brokers",
     .type = SL_OPTION_STRING,
     FIELD(brokers),
     .required = true,
     .port = 9092,
     .check = check_brokers,
     .help = "host:port of one broker or, separated by commas, of several; "
             "they name the others"},
    {.name = "tls",
     .type = SL_OPTION_BOOLEAN,
     FIELD(tls),
     .fallback = "false",
     .help = "connect to the brokers over TLS"},
    {.name = "ca",
     .type = SL_OPTION_PATH,
     FIELD(ca),
     .help = "a file of authorities in PEM to trust instead of the system's"},
    {.name = "certificate",
     .type = SL_OPTION_PATH,
     FIELD(certificate),
     .help = "a file with the client's certificate in PEM, for brokers that "
             "ask for "
             "one"},
    {.name = "key",
     .type = SL_OPTION_PATH,
     FIELD(key),
     .help = "the file with the key of that certificate, in PEM"},
    {.name = "key-password",
     .type = SL_OPTION_STRING,
     FIELD(key_password),
     .secret = true,
     .help = "the password of that key"},
    {.name = "user",
     .type = SL_OPTION_STRING,
     FIELD(user),
     .help = "the user, by SASL; an API key; $ConnectionString for Azure Event "
             "Hubs"},
    {.name = "password",
     .type = SL_OPTION_STRING,
     FIELD(password),
     .secret = true,
     .help = "the password of the user"},
    {.name = "mechanism",
     .type = SL_OPTION_STRING,
     FIELD(mechanism),
     .fallback = "plain",
     .check = check_mechanism,
     .help = "how the user is authenticated: plain, scram-sha-256 or "
             "scram-sha-512"},
    {.name = "client-id",
     .type = SL_OPTION_STRING,
     FIELD(client_id),
     .fallback = "slight",
     .help = "the client id in the brokers' logs and quotas"},
    {.name = "prefix",
     .type = SL_OPTION_STRING,
     FIELD(prefix),
     .fallback = "",
     .check = check_kafka_prefix,
     .help =
         "put in front of the names of topics and groups; guests do not see "
         "it"},
    {.name = "create-topics",
     .type = SL_OPTION_BOOLEAN,
     FIELD(create_topics),
     .fallback = "true",
     .help = "create a topic that does not exist"},
    {.name = "max-topics",
     .type = SL_OPTION_INTEGER,
     FIELD(max_topics),
     .min = 1,
     .max = 1000000,
     .fallback = "1000",
     .help =
         "create no topic if the brokers have so many whose names begin with "
         "the prefix; Kafka's own topics (__…) do not count"},
    {.name = "partitions",
     .type = SL_OPTION_INTEGER,
     FIELD(partitions),
     .min = 0,
     .max = 10000,
     .fallback = "0",
     .help = "the partitions of a created topic; 0: the brokers' default"},
    {.name = "replication",
     .type = SL_OPTION_INTEGER,
     FIELD(replication),
     .min = 0,
     .max = 100,
     .fallback = "0",
     .help =
         "the replication factor of a created topic; 0: the brokers' default"},
    {.name = "partitioner",
     .type = SL_OPTION_STRING,
     FIELD(partitioner),
     .fallback = "murmur2",
     .check = check_partitioner,
     .help =
         "how a key is mapped to a partition: murmur2 as Java's clients do, "
         "consistent as librdkafka does"},
    {.name = "compression",
     .type = SL_OPTION_STRING,
     FIELD(compression),
     .fallback = "none",
     .check = check_compression,
     .help = "of what is published: none, gzip, snappy, lz4 or zstd"},
    {.name = "prefetch",
     .type = SL_OPTION_SIZE,
     FIELD(prefetch),
     .min = 1 << 20,
     .max = INT64_C(1) << 30,
     .fallback = "16MiB",
     .help = "about how much of a topic is fetched ahead; as much again may be "
             "kept in flight"},
    {.name = "commit-interval",
     .type = SL_OPTION_DURATION_MS,
     FIELD(commit_interval_ms),
     .min = 0,
     .max = 60000,
     .fallback = "0ms",
     .help =
         "how long after an acknowledgement a crash may redeliver the event; "
         "0: an acknowledgement waits for its commit"},
    {0},
};

enum sl_status
sl_pubsub_kafka_check_options(const struct sl_pubsub_kafka_options *options,
                              struct sl_error *err)
{
    if ((options->user != NULL) != (options->password != NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "user and password belong together; set both");
    if ((options->certificate != NULL) != (options->key != NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "certificate and key belong together; set both");
    if (!options->tls && (options->ca != NULL || options->certificate != NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "ca and certificate need tls = true");
    return SL_OK;
}

/* --- Settings of librdkafka --------------------------------------------- */

enum sl_status sl_pubsub_kafka_conf_set(rd_kafka_conf_t *conf, const char *name,
                                        const char *value, struct sl_error *err)
{
    char text[256];

    /* librdkafka's own message may contain the value, which may be secret. */
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) ==
        RD_KAFKA_CONF_OK)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "librdkafka does not accept the value for its %s", name);
}

enum sl_status sl_pubsub_kafka_conf_number(rd_kafka_conf_t *conf,
                                           const char *name, int64_t value,
                                           struct sl_error *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return sl_pubsub_kafka_conf_set(conf, name, text, err);
}

struct pair {
    const char *name, *value; /* NULL: not set */
};

static enum sl_status set_all(rd_kafka_conf_t *conf, const struct pair pairs[],
                              struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && pairs[i].name != NULL; i++)
        if (pairs[i].value != NULL)
            status = sl_pubsub_kafka_conf_set(conf, pairs[i].name,
                                              pairs[i].value, err);
    return status;
}

/* Drivers do not log. */
static void no_log(const rd_kafka_t *client, int level, const char *facility,
                   const char *text)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)text;
}

static const char *mechanism_of(const struct sl_pubsub_kafka_options *options)
{
    return strcmp(options->mechanism, "plain") == 0           ? "PLAIN"
           : strcmp(options->mechanism, "scram-sha-256") == 0 ? "SCRAM-SHA-256"
                                                              : "SCRAM-SHA-512";
}

enum sl_status
sl_pubsub_kafka_conf_new(const struct sl_pubsub_kafka_options *options,
                         rd_kafka_conf_t **conf, struct sl_error *err)
{
    bool sasl = options->user != NULL;
    const struct pair pairs[] = {
        {"bootstrap.servers", options->brokers},
        {"client.id", options->client_id},
        {"security.protocol",
         sasl ? (options->tls ? "sasl_ssl" : "sasl_plaintext")
              : (options->tls ? "ssl" : "plaintext")},
        {"sasl.mechanism", sasl ? mechanism_of(options) : NULL},
        {"sasl.username", options->user},
        {"sasl.password", options->password},
        {"ssl.ca.location", options->tls ? options->ca : NULL},
        {"ssl.certificate.location", options->certificate},
        {"ssl.key.location", options->key},
        {"ssl.key.password", options->key_password},
        {"enable.ssl.certificate.verification", options->tls ? "true" : NULL},
        {"ssl.endpoint.identification.algorithm",
         options->tls ? "https" : NULL},
        {"socket.keepalive.enable", "true"},
        {"socket.nagle.disable", "true"},
        {"reconnect.backoff.ms", "50"},
        {"reconnect.backoff.max.ms", "500"},
        {"topic.metadata.refresh.fast.interval.ms", "100"},
        {"log.connection.close", "false"},
        {0},
    };
    rd_kafka_conf_t *made = rd_kafka_conf_new();
    enum sl_status status = set_all(made, pairs, err);

    rd_kafka_conf_set_log_cb(made, no_log);
    if (status == SL_OK)
        *conf = made;
    else
        rd_kafka_conf_destroy(made);
    return status;
}

enum sl_status sl_pubsub_kafka_client_new(rd_kafka_type_t type,
                                          rd_kafka_conf_t *conf,
                                          rd_kafka_t **client,
                                          struct sl_error *err)
{
    char text[300];

    *client = rd_kafka_new(type, conf, text, sizeof(text));
    if (*client != NULL)
        return SL_OK;
    rd_kafka_conf_destroy(conf);
    return sl_fail(err, SL_INVALID_ARGUMENT, "librdkafka: %s", text);
}
