/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite database file: opening it safely, and what its failures mean. */
#include "client/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"

/* SQLite's primary codes: https://www.sqlite.org/rescode.html */
static const struct meaning {
    int code;
    enum sl_status status;
    const char *text;
} meanings[] = {
    {SQLITE_BUSY, SL_TIMEOUT,
     "another process held its lock until the deadline"},
    {SQLITE_LOCKED, SL_TIMEOUT,
     "another process held its lock until the deadline"},
    {SQLITE_PROTOCOL, SL_UNAVAILABLE, "too many processes begin at once"},
    {SQLITE_FULL, SL_UNAVAILABLE, "the disk is full; make room on it"},
    {SQLITE_IOERR, SL_UNAVAILABLE, "cannot read or write it"},
    {SQLITE_CANTOPEN, SL_UNAVAILABLE, "cannot open it"},
    {SQLITE_READONLY, SL_PERMISSION_DENIED,
     "may not write it; let this user write the file, the -wal and -shm "
     "beside it, and the folder"},
    {SQLITE_PERM, SL_PERMISSION_DENIED,
     "may not open it; let this user read and write the file and its folder"},
    {SQLITE_CORRUPT, SL_INTERNAL,
     "the database is damaged; put a copy in its place, or move it away "
     "together with its -wal file to begin anew"},
    {SQLITE_NOTADB, SL_INTERNAL,
     "this file is no database; choose another path"},
    {SQLITE_NOMEM, SL_TOO_LARGE, "no memory for the value"},
    {SQLITE_TOOBIG, SL_TOO_LARGE, "more than SQLite can hold in a value"},
};

/* Where SQLite only says that it failed, errno decides. */
static int refine(int code, int reason)
{
    int primary = code & 0xff;

    if (code == SQLITE_IOERR_NOMEM)
        return SQLITE_NOMEM;
    if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN)
        return primary;
    if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
        return SQLITE_FULL;
    if (reason == EACCES || reason == EPERM)
        return SQLITE_PERM;
    return primary;
}

/* reason is an errno, or 0 where there is none. */
static enum sl_status explain(const char *path, int code, int reason,
                              struct sl_error *err)
{
    int refined = refine(code, reason);

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const struct meaning *meaning = &meanings[i];
        if (meaning->code != refined)
            continue;
        if (reason != 0 &&
            (refined == SQLITE_IOERR || refined == SQLITE_CANTOPEN))
            return sl_fail(err, meaning->status, "%s: %s: %s", path,
                           meaning->text, strerrordesc_np(reason));
        return sl_fail(err, meaning->status, "%s: %s", path, meaning->text);
    }
    return sl_fail(err, SL_INTERNAL, "%s: SQLite says: %s", path,
                   sqlite3_errstr(code));
}

enum sl_status sl_sqlite_explain(const struct sl_sqlite_file *file, int code,
                                 struct sl_error *err)
{
    int reason = sqlite3_system_errno(file->handle);

    /* SQLite does not keep it where it is COMMIT that failed. */
    if (reason == 0)
        reason = errno;
    return explain(file->path, code, reason, err);
}

/* Wait a little; 0 gives up. */
static int wait_busy(void *context, int times)
{
    const struct sl_sqlite_file *file = context;
    long ms = times < 8 ? 1 : 5;

    if (sl_deadline_passed(file->deadline))
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    return 1;
}

static int execute(struct sl_sqlite_file *file, const char *sql)
{
    return sqlite3_exec(file->handle, sql, NULL, NULL, NULL);
}

/*
 * The file and its folder, for this user only.  A file that is there is not
 * even opened: closing it would drop the locks of our other connections to it
 * (https://www.sqlite.org/howtocorrupt.html, section 2.2).
 */
static enum sl_status make_file(const char *path, struct sl_error *err)
{
    const char *slash = strrchr(path, '/');

