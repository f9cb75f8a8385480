/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wants locks of etcd, in this process: what each op of a lockd.etcd knows
 * from one run to the next, and which of them to wake when a key is gone.  Any
 * thread; a candidate's own fields are of the thread that runs its op.
 */
#ifndef SL_LOCKD_ETCD_LINE_H
#define SL_LOCKD_ETCD_LINE_H

#include "base/bytes.h"
#include "base/deadline.h"

enum { SL_ETCD_NAME_LEN = 32 /* of a candidate's key: 128 random bits */ };

struct sl_etcd_candidate {
    struct sl_etcd_candidate *next;
    int64_t ticket;
    sl_deadline over_at; /* its op has ended, if it does not come until then */

    char name[SL_ETCD_NAME_LEN + 1];
    int64_t lease;    /* 0: none yet */
    int64_t lease_ms; /* its time to live */
    int64_t fresh_at; /* sl_lock_clock() before it was granted or kept alive */
    int64_t revision; /* in which its key was made; 0: that is not known */
    sl_deadline look_at; /* even if nothing is heard */

    /* The line's: */
    char *before; /* the key that it waits for, in full, or NULL */
    size_t before_len;
    int64_t seen; /* the revision in which that was there */
    bool due;     /* that is gone */
};

struct sl_etcd_line;

struct sl_etcd_line *sl_etcd_line_new(void);
void sl_etcd_line_free(struct sl_etcd_line *line);

/* A new one, with a name. */
struct sl_etcd_candidate *sl_etcd_line_add(struct sl_etcd_line *line);
/* For a run of its op.  NULL where there is none with that ticket, any more. */
struct sl_etcd_candidate *sl_etcd_line_find(struct sl_etcd_line *line,
                                            int64_t ticket);
/* The run is over, and the next one begins in ms, or never. */
void sl_etcd_line_park(struct sl_etcd_line *line,
                       struct sl_etcd_candidate *candidate, int64_t ms);
/* Begin anew with another name, without a lease. */
void sl_etcd_line_reset(struct sl_etcd_line *line,
                        struct sl_etcd_candidate *candidate);
void sl_etcd_line_remove(struct sl_etcd_line *line,
                         struct sl_etcd_candidate *candidate);

/* Wait until this key, which was there in that revision, is gone. */
void sl_etcd_line_wait(struct sl_etcd_line *line,
                       struct sl_etcd_candidate *candidate, struct sl_bytes key,
                       int64_t revision);
bool sl_etcd_line_is_due(struct sl_etcd_line *line,
                         const struct sl_etcd_candidate *candidate);

/* It was deleted in that revision (0: nobody knows in which).  Whether somebody
 * waits for that. */
bool sl_etcd_line_gone(struct sl_etcd_line *line, struct sl_bytes key,
                       int64_t revision);
/* Changes may have been missed: all look for themselves. */
void sl_etcd_line_wake(struct sl_etcd_line *line);
/* Whether somebody has become due since this was asked last. */
bool sl_etcd_line_woken(struct sl_etcd_line *line);
/* The first revision that the line has not seen yet; 0: nobody waits. */
int64_t sl_etcd_line_unseen(struct sl_etcd_line *line);

/* --- Leases that nobody needs -------------------------------------------- */

/* To be revoked when there is time; or it ends by itself. */
void sl_etcd_line_waste(struct sl_etcd_line *line, int64_t lease);
/* The next of them, 0 where there is none; also of candidates whose op has
 * ended without telling. */
int64_t sl_etcd_line_next_waste(struct sl_etcd_line *line);

#endif
