/* SPDX-License-Identifier: Apache-2.0 */
#include "pubsub/kafka/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/keys.h"

enum state {
    READY,
    BLOCKED, /* behind an earlier one of its key */
    HIDDEN,  /* until a time */
    IN_FLIGHT,
    ACKNOWLEDGED,
};

struct list {
    struct sl_kafka_entry *first, *last;
};

struct sl_kafka_entry {
    struct sl_kafka_keyed keyed; /* first: see leave_key */
    int32_t partition;
    struct partition *of; /* NULL: an orphan */
    enum state state;
    int64_t offset;
    struct sl_delivery *event; /* NULL once acknowledged */
    uint64_t member;
    uint32_t deliveries;
    sl_deadline until;
    struct list *list; /* that it is in: ready, hidden, in_flight, orphans */
    struct sl_kafka_entry *before, *next;
};

/* The events behind its position, as a ring, in the order of their offsets. */
struct partition {
    int32_t number;
    bool held;
    bool moved;  /* acknowledged since sl_kafka_ledger_position */
    int64_t end; /* behind the last event added; -1: none was */
    struct sl_kafka_entry **ring;
    size_t capacity, first, count;
    size_t in_flight;
    size_t bytes; /* of what is not acknowledged */
    struct partition *next;
};

struct sl_kafka_ledger {
    struct partition *partitions;
    struct list ready, hidden, in_flight;
    struct list orphans; /* of members, and of partitions that are not ours */
    struct sl_kafka_keys keys; /* of what is not acknowledged */
    int64_t generation;        /* of the topic; in receipts, but for 0 */
};

/* --- Lists -------------------------------------------------------------- */

static void unlink_entry(struct sl_kafka_entry *entry)
{
    struct list *list = entry->list;

    if (list == NULL)
        return;
    *(entry->before != NULL ? &entry->before->next : &list->first) =
        entry->next;
    *(entry->next != NULL ? &entry->next->before : &list->last) = entry->before;
    entry->list = NULL;
}

/* Behind `before`, or first. */
static void insert(struct list *list, struct sl_kafka_entry *before,
                   struct sl_kafka_entry *entry)
{
    unlink_entry(entry);
    entry->list = list;
    entry->before = before;
    entry->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = entry;
    *(entry->next != NULL ? &entry->next->before : &list->last) = entry;
}

/* --- Partitions --------------------------------------------------------- */

struct sl_kafka_ledger *sl_kafka_ledger_new(void)
{
    struct sl_kafka_ledger *ledger = sl_alloc(sizeof(*ledger));

    sl_kafka_keys_init(&ledger->keys);
    return ledger;
}

static void entry_free(struct sl_kafka_entry *entry)
{
    unlink_entry(entry);
    sl_delivery_free(entry->event);
    free(entry);
}

void sl_kafka_ledger_free(struct sl_kafka_ledger *ledger)
{
    if (ledger == NULL)
        return;
    while (ledger->partitions != NULL)
        sl_kafka_ledger_revoke(ledger, ledger->partitions->number);
    while (ledger->orphans.first != NULL)
        entry_free(ledger->orphans.first);
    sl_kafka_keys_done(&ledger->keys);
    free(ledger);
}

static struct partition *find(const struct sl_kafka_ledger *ledger,
                              int32_t number)
{
    struct partition *partition = ledger->partitions;

    while (partition != NULL && partition->number != number)
        partition = partition->next;
    return partition;
}

static struct sl_kafka_entry *at(const struct partition *partition, size_t i)
{
    return partition->ring[(partition->first + i) & (partition->capacity - 1)];
}

/* Out of its key's queue; the one that is now the first of it, or NULL. */
static struct sl_kafka_entry *leave_key(struct sl_kafka_ledger *ledger,
                                        struct sl_kafka_entry *entry)
{
    /* An entry begins with its place in that queue. */
    return (struct sl_kafka_entry *)sl_kafka_keys_remove(&ledger->keys,
                                                         &entry->keyed);
}

