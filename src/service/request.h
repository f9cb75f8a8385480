/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request points to, as a table: for the copy that a queued call keeps.
 */
#ifndef SL_SERVICE_REQUEST_H
#define SL_SERVICE_REQUEST_H

#include "base/bytes.h"

enum sl_request_field_kind {
    SL_REQUEST_FIELD_BYTES = 1, /* a struct sl_bytes */
    SL_REQUEST_FIELD_ARRAY,     /* a pointer to structs, and a size_t count */
};

/* A member of a request, or of a struct in an array of it. */
struct sl_request_field {
    enum sl_request_field_kind kind;
    size_t offset;
    /* BYTES, may.  Whether this struct has them, of which a union is a part. */
    bool (*is_set)(const void *holder);
    /* ARRAY: */
    size_t count_offset;
    size_t element_size;
    const struct sl_request_field *element_fields; /* ended by a zeroed one */
};

#define SL_REQUEST_BYTES(type, member)                                         \
    {.kind = SL_REQUEST_FIELD_BYTES, .offset = offsetof(type, member)}
#define SL_REQUEST_ARRAY(type, member, count, fields)                          \
    {.kind = SL_REQUEST_FIELD_ARRAY,                                           \
     .offset = offsetof(type, member),                                         \
     .count_offset = offsetof(type, count),                                    \
     .element_size = sizeof(*((type *)0)->member),                             \
     .element_fields = (fields)}

/* How many bytes a copy of what it points to takes, at most. */
size_t sl_request_bytes(const struct sl_request_field fields[],
                        const void *request);

/* Copy what it points to behind *tail, which is advanced, and let it point
 * there. */
void sl_request_copy(const struct sl_request_field fields[], void *request,
                     uint8_t **tail);

/* Copy bytes behind *tail, and advance it. */
struct sl_bytes sl_copy_bytes(uint8_t **tail, struct sl_bytes bytes);
/* The same of an array of structs, aligned; takes up to SL_COPY_ALIGN more. */
enum { SL_COPY_ALIGN = 8 };
void *sl_copy_array(uint8_t **tail, const void *array, size_t size);

#endif
