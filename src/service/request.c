/* SPDX-License-Identifier: Apache-2.0 */
#include "service/request.h"

#include <string.h>

static const void *member_of(const void *holder, size_t offset)
{
    return (const char *)holder + offset;
}

static size_t count_of(const struct sl_request_field *field, const void *holder)
{
    return *(const size_t *)member_of(holder, field->count_offset);
}

static size_t array_bytes(const struct sl_request_field *field,
                          const void *holder)
{
    size_t count = count_of(field, holder);
    size_t bytes = SL_COPY_ALIGN + count * field->element_size;
    const char *element;

    memcpy(&element, member_of(holder, field->offset), sizeof(element));
    for (size_t i = 0; i < count; i++, element += field->element_size)
        bytes += sl_request_bytes(field->element_fields, element);
    return bytes;
}

size_t sl_request_bytes(const struct sl_request_field fields[],
                        const void *request)
{
    size_t bytes = 0;

    for (const struct sl_request_field *f = fields; f->kind != 0; f++) {
        const struct sl_bytes *member = member_of(request, f->offset);
        if (f->kind == SL_REQUEST_FIELD_ARRAY)
            bytes += array_bytes(f, request);
        else if (f->is_set == NULL || f->is_set(request))
            bytes += member->len;
    }
    return bytes;
}

static void copy_array(const struct sl_request_field *field, void *holder,
                       uint8_t **tail)
{
    size_t count = count_of(field, holder);
    void *member = (char *)holder + field->offset;
    const void *array;

    memcpy(&array, member, sizeof(array));
    char *copy = sl_copy_array(tail, array, count * field->element_size);
    memcpy(member, &copy, sizeof(copy));
    for (size_t i = 0; i < count; i++, copy += field->element_size)
        sl_request_copy(field->element_fields, copy, tail);
}

void sl_request_copy(const struct sl_request_field fields[], void *request,
                     uint8_t **tail)
{
    for (const struct sl_request_field *f = fields; f->kind != 0; f++) {
        struct sl_bytes *member = (void *)((char *)request + f->offset);
        if (f->kind == SL_REQUEST_FIELD_ARRAY)
            copy_array(f, request, tail);
        else if (f->is_set == NULL || f->is_set(request))
            *member = sl_copy_bytes(tail, *member);
    }
}

struct sl_bytes sl_copy_bytes(uint8_t **tail, struct sl_bytes bytes)
{
    struct sl_bytes copy = SL_BYTES(*tail, bytes.len);

    if (bytes.ptr == NULL)
        return bytes; /* none, which is not the same as empty */
    memcpy(*tail, bytes.ptr, bytes.len);
    *tail += bytes.len;
    return copy;
}

void *sl_copy_array(uint8_t **tail, const void *array, size_t size)
{
    uintptr_t end = (uintptr_t)*tail;
    uint8_t *copy = *tail + (-end & (SL_COPY_ALIGN - 1));

    if (size > 0)
        memcpy(copy, array, size);
    *tail = copy + size;
    return copy;
}
