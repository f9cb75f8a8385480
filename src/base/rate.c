/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket of tokens. */
#include "base/rate.h"

enum { NS_PER_SECOND = 1000000000 };

void sl_rate_init(struct sl_rate *rate, int64_t per_second, int64_t now_ns)
{
    pthread_mutex_init(&rate->mutex, NULL);
    rate->per_second = per_second;
    rate->tokens = per_second;
    rate->at_ns = now_ns;
}

void sl_rate_done(struct sl_rate *rate)
{
    pthread_mutex_destroy(&rate->mutex);
}

/* What the time since then has brought.  A part of a token counts once it is a
 * whole one. */
static void refill_rate(struct sl_rate *rate, int64_t now_ns)
{
    double per_ns = (double)rate->per_second / (double)NS_PER_SECOND;
    double more = (double)(now_ns - rate->at_ns) * per_ns;

    if (more < 1)
        return;
    if (more >= (double)(rate->per_second - rate->tokens)) {
        rate->tokens = rate->per_second;
        rate->at_ns = now_ns;
    } else {
        rate->tokens += (int64_t)more;
        rate->at_ns += (int64_t)((double)(int64_t)more / per_ns);
    }
}

bool sl_rate_allows(struct sl_rate *rate, int64_t now_ns)
{
    if (rate->per_second == 0)
        return true;
    pthread_mutex_lock(&rate->mutex);
    refill_rate(rate, now_ns);
    bool allows = rate->tokens > 0;
    pthread_mutex_unlock(&rate->mutex);
    return allows;
}

void sl_rate_take(struct sl_rate *rate, int64_t amount)
{
    if (rate->per_second == 0)
        return;
    pthread_mutex_lock(&rate->mutex);
    rate->tokens -= amount;
    pthread_mutex_unlock(&rate->mutex);
}
