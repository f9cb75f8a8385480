/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a function that can fail returns an sl_status, and takes the sl_error
 * to fill as its last argument.
 */
#ifndef SL_BASE_ERROR_H
#define SL_BASE_ERROR_H

#include <stdarg.h>

/*
 * One line per status: the name, then the words for people and for metrics.
 * After SL_OK they stand in the order of `error-code` in wit/types/types.wit,
 * on which the bridge relies: a code is its status less one.
 */
#define SL_STATUSES(X)                                                         \
    X(SL_OK, "ok")                                                             \
    X(SL_INVALID_ARGUMENT, "invalid argument")                                 \
    X(SL_NOT_FOUND, "not found")                                               \
    X(SL_ALREADY_EXISTS, "already exists")                                     \
    X(SL_CONFLICT, "conflict")                                                 \
    X(SL_ABORTED, "aborted")                                                   \
    X(SL_PERMISSION_DENIED, "permission denied")                               \
    X(SL_UNAUTHENTICATED, "unauthenticated")                                   \
    X(SL_READ_ONLY, "read-only")                                               \
    X(SL_TOO_LARGE, "too large")                                               \
    X(SL_RESOURCE_EXHAUSTED, "resource exhausted")                             \
    X(SL_TIMEOUT, "timed out")                                                 \
    X(SL_CANCELLED, "cancelled")                                               \
    X(SL_UNAVAILABLE, "unavailable")                                           \
    X(SL_UNSUPPORTED, "not supported")                                         \
    X(SL_INTERNAL, "internal error")

enum sl_status {
#define SL_STATUS_ENUM(name, text) name,
    SL_STATUSES(SL_STATUS_ENUM)
#undef SL_STATUS_ENUM
};

enum { SL_STATUS_COUNT = SL_INTERNAL + 1, SL_ERROR_MESSAGE_MAX = 512 };

/*
 * The caller owns it, usually on its stack.  Read it only after a failure.
 * The message is one line, for people, and never holds a secret; what does not
 * fit is cut at a character's border.
 */
struct sl_error {
    enum sl_status status;
    char message[SL_ERROR_MESSAGE_MAX];
};

#define SL_MUST_CHECK __attribute__((warn_unused_result))
#define SL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fill err, which may be NULL; returns status, for `return sl_fail(...)`. */
enum sl_status sl_fail(struct sl_error *err, enum sl_status status,
                       const char *fmt, ...) SL_PRINTF(3, 4);

/* Put "context: " in front of err's message and return its status. */
enum sl_status sl_fail_in(struct sl_error *err, const char *fmt, ...)
    SL_PRINTF(2, 3);

/* "not found" for SL_NOT_FOUND; never NULL. */
const char *sl_status_text(enum sl_status status);

#endif
