/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of pubsub.kafka share.
 *
 * librdkafka is thread-safe, has its own threads and reconnects by itself: the
 * store has one producer, and one consumer for each group and topic that
 * members of this process have joined.  A connection of the driver has nothing
 * of its own.
 */
#ifndef SL_PUBSUB_KAFKA_INTERNAL_H
#define SL_PUBSUB_KAFKA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include "pubsub/driver.h"
#include "pubsub/kafka/in_flight.h"

enum { SL_PUBSUB_KAFKA_BATCH = 1024 };

struct sl_pubsub_kafka_options {
    const char *brokers;
    bool tls;
    const char *ca;
    const char *certificate;
    const char *key;
    const char *key_password;
    const char *mechanism;
    const char *user;
    const char *password;
    const char *client_id;
    const char *prefix;
    bool create_topics;
    int64_t max_topics;
    int64_t partitions;
    int64_t replication;
    const char *partitioner;
    const char *compression;
    int64_t prefetch;
    int64_t commit_interval_ms;
};

extern const struct sl_option sl_pubsub_kafka_option_table[];

/* The last failure that librdkafka reported; cleared by the next success. */
struct sl_pubsub_kafka_failure {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code; /* 0: none */
    int64_t since;
    char text[300];
};

struct sl_pubsub_kafka_producer;
struct sl_pubsub_kafka_consumer;

struct sl_pubsub_kafka_store {
    const struct sl_pubsub_kafka_options *options;
    void (*changed)(void *context); /* or NULL */
    void *context;

    pthread_mutex_t lock; /* guards the fields below */
    struct sl_pubsub_kafka_producer *producer;
    struct sl_pubsub_kafka_consumer *consumers;
};

/* --- config.c --- */

SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_check_options(const struct sl_pubsub_kafka_options *options,
                              struct sl_error *err);
/* The settings that producers and consumers share; the caller owns *conf. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_conf_new(const struct sl_pubsub_kafka_options *options,
                         rd_kafka_conf_t **conf, struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_pubsub_kafka_conf_set(rd_kafka_conf_t *conf,
                                                      const char *name,
                                                      const char *value,
                                                      struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_pubsub_kafka_conf_number(rd_kafka_conf_t *conf,
                                                         const char *name,
                                                         int64_t value,
                                                         struct sl_error *err);
/* Takes ownership of conf, also on failure. */
SL_MUST_CHECK enum sl_status sl_pubsub_kafka_client_new(rd_kafka_type_t type,
                                                        rd_kafka_conf_t *conf,
                                                        rd_kafka_t **client,
                                                        struct sl_error *err);

/* --- error.c --- */

enum sl_status sl_pubsub_kafka_status(rd_kafka_resp_err_t code);
/* Whether the table of errors has this code. */
bool sl_pubsub_kafka_is_known_error(rd_kafka_resp_err_t code);
/* Fill err with what failed, at which brokers, and what to do. */
enum sl_status sl_pubsub_kafka_fail(const struct sl_pubsub_kafka_store *store,
                                    const char *what, rd_kafka_resp_err_t code,
                                    struct sl_error *err);

/*
 * librdkafka reports a connection that was cut during a handshake and a refused
 * certificate by the same code; the text tells them apart.
 */
rd_kafka_resp_err_t sl_pubsub_kafka_classify(rd_kafka_resp_err_t code,
                                             const char *text);

void sl_pubsub_kafka_failure_init(struct sl_pubsub_kafka_failure *failure);
void sl_pubsub_kafka_failure_set(struct sl_pubsub_kafka_failure *failure,
                                 rd_kafka_resp_err_t code, const char *text);
void sl_pubsub_kafka_failure_clear(struct sl_pubsub_kafka_failure *failure);
/* Whether waiting longer is pointless: the brokers refuse our credentials.
 * start: when it was queried the wait began. */
bool sl_pubsub_kafka_failure_is_final(struct sl_pubsub_kafka_failure *failure,
                                      int64_t start);
bool sl_pubsub_kafka_failure_is_set(struct sl_pubsub_kafka_failure *failure);
/* As sl_pubsub_kafka_fail, but a recorded failure is the reason. */
enum sl_status
sl_pubsub_kafka_fail_with(const struct sl_pubsub_kafka_store *store,
                          struct sl_pubsub_kafka_failure *failure,
                          const char *what, rd_kafka_resp_err_t code,
                          struct sl_error *err);

/* --- publish.c --- */

struct sl_pubsub_kafka_batch;

/*
 * Send the PUBLISHes among the ops; those that cannot be sent are answered.
 * NULL: nothing was sent.
 */
struct sl_pubsub_kafka_batch *
sl_pubsub_kafka_publish(struct sl_pubsub_kafka_store *store,
                        struct sl_op *const ops[], size_t count);
