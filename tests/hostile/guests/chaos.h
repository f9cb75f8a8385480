/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that does anything: random operations over all interfaces, with
 * arguments that alias, that are huge, and that are wrong.
 *
 * What the host returns is put into an arena that is emptied after each
 * operation, so that results need not be freed.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_reply.h"

enum {
    HUGE_BYTES = 8 << 20,
    MANY_ITEMS = 20000, /* more than any interface takes */
    HANDLES = 64,       /* of each kind; some are lost on purpose */
};

/* The same numbers for the same seed. */
uint32_t chaos_random(void);
/* From 0 to below most. */
uint32_t chaos_below(uint32_t most);
/* Once in so many times. */
bool chaos_once_in(uint32_t times);

/* Short text most of the time; else long, empty, or no UTF-8.  It lies in
 * memory that all arguments share. */
http_string_t chaos_text(void);
http_list_u8_t chaos_bytes(void);
/* How many items a list has: few most of the time. */
size_t chaos_count(void);
uint64_t chaos_ms(void);
http_option_u64_t chaos_maybe_ms(void);

/* Memory until the operation ends. */
void *chaos_new(size_t count, size_t size);

/* Handles: a table of at most HANDLES, where one more replaces another, which
 * is dropped. */
struct chaos_handles {
    int32_t handles[HANDLES];
    size_t count;
    void (*drop)(int32_t handle);
};
void chaos_keep(struct chaos_handles *table, int32_t handle);
/* Take one out of the table; false where there is none. */
bool chaos_take(struct chaos_handles *table, int32_t *handle);
/* One of the table, which stays in it. */
bool chaos_any(const struct chaos_handles *table, int32_t *handle);

typedef void chaos_act(void);
extern chaos_act *const chaos_kv_acts[], *const chaos_message_acts[],
                                             *const chaos_sql_acts[],
                                                 *const chaos_http_acts[];

#endif
