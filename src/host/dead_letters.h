/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dead letters of a queue, for an operator: looked at, sent again, or
 * deleted.  No host is needed, and no component runs.  One thread uses it; each
 * function blocks it for at most the resource's `timeout` per hundred letters.
 */
#ifndef SL_HOST_DEAD_LETTERS_H
#define SL_HOST_DEAD_LETTERS_H

#include "base/bytes.h"
#include "manifest/manifest.h"

/* One of them; everything is borrowed for the time of a visit. */
struct sl_dead_letter {
    struct sl_bytes id;     /* as its receivers knew it, and the log has it */
    struct sl_bytes reason; /* "max-deliveries", or what its receiver said */
    struct sl_bytes group;  /* ptr NULL: none */
    struct sl_bytes payload;
    const struct sl_pair *attributes;
    size_t attribute_count;
    uint64_t sent_at_ms; /* since 1970, by the service's clock */
    uint64_t died_at_ms;
    uint32_t deliveries;
};

struct sl_dead_letters;

/*
 * Of this resource, which is borrowed.  SL_UNSUPPORTED where it is no queue, or
 * its driver keeps no dead letters; the service is not contacted yet.
 */
SL_MUST_CHECK enum sl_status
sl_dead_letters_open(const struct sl_manifest_resource *resource,
                     struct sl_dead_letters **out, struct sl_error *err);
/* False: a call has not come back; the process is to end by _exit
 * (sl_service_free).  NULL is fine. */
bool sl_dead_letters_close(struct sl_dead_letters *letters);

/* False: visit no more. */
typedef bool sl_dead_letter_fn(void *context,
                               const struct sl_dead_letter *letter);

/* Visit all of them, the oldest first. */
SL_MUST_CHECK enum sl_status
sl_dead_letters_visit(struct sl_dead_letters *letters, sl_dead_letter_fn *visit,
                      void *context, struct sl_error *err);

enum sl_dead_letters_action {
    SL_DEAD_LETTERS_REPLAY, /* into the queue, at its end, delivered no time */
    SL_DEAD_LETTERS_DROP,   /* deleted */
};

/* A letter was replayed or dropped.  as: its id in the queue now; "": none. */
typedef void sl_dead_letter_done_fn(void *context, const char *id,
                                    const char *as);

/*
 * Replay or drop the letters with one of these ids; ids NULL: all that exist
 * when this begins, so that one that dies again meanwhile stays.  Each is done
 * by itself: after a failure, `done` was called for those that were, and *count
 * is their number.  An id that does not exist is skipped.
 */
SL_MUST_CHECK enum sl_status sl_dead_letters_settle(
    struct sl_dead_letters *letters, enum sl_dead_letters_action action,
    const char *const *ids, size_t id_count, sl_dead_letter_done_fn *done,
    void *context, size_t *count, struct sl_error *err);

#endif
