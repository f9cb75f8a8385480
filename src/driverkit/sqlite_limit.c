/* SPDX-License-Identifier: Apache-2.0 */
#include "driverkit/sqlite_limit.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Bounds of the log and the reserve. */
#define LOG_MIN (INT64_C(256) << 10)
#define LOG_MAX (INT64_C(32) << 20)
#define RESERVE_MIN (INT64_C(64) << 10)
#define RESERVE_MAX (INT64_C(4) << 20)
enum { PART = 16 }; /* each of them is at most 1/16 of max_bytes */

enum role { OTHER, DATABASE, LOG, TEMPORARY };

/* An open file; the file of SQLite's VFS follows it. */
struct file {
    sqlite3_file base; /* first: SQLite's file is cast to this */
    struct sl_sqlite_limit *limit;
    enum role role;
    int64_t size; /* of a temporary file */
    /* SQLite aligns files to 8 bytes. */
    _Alignas(8) char inner[];
};

static sqlite3_file *inner_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((struct file *)(void *)file)->inner;
}

/* --- Limits of writes --------------------------------------------------- */

static int64_t file_size_of(sqlite3_file *file)
{
    sqlite3_int64 size = 0;

    return file != NULL && file->pMethods->xFileSize(file, &size) == SQLITE_OK
               ? size
               : 0;
}

/*
 * Whether the log may be `end` bytes long.  Its content is later copied to the
 * database, so it counts twice, up to the limit of the database.
 */
static bool log_fits(const struct sl_sqlite_limit *limit, int64_t end)
{
    if (end <= (limit->frees ? 2 * limit->log : limit->log))
        return true;
    int64_t now = file_size_of(limit->database);
    int64_t most = limit->data + (limit->frees ? limit->reserve : 0);
    int64_t later = now + end < most ? now + end : most;
    int64_t all =
        limit->max_bytes - (limit->frees ? 0 : limit->reserve + limit->log);

    return (later > now ? later : now) + end <= all;
}

static bool temporary_fits(struct file *file, int64_t end)
{
    struct sl_sqlite_limit *limit = file->limit;
    int64_t most = limit->max_bytes < SL_SQLITE_TEMPORARY_MAX
                       ? limit->max_bytes
                       : SL_SQLITE_TEMPORARY_MAX;

    if (end <= file->size)
        return true;
    if (limit->temporary + (end - file->size) > most)
        return false;
    limit->temporary += end - file->size;
    file->size = end;
    return true;
}

static bool write_fits(struct file *file, int64_t end)
{
    if (file->role == LOG)
        return log_fits(file->limit, end);
    return file->role != TEMPORARY || temporary_fits(file, end);
}

/* Remember that the disk was full. */
static int note_write_failure(struct file *file, int code)
{
    if (code != SQLITE_OK)
        file->limit->device_full = true;
    return code;
}

/* --- Methods of files --------------------------------------------------- */

static int file_close(sqlite3_file *base)
{
    struct file *file = (struct file *)(void *)base;

    if (file->role == TEMPORARY)
        file->limit->temporary -= file->size;
    if (file->role == DATABASE)
        file->limit->database = NULL;
    return inner_of(base)->pMethods->xClose(inner_of(base));
}

static int file_read(sqlite3_file *base, void *to, int len, sqlite3_int64 at)
{
    return inner_of(base)->pMethods->xRead(inner_of(base), to, len, at);
}

static int file_write(sqlite3_file *base, const void *from, int len,
                      sqlite3_int64 at)
{
    struct file *file = (struct file *)(void *)base;

    if (!write_fits(file, at + len))
        return SQLITE_FULL;
    return note_write_failure(
        file, inner_of(base)->pMethods->xWrite(inner_of(base), from, len, at));
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = (struct file *)(void *)base;

    if (file->role == TEMPORARY && size < file->size) {
        file->limit->temporary -= file->size - size;
        file->size = size;
    }
    return inner_of(base)->pMethods->xTruncate(inner_of(base), size);
}

static int file_sync(sqlite3_file *base, int flags)
{
    return note_write_failure(
        (struct file *)(void *)base,
        inner_of(base)->pMethods->xSync(inner_of(base), flags));
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    return inner_of(base)->pMethods->xFileSize(inner_of(base), size);
}