/* It may be handed out, and has waited: before the others. */
static void show(struct sl_kafka_ledger *ledger, struct sl_kafka_entry *entry)
{
    unlink_entry(entry);
    entry->state = READY;
    if (!entry->of->held)
        insert(&ledger->ready, NULL, entry);
}

void sl_kafka_ledger_assign(struct sl_kafka_ledger *ledger, int32_t number)
{
    struct partition *partition;

    sl_kafka_ledger_revoke(ledger, number);
    partition = sl_alloc(sizeof(*partition));
    partition->number = number;
    partition->end = -1;
    partition->next = ledger->partitions;
    ledger->partitions = partition;
}

void sl_kafka_ledger_hold(struct sl_kafka_ledger *ledger, int32_t number)
{
    struct partition *partition = find(ledger, number);

    if (partition == NULL || partition->held)
        return;
    partition->held = true;
    for (size_t i = 0; i < partition->count; i++)
        if (at(partition, i)->state == READY)
            unlink_entry(at(partition, i));
}

void sl_kafka_ledger_revoke(struct sl_kafka_ledger *ledger, int32_t number)
{
    struct partition **place = &ledger->partitions;

    while (*place != NULL && (*place)->number != number)
        place = &(*place)->next;
    struct partition *partition = *place;
    if (partition == NULL)
        return;
    *place = partition->next;
    for (size_t i = 0; i < partition->count; i++) {
        struct sl_kafka_entry *entry = at(partition, i);
        struct sl_kafka_entry *next =
            entry->event != NULL ? leave_key(ledger, entry) : NULL;
        /* A key should be in one partition; who knows what others do. */
        if (next != NULL && next->partition != number && next->state == BLOCKED)
            show(ledger, next);
        entry->of = NULL;
        if (entry->state == IN_FLIGHT)
            insert(&ledger->orphans, ledger->orphans.last, entry);
        else
            entry_free(entry);
    }
    free(partition->ring);
    free(partition);
}

void sl_kafka_ledger_begin_anew(struct sl_kafka_ledger *ledger)
{
    while (ledger->orphans.first != NULL)
        entry_free(ledger->orphans.first);
    ledger->generation++;
}

void sl_kafka_ledger_forget(struct sl_kafka_ledger *ledger, int32_t number)
{
    for (struct sl_kafka_entry *entry = ledger->orphans.first, *next;
         entry != NULL; entry = next) {
        next = entry->next;
        if (entry->partition == number)
            entry_free(entry);
    }
}

size_t sl_kafka_ledger_in_flight(const struct sl_kafka_ledger *ledger,
                                 int32_t number)
{
    const struct partition *partition = find(ledger, number);

    return partition != NULL ? partition->in_flight : 0;
}

bool sl_kafka_ledger_wants(const struct sl_kafka_ledger *ledger, int32_t number,
                           size_t bytes)
{
    const struct partition *partition = find(ledger, number);

    return partition != NULL && !partition->held &&
           partition->count < SL_KAFKA_WINDOW_MAX &&
           (partition->bytes < bytes || partition->count == 0);
}

bool sl_kafka_ledger_position(struct sl_kafka_ledger *ledger, int32_t number,
                              int64_t *offset)
{
    struct partition *partition = find(ledger, number);

    if (partition == NULL || !partition->moved)
        return false;
    partition->moved = false;
    *offset = partition->count > 0 ? at(partition, 0)->offset : partition->end;
    return true;
}

bool sl_kafka_ledger_is_past(const struct sl_kafka_ledger *ledger,
                             int32_t number, int64_t offset)
{
    const struct partition *partition = find(ledger, number);

    return partition != NULL &&
           (partition->count == 0 || at(partition, 0)->offset > offset);
}

int32_t sl_kafka_entry_partition(const struct sl_kafka_entry *entry)
{
    return entry->partition;
}

/* --- Events ------------------------------------------------------------- */

