/* SPDX-License-Identifier: Apache-2.0 */
#include "pubsub/kafka/in_flight.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/keys.h"

enum entry_state {
    READY,
    BLOCKED, /* by an earlier event of its key */
    HIDDEN,  /* until a time */
    IN_FLIGHT,
    ACKNOWLEDGED,
};

struct list {
    struct sl_pubsub_kafka_entry *first, *last;
};

struct sl_pubsub_kafka_entry {
    struct sl_pubsub_kafka_keyed keyed; /* first: see leave_key */
    int32_t partition;
    struct partition *of; /* NULL: an orphan, whose partition was revoked */
    enum entry_state state;
    int64_t offset;
    struct sl_delivery *event; /* NULL once acknowledged */
    uint64_t member;
    uint32_t deliveries;
    sl_deadline until;
    struct list *list; /* the list that it is in, or NULL */
    struct sl_pubsub_kafka_entry *before, *next;
};

/* The events after the position, as a ring buffer in offset order. */
struct partition {
    int32_t number;
    bool held;
    bool moved;  /* since sl_pubsub_kafka_in_flight_position */
    int64_t end; /* after the last event added; -1: there was none */
    struct sl_pubsub_kafka_entry **ring;
    size_t capacity, first, count;
    size_t in_flight;
    size_t bytes; /* of unacknowledged events */
    struct partition *next;
};

struct sl_pubsub_kafka_in_flight {
    struct partition *partitions;
    struct list ready, hidden, in_flight;
    struct list orphans; /* of members, and of partitions that are not ours */
    struct sl_pubsub_kafka_keys keys; /* of what is not acknowledged */
    int64_t generation;               /* of the topic; in receipts, but for 0 */
};

/* --- Lists -------------------------------------------------------------- */

static void unlink_entry(struct sl_pubsub_kafka_entry *entry)
{
    struct list *list = entry->list;

    if (list == NULL)
        return;
    *(entry->before != NULL ? &entry->before->next : &list->first) =
        entry->next;
    *(entry->next != NULL ? &entry->next->before : &list->last) = entry->before;
    entry->list = NULL;
}

/* Insert after `before`, or as the first. */
static void insert_entry(struct list *list,
                         struct sl_pubsub_kafka_entry *before,
                         struct sl_pubsub_kafka_entry *entry)
{
    unlink_entry(entry);
    entry->list = list;
    entry->before = before;
    entry->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = entry;
    *(entry->next != NULL ? &entry->next->before : &list->last) = entry;
}

/* --- Partitions --------------------------------------------------------- */

struct sl_pubsub_kafka_in_flight *sl_pubsub_kafka_in_flight_new(void)
{
    struct sl_pubsub_kafka_in_flight *table = sl_alloc(sizeof(*table));

    sl_pubsub_kafka_keys_init(&table->keys);
    return table;
}

static void entry_free(struct sl_pubsub_kafka_entry *entry)
{
    unlink_entry(entry);
    sl_delivery_free(entry->event);
    free(entry);
}

void sl_pubsub_kafka_in_flight_free(struct sl_pubsub_kafka_in_flight *table)
{
    if (table == NULL)
        return;
    while (table->partitions != NULL)
        sl_pubsub_kafka_in_flight_revoke(table, table->partitions->number);
    while (table->orphans.first != NULL)
        entry_free(table->orphans.first);
    sl_pubsub_kafka_keys_done(&table->keys);
    free(table);
}

static struct partition *
find_partition(const struct sl_pubsub_kafka_in_flight *table, int32_t number)
{
    struct partition *partition = table->partitions;

    while (partition != NULL && partition->number != number)
        partition = partition->next;
    return partition;
}

static struct sl_pubsub_kafka_entry *entry_at(const struct partition *partition,
                                              size_t i)
{
    return partition->ring[(partition->first + i) & (partition->capacity - 1)];
}

/* Remove the entry from its key's queue; the new first of it, or NULL. */
static struct sl_pubsub_kafka_entry *
leave_key(struct sl_pubsub_kafka_in_flight *table,
          struct sl_pubsub_kafka_entry *entry)
{
    /* An entry starts with its link in that queue. */
    return (struct sl_pubsub_kafka_entry *)sl_pubsub_kafka_keys_remove(
        &table->keys, &entry->keyed);
}

