/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every key-value provider must do, and what the cases that check it are
 * written over: the interface of wit/kv/kv.wit, implemented twice.  kv_native.c
 * calls src/kv; kv_guest.c calls the bindings of a component, and so the bridge
 * and the host.
 */
#ifndef CONFORMANCE_KV_CASES_H
#define CONFORMANCE_KV_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- The interface ------------------------------------------------------ */

enum {
    KV_KEY_MAX = 1024,
    KV_VERSION_MAX = 64,
    KV_PAGE_MAX = 1000,
    KV_MANY_MAX = 1000,
    KV_MESSAGE_MAX = 511,
    KV_VALUE_MAX = 1 << 20, /* what every conformance.toml sets as max-value */
    KV_CALL_MAX = 64 << 20,
};

/* In the order of slight:types/errors.error-code. */
enum kv_status {
    KV_OK,
    KV_INVALID_ARGUMENT,
    KV_NOT_FOUND,
    KV_ALREADY_EXISTS,
    KV_CONFLICT,
    KV_PERMISSION_DENIED,
    KV_UNAUTHENTICATED,
    KV_TOO_LARGE,
    KV_TIMEOUT,
    KV_UNAVAILABLE,
    KV_UNSUPPORTED,
    KV_INTERNAL,
};

struct kv_bytes {
    const uint8_t *ptr;
    size_t len;
};

#define KV_TEXT(s) ((struct kv_bytes){(const uint8_t *)("" s), sizeof(s) - 1})
struct kv_bytes kv_bytes_of(const char *text);

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

/* Why the last call of this thread failed. */
struct kv_failure {
    enum kv_status status;
    bool retryable;
    char message[1024];
};

const struct kv_failure *kv_last_failure(void);

/* A bucket. */
struct kv;

enum kv_status kv_get(struct kv *kv, struct kv_bytes key,
                      struct kv_value *value);
enum kv_status kv_get_entry(struct kv *kv, struct kv_bytes key,
                            struct kv_value *value);
enum kv_status kv_exists(struct kv *kv, struct kv_bytes key, bool *found);
enum kv_status kv_set(struct kv *kv, struct kv_bytes key,
                      struct kv_bytes value);
enum kv_status kv_set_with(struct kv *kv, struct kv_bytes key,
                           struct kv_bytes value, struct kv_options options,
                           char version[KV_VERSION_MAX + 1]);
enum kv_status kv_delete(struct kv *kv, struct kv_bytes key, bool *found);
enum kv_status kv_delete_if(struct kv *kv, struct kv_bytes key,
                            const char *version);
enum kv_status kv_increment(struct kv *kv, struct kv_bytes key, int64_t delta,
                            int64_t *sum);
/* cursor is NULL for the first page. */
enum kv_status kv_keys(struct kv *kv, struct kv_bytes prefix,
                       const char *cursor, uint32_t limit,
                       struct kv_page *page);
/* count of each: */
enum kv_status kv_get_many(struct kv *kv, const struct kv_bytes keys[],
                           size_t count, struct kv_value values[]);
enum kv_status kv_set_many(struct kv *kv, const struct kv_bytes keys[],
                           const struct kv_bytes values[], size_t count,
                           enum kv_status each[]);
enum kv_status kv_delete_many(struct kv *kv, const struct kv_bytes keys[],
                              size_t count, enum kv_status each[],
                              bool found[]);

/* --- Cases -------------------------------------------------------------- */

/* What a provider may lack; the numbers are those of enum sl_kv_feature. */
enum {
    KV_NEEDS_TTL = 1 << 0,
    KV_NEEDS_VERSION = 1 << 1,
    KV_NEEDS_ABSENT = 1 << 2,
    KV_NEEDS_INCREMENT = 1 << 3,
    KV_NEEDS_KEYS = 1 << 4,
};

struct kv_case {
    const char *name;
    unsigned needs;
    void (*run)(struct kv *kv); /* the store is empty */
};

/* Each ended by a zeroed entry. */
extern const struct kv_case kv_value_cases[];
extern const struct kv_case kv_version_cases[];
extern const struct kv_case kv_ttl_cases[];
extern const struct kv_case kv_number_cases[];
extern const struct kv_case kv_list_cases[];
extern const struct kv_case kv_many_cases[];
/* What only this side of the bridge can do: kv_native_cases.c, kv_guest.c. */
extern const struct kv_case kv_side_cases[];

/* All of them that a provider with these features must pass, from 0 on. */
const struct kv_case *kv_case_at(unsigned features, size_t index);

/* --- Checks ------------------------------------------------------------- */

/* End the case: it failed.  Only on the thread of the case. */
_Noreturn void kv_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void kv_expect(enum kv_status status, enum kv_status expected, const char *call,
               const char *file, int line);
void kv_expect_value(struct kv *kv, struct kv_bytes key,
                     struct kv_bytes expected, const char *file, int line);
void kv_expect_absent(struct kv *kv, struct kv_bytes key, const char *file,
                      int line);

#define CHECK(condition)                                                       \
    ((condition) ? (void)0 : kv_fail(__FILE__, __LINE__, "not: %s", #condition))
#define OK(call) kv_expect(call, KV_OK, #call, __FILE__, __LINE__)
/* The call fails so, with an error that is well formed. */
#define FAILS(call, status) kv_expect(call, status, #call, __FILE__, __LINE__)
/* key holds exactly this, or nothing. */
#define HOLDS(kv, key, value)                                                  \
    kv_expect_value(kv, key, value, __FILE__, __LINE__)
#define ABSENT(kv, key) kv_expect_absent(kv, key, __FILE__, __LINE__)

/* Wait until key is gone; fail after half a minute. */
void kv_wait_absent(struct kv *kv, struct kv_bytes key);
void kv_sleep_ms(int ms);

#endif
