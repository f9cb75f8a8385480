/* SPDX-License-Identifier: Apache-2.0 */
#include "lockd/etcd/line.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { WASTE_MAX = 256 };

struct sl_etcd_line {
    pthread_mutex_t mutex; /* of all below, and of the candidates' fields */
    struct sl_etcd_candidate *first;
    int64_t last_ticket;
    int64_t told; /* the last revision that deleted something */
    bool woken;
    int64_t waste[WASTE_MAX];
    size_t waste_count;
};

struct sl_etcd_line *sl_etcd_line_new(void)
{
    struct sl_etcd_line *line = sl_alloc(sizeof(*line));

    pthread_mutex_init(&line->mutex, NULL);
    return line;
}

static void free_candidate(struct sl_etcd_candidate *candidate)
{
    free(candidate->before);
    free(candidate);
}

void sl_etcd_line_free(struct sl_etcd_line *line)
{
    while (line->first != NULL) {
        struct sl_etcd_candidate *next = line->first->next;
        free_candidate(line->first);
        line->first = next;
    }
    pthread_mutex_destroy(&line->mutex);
    free(line);
}

/* --- Candidates ----------------------------------------------------------- */

static void make_name(char name[SL_ETCD_NAME_LEN + 1])
{
    for (size_t i = 0; i < SL_ETCD_NAME_LEN / 8; i++)
        snprintf(name + i * 8, 9, "%08" PRIx32, arc4random());
}

struct sl_etcd_candidate *sl_etcd_line_add(struct sl_etcd_line *line)
{
    struct sl_etcd_candidate *candidate = sl_alloc(sizeof(*candidate));

    make_name(candidate->name);
    candidate->over_at = SL_NEVER;
    pthread_mutex_lock(&line->mutex);
    candidate->ticket = ++line->last_ticket;
    candidate->next = line->first;
    line->first = candidate;
    pthread_mutex_unlock(&line->mutex);
    return candidate;
}

struct sl_etcd_candidate *sl_etcd_line_find(struct sl_etcd_line *line,
                                            int64_t ticket)
{
    pthread_mutex_lock(&line->mutex);
    struct sl_etcd_candidate *candidate = line->first;
    while (candidate != NULL && candidate->ticket != ticket)
        candidate = candidate->next;
    if (candidate != NULL)
        candidate->over_at = SL_NEVER;
    pthread_mutex_unlock(&line->mutex);
    return candidate;
}

void sl_etcd_line_park(struct sl_etcd_line *line,
                       struct sl_etcd_candidate *candidate, int64_t ms)
{
    pthread_mutex_lock(&line->mutex);
    candidate->over_at = sl_deadline_in_ms(ms);
    pthread_mutex_unlock(&line->mutex);
}

/* With the mutex held. */
static void wait_for(struct sl_etcd_candidate *candidate, struct sl_bytes key)
{
    free(candidate->before);
    candidate->before = key.len == 0 ? NULL : sl_strndup(key.ptr, key.len);
    candidate->before_len = key.len;
    candidate->due = false;
}

void sl_etcd_line_reset(struct sl_etcd_line *line,
                        struct sl_etcd_candidate *candidate)
{
    pthread_mutex_lock(&line->mutex);
    wait_for(candidate, SL_BYTES(NULL, 0));
    candidate->lease = candidate->revision = 0;
    candidate->look_at = 0;
    pthread_mutex_unlock(&line->mutex);
    make_name(candidate->name);
}

void sl_etcd_line_remove(struct sl_etcd_line *line,
                         struct sl_etcd_candidate *candidate)
{
    pthread_mutex_lock(&line->mutex);
    struct sl_etcd_candidate **link = &line->first;
    while (*link != candidate)
        link = &(*link)->next;
    *link = candidate->next;
    pthread_mutex_unlock(&line->mutex);
    free_candidate(candidate);
}

/* --- Waiting -------------------------------------------------------------- */

void sl_etcd_line_wait(struct sl_etcd_line *line,
                       struct sl_etcd_candidate *candidate, struct sl_bytes key,
                       int64_t revision)
{
    pthread_mutex_lock(&line->mutex);
    wait_for(candidate, key);
    candidate->seen = revision;
    /* What was told between the look and now, this one did not hear. */
    candidate->due = line->told > revision;
    line->woken = line->woken || candidate->due;
    pthread_mutex_unlock(&line->mutex);
}

bool sl_etcd_line_is_due(struct sl_etcd_line *line,
                         const struct sl_etcd_candidate *candidate)
{
    pthread_mutex_lock(&line->mutex);
    bool due = candidate->due;
    pthread_mutex_unlock(&line->mutex);
    return due;
}

bool sl_etcd_line_gone(struct sl_etcd_line *line, struct sl_bytes key,
                       int64_t revision)
{
    bool awaited = false;

    pthread_mutex_lock(&line->mutex);
    if (revision > line->told)
        line->told = revision;
    for (struct sl_etcd_candidate *c = line->first; c != NULL; c = c->next) {
        if (c->before == NULL || c->before_len != key.len ||
            memcmp(c->before, key.ptr, key.len) != 0)
            continue;
        c->due = true;
        awaited = true;
    }
    line->woken = line->woken || awaited;
    pthread_mutex_unlock(&line->mutex);
    return awaited;
}

void sl_etcd_line_wake(struct sl_etcd_line *line)
{
    pthread_mutex_lock(&line->mutex);
    for (struct sl_etcd_candidate *c = line->first; c != NULL; c = c->next)
        if (c->before != NULL)
            c->due = line->woken = true;
    pthread_mutex_unlock(&line->mutex);
}

bool sl_etcd_line_woken(struct sl_etcd_line *line)
{
    pthread_mutex_lock(&line->mutex);
    bool woken = line->woken;
    line->woken = false;
    pthread_mutex_unlock(&line->mutex);
    return woken;
}

int64_t sl_etcd_line_unseen(struct sl_etcd_line *line)
{
    int64_t first = 0;

    pthread_mutex_lock(&line->mutex);
    for (struct sl_etcd_candidate *c = line->first; c != NULL; c = c->next)
        if (c->before != NULL && (first == 0 || c->seen + 1 < first))
            first = c->seen + 1;
    pthread_mutex_unlock(&line->mutex);
    return first;
}

/* --- Leases that nobody needs --------------------------------------------- */

/* With the mutex held. */
static void add_waste(struct sl_etcd_line *line, int64_t lease)
{
    if (lease != 0 && line->waste_count < WASTE_MAX)
        line->waste[line->waste_count++] = lease;
}

void sl_etcd_line_waste(struct sl_etcd_line *line, int64_t lease)
{
    pthread_mutex_lock(&line->mutex);
    add_waste(line, lease);
    pthread_mutex_unlock(&line->mutex);
}

int64_t sl_etcd_line_next_waste(struct sl_etcd_line *line)
{
    int64_t lease = 0;

    pthread_mutex_lock(&line->mutex);
    struct sl_etcd_candidate **link = &line->first;
    while (*link != NULL) {
        struct sl_etcd_candidate *candidate = *link;
        if (!sl_deadline_passed(candidate->over_at)) {
            link = &candidate->next;
            continue;
        }
        *link = candidate->next;
        add_waste(line, candidate->lease);
        free_candidate(candidate);
    }
    if (line->waste_count > 0)
        lease = line->waste[--line->waste_count];
    pthread_mutex_unlock(&line->mutex);
    return lease;
}