/* Make the entry ready, before the others: it has waited. */
static void make_entry_ready(struct sl_pubsub_kafka_in_flight *table,
                             struct sl_pubsub_kafka_entry *entry)
{
    unlink_entry(entry);
    entry->state = READY;
    if (!entry->of->held)
        insert_entry(&table->ready, NULL, entry);
}

void sl_pubsub_kafka_in_flight_assign(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t number)
{
    struct partition *partition;

    sl_pubsub_kafka_in_flight_revoke(table, number);
    partition = sl_alloc(sizeof(*partition));
    partition->number = number;
    partition->end = -1;
    partition->next = table->partitions;
    table->partitions = partition;
}

void sl_pubsub_kafka_in_flight_pause(struct sl_pubsub_kafka_in_flight *table,
                                     int32_t number)
{
    struct partition *partition = find_partition(table, number);

    if (partition == NULL || partition->held)
        return;
    partition->held = true;
    for (size_t i = 0; i < partition->count; i++)
        if (entry_at(partition, i)->state == READY)
            unlink_entry(entry_at(partition, i));
}

void sl_pubsub_kafka_in_flight_revoke(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t number)
{
    struct partition **link = &table->partitions;

    while (*link != NULL && (*link)->number != number)
        link = &(*link)->next;
    struct partition *partition = *link;
    if (partition == NULL)
        return;
    *link = partition->next;
    for (size_t i = 0; i < partition->count; i++) {
        struct sl_pubsub_kafka_entry *entry = entry_at(partition, i);
        struct sl_pubsub_kafka_entry *next =
            entry->event != NULL ? leave_key(table, entry) : NULL;
        /* A key should be in one partition, but other publishers may differ. */
        if (next != NULL && next->partition != number && next->state == BLOCKED)
            make_entry_ready(table, next);
        entry->of = NULL;
        if (entry->state == IN_FLIGHT)
            insert_entry(&table->orphans, table->orphans.last, entry);
        else
            entry_free(entry);
    }
    free(partition->ring);
    free(partition);
}

void sl_pubsub_kafka_in_flight_new_topic(
    struct sl_pubsub_kafka_in_flight *table)
{
    while (table->orphans.first != NULL)
        entry_free(table->orphans.first);
    table->generation++;
}

void sl_pubsub_kafka_in_flight_forget(struct sl_pubsub_kafka_in_flight *table,
                                      int32_t number)
{
    for (struct sl_pubsub_kafka_entry *entry = table->orphans.first, *next;
         entry != NULL; entry = next) {
        next = entry->next;
        if (entry->partition == number)
            entry_free(entry);
    }
}

size_t
sl_pubsub_kafka_in_flight_count(const struct sl_pubsub_kafka_in_flight *table,
                                int32_t number)
{
    const struct partition *partition = find_partition(table, number);

    return partition != NULL ? partition->in_flight : 0;
}

bool sl_pubsub_kafka_in_flight_wants(
    const struct sl_pubsub_kafka_in_flight *table, int32_t number, size_t bytes)
{
    const struct partition *partition = find_partition(table, number);

    return partition != NULL && !partition->held &&
           partition->count < SL_PUBSUB_KAFKA_WINDOW_MAX &&
           (partition->bytes < bytes || partition->count == 0);
}

bool sl_pubsub_kafka_in_flight_position(struct sl_pubsub_kafka_in_flight *table,
                                        int32_t number, int64_t *offset)
{
    struct partition *partition = find_partition(table, number);

    if (partition == NULL || !partition->moved)
        return false;
    partition->moved = false;
    *offset =
        partition->count > 0 ? entry_at(partition, 0)->offset : partition->end;
    return true;
}

int64_t
sl_pubsub_kafka_in_flight_end(const struct sl_pubsub_kafka_in_flight *table,
                              int32_t number)
{
    const struct partition *partition = find_partition(table, number);

    return partition != NULL ? partition->end : -1;
}

int32_t
sl_pubsub_kafka_entry_partition(const struct sl_pubsub_kafka_entry *entry)
{
    return entry->partition;
}

/* --- Events ------------------------------------------------------------- */

static void push_entry(struct partition *partition,
                       struct sl_pubsub_kafka_entry *entry)
{
    if (partition->count == partition->capacity) {
        size_t capacity =
            partition->capacity > 0 ? partition->capacity * 2 : 64;
        struct sl_pubsub_kafka_entry **ring =
            sl_alloc_array(capacity, sizeof(*ring));
        for (size_t i = 0; i < partition->count; i++)
            ring[i] = entry_at(partition, i);
        free(partition->ring);
        partition->ring = ring;
        partition->capacity = capacity;
        partition->first = 0;
    }
    partition->ring[(partition->first + partition->count++) &
                    (partition->capacity - 1)] = entry;
}

