/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of pubsub.kafka: kafka.c (the driver), kafka_config.c (settings),
 * kafka_error.c (what went wrong), kafka_producer.c, kafka_topic.c,
 * kafka_publish.c, kafka_consumer.c, kafka_member.c, kafka_rebalance.c,
 * kafka_begin.c, kafka_topic_id.c, kafka_event.c.
 *
 * librdkafka is thread-safe, has threads of its own and connects anew by
 * itself: the store has one producer, and one consumer for each group and topic
 * that members of this process have joined.  A state has nothing.
 */
#ifndef SL_PUBSUB_KAFKA_INTERNAL_H
#define SL_PUBSUB_KAFKA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include "pubsub/driver.h"
#include "pubsub/kafka/ledger.h"

enum { SL_KAFKA_BATCH = 1024 };

struct sl_kafka_options {
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

extern const struct sl_option sl_kafka_option_table[];

/* What librdkafka said last, until something worked again. */
struct sl_kafka_trouble {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code; /* 0: none */
    int64_t since;
    char text[300];
};

struct sl_kafka_producer;
struct sl_kafka_consumer;

struct sl_kafka_store {
    const struct sl_kafka_options *options;
    void (*changed)(void *context); /* or NULL */
    void *context;

    pthread_mutex_t lock; /* of what follows */
    struct sl_kafka_producer *producer;
    struct sl_kafka_consumer *consumers;
};

/* --- kafka_config.c --- */

SL_MUST_CHECK enum sl_status
sl_kafka_check_options(const struct sl_kafka_options *options,
                       struct sl_error *err);
/* What producers and consumers have in common; *conf is the caller's. */
SL_MUST_CHECK enum sl_status
sl_kafka_conf(const struct sl_kafka_options *options, rd_kafka_conf_t **conf,
              struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_kafka_conf_set(rd_kafka_conf_t *conf,
                                               const char *name,
                                               const char *value,
                                               struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_kafka_conf_number(rd_kafka_conf_t *conf,
                                                  const char *name,
                                                  int64_t value,
                                                  struct sl_error *err);
/* conf is taken, whether it works or not. */
SL_MUST_CHECK enum sl_status sl_kafka_client(rd_kafka_type_t type,
                                             rd_kafka_conf_t *conf,
                                             rd_kafka_t **client,
                                             struct sl_error *err);

/* --- kafka_error.c --- */

enum sl_status sl_kafka_status(rd_kafka_resp_err_t code);
/* Whether somebody foresaw it. */
bool sl_kafka_knows(rd_kafka_resp_err_t code);
/* Fill err: what failed, at which brokers, and what to do. */
enum sl_status sl_kafka_fail(const struct sl_kafka_store *store,
                             const char *what, rd_kafka_resp_err_t code,
                             struct sl_error *err);

/*
 * Of a connection, librdkafka says one and the same where it was cut in the
 * middle of a handshake, and where a certificate was refused.
 */
rd_kafka_resp_err_t sl_kafka_code(rd_kafka_resp_err_t code, const char *text);

void sl_kafka_trouble_init(struct sl_kafka_trouble *trouble);
void sl_kafka_trouble_note(struct sl_kafka_trouble *trouble,
                           rd_kafka_resp_err_t code, const char *text);
void sl_kafka_trouble_over(struct sl_kafka_trouble *trouble);
/* Whether waiting on is of no use: we are not let in.  start: when it began. */
bool sl_kafka_trouble_is_final(struct sl_kafka_trouble *trouble, int64_t start);
bool sl_kafka_has_trouble(struct sl_kafka_trouble *trouble);
/* As sl_kafka_fail; where there is trouble, that is why. */
enum sl_status sl_kafka_fail_with(const struct sl_kafka_store *store,
                                  struct sl_kafka_trouble *trouble,
                                  const char *what, rd_kafka_resp_err_t code,
                                  struct sl_error *err);

/* --- kafka_publish.c --- */

struct sl_kafka_batch;

/*
 * Send the PUBLISHes among the ops; what cannot be is answered.  NULL where
 * nothing is on its way.
 */
struct sl_kafka_batch *sl_kafka_publish(struct sl_kafka_store *store,
                                        struct sl_op *const ops[],
                                        size_t count);
/* Wait for what became of them, and answer. */
void sl_kafka_publish_end(struct sl_kafka_store *store,
                          struct sl_kafka_batch *batch);

/* --- kafka_topic.c --- */

/* The topic, made where that is asked for: how many partitions it has. */
SL_MUST_CHECK enum sl_status sl_kafka_topic(struct sl_kafka_store *store,
                                            struct sl_op *op, int *partitions,
                                            struct sl_error *err);

/* --- kafka_producer.c --- */

void sl_kafka_producer_free(struct sl_kafka_store *store);
/* Whether a broker answers and lets us in. */
SL_MUST_CHECK enum sl_status sl_kafka_reach(struct sl_kafka_store *store,
                                            sl_deadline deadline,
                                            struct sl_error *err);

/* --- kafka_event.c --- */

/* headers may be NULL. */
SL_MUST_CHECK enum sl_status
sl_kafka_headers(const struct sl_pubsub_request *request,
                 rd_kafka_headers_t **headers, struct sl_error *err);
/* A copy of what came; NULL where there is no memory. */
struct sl_delivery *sl_kafka_event(const char *topic,
                                   const rd_kafka_message_t *message);

/* --- kafka_consumer.c --- */

/* A member, while it lives. */
struct sl_kafka_member {
    uint64_t number;
    char *name;
    sl_deadline expires;
    struct sl_kafka_member *next;
};

/* A partition that is assigned to this process. */
struct sl_kafka_part {
    int32_t number;
    rd_kafka_queue_t *queue;
    bool is_lost; /* what comes next is not there */
    int64_t lost_at;
    struct sl_kafka_part *next;
};

struct sl_kafka_notice;

enum { SL_KAFKA_TOPIC_ID_MAX = 32 };

/* The members of a group in this process, for one topic. */
struct sl_kafka_consumer {
    struct sl_kafka_store *store;
    char *topic, *group;             /* as the manifest, or a guest, has them */
    char *kafka_topic, *kafka_group; /* behind the prefix */
    size_t users;                    /* under the store's lock */
    bool closed;                     /* ... : nobody finds it any more */
    struct sl_kafka_consumer *next;

    pthread_mutex_t lock; /* of what follows */
    rd_kafka_t *client;   /* NULL before the first member */
    rd_kafka_queue_t *queue;
    struct sl_kafka_trouble trouble;
    struct sl_kafka_ledger *ledger;
    struct sl_kafka_part *parts;
    int64_t lease_ms;
    size_t prefetch; /* of each partition */
    int partition_count;
    bool joined;  /* a first assignment came */
    bool settled; /* the group has a position in each partition */
    bool earliest;
    /* An assignment that waits for that; and one that is to be given up. */
    rd_kafka_topic_partition_list_t *coming, *going;
    sl_deadline going_until;
    struct sl_kafka_member *members;
    uint64_t next_member;
    sl_deadline unused_until; /* while it has no members */
    int64_t probed;

    char topic_id[SL_KAFKA_TOPIC_ID_MAX]; /* "": the brokers give none */
    rd_kafka_queue_t *answers;            /* to the question for it, or NULL */
    int64_t asked;                        /* when */
    bool is_gone;                         /* the topic was deleted */
    sl_deadline mend_at;                  /* not before that */
    struct sl_kafka_notice *notices;      /* for operators, by the next op */
};

/*
 * The one of the request, to be released; NULL where there is none.  make: then
 * there is one.
 */
struct sl_kafka_consumer *
sl_kafka_consumer_hold(struct sl_kafka_store *store,
                       const struct sl_pubsub_request *request, bool make);
/*
 * Of one that has no members any more, the last user makes an end; unless a new
 * member has come meanwhile, or is about to.  close: whether it is over.
 */
void sl_kafka_consumer_release(struct sl_kafka_consumer *consumer, bool close);
/* With its lock: start it; it joins in the background. */
SL_MUST_CHECK enum sl_status
sl_kafka_consumer_start(struct sl_kafka_consumer *consumer,
                        const struct sl_pubsub_config *config,
                        struct sl_error *err);
/* For librdkafka's queues; on one of its threads. */
void sl_kafka_something_came(rd_kafka_t *client, void *store);
/* What must be done while nobody receives. */
void sl_kafka_consumers_idle(struct sl_kafka_store *store);
void sl_kafka_consumers_free(struct sl_kafka_store *store);

/* --- kafka_member.c --- */

void sl_kafka_subscribe(struct sl_kafka_store *store, struct sl_op *op);
/* RECEIVE, RETURN, RENEW, LEAVE. */
void sl_kafka_as_member(struct sl_kafka_store *store, struct sl_op *op);
/* The ACKNOWLEDGEs among the ops. */
void sl_kafka_acknowledge(struct sl_kafka_store *store,
                          struct sl_op *const ops[], size_t count);
/* With the consumer's lock: those that were not said to live are no more.  op:
 * what is being done, or NULL. */
void sl_kafka_members_expire(struct sl_kafka_consumer *consumer,
                             struct sl_op *op);
void sl_kafka_members_free(struct sl_kafka_consumer *consumer);

/* --- kafka_rebalance.c: all with the consumer's lock held --- */

/* What librdkafka has to say. */
void sl_kafka_consumer_serve(struct sl_kafka_consumer *consumer);
void sl_kafka_note_error(struct sl_kafka_consumer *consumer,
                         rd_kafka_error_t *error);
/* It was assigned once more: its queue is read by us again. */
void sl_kafka_part_renew(struct sl_kafka_consumer *consumer, int32_t number);
/* Once it has joined: see that the group has a position everywhere. */
SL_MUST_CHECK enum sl_status
sl_kafka_consumer_settle(struct sl_kafka_consumer *consumer,
                         sl_deadline deadline, struct sl_error *err);
/* Store what was acknowledged; commit it, and wait.  Without the lock. */
SL_MUST_CHECK enum sl_status
sl_kafka_consumer_commit(struct sl_kafka_consumer *consumer,
                         sl_deadline deadline, struct sl_error *err);
/* More events into the ledger; whether there were some. */
SL_MUST_CHECK bool sl_kafka_consumer_fetch(struct sl_kafka_consumer *consumer);
/* Give up all it has, and leave the group.  Without the lock; nobody else has
 * it. */
void sl_kafka_consumer_leave(struct sl_kafka_consumer *consumer);

/* --- kafka_begin.c: all with the consumer's lock held --- */

/* See to partitions whose position is none any more, and to a topic that was
 * made anew.  May ask the brokers, for a second or two, where one is lost. */
void sl_kafka_mend(struct sl_kafka_consumer *consumer);

enum sl_kafka_found { SL_KAFKA_FOUND, SL_KAFKA_NOT_FOUND_YET };
/* Set where to begin with each of these partitions, which are ours from now on.
 */
SL_MUST_CHECK enum sl_kafka_found
sl_kafka_find_positions(struct sl_kafka_consumer *consumer,
                        rd_kafka_topic_partition_list_t *coming);

void sl_kafka_tell_of_new_topic(struct sl_kafka_consumer *consumer,
                                const char *start);
/* What operators must know goes with op; NULL: nobody is told. */
void sl_kafka_notices_give(struct sl_kafka_consumer *consumer,
                           struct sl_op *op);

/* --- kafka_topic_id.c: all with the consumer's lock held --- */

/* Whether the topic is another one than before; asks, and waits. */
bool sl_kafka_topic_id_look(struct sl_kafka_consumer *consumer, int timeout_ms);
/* The same without waiting, about once a second. */
SL_MUST_CHECK bool sl_kafka_topic_id_watch(struct sl_kafka_consumer *consumer);
void sl_kafka_topic_id_done(struct sl_kafka_consumer *consumer);
/* Note beside a position in which topic it is; whether it is in another. */
void sl_kafka_topic_id_sign(const struct sl_kafka_consumer *consumer,
                            rd_kafka_topic_partition_t *position);
SL_MUST_CHECK bool
sl_kafka_topic_id_is_other(const struct sl_kafka_consumer *consumer,
                           const rd_kafka_topic_partition_t *position);

#endif