/* Wait for the delivery reports, and answer. */
void sl_pubsub_kafka_publish_finish(struct sl_pubsub_kafka_store *store,
                                    struct sl_pubsub_kafka_batch *batch);

/* --- topic.c --- */

/* The number of partitions of the op's topic, which is created if the settings
 * allow it. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_ensure_topic(struct sl_pubsub_kafka_store *store,
                             struct sl_op *op, int *partitions,
                             struct sl_error *err);

/* --- producer.c --- */

void sl_pubsub_kafka_producer_free(struct sl_pubsub_kafka_store *store);
/* Whether a broker answers and accepts our credentials. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_check_brokers(struct sl_pubsub_kafka_store *store,
                              sl_deadline deadline, struct sl_error *err);

/* --- event.c --- */

/* headers may be NULL. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_make_headers(const struct sl_pubsub_request *request,
                             rd_kafka_headers_t **headers,
                             struct sl_error *err);
/* A copy of the message; NULL: out of memory. */
struct sl_delivery *
sl_pubsub_kafka_make_event(const char *topic,
                           const rd_kafka_message_t *message);

/* --- consumer.c --- */

/* A member, while its lease lasts. */
struct sl_pubsub_kafka_member {
    uint64_t number;
    char *name;
    sl_deadline expires;
    struct sl_pubsub_kafka_member *next;
};

/* A partition that is assigned to this process. */
struct sl_pubsub_kafka_partition {
    int32_t number;
    rd_kafka_queue_t *queue;
    int64_t assigned; /* the offset that it was last fetched from */
    bool is_lost;     /* the next offset does not exist */
    int64_t lost_offset;
    struct sl_pubsub_kafka_partition *next;
};

struct sl_pubsub_kafka_notice;

enum { SL_PUBSUB_KAFKA_TOPIC_ID_MAX = 32 };

/* The members of a group in this process, for one topic. */
struct sl_pubsub_kafka_consumer {
    struct sl_pubsub_kafka_store *store;
    char *topic, *group; /* as in the manifest or the guest's request */
    char *kafka_topic, *kafka_group; /* with the prefix */
    size_t users;                    /* guarded by the store's lock */
    bool closed;                     /* the same; lookups skip it */
    struct sl_pubsub_kafka_consumer *next;

    pthread_mutex_t lock; /* guards the fields below */
    rd_kafka_t *client;   /* NULL: not started yet */
    rd_kafka_queue_t *queue;
    struct sl_pubsub_kafka_failure failure;
    struct sl_pubsub_kafka_in_flight *in_flight;
    struct sl_pubsub_kafka_partition *partitions;
    int64_t lease_ms;
    size_t prefetch; /* bytes per partition */
    int partition_count;
    bool joined;  /* the first assignment has arrived */
    bool settled; /* the group has a position in every partition */
    bool earliest;
    /* Partitions that wait for their positions, and partitions to give up. */
    rd_kafka_topic_partition_list_t *coming, *going;
    sl_deadline going_until;
    struct sl_pubsub_kafka_member *members;
    uint64_t next_member;
    sl_deadline unused_until; /* it is closed then if it has no members */
    int64_t probed;

    char topic_id[SL_PUBSUB_KAFKA_TOPIC_ID_MAX]; /* "": the brokers have none */
    rd_kafka_queue_t *answers; /* of the query for it, or NULL */
    int64_t asked;             /* when */
    bool is_gone;              /* the topic was deleted */
    sl_deadline repair_at;     /* the next repair, no sooner */
    struct sl_pubsub_kafka_notice
        *notices; /* for operators; reported with the next op */
};

/*
 * The consumer of the request, for the caller to release; NULL: there is none.
 * make: create it.
 */
struct sl_pubsub_kafka_consumer *
sl_pubsub_kafka_consumer_acquire(struct sl_pubsub_kafka_store *store,
                                 const struct sl_pubsub_request *request,
                                 bool make);
/*
 * close: the last user frees the consumer, unless it has got a member
 * meanwhile.
 */
void sl_pubsub_kafka_consumer_release(struct sl_pubsub_kafka_consumer *consumer,
                                      bool close);
/* Start the client, which joins the group in the background.  The lock is
 * held. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_consumer_start(struct sl_pubsub_kafka_consumer *consumer,
                               const struct sl_pubsub_config *config,
                               struct sl_error *err);
/* Callback of librdkafka's queues, on one of its threads. */
void sl_pubsub_kafka_on_event(rd_kafka_t *client, void *store);
/* Serve the consumers while no member receives. */
void sl_pubsub_kafka_consumers_idle(struct sl_pubsub_kafka_store *store);
void sl_pubsub_kafka_consumers_free(struct sl_pubsub_kafka_store *store);

