/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of a store (SL_EMBEDDED_CLOCK). */
#include "driverkit/embedded_clock.h"

#include <errno.h>
#include <time.h>

#include "base/file.h"

static int64_t boottime_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t sl_embedded_now(const struct sl_embedded *connection)
{
    return boottime_ms() + connection->skew;
}

int64_t sl_embedded_boottime_ns(const struct sl_embedded *connection)
{
    return (connection->now - connection->skew) * 1000000;
}

sl_deadline sl_embedded_deadline(const struct sl_embedded *connection,
                                 int64_t at)
{
    int64_t left = at - sl_embedded_now(connection);

    return sl_deadline_in_ms(left > 0 ? left : 0);
}

static int read_clock(struct sl_embedded *connection, struct sl_bytes boot,
                      bool *ours)
{
    sqlite3_stmt *clock;

    int code = sqlite3_prepare_v2(connection->file.handle,
                                  "SELECT boot, skew, last FROM clock", -1,
                                  &clock, NULL);
    if (code != SQLITE_OK)
        return code;
    bool row = sqlite3_step(clock) == SQLITE_ROW;
    *ours = row && sl_bytes_equal(sl_embedded_text(clock, 0), boot);
    connection->skew = sqlite3_column_int64(clock, 1);
    connection->saved = sqlite3_column_int64(clock, 2);
    code = sqlite3_finalize(clock);
    return code == SQLITE_OK && !row ? SQLITE_CORRUPT : code;
}

/* The first connection since boot: continue from the saved time, or from the
 * system's time if that is later. */
static int start_clock(struct sl_embedded *connection, struct sl_bytes boot)
{
    sqlite3_stmt *set;
    int64_t wall = sl_wall_ms();
    int64_t now = wall > connection->saved ? wall : connection->saved;

    int code = sqlite3_prepare_v2(connection->file.handle,
                                  "UPDATE clock SET boot = ?1, skew = ?2", -1,
                                  &set, NULL);
    if (code != SQLITE_OK)
        return code;
    connection->skew = now - boottime_ms();
    sl_embedded_bind_text(set, 1, boot);
    sqlite3_bind_int64(set, 2, connection->skew);
    errno = 0;
    (void)sqlite3_step(set);
    return sqlite3_finalize(set);
}

static int open_clock_once(struct sl_embedded *connection, struct sl_bytes boot)
{
    bool ours;
    int code = read_clock(connection, boot, &ours);

    if (code != SQLITE_OK || ours)
        return code;
    code = sl_embedded_begin(connection);
    if (code == SQLITE_OK)
        code = read_clock(connection, boot, &ours);
    if (code == SQLITE_OK && !ours)
        code = start_clock(connection, boot);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(connection->commit);
    if (code != SQLITE_OK)
        sl_embedded_roll_back(connection);
    return code;
}

/* An earlier process may have left a full log. */
static int open_clock(struct sl_embedded *connection, struct sl_bytes boot)
{
    int code = open_clock_once(connection, boot);

    if (!sl_sqlite_is_full(&connection->file, code))
        return code;
    sl_sqlite_shorten_log(&connection->file);
    sl_sqlite_set_frees(&connection->file, true);
    code = open_clock_once(connection, boot);
    sl_sqlite_set_frees(&connection->file, false);
    return code;
}

enum sl_status sl_embedded_open_clock(struct sl_embedded *connection,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf boot = SL_BUF(256);
    enum sl_status status =
        sl_file_read("/proc/sys/kernel/random/boot_id", &boot, err);

    if (status != SL_OK)
        return status;
    int code = open_clock(connection, sl_buf_bytes(&boot));
    return code == SQLITE_OK ? SL_OK
                             : sl_sqlite_explain(&connection->file, code, err);
}
