/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of requests to etcd: keys and ranges in base64. */
#include "client/etcd/etcd.h"

#include "net/base64.h"

enum sl_status sl_etcd_bytes(struct sl_buf *out, const char *name,
                             struct sl_bytes first, struct sl_bytes second,
                             struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf both = SL_BUF(first.len + second.len);
    enum sl_status status = sl_buf_printf(out, err, "\"%s\":\"", name);

    if (first.len > 0 && second.len > 0) {
        if (status == SL_OK)
            status = sl_buf_append(&both, first, err);
        if (status == SL_OK)
            status = sl_buf_append(&both, second, err);
        second = sl_buf_bytes(&both);
    } else if (second.len == 0) {
        second = first;
    }
    if (status == SL_OK)
        status = sl_base64_append(out, second, err);
    return status == SL_OK ? sl_buf_append(out, SL_LITERAL("\""), err) : status;
}

/* The smallest bytes that are greater than every key with this prefix; a single
 * NUL means "to the end" in etcd. */
static struct sl_bytes prefix_end(struct sl_buf *prefix)
{
    while (prefix->len > 0 && prefix->ptr[prefix->len - 1] == 0xff)
        prefix->len--;
    if (prefix->len == 0)
        return SL_LITERAL("\0");
    prefix->ptr[prefix->len - 1]++;
    return sl_buf_bytes(prefix);
}

enum sl_status sl_etcd_range(struct sl_buf *out, struct sl_bytes first,
                             struct sl_bytes second, struct sl_bytes after,
                             struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf prefix = SL_BUF(first.len + second.len);
    SL_CLEANUP(sl_buf_done) struct sl_buf start = SL_BUF(after.len + 1);
    enum sl_status status = sl_buf_append(&prefix, first, err);

    if (status == SL_OK)
        status = sl_buf_append(&prefix, second, err);
    if (status == SL_OK && after.len > 0)
        status = sl_buf_append(&start, after, err);
    /* The successor of a key is the key with a NUL; the smallest of all is a
     * NUL. */
    bool from_start = after.len == 0 && prefix.len > 0;
    if (status == SL_OK && !from_start)
        status = sl_buf_append(&start, SL_LITERAL("\0"), err);
    if (status == SL_OK)
        status = sl_etcd_bytes(out, "key",
                               from_start ? sl_buf_bytes(&prefix)
                                          : sl_buf_bytes(&start),
                               SL_BYTES(NULL, 0), err);
    if (status == SL_OK)
        status = sl_buf_append(out, SL_LITERAL(","), err);
    return status == SL_OK
               ? sl_etcd_bytes(out, "range_end", prefix_end(&prefix),
                               SL_BYTES(NULL, 0), err)
               : status;
}