static void push(struct partition *partition, struct sl_kafka_entry *entry)
{
    if (partition->count == partition->capacity) {
        size_t capacity =
            partition->capacity > 0 ? partition->capacity * 2 : 64;
        struct sl_kafka_entry **ring = sl_alloc_array(capacity, sizeof(*ring));
        for (size_t i = 0; i < partition->count; i++)
            ring[i] = at(partition, i);
        free(partition->ring);
        partition->ring = ring;
        partition->capacity = capacity;
        partition->first = 0;
    }
    partition->ring[(partition->first + partition->count++) &
                    (partition->capacity - 1)] = entry;
}

/* A member has had it since before the partition went and came back. */
static struct sl_kafka_entry *adopt(struct sl_kafka_ledger *ledger,
                                    int32_t partition, int64_t offset)
{
    struct sl_kafka_entry *entry = ledger->orphans.first;

    while (entry != NULL &&
           (entry->partition != partition || entry->offset != offset))
        entry = entry->next;
    if (entry != NULL)
        insert(&ledger->in_flight, ledger->in_flight.last, entry);
    return entry;
}

static size_t bytes_of(const struct sl_delivery *event)
{
    size_t bytes = sizeof(struct sl_kafka_entry) + sizeof(*event) +
                   event->payload.len + event->key.len;

    for (size_t i = 0; i < event->attribute_count; i++)
        bytes += sizeof(struct sl_pair) + event->attributes[i].name.len +
                 event->attributes[i].value.len;
    return bytes;
}

void sl_kafka_ledger_add(struct sl_kafka_ledger *ledger, int32_t number,
                         int64_t offset, struct sl_delivery *event)
{
    struct partition *partition = find(ledger, number);

    if (partition == NULL || offset < partition->end) {
        sl_delivery_free(event);
        return;
    }
    struct sl_kafka_entry *entry = adopt(ledger, number, offset);
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
    push(partition, entry);
    partition->end = offset + 1;
    partition->bytes += bytes_of(entry->event);
    entry->keyed.key = entry->event->key;
    bool behind = sl_kafka_keys_add(&ledger->keys, &entry->keyed);
    if (entry->state == IN_FLIGHT)
        return;
    entry->state = behind ? BLOCKED : READY;
    if (!behind && !partition->held)
        insert(&ledger->ready, ledger->ready.last, entry);
}

struct sl_kafka_entry *sl_kafka_ledger_next(struct sl_kafka_ledger *ledger,
                                            char receipt[SL_KAFKA_RECEIPT_MAX],
                                            const struct sl_delivery **event)
{
    struct sl_kafka_entry *entry = ledger->ready.first;

    if (entry == NULL)
        return NULL;
    int len = snprintf(receipt, SL_KAFKA_RECEIPT_MAX,
                       "%" PRId32 ":%" PRId64 ":%" PRIu32, entry->partition,
                       entry->offset, entry->deliveries + 1);
    if (ledger->generation > 0)
        snprintf(receipt + len, SL_KAFKA_RECEIPT_MAX - (size_t)len, ":%" PRId64,
                 ledger->generation);
    entry->event->receipt = sl_bytes_of(receipt);
    entry->event->delivery_count = entry->deliveries + 1;
    *event = entry->event;
    return entry;
}

void sl_kafka_ledger_deliver(struct sl_kafka_ledger *ledger,
                             struct sl_kafka_entry *entry, uint64_t member)
{
    entry->event->receipt = (struct sl_bytes){0};
    entry->state = IN_FLIGHT;
    entry->member = member;
    entry->deliveries++;
    insert(&ledger->in_flight, ledger->in_flight.last, entry);
    entry->of->in_flight++;
}

/* Digits up to `end`, which is skipped; false where that is not what stands
 * there. */
static bool read_number(struct sl_bytes *text, char end, int64_t *number)
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