    if (slash != NULL && slash != path) {
        SL_CLEANUP(sl_freep)
        char *folder = sl_strndup(path, (size_t)(slash - path));
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return explain(path, SQLITE_CANTOPEN, errno, err);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return explain(path, SQLITE_CANTOPEN, errno, err);
    if (fd >= 0)
        close(fd);
    return SL_OK;
}

/* What the header says, as one consistent read. */
static int read_header(struct sl_sqlite_file *file, int64_t *application_id,
                       int64_t *version, int64_t *tables)
{
    sqlite3_stmt *query = NULL;

    int code = sqlite3_prepare_v2(
        file->handle,
        "SELECT application_id, user_version, (SELECT count(*) FROM "
        "sqlite_schema) FROM pragma_application_id, pragma_user_version",
        -1, &query, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(query);
    if (code == SQLITE_ROW) {
        *application_id = sqlite3_column_int64(query, 0);
        *version = sqlite3_column_int64(query, 1);
        *tables = sqlite3_column_int64(query, 2);
        code = SQLITE_OK;
    }
    sqlite3_finalize(query);
    return code;
}

/* Whose file it is; *fresh where nobody has put anything into it. */
static enum sl_status check_format(struct sl_sqlite_file *file,
                                   const struct sl_sqlite_format *format,
                                   bool *fresh, struct sl_error *err)
{
    int64_t application_id = 0, version = 0, tables = 0;

    int code = read_header(file, &application_id, &version, &tables);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    *fresh = application_id == 0 && version == 0 && tables == 0;
    if (*fresh || (application_id == format->application_id &&
                   version == format->version))
        return SL_OK;
    if (application_id == format->application_id)
        return sl_fail(err, SL_INTERNAL,
                       "%s: written by another version of slight, in format "
                       "%" PRId64 " where this one knows %" PRId64
                       "; use that version, or another path",
                       file->path, version, format->version);
    return sl_fail(err, SL_INTERNAL,
                   "%s: the database of another program; choose another path",
                   file->path);
}

/* To switch may fail without asking wait_busy, while others do the same. */
static int switch_to_wal(struct sl_sqlite_file *file)
{
    int code, times = 0;

    do {
        code = execute(file, "PRAGMA journal_mode = WAL");
    } while ((code & 0xff) == SQLITE_BUSY && wait_busy(file, times++) != 0);
    return code;
}

/* Of several processes that do this at once, one makes the tables. */
static enum sl_status make_tables(struct sl_sqlite_file *file,
                                  const struct sl_sqlite_format *format,
                                  struct sl_error *err)
{
    bool fresh;
    int code = execute(file, "BEGIN IMMEDIATE");

    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    enum sl_status status = check_format(file, format, &fresh, err);
    if (status != SL_OK)
        return status;
    if (fresh)
        code = execute(file, format->create);
    if (code == SQLITE_OK)
        code = execute(file, "COMMIT");
    return code == SQLITE_OK ? SL_OK : sl_sqlite_explain(file, code, err);
}

/* How commits are made. */
static int set_mode(struct sl_sqlite_file *file, bool flush)
{
    int code = switch_to_wal(file);

    if (code == SQLITE_OK)
        code = execute(file, flush ? "PRAGMA synchronous = FULL"
                                   : "PRAGMA synchronous = NORMAL");
    /* How much of a large value's log stays after a checkpoint. */
    if (code == SQLITE_OK)
        code = execute(file, "PRAGMA journal_size_limit = 16777216");
    return code;
}

static enum sl_status set_up(struct sl_sqlite_file *file, bool flush,
                             const struct sl_sqlite_format *format,
                             struct sl_error *err)
{
    bool fresh;

    /* Until it is known to be ours, even closing it must not tidy it up. */
    sqlite3_db_config(file->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    enum sl_status status = check_format(file, format, &fresh, err);
    if (status != SL_OK)
        return status;
    sqlite3_db_config(file->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);

    int code = set_mode(file, flush);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    return fresh ? make_tables(file, format, err) : SL_OK;
}

static enum sl_status connect_to(struct sl_sqlite_file *file, const char *path,
                                 int mode, sl_deadline deadline,
                                 struct sl_error *err)
{
    *file = (struct sl_sqlite_file){.path = path, .deadline = deadline};
    enum sl_status status =
        mode == SQLITE_OPEN_READONLY ? SL_OK : make_file(path, err);

    if (status != SL_OK)
        return status;
    int code = sqlite3_open_v2(
        path, &file->handle, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        NULL);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    sqlite3_busy_handler(file->handle, wait_busy, file);
    return SL_OK;
}

enum sl_status sl_sqlite_open(struct sl_sqlite_file *file, const char *path,
                              bool flush, const struct sl_sqlite_format *format,
                              sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status =
        connect_to(file, path, SQLITE_OPEN_READWRITE, deadline, err);

    return status == SL_OK ? set_up(file, flush, format, err) : status;
}

enum sl_status sl_sqlite_open_any(struct sl_sqlite_file *file, const char *path,
                                  bool flush, bool read_only,
                                  sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = connect_to(
        file, path, read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE,
        deadline, err);

    if (status != SL_OK)
        return status;
    /* Opening does not look into the file; this does, and says what it is not.
     */
    int code = read_only ? execute(file, "SELECT 1 FROM sqlite_schema")
                         : set_mode(file, flush);
    return code == SQLITE_OK ? SL_OK : sl_sqlite_explain(file, code, err);
}

void sl_sqlite_close(struct sl_sqlite_file *file)
{
    sqlite3_close_v2(file->handle);
    file->handle = NULL;
}
