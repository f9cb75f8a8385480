/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limit of what may be used in a second, as a bucket of tokens: it fills at
 * the rate, holds what a second brings, and who finds it not empty may take any
 * amount, which later ones then wait for.
 */
#ifndef SL_BASE_RATE_H
#define SL_BASE_RATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sl_rate {
    pthread_mutex_t mutex;
    int64_t per_second; /* 0: no limit */
    int64_t tokens;     /* negative: owed */
    int64_t at_ns;      /* when they were so many */
};

/* Full, at now_ns of the clock of deadlines. */
void sl_rate_init(struct sl_rate *rate, int64_t per_second, int64_t now_ns);
void sl_rate_done(struct sl_rate *rate);

/* Whether there is anything to take.  Any thread. */
SL_MUST_CHECK bool sl_rate_allows(struct sl_rate *rate, int64_t now_ns);
/* Take.  Any thread. */
void sl_rate_take(struct sl_rate *rate, int64_t amount);

#endif
