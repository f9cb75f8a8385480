/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue and a thread for each of the standard streams.
 */
#include "base/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/log.h"

enum {
    RECORD_COST = 64, /* of memory, beside its text */
    NOTICE_MS = 1000, /* between two lines about what was lost */
    /* The same where standard error tells of standard output: who has gone away
     * does not come back. */
    OTHER_NOTICE_MS = 60000,
};

/* An entry that waits. */
struct record {
    struct record *next;
    int stream;
    enum sl_output_kind kind;
    size_t len;
    char text[];
};

struct queue {
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t some;
    pthread_cond_t none; /* neither queued nor being written */
    struct record *first, *last;
    size_t size;
    bool running; /* its thread */
    bool writing;
    uint64_t untold;         /* entries that were lost since a line said so */
    sl_deadline quiet_until; /* 0: a line is due */

    /* Of the thread alone. */
    bool torn; /* the last write stopped within a line */
    int error; /* of the last write; 0: none */
    /* Whole lines are written at once up to this size, which a pipe does not
     * mix with those of other processes. */
    char batch[PIPE_BUF];
};

static struct queue queues[2] = {
    {.mutex = PTHREAD_MUTEX_INITIALIZER},
    {.mutex = PTHREAD_MUTEX_INITIALIZER},
};
static atomic_bool is_started;
static bool is_one_file; /* set before is_started */
static struct sl_output_lost lost_of_kind[SL_OUTPUT_KINDS];

uint64_t sl_output_lost_count(int stream, enum sl_output_kind kind,
                              enum sl_output_loss loss)
{
    return atomic_load_explicit(&lost_of_kind[kind].count[stream - 1][loss],
                                memory_order_relaxed);
}

static void count_lost(struct sl_output_lost *lost, int stream,
                       enum sl_output_loss loss)
{
    atomic_fetch_add_explicit(&lost->count[stream - 1][loss], 1,
                              memory_order_relaxed);
}

bool sl_output_write_all(int fd, struct sl_bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EAGAIN) {
            /* Somebody else made it non-blocking. */
            struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
            (void)poll(&poll_fd, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return false;
        } else if (written > 0) {
            bytes = SL_BYTES(bytes.ptr + written, bytes.len - (size_t)written);
        }
    }
    return true;
}

void sl_output_start(void)
{
    pthread_condattr_t clock;
    struct stat out, err;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        pthread_cond_init(&queues[i].some, &clock);
        pthread_cond_init(&queues[i].none, &clock);
    }
    pthread_condattr_destroy(&clock);
    is_one_file = fstat(STDOUT_FILENO, &out) == 0 &&
                  fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
                  out.st_ino == err.st_ino;
    atomic_store(&is_started, true);
}

static struct queue *queue_of(int stream)
{
    return &queues[is_one_file ? 0 : stream - 1];
}

static struct timespec timespec_of(sl_deadline deadline)
{
    return (struct timespec){.tv_sec = deadline / 1000000000,
                             .tv_nsec = deadline % 1000000000};
}

/* --- The thread --------------------------------------------------------- */

/* What is written together. */
struct batch {
    int stream;
    struct record *records;
    struct sl_bytes bytes;
};

/* The records at the head of the queue that go out by one write. */
static void take_batch(struct queue *queue, struct batch *batch)
{
    struct record **end = &queue->first;
    size_t len = 0;

    batch->records = queue->first;
    batch->stream = queue->first->stream;
    do {
        len += (*end)->len;
        queue->size -= (*end)->len + RECORD_COST;
        end = &(*end)->next;
    } while (*end != NULL && (*end)->stream == batch->stream &&
             len + (*end)->len <= sizeof(queue->batch));
    queue->first = *end;
    *end = NULL;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->writing = true;
}

/* Puts the records together, outside the lock. */
static void fill_batch(struct queue *queue, struct batch *batch)
{
    size_t len = 0;

    batch->bytes = SL_BYTES(batch->records->text, batch->records->len);
    if (batch->records->next == NULL)
        return;
    for (struct record *record = batch->records; record != NULL;
         record = record->next) {
        memcpy(queue->batch + len, record->text, record->len);
        len += record->len;
    }
    batch->bytes = SL_BYTES(queue->batch, len);
}

/* How many entries were lost. */
static uint64_t write_batch(struct queue *queue, struct batch *batch)
{
    uint64_t lost = 0;
    bool is_written = (!queue->torn ||
                       sl_output_write_all(batch->stream, SL_LITERAL("\n"))) &&
                      sl_output_write_all(batch->stream, batch->bytes);

    queue->error = is_written ? 0 : errno;
    queue->torn = !is_written;
    for (struct record *record = batch->records; record != NULL;) {
        struct record *next = record->next;
        if (!is_written) {
            count_lost(&lost_of_kind[record->kind], record->stream,
                       SL_OUTPUT_FAILED);
            lost++;
        }
        free(record);
        record = next;
    }
    return lost;
}

/*
 * One line about what was lost, where it belongs; the lock is not held.  What
 * standard output does not take, standard error tells.
 */