/* The entry of an event that a member has kept while its partition was revoked
 * and assigned again, or NULL. */
static struct sl_pubsub_kafka_entry *
take_orphan(struct sl_pubsub_kafka_in_flight *table, int32_t partition,
            int64_t offset)
{
    struct sl_pubsub_kafka_entry *entry = table->orphans.first;

    while (entry != NULL &&
           (entry->partition != partition || entry->offset != offset))
        entry = entry->next;
    if (entry != NULL)
        insert_entry(&table->in_flight, table->in_flight.last, entry);
    return entry;
}

static size_t size_of_event(const struct sl_delivery *event)
{
    size_t bytes = sizeof(struct sl_pubsub_kafka_entry) + sizeof(*event) +
                   event->payload.len + event->key.len;

    for (size_t i = 0; i < event->attribute_count; i++)
        bytes += sizeof(struct sl_pair) + event->attributes[i].name.len +
                 event->attributes[i].value.len;
    return bytes;
}

void sl_pubsub_kafka_in_flight_add(struct sl_pubsub_kafka_in_flight *table,
                                   int32_t number, int64_t offset,
                                   struct sl_delivery *event)
{
    struct partition *partition = find_partition(table, number);

    if (partition == NULL || offset < partition->end) {
        sl_delivery_free(event);
        return;
    }
    struct sl_pubsub_kafka_entry *entry = take_orphan(table, number, offset);
    if (entry != NULL) {
        sl_delivery_free(event);
        partition->in_flight++;
    } else {
        entry = sl_alloc(sizeof(*entry));
        entry->partition = number;
        entry->offset = offset;
        entry->event = event;
    }
    entry->of = partition;
    push_entry(partition, entry);
    partition->end = offset + 1;
    partition->bytes += size_of_event(entry->event);
    entry->keyed.key = entry->event->key;
    bool behind = sl_pubsub_kafka_keys_add(&table->keys, &entry->keyed);
    if (entry->state == IN_FLIGHT)
        return;
    entry->state = behind ? BLOCKED : READY;
    if (!behind && !partition->held)
        insert_entry(&table->ready, table->ready.last, entry);
}

struct sl_pubsub_kafka_entry *
sl_pubsub_kafka_in_flight_next(struct sl_pubsub_kafka_in_flight *table,
                               char receipt[SL_PUBSUB_KAFKA_RECEIPT_MAX],
                               const struct sl_delivery **event)
{
    struct sl_pubsub_kafka_entry *entry = table->ready.first;

    if (entry == NULL)
        return NULL;
    int len = snprintf(receipt, SL_PUBSUB_KAFKA_RECEIPT_MAX,
                       "%" PRId32 ":%" PRId64 ":%" PRIu32, entry->partition,
                       entry->offset, entry->deliveries + 1);
    if (table->generation > 0)
        snprintf(receipt + len, SL_PUBSUB_KAFKA_RECEIPT_MAX - (size_t)len,
                 ":%" PRId64, table->generation);
    entry->event->receipt = sl_bytes_of(receipt);
    entry->event->delivery_count = entry->deliveries + 1;
    *event = entry->event;
    return entry;
}

void sl_pubsub_kafka_in_flight_deliver(struct sl_pubsub_kafka_in_flight *table,
                                       struct sl_pubsub_kafka_entry *entry,
                                       uint64_t member)
{
    entry->event->receipt = (struct sl_bytes){0};
    entry->state = IN_FLIGHT;
    entry->member = member;
    entry->deliveries++;
    insert_entry(&table->in_flight, table->in_flight.last, entry);
    entry->of->in_flight++;
}

/* Read digits up to `end`, which is skipped; false: something else was
 * found. */
static bool read_receipt_number(struct sl_bytes *text, char end,
                                int64_t *number)
{
    size_t len = 0;

    while (len < text->len && text->ptr[len] != (uint8_t)end)
        len++;
    if (!sl_bytes_to_integer(SL_BYTES(text->ptr, len), number) || *number < 0)
        return false;
    len += len < text->len;
    *text = SL_BYTES(text->ptr + len, text->len - len);
    return true;
}