/* By halves. */
static struct sl_kafka_entry *find_offset(const struct partition *partition,
                                          int64_t offset)
{
    size_t low = 0, high = partition->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at(partition, middle)->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < partition->count && at(partition, low)->offset == offset
               ? at(partition, low)
               : NULL;
}

struct sl_kafka_entry *sl_kafka_ledger_find(struct sl_kafka_ledger *ledger,
                                            uint64_t member,
                                            struct sl_bytes receipt)
{
    int64_t number, offset, delivery, generation;
    bool anew = ledger->generation > 0;

    if (!read_number(&receipt, ':', &number) ||
        !read_number(&receipt, ':', &offset) ||
        !read_number(&receipt, anew ? ':' : '\0', &delivery) ||
        number > INT32_MAX ||
        (anew && (!read_number(&receipt, '\0', &generation) ||
                  generation != ledger->generation)))
        return NULL;
    const struct partition *partition = find(ledger, (int32_t)number);
    struct sl_kafka_entry *entry =
        partition != NULL ? find_offset(partition, offset) : NULL;
    if (entry != NULL)
        return entry->state == IN_FLIGHT && entry->member == member &&
                       entry->deliveries == delivery
                   ? entry
                   : NULL;
    /* Nobody asks for it again. */
    for (entry = ledger->orphans.first; entry != NULL; entry = entry->next)
        if (entry->partition == number && entry->offset == offset &&
            entry->member == member && entry->deliveries == delivery) {
            entry_free(entry);
            break;
        }
    return NULL;
}

bool sl_kafka_ledger_acknowledge(struct sl_kafka_ledger *ledger,
                                 struct sl_kafka_entry *entry)
{
    struct partition *partition = entry->of;
    struct sl_kafka_entry *next = leave_key(ledger, entry);

    partition->in_flight--;
    partition->bytes -= bytes_of(entry->event);
    unlink_entry(entry);
    sl_delivery_free(entry->event);
    entry->event = NULL;
    entry->state = ACKNOWLEDGED;
    while (partition->count > 0 && at(partition, 0)->state == ACKNOWLEDGED) {
        free(at(partition, 0));
        partition->first = (partition->first + 1) & (partition->capacity - 1);
        partition->count--;
        partition->moved = true;
    }
    if (next == NULL || next->state != BLOCKED)
        return false;
    show(ledger, next);
    return true;
}

void sl_kafka_ledger_return(struct sl_kafka_ledger *ledger,
                            struct sl_kafka_entry *entry, sl_deadline until)
{
    entry->of->in_flight--;
    if (until == 0) {
        show(ledger, entry);
        return;
    }
    struct sl_kafka_entry *before = ledger->hidden.last;
    while (before != NULL && before->until > until)
        before = before->before;
    entry->state = HIDDEN;
    entry->until = until;
    insert(&ledger->hidden, before, entry);
}

bool sl_kafka_ledger_return_all(struct sl_kafka_ledger *ledger, uint64_t member)
{
    bool some = false;

    /* From the last on, as each comes to the front. */
    for (struct sl_kafka_entry *entry = ledger->in_flight.last, *before;
         entry != NULL; entry = before) {
        before = entry->before;
        if (entry->member != member)
            continue;
        sl_kafka_ledger_return(ledger, entry, 0);
        some = true;
    }
    for (struct sl_kafka_entry *entry = ledger->orphans.first, *next;
         entry != NULL; entry = next) {
        next = entry->next;
        if (entry->member == member)
            entry_free(entry);
    }
    return some;
}

void sl_kafka_ledger_show(struct sl_kafka_ledger *ledger)
{
    while (ledger->hidden.first != NULL &&
           sl_deadline_passed(ledger->hidden.first->until))
        show(ledger, ledger->hidden.first);
}

sl_deadline sl_kafka_ledger_next_shown(const struct sl_kafka_ledger *ledger)
{
    return ledger->hidden.first != NULL ? ledger->hidden.first->until
                                        : SL_NEVER;
}
