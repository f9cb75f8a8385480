/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the members of a group that this process has received of a topic of
 * Kafka and not acknowledged: without librdkafka, and without a lock.
 *
 * Kafka knows one position for a partition.  Here each event behind it has a
 * state of its own, so that members share the events of a partition, each key
 * in its order; the position follows the first that is not acknowledged.
 */
#ifndef SL_PUBSUB_KAFKA_LEDGER_H
#define SL_PUBSUB_KAFKA_LEDGER_H

#include "base/deadline.h"
#include "pubsub/pubsub.h"

enum {
    /* Events of a partition behind its position; then nothing more is taken
     * until the first of them is acknowledged. */
    SL_KAFKA_WINDOW_MAX = 100000,
    SL_KAFKA_RECEIPT_MAX = 64,
};

struct sl_kafka_ledger;
struct sl_kafka_entry;

struct sl_kafka_ledger *sl_kafka_ledger_new(void);
void sl_kafka_ledger_free(struct sl_kafka_ledger *ledger);

/* --- Partitions --------------------------------------------------------- */

/* This process has it from now on. */
void sl_kafka_ledger_assign(struct sl_kafka_ledger *ledger, int32_t partition);
/* Nothing of it is handed out any more. */
void sl_kafka_ledger_hold(struct sl_kafka_ledger *ledger, int32_t partition);
/*
 * It is another process's.  What members have of it cannot be acknowledged; but
 * where the partition comes back meanwhile, nobody else gets that here.
 */
void sl_kafka_ledger_revoke(struct sl_kafka_ledger *ledger, int32_t partition);
/* The topic is another one: what members have is of none any more.  All
 * partitions were assigned, or revoked, since. */
void sl_kafka_ledger_begin_anew(struct sl_kafka_ledger *ledger);
/* The same of a partition that is not ours: if it comes back, members have
 * nothing of it. */
void sl_kafka_ledger_forget(struct sl_kafka_ledger *ledger, int32_t partition);
/* How many events of it members have. */
size_t sl_kafka_ledger_in_flight(const struct sl_kafka_ledger *ledger,
                                 int32_t partition);
/* Whether to take more of it: it is ours, and keeps less than `bytes`. */
bool sl_kafka_ledger_wants(const struct sl_kafka_ledger *ledger,
                           int32_t partition, size_t bytes);
/*
 * Where the group is: the offset of the first event that is not acknowledged.
 * False where nothing was acknowledged since the last call that was true.
 */
bool sl_kafka_ledger_position(struct sl_kafka_ledger *ledger, int32_t partition,
                              int64_t *offset);
/* The partition of an entry that was found. */
int32_t sl_kafka_entry_partition(const struct sl_kafka_entry *entry);
/* The events before it, and it, are acknowledged. */
bool sl_kafka_ledger_is_past(const struct sl_kafka_ledger *ledger,
                             int32_t partition, int64_t offset);

/* --- Events --------------------------------------------------------------- */

/*
 * The next event of a partition; takes it.  It is dropped where the ledger has
 * it already, or the partition is not ours.
 */
void sl_kafka_ledger_add(struct sl_kafka_ledger *ledger, int32_t partition,
                         int64_t offset, struct sl_delivery *event);

/*
 * The next event that may be handed out now, or NULL; it stays the ledger's,
 * with this receipt and delivery count.  Taken by _deliver.
 */
struct sl_kafka_entry *sl_kafka_ledger_next(struct sl_kafka_ledger *ledger,
                                            char receipt[SL_KAFKA_RECEIPT_MAX],
                                            const struct sl_delivery **event);
void sl_kafka_ledger_deliver(struct sl_kafka_ledger *ledger,
                             struct sl_kafka_entry *entry, uint64_t member);

/* What the member has under this receipt; or NULL. */
struct sl_kafka_entry *sl_kafka_ledger_find(struct sl_kafka_ledger *ledger,
                                            uint64_t member,
                                            struct sl_bytes receipt);
/* Whether it frees another of its key. */
bool sl_kafka_ledger_acknowledge(struct sl_kafka_ledger *ledger,
                                 struct sl_kafka_entry *entry);
/* until 0: at once. */
void sl_kafka_ledger_return(struct sl_kafka_ledger *ledger,
                            struct sl_kafka_entry *entry, sl_deadline until);
/* All that the member has; whether there was something. */
bool sl_kafka_ledger_return_all(struct sl_kafka_ledger *ledger,
                                uint64_t member);

/* What was returned until a time that has passed may be handed out. */
void sl_kafka_ledger_show(struct sl_kafka_ledger *ledger);
/* When the next of those is; SL_NEVER where there is none. */
sl_deadline sl_kafka_ledger_next_shown(const struct sl_kafka_ledger *ledger);

#endif