/* Binary search. */
static struct sl_pubsub_kafka_entry *
find_at_offset(const struct partition *partition, int64_t offset)
{
    size_t low = 0, high = partition->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (entry_at(partition, middle)->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < partition->count && entry_at(partition, low)->offset == offset
               ? entry_at(partition, low)
               : NULL;
}

struct sl_pubsub_kafka_entry *
sl_pubsub_kafka_in_flight_find(struct sl_pubsub_kafka_in_flight *table,
                               uint64_t member, struct sl_bytes receipt)
{
    int64_t number, offset, delivery, generation;
    bool anew = table->generation > 0;

    if (!read_receipt_number(&receipt, ':', &number) ||
        !read_receipt_number(&receipt, ':', &offset) ||
        !read_receipt_number(&receipt, anew ? ':' : '\0', &delivery) ||
        number > INT32_MAX ||
        (anew && (!read_receipt_number(&receipt, '\0', &generation) ||
                  generation != table->generation)))
        return NULL;
    const struct partition *partition = find_partition(table, (int32_t)number);
    struct sl_pubsub_kafka_entry *entry =
        partition != NULL ? find_at_offset(partition, offset) : NULL;
    if (entry != NULL)
        return entry->state == IN_FLIGHT && entry->member == member &&
                       entry->deliveries == delivery
                   ? entry
                   : NULL;
    /* The member will not ask for an orphan again. */
    for (entry = table->orphans.first; entry != NULL; entry = entry->next)
        if (entry->partition == number && entry->offset == offset &&
            entry->member == member && entry->deliveries == delivery) {
            entry_free(entry);
            break;
        }
    return NULL;
}

bool sl_pubsub_kafka_in_flight_acknowledge(
    struct sl_pubsub_kafka_in_flight *table,
    struct sl_pubsub_kafka_entry *entry)
{
    struct partition *partition = entry->of;
    struct sl_pubsub_kafka_entry *next = leave_key(table, entry);

    partition->in_flight--;
    partition->bytes -= size_of_event(entry->event);
    unlink_entry(entry);
    sl_delivery_free(entry->event);
    entry->event = NULL;
    entry->state = ACKNOWLEDGED;
    while (partition->count > 0 &&
           entry_at(partition, 0)->state == ACKNOWLEDGED) {
        free(entry_at(partition, 0));
        partition->first = (partition->first + 1) & (partition->capacity - 1);
        partition->count--;
        partition->moved = true;
    }
    if (next == NULL || next->state != BLOCKED)
        return false;
    make_entry_ready(table, next);
    return true;
}

void sl_pubsub_kafka_in_flight_return(struct sl_pubsub_kafka_in_flight *table,
                                      struct sl_pubsub_kafka_entry *entry,
                                      sl_deadline until)
{
    entry->of->in_flight--;
    if (until == 0) {
        make_entry_ready(table, entry);
        return;
    }
    struct sl_pubsub_kafka_entry *before = table->hidden.last;
    while (before != NULL && before->until > until)
        before = before->before;
    entry->state = HIDDEN;
    entry->until = until;
    insert_entry(&table->hidden, before, entry);
}

bool sl_pubsub_kafka_in_flight_return_all(
    struct sl_pubsub_kafka_in_flight *table, uint64_t member)
{
    bool some = false;

    /* From the last to the first, as each is put in front. */
    for (struct sl_pubsub_kafka_entry *entry = table->in_flight.last, *before;
         entry != NULL; entry = before) {
        before = entry->before;
        if (entry->member != member)
            continue;
        sl_pubsub_kafka_in_flight_return(table, entry, 0);
        some = true;
    }
    for (struct sl_pubsub_kafka_entry *entry = table->orphans.first, *next;
         entry != NULL; entry = next) {
        next = entry->next;
        if (entry->member == member)
            entry_free(entry);
    }
    return some;
}

void sl_pubsub_kafka_in_flight_show_due(struct sl_pubsub_kafka_in_flight *table)
{
    while (table->hidden.first != NULL &&
           sl_deadline_passed(table->hidden.first->until))
        make_entry_ready(table, table->hidden.first);
}

sl_deadline sl_pubsub_kafka_in_flight_next_due(
    const struct sl_pubsub_kafka_in_flight *table)
{
    return table->hidden.first != NULL ? table->hidden.first->until : SL_NEVER;
}
