/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the suites of lockd, mq and pubsub are written over, on both sides of
 * the bridge: native.c runs their cases over src/, guest.c inside of a
 * component.
 */
#ifndef CONFORMANCE_CASES_H
#define CONFORMANCE_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of slight:types/errors.error-code. */
enum status {
    WORKED,
    INVALID_ARGUMENT,
    NOT_FOUND,
    ALREADY_EXISTS,
    CONFLICT,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    TOO_LARGE,
    TIMED_OUT,
    UNAVAILABLE,
    UNSUPPORTED,
    INTERNAL,
};

struct bytes {
    const uint8_t *ptr;
    size_t len;
};

#define TEXT(s) ((struct bytes){(const uint8_t *)("" s), sizeof(s) - 1})
struct bytes bytes_of(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);

/* Why the last call of this thread failed. */
struct failure {
    enum status status;
    bool retryable;
    char message[1024];
};

struct failure *last_failure(void);

/* A word that no other case, and no other run, has. */
const char *case_word(void);

/* What a case works on: opened anew, and empty, for each. */
struct resource;

struct suite_case {
    const char *name;
    unsigned needs; /* features of the driver, as its driver.h numbers them */
    void (*run)(struct resource *resource);
};

/* All cases of the suite, in lists that end with a zeroed entry; ended by NULL.
 * What only one side can do is in its own list. */
extern const struct suite_case *const suite[];

/* Those that a provider with these features must pass, from 0 on. */
const struct suite_case *suite_case_at(unsigned features, size_t index);

/* End the case: it failed.  Only on the thread of the case. */
_Noreturn void case_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same: a call answered what it should not have. */
_Noreturn void case_wrong(enum status status, enum status expected,
                          const char *call, const char *file, int line);
/* A failure is well formed. */
void case_check_failure(const char *call, const char *file, int line);

#define CHECK(condition)                                                       \
    ((condition) ? (void)0                                                     \
                 : case_fail(__FILE__, __LINE__, "not: %s", #condition))
#define OK(call)                                                               \
    do {                                                                       \
        enum status status_ = (call);                                          \
        if (status_ != WORKED)                                                 \
            case_wrong(status_, WORKED, #call, __FILE__, __LINE__);            \
    } while (0)
/* The call fails so, with an error that is well formed. */
#define FAILS(call, expected)                                                  \
    do {                                                                       \
        enum status status_ = (call);                                          \
        if (status_ != (expected))                                             \
            case_wrong(status_, expected, #call, __FILE__, __LINE__);          \
        case_check_failure(#call, __FILE__, __LINE__);                         \
    } while (0)

void sleep_ms(int ms);

#endif
