/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every key-value provider must do, and what the cases that check it are
 * written over: the interface of wit/kv/kv.wit, implemented twice.  kv_native.c
 * calls src/kv; kv_guest.c calls the bindings of a component, and so the bridge
 * and the host.
 */
#ifndef CONFORMANCE_KV_CASES_H
#define CONFORMANCE_KV_CASES_H

#include "cases.h"

/* --- The interface ------------------------------------------------------ */

enum {
    KV_KEY_MAX = 1024,
    KV_VERSION_MAX = 64,
    KV_PAGE_MAX = 1000,
    KV_MANY_MAX = 1000,
    KV_CALL_MAX = 64 << 20,
};

#define KV_VALUE_MAX ((size_t)suite_limit("max-value"))

/* A value that was read; kv_value_done frees it. */
struct kv_value {
    bool found;
    uint8_t *ptr;
    size_t len;
    char version[KV_VERSION_MAX + 1]; /* of kv_get_entry */
};

void kv_value_done(struct kv_value *value);

struct kv_options {
    enum { KV_ALWAYS, KV_ABSENT, KV_VERSION } condition;
    const char *version; /* KV_VERSION */
    bool has_ttl;
    uint64_t ttl_ms;
};

struct kv_page {
    char **keys;
    size_t count;
    char *next; /* NULL: this was the last */
};

void kv_page_done(struct kv_page *page);

enum status kv_get(struct resource *kv, struct bytes key,
                   struct kv_value *value);
enum status kv_get_entry(struct resource *kv, struct bytes key,
                         struct kv_value *value);
enum status kv_exists(struct resource *kv, struct bytes key, bool *found);
enum status kv_set(struct resource *kv, struct bytes key, struct bytes value);
/* version: empty where the service has none. */
enum status kv_set_with(struct resource *kv, struct bytes key,
                        struct bytes value, struct kv_options options,
                        char version[KV_VERSION_MAX + 1]);
enum status kv_delete(struct resource *kv, struct bytes key, bool *found);
enum status kv_delete_if(struct resource *kv, struct bytes key,
                         const char *version);
enum status kv_increment(struct resource *kv, struct bytes key, int64_t delta,
                         int64_t *sum);
/* cursor is NULL for the first page. */
enum status kv_keys(struct resource *kv, struct bytes prefix,
                    const char *cursor, uint32_t limit, struct kv_page *page);
/* count of each: */
enum status kv_get_many(struct resource *kv, const struct bytes keys[],
                        size_t count, struct kv_value values[]);
enum status kv_set_many(struct resource *kv, const struct bytes keys[],
                        const struct bytes values[], size_t count,
                        enum status each[]);
enum status kv_delete_many(struct resource *kv, const struct bytes keys[],
                           size_t count, enum status each[], bool found[]);

/* --- Cases -------------------------------------------------------------- */

/* What a provider may lack. */
enum {
    KV_NEEDS_TTL = 1 << 0,
    KV_NEEDS_VERSION = 1 << 1,
    KV_NEEDS_ABSENT = 1 << 2,
    KV_NEEDS_INCREMENT = 1 << 3,
    KV_NEEDS_KEYS = 1 << 4,
    KV_NEEDS_DURABLE = 1 << 5,
    KV_NEEDS_SHARED = 1 << 6,
    KV_NEEDS_LINEARIZABLE = 1 << 7,
};

/* Each ended by a zeroed entry. */
extern const struct suite_case kv_value_cases[];
extern const struct suite_case kv_version_cases[];
extern const struct suite_case kv_ttl_cases[];
extern const struct suite_case kv_number_cases[];
extern const struct suite_case kv_list_cases[];
extern const struct suite_case kv_many_cases[];
/* What only this side of the bridge can do: kv_native_cases.c, kv_guest.c. */
extern const struct suite_case kv_side_cases[];

/* --- Checks ------------------------------------------------------------- */

void kv_expect_value(struct resource *kv, struct bytes key,
                     struct bytes expected, const char *file, int line);
void kv_expect_absent(struct resource *kv, struct bytes key, const char *file,
                      int line);

/* key holds exactly this, or nothing. */
#define HOLDS(kv, key, value)                                                  \
    kv_expect_value(kv, key, value, __FILE__, __LINE__)
#define ABSENT(kv, key) kv_expect_absent(kv, key, __FILE__, __LINE__)

/* Wait until key is gone; fail after half a minute. */
void kv_wait_absent(struct resource *kv, struct bytes key);

#endif
