/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-flight table: the events of a topic that this process has received for
 * the members of a group and that are not acknowledged.  Without librdkafka and
 * without a lock.
 *
 * Kafka keeps one position per partition.  Here each event after it has its own
 * state, so that members share the events of a partition while each key stays
 * in order; the position is the first unacknowledged event.
 */
#ifndef SL_PUBSUB_KAFKA_IN_FLIGHT_H
#define SL_PUBSUB_KAFKA_IN_FLIGHT_H

#include "base/deadline.h"
#include "pubsub/pubsub.h"

enum {
    /* Events of a partition after its position; then nothing more is fetched
     * until the first of them is acknowledged. */
    SL_PUBSUB_KAFKA_WINDOW_MAX = 100000,
    SL_PUBSUB_KAFKA_RECEIPT_MAX = 64,
};

struct sl_pubsub_kafka_in_flight;
struct sl_pubsub_kafka_entry;

struct sl_pubsub_kafka_in_flight *sl_pubsub_kafka_in_flight_new(void);
void sl_pubsub_kafka_in_flight_free(struct sl_pubsub_kafka_in_flight *table);

/* --- Partitions --------------------------------------------------------- */

/* The partition was assigned to this process. */
void sl_pubsub_kafka_in_flight_assign(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t partition);
/* Deliver none of its events any more. */
void sl_pubsub_kafka_in_flight_pause(struct sl_pubsub_kafka_in_flight *table,
                                     int32_t partition);
/*
 * The partition belongs to another process.  Events of it that members have
 * cannot be acknowledged; if the partition comes back meanwhile, they are not
 * delivered to other members here.
 */
void sl_pubsub_kafka_in_flight_revoke(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t partition);
/* The topic was recreated: drop what members have of the old one.  All
 * partitions have been assigned or revoked since. */
void sl_pubsub_kafka_in_flight_new_topic(
    struct sl_pubsub_kafka_in_flight *table);
/* The same for one partition that is not ours. */
void sl_pubsub_kafka_in_flight_forget(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t partition);
/* How many of its events members have. */
size_t
sl_pubsub_kafka_in_flight_count(const struct sl_pubsub_kafka_in_flight *table,
                                int32_t partition);
/* Whether to fetch more: it is ours and holds less than `bytes`. */
bool sl_pubsub_kafka_in_flight_wants(
    const struct sl_pubsub_kafka_in_flight *table, int32_t partition,
    size_t bytes);
/*
 * The group's position: the offset of the first unacknowledged event.  False:
 * nothing was acknowledged since the last call that returned true.
 */
bool sl_pubsub_kafka_in_flight_position(struct sl_pubsub_kafka_in_flight *table,
                                        int32_t partition, int64_t *offset);
/* The offset after the last event added; -1: none was, since it is ours. */
int64_t
sl_pubsub_kafka_in_flight_end(const struct sl_pubsub_kafka_in_flight *table,
                              int32_t partition);
/* The partition of an entry. */
int32_t
sl_pubsub_kafka_entry_partition(const struct sl_pubsub_kafka_entry *entry);

/* --- Events --------------------------------------------------------------- */

/*
 * Add the next event of a partition; takes ownership.  Drops an event that the
 * table has already or whose partition is not ours.
 */
void sl_pubsub_kafka_in_flight_add(struct sl_pubsub_kafka_in_flight *table,
                                   int32_t partition, int64_t offset,
                                   struct sl_delivery *event);

/*
 * The next event that may be delivered, or NULL; the table owns it.  The event
 * has this receipt and its delivery count.  Delivered by _deliver.
 */
struct sl_pubsub_kafka_entry *
sl_pubsub_kafka_in_flight_next(struct sl_pubsub_kafka_in_flight *table,
                               char receipt[SL_PUBSUB_KAFKA_RECEIPT_MAX],
                               const struct sl_delivery **event);
void sl_pubsub_kafka_in_flight_deliver(struct sl_pubsub_kafka_in_flight *table,
                                       struct sl_pubsub_kafka_entry *entry,
                                       uint64_t member);

/* The entry that the member has under this receipt, or NULL. */
struct sl_pubsub_kafka_entry *
sl_pubsub_kafka_in_flight_find(struct sl_pubsub_kafka_in_flight *table,
                               uint64_t member, struct sl_bytes receipt);
/* Whether the next event of its key becomes ready. */
bool sl_pubsub_kafka_in_flight_acknowledge(
    struct sl_pubsub_kafka_in_flight *table,
    struct sl_pubsub_kafka_entry *entry);
/* until 0: ready at once. */
void sl_pubsub_kafka_in_flight_return(struct sl_pubsub_kafka_in_flight *table,
                                      struct sl_pubsub_kafka_entry *entry,
                                      sl_deadline until);
/* Return all events of the member; whether there were any. */
bool sl_pubsub_kafka_in_flight_return_all(
    struct sl_pubsub_kafka_in_flight *table, uint64_t member);

/* Make ready the returned events whose delay has passed. */
void sl_pubsub_kafka_in_flight_show_due(
    struct sl_pubsub_kafka_in_flight *table);
/* When the next of those is due; SL_NEVER: there is none. */
sl_deadline sl_pubsub_kafka_in_flight_next_due(
    const struct sl_pubsub_kafka_in_flight *table);

#endif
