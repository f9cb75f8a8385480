/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in three kinds of ownership: borrowed (sl_bytes), ours and growing
 * (sl_buf), and held for somebody who wants to be told (sl_held).
 */
#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Bytes somebody else owns; passed by value, may hold NULs, not terminated. */
struct sl_bytes {
    const uint8_t *ptr;
    size_t len;
};

#define SL_BYTES(p, n) ((struct sl_bytes){(const uint8_t *)(p), (n)})
#define SL_LITERAL(s) SL_BYTES("" s, sizeof(s) - 1)

/* A name and its value, borrowed. */
struct sl_pair {
    struct sl_bytes name;
    struct sl_bytes value;
};

/* The bytes of a string, without its NUL. */
struct sl_bytes sl_bytes_of(const char *text);
bool sl_bytes_equal(struct sl_bytes a, struct sl_bytes b);
bool sl_bytes_start_with(struct sl_bytes bytes, struct sl_bytes prefix);
/* Well-formed UTF-8 without NUL; nothing at all is text. */
bool sl_bytes_are_text(struct sl_bytes bytes);
/*
 * The decimal text of a signed 64-bit integer as printf writes it, and no other
 * ("-7", not "+7", "07" or " 7").  False, and out is unchanged, for other text.
 */
bool sl_bytes_to_integer(struct sl_bytes text, int64_t *out);

/* Bytes we own.  Growing past limit fails with SL_TOO_LARGE. */
struct sl_buf {
    uint8_t *ptr;
    size_t len;
    size_t capacity;
    size_t limit;
};

#define SL_BUF(max) {.limit = (max)}

SL_MUST_CHECK enum sl_status
sl_buf_append(struct sl_buf *buf, struct sl_bytes bytes, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_buf_printf(struct sl_buf *buf, struct sl_error *err, const char *fmt, ...)
    SL_PRINTF(3, 4);
/* Room for `more` bytes behind the end, for a reader to fill; len stays. */
SL_MUST_CHECK enum sl_status sl_buf_reserve(struct sl_buf *buf, size_t more,
                                            struct sl_error *err);
/* FNV-1a, of 64 bits, that goes on from another one; 0 to begin. */
uint64_t sl_bytes_hash(struct sl_bytes bytes, uint64_t before);
/* The content as bytes, borrowed until buf changes. */
struct sl_bytes sl_buf_bytes(const struct sl_buf *buf);
void sl_buf_clear(struct sl_buf *buf); /* empty; keeps its memory */
void sl_buf_done(struct sl_buf *buf);  /* frees; keeps its limit */

/*
 * Bytes that live until release(owner) is called, exactly once, from any
 * thread.  A NULL release means that there is nothing to release.
 */
struct sl_held {
    struct sl_bytes bytes;
    void *owner;
    void (*release)(void *owner);
};

/* Release what is held and leave an empty sl_held. */
void sl_held_done(struct sl_held *held);
/* Hand buf's memory over to *held, without a copy; buf is empty afterwards. */
void sl_held_take_buf(struct sl_held *held, struct sl_buf *buf);
/* Hold a copy.  SL_TOO_LARGE where there is no memory for it. */
SL_MUST_CHECK enum sl_status
sl_held_copy(struct sl_held *held, struct sl_bytes bytes, struct sl_error *err);

/* Run fn(&variable) when the variable goes out of scope. */
#define SL_CLEANUP(fn) __attribute__((cleanup(fn)))

#endif
