/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging, for host, trigger, management, cli and main; everything below
 * returns errors instead.
 *
 * An entry is a line: an event with named fields, written for people or as
 * JSON.
 */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum sl_log_level {
    SL_LOG_ERROR,
    SL_LOG_WARN, /* the default */
    SL_LOG_INFO,
    SL_LOG_DEBUG,
};

/*
 *   2026-01-31T12:00:00.000Z level=warn event=no-cache reason="…"
 *   {"time":"2026-01-31T12:00:00.000Z","level":"warn","event":"no-cache",
 *    "reason":"…"}                                            (in one line)
 */
enum sl_log_format {
    SL_LOG_TEXT, /* the default */
    SL_LOG_JSON,
};

/* "error", "warn", "info" or "debug"; false where it is none of them. */
SL_MUST_CHECK bool sl_log_level_parse(const char *text,
                                      enum sl_log_level *level);
/* "text" or "json". */
SL_MUST_CHECK bool sl_log_format_parse(const char *text,
                                       enum sl_log_format *format);

/* What is less grave than level is not written.  Any thread. */
void sl_log_set_level(enum sl_log_level level);

/* Whether an entry of this level would be written.  Any thread. */
SL_MUST_CHECK bool sl_log_wants(enum sl_log_level level);

/* Any thread. */
void sl_log_set_format(enum sl_log_format format);
SL_MUST_CHECK enum sl_log_format sl_log_format(void);

/* A value and its name, which is one of ours: letters and "-". */
struct sl_log_field {
    const char *name;
    enum {
        SL_FIELD_TEXT,
        SL_FIELD_INTEGER,
        SL_FIELD_MS, /* from nanoseconds, with three decimals */
    } type;
    struct sl_bytes text; /* any bytes: what is not printable is escaped
                             (base/escape.h), what is beyond 2 KiB is cut */
    int64_t number;
};

#define SL_FIELD(field, bytes)                                                 \
    ((struct sl_log_field){.name = (field), .text = (bytes)})
#define SL_FIELD_STRING(field, string) SL_FIELD(field, sl_bytes_of(string))
#define SL_FIELD_NUMBER(field, value)                                          \
    ((struct sl_log_field){.name = (field),                                    \
                           .type = SL_FIELD_INTEGER,                           \
                           .number = (int64_t)(value)})
#define SL_FIELD_TIME(field, ns)                                               \
    ((struct sl_log_field){                                                    \
        .name = (field), .type = SL_FIELD_MS, .number = (int64_t)(ns)})

/*
 * An entry, with its newline; the caller's to free.  NULL where there is no
 * memory for it.  A field without a name is left away.  Never a secret.
 */
SL_MUST_CHECK char *sl_log_text(enum sl_log_level level, const char *event,
                                const struct sl_log_field *fields, size_t count,
                                size_t *len);

/* Write an entry to standard error (base/output.h), whatever the level in
 * force.  Any thread. */
void sl_log_write(enum sl_log_level level, const char *event,
                  const struct sl_log_field *fields, size_t count);

/* sl_log(SL_LOG_WARN, "no-cache", SL_FIELD_STRING("reason", text), ...): to
 * standard error, where that level is wanted. */
#define sl_log(level, event, ...)                                              \
    do {                                                                       \
        if (sl_log_wants(level)) {                                             \
            const struct sl_log_field sl_log_fields_[] = {__VA_ARGS__};        \
            sl_log_write(level, event, sl_log_fields_,                         \
                         sizeof(sl_log_fields_) / sizeof(sl_log_fields_[0]));  \
        }                                                                      \
    } while (0)

#endif
