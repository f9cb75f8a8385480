/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all suites are written over: a case makes calls, and checks what they
 * answer.  guest.c runs the cases inside of a component, on any host; slight
 * also runs them natively, on its drivers (tests/conformance/native.c).
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
    ABORTED,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    READ_ONLY,
    TOO_LARGE,
    RESOURCE_EXHAUSTED,
    TIMED_OUT,
    CANCELLED,
    UNAVAILABLE,
    UNSUPPORTED,
    INTERNAL,
};

/* The word of the WIT. */
const char *status_text(enum status status);

struct bytes {
    const uint8_t *ptr;
    size_t len;
};

#define TEXT(s) ((struct bytes){(const uint8_t *)("" s), sizeof(s) - 1})
struct bytes bytes_of(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);

enum { MESSAGE_MAX = 511 };

/* Why the last call of this thread failed. */
struct failure {
    enum status status;
    bool retryable;
    char message[1024];
};

struct failure *last_failure(void);

/* A word that no other case, and no other run, has. */
const char *case_word(void);

/* What a case works on: opened anew for each. */
struct resource;

typedef void case_fn(struct resource *resource);

struct suite_case {
    const char *name;
    unsigned needs; /* features, each a bit of suite_features */
    case_fn *run;
    const char *holds; /* the promises of wit/ that it checks: "kv-17 kv-18" */
};

/* All cases of the suite, in lists that end with a zeroed entry; ended by NULL.
 * What only one side can do is in its own list. */
extern const struct suite_case *const suite[];

/*
 * What a provider may lack.  Where it does, a case that needs it is left out,
 * and `lacking` is run in its place: what the case would have called is
 * `unsupported`.  NULL: nothing can be called.
 */
struct suite_feature {
    unsigned bit;
    const char *word; /* as `--features` has it */
    case_fn *lacking;
};

/* Ended by a zeroed entry. */
extern const struct suite_feature suite_features[];

/* Of words with commas between them.  Words that the suite does not know are
 * ignored. */
unsigned suite_features_of(const char *words);

/* All cases, from 0 on. */
const struct suite_case *suite_case_at(size_t index);
/* What the case runs on a provider with these features; NULL: nothing, it
 * lacks *lacks. */
case_fn *suite_case_run(const struct suite_case *item, unsigned features,
                        const char **lacks);

/* A limit that a provider sets: `--limit max-value=1MiB`.  The value is that of
 * every conformance.toml. */
struct suite_limit {
    const char *word;
    uint64_t value;
};

/* Ended by a zeroed entry. */
extern struct suite_limit suite_limits[];
uint64_t suite_limit(const char *word);

/* End the case: it failed.  Only on the thread of the case. */
_Noreturn void case_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same: a call answered what it should not have. */
_Noreturn void case_wrong(enum status status, enum status expected,
                          const char *call, const char *file, int line);

/* The call answers this; an error is well formed, and says whether to repeat
 * the call can help. */
void case_expect(enum status status, enum status expected, bool retryable,
                 const char *call, const char *file, int line);

#define CHECK(condition)                                                       \
    ((condition) ? (void)0                                                     \
                 : case_fail(__FILE__, __LINE__, "not: %s", #condition))
#define OK(call)                                                               \
    do {                                                                       \
        enum status status_ = (call);                                          \
        if (status_ != WORKED)                                                 \
            case_wrong(status_, WORKED, #call, __FILE__, __LINE__);            \
    } while (0)
#define FAILS(call, expected)                                                  \
    case_expect(call, expected, false, #call, __FILE__, __LINE__)
#define RETRYABLE(call, expected)                                              \
    case_expect(call, expected, true, #call, __FILE__, __LINE__)

/* Memory that must be there; the caller frees it. */
void *zeros(size_t len);

void sleep_ms(int ms);

#endif
