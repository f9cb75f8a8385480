/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of many acts, each named by its first argument; one for every thing
 * that a component may do to itself, to its streams and to its stores.
 */
#ifndef SL_E2E_GUEST_H
#define SL_E2E_GUEST_H

/* Returns the exit code.  args has count texts, and NULL behind them. */
typedef int act_fn(int count, char *args[]);

struct act {
    const char *name;
    act_fn *run;
};

/* Tables of acts, each ended by one without a name. */
extern const struct act wasi_acts[];
extern const struct act trap_acts[];
extern const struct act kv_acts[];

#endif
