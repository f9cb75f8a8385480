/* SPDX-License-Identifier: Apache-2.0 */
/* "/SEED/COUNT": so many operations, chosen by the seed. */
#include "chaos.h"

#include <stdio.h>

enum { ARENA_BYTES = 24 << 20 };

static uint8_t arena[ARENA_BYTES];
static size_t arena_used;
static size_t arena_kept; /* what the WASI adapter has for good */
static uint8_t shared[HUGE_BYTES];
static uint64_t state = 1;

/* In place of the one that the bindings have. */
__attribute__((__export_name__("cabi_realloc"))) void *
cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size);

void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size)
{
    size_t begin = (arena_used + align - 1) / align * align;

    if (new_size > ARENA_BYTES - begin || begin > ARENA_BYTES)
        abort();
    arena_used = begin + new_size;
    if (old != NULL)
        memcpy(arena + begin, old, old_size < new_size ? old_size : new_size);
    return arena + begin;
}

void *chaos_new(size_t count, size_t size)
{
    return memset(cabi_realloc(NULL, 0, 16, count * size), 0, count * size);
}

uint32_t chaos_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

uint32_t chaos_below(uint32_t most)
{
    return chaos_random() % most;
}

bool chaos_once_in(uint32_t times)
{
    return chaos_below(times) == 0;
}

/* A length, from nothing to all that is shared. */
static size_t length(void)
{
    if (chaos_once_in(400))
        return HUGE_BYTES;
    if (chaos_once_in(50))
        return chaos_below(300000);
    return chaos_below(24);
}

http_string_t chaos_text(void)
{
    static const char *const texts[] = {"a",        "b",
                                        "key",      "topic",
                                        "group",    "\xc3\xa9",
                                        "1970-01",  "a:b{c}",
                                        "%s%n",     "\x1b[",
                                        "",         "0",
                                        "-1.5e400", "{\"a\":[1,2]}",
                                        "[[[[[[[[", "2026-11-30T00:00:00Z"};
    http_string_t text;

    if (chaos_once_in(5000)) {
        http_string_set(&text, "\xff\xfe"); /* a trap */
        return text;
    }
    if (chaos_once_in(2)) {
        http_string_set(&text,
                        texts[chaos_below(sizeof(texts) / sizeof(*texts))]);
        return text;
    }
    return (http_string_t){shared, length()};
}

http_list_u8_t chaos_bytes(void)
{
    return (http_list_u8_t){shared, length()};
}

size_t chaos_count(void)
{
    if (chaos_once_in(200))
        return MANY_ITEMS;
    return chaos_below(8);
}

uint64_t chaos_ms(void)
{
    static const uint64_t ms[] = {0, 1, 2, 5, 1000, 30000, UINT64_MAX};

    return ms[chaos_below(sizeof(ms) / sizeof(*ms))];
}

http_option_u64_t chaos_maybe_ms(void)
{
    return (http_option_u64_t){.is_some = chaos_once_in(2), .val = chaos_ms()};
}

void chaos_keep(struct chaos_handles *table, int32_t handle)
{
    if (table->count < HANDLES) {
        table->handles[table->count++] = handle;
        return;
    }
    size_t index = chaos_below(HANDLES);
    table->drop(table->handles[index]);
    table->handles[index] = handle;
}

bool chaos_take(struct chaos_handles *table, int32_t *handle)
{
    if (table->count == 0)
        return false;
    size_t index = chaos_below((uint32_t)table->count);
    *handle = table->handles[index];
    table->handles[index] = table->handles[--table->count];
    return true;
}

bool chaos_any(const struct chaos_handles *table, int32_t *handle)
{
    if (table->count == 0)
        return false;
    *handle = table->handles[chaos_below((uint32_t)table->count)];
    return true;
}

static void do_one(void)
{
    chaos_act *const *const all[] = {chaos_kv_acts, chaos_message_acts,
                                     chaos_sql_acts, chaos_http_acts};
    chaos_act *const *acts = all[chaos_below(sizeof(all) / sizeof(*all))];
    uint32_t count = 0;

    while (acts[count] != NULL)
        count++;
    arena_used = arena_kept;
    acts[chaos_below(count)]();
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    http_string_t path = {0};
    char text[64] = "";
    unsigned seed = 1, count = 0;

    if (wasi_http_types_method_incoming_request_path_with_query(
            wasi_http_types_borrow_incoming_request(owned), &path))
        snprintf(text, sizeof(text), "%.*s", (int)path.len,
                 (const char *)path.ptr);
    sscanf(text, "/%u/%u", &seed, &count);
    memset(shared, 'a', sizeof(shared));
    puts("begun");
    fflush(stdout);
    arena_kept = arena_used;
    state = seed * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < count; i++)
        do_one();
    arena_used = arena_kept;
    snprintf(text, sizeof(text), "%u\n", count);
    http_reply_text(out, 200, text);
}