/* --- member.c --- */

void sl_pubsub_kafka_subscribe(struct sl_pubsub_kafka_store *store,
                               struct sl_op *op);
/* RECEIVE, RETURN, RENEW, LEAVE. */
void sl_pubsub_kafka_run_as_member(struct sl_pubsub_kafka_store *store,
                                   struct sl_op *op);
/* The ACKNOWLEDGEs among the ops. */
void sl_pubsub_kafka_acknowledge(struct sl_pubsub_kafka_store *store,
                                 struct sl_op *const ops[], size_t count);
/* Remove the members whose lease has expired.  The lock is held. op: the
 * current op, or NULL. */
void sl_pubsub_kafka_members_expire(struct sl_pubsub_kafka_consumer *consumer,
                                    struct sl_op *op);
void sl_pubsub_kafka_members_free(struct sl_pubsub_kafka_consumer *consumer);

/* --- rebalance.c: all with the consumer's lock held --- */

/* Handle the events of librdkafka. */
void sl_pubsub_kafka_consumer_serve(struct sl_pubsub_kafka_consumer *consumer);
void sl_pubsub_kafka_note_error(struct sl_pubsub_kafka_consumer *consumer,
                                rd_kafka_error_t *error);
/* After a new assignment: read the partition's queue directly again. */
void sl_pubsub_kafka_partition_claim(struct sl_pubsub_kafka_consumer *consumer,
                                     int32_t number);
/* After joining: make sure that the group has a position in every partition. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_consumer_settle(struct sl_pubsub_kafka_consumer *consumer,
                                sl_deadline deadline, struct sl_error *err);
/* Store and commit the positions, and wait.  The lock is not held. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_consumer_commit(struct sl_pubsub_kafka_consumer *consumer,
                                sl_deadline deadline, struct sl_error *err);
/* Fetch events into the in-flight table; whether there were any. */
SL_MUST_CHECK bool
sl_pubsub_kafka_consumer_fetch(struct sl_pubsub_kafka_consumer *consumer);
/* Give up all partitions and leave the group.  The lock is not held; there is
 * no other user. */
void sl_pubsub_kafka_consumer_leave(struct sl_pubsub_kafka_consumer *consumer);

/* --- position.c: all with the consumer's lock held --- */

/* Find new positions for partitions whose position does not exist any more, and
 * for a topic that was recreated.  May query the brokers for a second or
 * two. */
void sl_pubsub_kafka_repair_positions(
    struct sl_pubsub_kafka_consumer *consumer);

enum sl_pubsub_kafka_found {
    SL_PUBSUB_KAFKA_FOUND,
    SL_PUBSUB_KAFKA_NOT_FOUND_YET
};
/*
 * Where to go on after an offset was refused, in a partition from low to high;
 * next: where the consumer is.  Outside of these the events were deleted, or
 * the topic is another one: begin at low.  Within them the refusal is outdated:
 * librdkafka delivers one of before the partition was assigned again.
 */
int64_t sl_pubsub_kafka_position_after(int64_t refused, int64_t low,
                                       int64_t high, int64_t next);
/* Set the start position of each of these partitions, which become ours. */
SL_MUST_CHECK enum sl_pubsub_kafka_found
sl_pubsub_kafka_find_positions(struct sl_pubsub_kafka_consumer *consumer,
                               rd_kafka_topic_partition_list_t *coming);

void sl_pubsub_kafka_notify_topic_recreated(
    struct sl_pubsub_kafka_consumer *consumer, const char *start);
/* Report the notices with op; NULL: drop them. */
void sl_pubsub_kafka_notices_deliver(struct sl_pubsub_kafka_consumer *consumer,
                                     struct sl_op *op);

/* --- topic_id.c: all with the consumer's lock held --- */

/* Query the topic's id and wait.  Whether the topic was recreated. */
bool sl_pubsub_kafka_topic_id_query(struct sl_pubsub_kafka_consumer *consumer,
                                    int timeout_ms);
/* The same without waiting, about once a second. */
SL_MUST_CHECK bool
sl_pubsub_kafka_topic_id_poll(struct sl_pubsub_kafka_consumer *consumer);
void sl_pubsub_kafka_topic_id_close(struct sl_pubsub_kafka_consumer *consumer);
/* Store the topic's id in the metadata of a position. */
void sl_pubsub_kafka_topic_id_tag(
    const struct sl_pubsub_kafka_consumer *consumer,
    rd_kafka_topic_partition_t *position);
SL_MUST_CHECK bool sl_pubsub_kafka_topic_id_differs(
    const struct sl_pubsub_kafka_consumer *consumer,
    const rd_kafka_topic_partition_t *position);

#endif
