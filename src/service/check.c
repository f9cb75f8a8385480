/* SPDX-License-Identifier: Apache-2.0 */
#include "service/check.h"

#include <inttypes.h>

static _Thread_local struct {
    sl_deadline until;
    bool was_late;
    size_t read; /* bytes since the last look */
} check;

void sl_check_until(sl_deadline deadline)
{
    check.until = deadline;
    check.was_late = false;
}

bool sl_check_is_late(void)
{
    check.read = 0;
    if (!check.was_late && check.until != 0)
        check.was_late = sl_deadline_passed(check.until);
    return check.was_late;
}

bool sl_check_was_late(void)
{
    return check.was_late;
}

/* A piece ends where a character does, if it is UTF-8. */
static size_t piece_of(struct sl_bytes bytes)
{
    size_t len = SL_CHECK_PIECE;

    if (bytes.len <= len)
        return bytes.len;
    while (len > SL_CHECK_PIECE - 4 && (bytes.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

bool sl_check_is_text(struct sl_bytes bytes)
{
    while (bytes.len > 0) {
        size_t len = piece_of(bytes);
        if (!sl_bytes_are_text(SL_BYTES(bytes.ptr, len)))
            return false;
        bytes = SL_BYTES(bytes.ptr + len, bytes.len - len);
        check.read += len;
        if (check.read >= SL_CHECK_PIECE && sl_check_is_late())
            return false;
    }
    return true;
}

enum sl_status sl_check_text(const char *what, struct sl_bytes text,
                             size_t least, size_t most, struct sl_error *err)
{
    if (text.len < least)
        return sl_fail(err, SL_INVALID_ARGUMENT, "%s must not be empty", what);
    if (text.len > most)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "%s of %zu bytes: at most %zu are allowed", what,
                       text.len, most);
    if (!sl_check_is_text(text))
        return sl_fail(err, SL_INVALID_ARGUMENT, "%s must be UTF-8 without NUL",
                       what);
    return SL_OK;
}

enum sl_status sl_check_range(const char *what, uint64_t value, uint64_t least,
                              uint64_t most, struct sl_error *err)
{
    if (value >= least && value <= most)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "%s of %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are allowed",
                   what, value, least, most);
}

enum sl_status sl_check_features(const struct sl_capability *capability,
                                 const struct sl_driver *driver,
                                 unsigned features, struct sl_error *err)
{
    const struct sl_feature *feature = capability->features;
    unsigned missing = features & ~driver->features;

    if (missing == 0)
        return SL_OK;
    while (feature->name != NULL && (feature->bit & missing) == 0)
        feature++;
    return sl_fail(err, SL_UNSUPPORTED,
                   "%s cannot do this (%s); \"slight providers\" lists what "
                   "each provider can do",
                   driver->name,
                   feature->name != NULL ? feature->help : "a new feature");
}
