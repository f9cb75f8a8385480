/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON answers of services, and writes strings of requests.  Every reader
 * accepts NULL, and treats absent values and values of another type alike.
 */
#ifndef SL_NET_HTTP_JSON_H
#define SL_NET_HTTP_JSON_H

#include "base/bytes.h"

/* A value; borrowed from its document. */
struct sl_json;

/*
 * One document (RFC 8259), at most 64 levels deep, without duplicate names.
 * The caller frees *out.  SL_INVALID_ARGUMENT; the message contains no part of
 * the text.
 */
SL_MUST_CHECK enum sl_status
sl_json_parse(struct sl_bytes text, struct sl_json **out, struct sl_error *err);
void sl_json_free(struct sl_json *json); /* NULL is fine */

const struct sl_json *sl_json_get(const struct sl_json *object,
                                  const char *name);
/* Of an array; 0 and NULL for anything else. */
size_t sl_json_count(const struct sl_json *array);
const struct sl_json *sl_json_at(const struct sl_json *array, size_t index);

/* Members of an object. */
struct sl_bytes sl_json_text(const struct sl_json *object, const char *name);
bool sl_json_true(const struct sl_json *object, const char *name);
/* A number, or a number in a string, as Protocol Buffers write 64 bits; else
 * 0. */
int64_t sl_json_integer(const struct sl_json *object, const char *name);
/* Decode a base64 string and append its bytes; appends nothing if absent. */
SL_MUST_CHECK enum sl_status sl_json_base64(const struct sl_json *object,
                                            const char *name,
                                            struct sl_buf *out,
                                            struct sl_error *err);

/* Append text, which is UTF-8, as a JSON string with its quotes. */
SL_MUST_CHECK enum sl_status
sl_json_append(struct sl_buf *out, struct sl_bytes text, struct sl_error *err);

static inline void sl_json_freep(struct sl_json **json)
{
    sl_json_free(*json);
}

#endif