static int file_lock(sqlite3_file *base, int level)
{
    return inner_of(base)->pMethods->xLock(inner_of(base), level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    return inner_of(base)->pMethods->xUnlock(inner_of(base), level);
}

static int file_check_lock(sqlite3_file *base, int *reserved)
{
    return inner_of(base)->pMethods->xCheckReservedLock(inner_of(base),
                                                        reserved);
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    int code =
        inner_of(base)->pMethods->xFileControl(inner_of(base), what, argument);

    return what == SQLITE_FCNTL_SIZE_HINT
               ? note_write_failure((struct file *)(void *)base, code)
               : code;
}

static int file_sector_size(sqlite3_file *base)
{
    return inner_of(base)->pMethods->xSectorSize(inner_of(base));
}

static int file_characteristics(sqlite3_file *base)
{
    return inner_of(base)->pMethods->xDeviceCharacteristics(inner_of(base));
}

static int shm_map(sqlite3_file *base, int page, int size, int extend,
                   void volatile **out)
{
    return inner_of(base)->pMethods->xShmMap(inner_of(base), page, size, extend,
                                             out);
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return inner_of(base)->pMethods->xShmLock(inner_of(base), offset, count,
                                              flags);
}

static void shm_barrier(sqlite3_file *base)
{
    inner_of(base)->pMethods->xShmBarrier(inner_of(base));
}

static int shm_unmap(sqlite3_file *base, int remove)
{
    return inner_of(base)->pMethods->xShmUnmap(inner_of(base), remove);
}

static int file_fetch(sqlite3_file *base, sqlite3_int64 at, int len, void **out)
{
    return inner_of(base)->pMethods->xFetch(inner_of(base), at, len, out);
}

static int file_unfetch(sqlite3_file *base, sqlite3_int64 at, void *page)
{
    return inner_of(base)->pMethods->xUnfetch(inner_of(base), at, page);
}

#define METHODS(version)                                                       \
    {.iVersion = (version),                                                    \
     .xClose = file_close,                                                     \
     .xRead = file_read,                                                       \
     .xWrite = file_write,                                                     \
     .xTruncate = file_truncate,                                               \
     .xSync = file_sync,                                                       \
     .xFileSize = file_size,                                                   \
     .xLock = file_lock,                                                       \
     .xUnlock = file_unlock,                                                   \
     .xCheckReservedLock = file_check_lock,                                    \
     .xFileControl = file_control,                                             \
     .xSectorSize = file_sector_size,                                          \
     .xDeviceCharacteristics = file_characteristics,                           \
     .xShmMap = shm_map,                                                       \
     .xShmLock = shm_lock,                                                     \
     .xShmBarrier = shm_barrier,                                               \
     .xShmUnmap = shm_unmap,                                                   \
     .xFetch = file_fetch,                                                     \
     .xUnfetch = file_unfetch}

/* The methods of the version that the wrapped file has. */
static const sqlite3_io_methods *methods_of(int version)
{
    static const sqlite3_io_methods all[] = {METHODS(1), METHODS(2),
                                             METHODS(3)};

    return &all[(version < 1 ? 1 : version > 3 ? 3 : version) - 1];
}

/* --- The VFS ------------------------------------------------------------ */

static enum role role_of(int flags)
{
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        return DATABASE;
    if ((flags & SQLITE_OPEN_WAL) != 0)
        return LOG;
    return (flags & (SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TRANSIENT_DB |
                     SQLITE_OPEN_TEMP_JOURNAL | SQLITE_OPEN_SUBJOURNAL)) != 0
               ? TEMPORARY
               : OTHER;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                    int flags, int *out)
{
    struct sl_sqlite_limit *limit = (struct sl_sqlite_limit *)vfs;
    struct file *file = (struct file *)(void *)base;

    *file = (struct file){.limit = limit, .role = role_of(flags)};
    inner_of(base)->pMethods = NULL; /* in case xOpen fails early */
    int code =
        limit->base->xOpen(limit->base, name, inner_of(base), flags, out);
    if (inner_of(base)->pMethods == NULL)
        return code;
    base->pMethods = methods_of(inner_of(base)->pMethods->iVersion);
    if (file->role == DATABASE)
        limit->database = inner_of(base);
    return code;
}

static sqlite3_vfs *base_of(sqlite3_vfs *vfs)
{
    return ((struct sl_sqlite_limit *)vfs)->base;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    return base_of(vfs)->xDelete(base_of(vfs), name, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    return base_of(vfs)->xAccess(base_of(vfs), name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size,
                         char *out)
{
    return base_of(vfs)->xFullPathname(base_of(vfs), name, size, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    return base_of(vfs)->xRandomness(base_of(vfs), len, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    return base_of(vfs)->xSleep(base_of(vfs), us);
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    return base_of(vfs)->xCurrentTime(base_of(vfs), out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int len, char *out)
{
    return base_of(vfs)->xGetLastError(base_of(vfs), len, out);
}

/* Used by SQLite if the version of the VFS is 2 or more. */
static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    return base_of(vfs)->xCurrentTimeInt64(base_of(vfs), out);
}

/* --- Limits ------------------------------------------------------------- */

static int64_t clamp_part(int64_t bytes, int64_t least, int64_t most)
{
    int64_t part = bytes / PART;

    return part < least ? least : part > most ? most : part;
}

void sl_sqlite_limit_divide(struct sl_sqlite_limit *limit, int64_t max_bytes)
{
    limit->max_bytes = max_bytes;
    limit->log = clamp_part(max_bytes, LOG_MIN, LOG_MAX);
    limit->reserve = clamp_part(max_bytes, RESERVE_MIN, RESERVE_MAX);
    limit->data = max_bytes - limit->reserve - 2 * limit->log;
}

int sl_sqlite_limit_begin(struct sl_sqlite_limit *limit, int64_t max_bytes)
{
    static _Atomic uint64_t count;

    sl_sqlite_limit_divide(limit, max_bytes);
    limit->base = sqlite3_vfs_find(NULL);
    if (limit->base == NULL)
        return SQLITE_ERROR;
    snprintf(limit->name, sizeof(limit->name), "slight-%" PRIu64,
             atomic_fetch_add(&count, 1));
    limit->vfs = (sqlite3_vfs){
        .iVersion = limit->base->iVersion < 2 ? 1 : 2,
        .szOsFile = (int)sizeof(struct file) + limit->base->szOsFile,
        .mxPathname = limit->base->mxPathname,
        .zName = limit->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time_ms,
    };
    int code = sqlite3_vfs_register(&limit->vfs, 0);
    limit->registered = code == SQLITE_OK;
    return code;
}

void sl_sqlite_limit_end(struct sl_sqlite_limit *limit)
{
    if (limit->registered)
        sqlite3_vfs_unregister(&limit->vfs);
    limit->registered = false;
}