static bool write_notice(int stream, uint64_t count, int error, bool is_other)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_NUMBER("entries", count),
        SL_FIELD_STRING(is_other ? "stream" : NULL, "stdout"),
        SL_FIELD_STRING(is_other ? "reason" : NULL, strerror(error)),
    };
    size_t len = 0;
    SL_CLEANUP(sl_freep)
    char *text = sl_log_text(SL_LOG_WARN, "output-dropped", fields, 3, &len);

    if (text == NULL)
        return false;
    if (!is_other)
        return sl_output_write_all(stream, SL_BYTES(text, len));
    sl_output_write(STDERR_FILENO, SL_OUTPUT_LOG, SL_BYTES(text, len), NULL);
    return true;
}

/* What was lost is told once something could be written, but not all the time.
 */
static void tell_lost(struct queue *queue, int stream)
{
    uint64_t count = queue->untold;

    bool is_other =
        stream == STDOUT_FILENO && queue->error != 0 && !is_one_file;

    if (count == 0 || !sl_deadline_passed(queue->quiet_until))
        return;
    queue->quiet_until =
        sl_deadline_in_ms(is_other ? OTHER_NOTICE_MS : NOTICE_MS);
    queue->untold = 0;
    queue->writing = true;
    pthread_mutex_unlock(&queue->mutex);
    bool is_told = write_notice(stream, count, queue->error, is_other);
    pthread_mutex_lock(&queue->mutex);
    queue->writing = false;
    if (!is_told)
        queue->untold += count;
}

/* What has just failed is not tried at once. */
static void note_lost(struct queue *queue, uint64_t lost)
{
    if (lost > 0 && queue->untold == 0 &&
        sl_deadline_passed(queue->quiet_until))
        queue->quiet_until = sl_deadline_in_ms(NOTICE_MS);
    queue->untold += lost;
}

/* Until there is something to do. */
static void wait_for_some(struct queue *queue)
{
    const struct timespec until = timespec_of(queue->quiet_until);

    pthread_cond_broadcast(&queue->none);
    if (queue->untold == 0)
        pthread_cond_wait(&queue->some, &queue->mutex);
    else
        pthread_cond_timedwait(&queue->some, &queue->mutex, &until);
}

static void *run_writer(void *context)
{
    struct queue *queue = context;
    struct batch batch = {.stream = queue == &queues[0] ? 1 : 2};

    pthread_mutex_lock(&queue->mutex);
    for (;;) {
        if (queue->first == NULL) {
            tell_lost(queue, batch.stream);
            if (queue->first == NULL)
                wait_for_some(queue);
            continue;
        }
        take_batch(queue, &batch);
        pthread_mutex_unlock(&queue->mutex);
        fill_batch(queue, &batch);
        uint64_t lost = write_batch(queue, &batch);
        pthread_mutex_lock(&queue->mutex);
        queue->writing = false;
        note_lost(queue, lost);
        tell_lost(queue, batch.stream);
    }
    return NULL;
}

/* --- Writing ------------------------------------------------------------ */

/* Signals are for other threads; it ends with the process. */
static bool start_writer(struct queue *queue)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (queue->running)
        return true;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    queue->running =
        pthread_create(&thread, &attributes, run_writer, queue) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return queue->running;
}

/* False where there is no room. */
static bool queue_record(struct queue *queue, struct record *record)
{
    size_t limit = record->kind == SL_OUTPUT_GUEST ? SL_OUTPUT_GUESTS_MAX
                                                   : SL_OUTPUT_QUEUE_MAX;

    pthread_mutex_lock(&queue->mutex);
    bool has_room =
        queue->size + record->len + RECORD_COST <= limit && start_writer(queue);
    if (!has_room) {
        queue->untold++;
    } else {
        if (queue->first == NULL)
            queue->first = record;
        else
            queue->last->next = record;
        queue->last = record;
        queue->size += record->len + RECORD_COST;
        if (queue->first == record)
            pthread_cond_signal(&queue->some);
    }
    pthread_mutex_unlock(&queue->mutex);
    return has_room;
}

void sl_output_write(int stream, enum sl_output_kind kind, struct sl_bytes text,
                     struct sl_output_lost *lost)
{
    if (lost == NULL)
        lost = &lost_of_kind[kind];
    if (!atomic_load(&is_started)) {
        if (!sl_output_write_all(stream, text))
            count_lost(lost, stream, SL_OUTPUT_FAILED);
        return;
    }

    struct record *record = sl_alloc(sizeof(*record) + text.len);
    record->stream = stream;
    record->kind = kind;
    record->len = text.len;
    memcpy(record->text, text.ptr, text.len);
    if (queue_record(queue_of(stream), record))
        return;
    count_lost(lost, stream, SL_OUTPUT_FULL);
    free(record);
}

static bool is_busy(const struct queue *queue)
{
    return queue->first != NULL || queue->writing ||
           (queue->running && queue->untold > 0 && queue->quiet_until == 0);
}

void sl_output_flush(int64_t ms)
{
    const struct timespec until = timespec_of(sl_deadline_in_ms(ms));

    if (!atomic_load(&is_started))
        return;
    for (int i = 0; i < 2; i++) {
        struct queue *queue = &queues[i];
        pthread_mutex_lock(&queue->mutex);
        if (queue->running) {
            queue->quiet_until = 0;
            pthread_cond_signal(&queue->some);
        }
        while (is_busy(queue) &&
               pthread_cond_timedwait(&queue->none, &queue->mutex, &until) == 0)
            ;
        pthread_mutex_unlock(&queue->mutex);
    }
}
