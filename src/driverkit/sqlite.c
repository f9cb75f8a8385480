/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite database file: opening it safely, and the meaning of its errors. */
#include "driverkit/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/option.h"

/* Pages of the log after which it is checkpointed. */
enum { CHECKPOINT_PAGES = 1000 };
/* The size of the log that stays after a checkpoint. */
#define LOG_KEPT (INT64_C(16) << 20)

enum { WAIT_MAX_MS = 200 };

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
    {SQLITE_INTERRUPT, SL_TIMEOUT, "the query ran until the deadline"},
    {SQLITE_PROTOCOL, SL_UNAVAILABLE,
     "too many processes start transactions at once"},
    {SQLITE_FULL, SL_RESOURCE_EXHAUSTED, "the disk is full; make room on it"},
    {SQLITE_IOERR, SL_UNAVAILABLE, "cannot read or write it"},
    {SQLITE_CANTOPEN, SL_UNAVAILABLE, "cannot open it"},
    {SQLITE_READONLY, SL_READ_ONLY,
     "no permission to write; let this user write the file, the -wal and -shm "
     "beside it, and the folder"},
    {SQLITE_PERM, SL_PERMISSION_DENIED,
     "no permission to open; let this user read and write the file and its "
     "folder"},
    {SQLITE_CORRUPT, SL_INTERNAL,
     "the database is damaged; put a copy in its place, or move it away "
     "together with its -wal file to start with an empty one"},
    {SQLITE_NOTADB, SL_INTERNAL,
     "this file is not a database; choose another path"},
    {SQLITE_NOMEM, SL_TOO_LARGE, "out of memory for the value"},
    {SQLITE_TOOBIG, SL_TOO_LARGE, "more than SQLite can hold in a value"},
};

/* Refine SQLite's general I/O errors by errno. */
static int refine_code(int code, int reason)
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

/* reason: an errno, or 0. */
static enum sl_status explain_sqlite_code(const char *path, int code,
                                          int reason, struct sl_error *err)
{
    int refined = refine_code(code, reason);

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

static enum sl_status explain_full(struct sl_sqlite_file *file,
                                   struct sl_error *err)
{
    char amount[32];

    file->full = true;
    sl_option_write_amount(SL_OPTION_SIZE, file->limit.max_bytes, amount,
                           sizeof(amount));
    return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                   "full: max-bytes of the resource allows %s, with the log of "
                   "what is written; delete from it, or raise max-bytes%s",
                   amount, file->remedy != NULL ? file->remedy : "");
}

enum sl_status sl_sqlite_explain(struct sl_sqlite_file *file, int code,
                                 struct sl_error *err)
{
    if (sl_sqlite_is_full(file, code))
        return explain_full(file, err);
    int reason = sqlite3_system_errno(file->handle);

    /* SQLite does not keep the errno of a failed COMMIT. */
    if (reason == 0)
        reason = errno;
    return explain_sqlite_code(file->path, code, reason, err);
}

/*
 * The busy handler: sleep; 0 gives up.  Up to max-transactions threads poll for
 * the lock; the more of them there are in this process, the longer each sleeps,
 * so that the rate of polling stays the same.
 */
static int wait_busy(void *context, int times)
{
    static _Atomic int waiting;
    const struct sl_sqlite_file *file = context;
    long ms = times < 8 ? 1 : 5;

    if (sl_deadline_passed(file->deadline))
        return 0;
    int others = atomic_fetch_add(&waiting, 1);
    if (times >= 8)
        ms += 4 * others < WAIT_MAX_MS ? 4 * others : WAIT_MAX_MS;
    int left = sl_deadline_left_ms(file->deadline);
    if (ms > left)
        ms = left;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    atomic_fetch_sub(&waiting, 1);
    return 1;
}

static int execute_sql(struct sl_sqlite_file *file, const char *sql)
{
    return sqlite3_exec(file->handle, sql, NULL, NULL, NULL);
}

/*
 * Create the file and its folder for this user only.  An existing file is not
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
            return explain_sqlite_code(path, SQLITE_CANTOPEN, errno, err);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return explain_sqlite_code(path, SQLITE_CANTOPEN, errno, err);
    if (fd >= 0)
        close(fd);
    return SL_OK;
}

/* Read the fields of the header consistently. */
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

/* Check that the file is ours; *fresh: it is empty. */
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
                   "%s: a database of another program; choose another path",
                   file->path);
}

/* The switch may fail without calling wait_busy while another process does the
 * same. */
static int switch_to_wal(struct sl_sqlite_file *file)
{
    int code, times = 0;

    do {
        code = execute_sql(file, "PRAGMA journal_mode = WAL");
    } while ((code & 0xff) == SQLITE_BUSY && wait_busy(file, times++) != 0);
    return code;
}

/* Of several concurrent processes one creates the tables. */
static enum sl_status create_file_tables(struct sl_sqlite_file *file,
                                         const struct sl_sqlite_format *format,
                                         struct sl_error *err)
{
    bool fresh;
    int code = execute_sql(file, "BEGIN IMMEDIATE");

    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    enum sl_status status = check_format(file, format, &fresh, err);
    if (status != SL_OK)
        return status;
    if (fresh)
        code = execute_sql(file, format->create);
    if (code == SQLITE_OK)
        code = execute_sql(file, "COMMIT");
    return code == SQLITE_OK ? SL_OK : sl_sqlite_explain(file, code, err);
}

static int set_number(struct sl_sqlite_file *file, const char *pragma,
                      int64_t number)
{
    char text[80];

    snprintf(text, sizeof(text), "PRAGMA %s = %" PRId64, pragma, number);
    return execute_sql(file, text);
}

/* Set journal mode, synchronous and related settings. */
static int set_mode(struct sl_sqlite_file *file, bool flush)
{
    int64_t kept = file->limit.log < LOG_KEPT ? file->limit.log : LOG_KEPT;
    int code = switch_to_wal(file);

    if (code == SQLITE_OK)
        code = execute_sql(file, flush ? "PRAGMA synchronous = FULL"
                                       : "PRAGMA synchronous = NORMAL");
    if (code == SQLITE_OK)
        code = set_number(file, "journal_size_limit", kept);
    /* FAST does not write freed pages only to clear them: a large deletion
     * would need a log of the same size, which may not fit. */
    if (code == SQLITE_OK)
        code = execute_sql(file, "PRAGMA secure_delete = FAST");
    return code;
}

static int prepare_count(struct sl_sqlite_file *file, const char *text,
                         sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(file->handle, text, -1, SQLITE_PREPARE_PERSISTENT,
                              out, NULL);
}

static int64_t read_count(sqlite3_stmt *statement)
{
    int64_t count = sqlite3_step(statement) == SQLITE_ROW
                        ? sqlite3_column_int64(statement, 0)
                        : 0;

    sqlite3_reset(statement);
    return count;
}

static int64_t data_pages(const struct sl_sqlite_file *file)
{
    return file->limit.data / file->page_size;
}

/* SQLite never sets max_page_count below the current size.  The log is
 * checkpointed before it reaches half of its guaranteed size. */
static int set_limits(struct sl_sqlite_file *file)
{
    sqlite3_stmt *page_size = NULL;
    int code = prepare_count(file, "PRAGMA page_size", &page_size);

    if (code == SQLITE_OK)
        code = prepare_count(file, "PRAGMA page_count", &file->page_count);
    if (code == SQLITE_OK)
        code = prepare_count(file, "PRAGMA freelist_count", &file->free_count);
    if (code == SQLITE_OK)
        file->page_size = read_count(page_size);
    sqlite3_finalize(page_size);
    if (code != SQLITE_OK)
        return code;
    if (file->page_size <= 0)
        return SQLITE_CORRUPT;
    int64_t pages = file->limit.log / 2 / file->page_size;
    sqlite3_wal_autocheckpoint(
        file->handle, pages < CHECKPOINT_PAGES ? (int)pages : CHECKPOINT_PAGES);
    return set_number(file, "max_page_count", data_pages(file));
}

static enum sl_status set_up_file(struct sl_sqlite_file *file,
                                  const struct sl_sqlite_mode *mode,
                                  const struct sl_sqlite_format *format,
                                  struct sl_error *err)
{
    bool fresh;

    /* Until the file is known to be ours, not even closing may change it. */
    sqlite3_db_config(file->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    enum sl_status status = check_format(file, format, &fresh, err);
    if (status != SL_OK)
        return status;
    sqlite3_db_config(file->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);

    int code = set_mode(file, mode->flush);
    if (code == SQLITE_OK)
        code = set_limits(file);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    return fresh ? create_file_tables(file, format, err) : SL_OK;
}

static enum sl_status open_file(struct sl_sqlite_file *file, const char *path,
                                const struct sl_sqlite_mode *mode,
                                sl_deadline deadline, struct sl_error *err)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
        (mode->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);

    *file = (struct sl_sqlite_file){.path = path, .deadline = deadline};
    enum sl_status status = mode->read_only ? SL_OK : make_file(path, err);
    if (status != SL_OK)
        return status;
    int code = sl_sqlite_limit_begin(&file->limit, mode->max_bytes);
    if (code == SQLITE_OK)
        code = sqlite3_open_v2(path, &file->handle, flags, file->limit.name);
    if (code != SQLITE_OK)
        return sl_sqlite_explain(file, code, err);
    sqlite3_busy_handler(file->handle, wait_busy, file);
    return SL_OK;
}

enum sl_status sl_sqlite_open(struct sl_sqlite_file *file, const char *path,
                              const struct sl_sqlite_mode *mode,
                              const struct sl_sqlite_format *format,
                              sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = open_file(file, path, mode, deadline, err);

    file->remedy = format->remedy;
    return status == SL_OK ? set_up_file(file, mode, format, err) : status;
}

enum sl_status sl_sqlite_open_any(struct sl_sqlite_file *file, const char *path,
                                  const struct sl_sqlite_mode *mode,
                                  sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = open_file(file, path, mode, deadline, err);

    if (status != SL_OK)
        return status;
    /* Opening does not read the file; this does. */
    int code = mode->read_only
                   ? execute_sql(file, "SELECT 1 FROM sqlite_schema")
                   : set_mode(file, mode->flush);
    if (code == SQLITE_OK)
        code = set_limits(file);
    return code == SQLITE_OK ? SL_OK : sl_sqlite_explain(file, code, err);
}

void sl_sqlite_close(struct sl_sqlite_file *file)
{
    sqlite3_finalize(file->page_count);
    sqlite3_finalize(file->free_count);
    file->page_count = file->free_count = NULL;
    sqlite3_close_v2(file->handle);
    file->handle = NULL;
    sl_sqlite_limit_end(&file->limit);
}

/* --- The limit ---------------------------------------------------------- */

void sl_sqlite_begin_call(struct sl_sqlite_file *file)
{
    file->full = false;
    file->limit.device_full = false;
}

bool sl_sqlite_is_full(const struct sl_sqlite_file *file, int code)
{
    return (code & 0xff) == SQLITE_FULL && !file->limit.device_full;
}

/* The reserve starts after the last page if the file exceeds its limit: the
 * limit was lowered, or another process has a higher one. */
void sl_sqlite_set_frees(struct sl_sqlite_file *file, bool frees)
{
    int64_t kept = file->limit.reserve / file->page_size;
    int64_t pages = read_count(file->page_count);
    int64_t most = data_pages(file) + kept;

    file->limit.frees = frees;
    if (frees ? pages + kept < data_pages(file) : !file->limit.raised)
        return;
    file->limit.raised = frees;
    if (!frees)
        most = data_pages(file);
    else if (pages > most)
        most = pages + kept;
    (void)set_number(file, "max_page_count", most);
}

bool sl_sqlite_is_at_limit(struct sl_sqlite_file *file)
{
    return read_count(file->page_count) > data_pages(file);
}

bool sl_sqlite_is_over(struct sl_sqlite_file *file)
{
    int64_t pages = read_count(file->page_count);

    return pages > data_pages(file) &&
           pages - read_count(file->free_count) > data_pages(file);
}

void sl_sqlite_shorten_log(struct sl_sqlite_file *file)
{
    (void)sqlite3_wal_checkpoint_v2(file->handle, NULL,
                                    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int64_t size_of_path(const char *path, const char *suffix)
{
    SL_CLEANUP(sl_freep) char *name = sl_asprintf("%s%s", path, suffix);
    struct stat found;

    return stat(name, &found) == 0 ? found.st_size : 0;
}

static int read_usage(sqlite3 *handle, int64_t *used)
{
    sqlite3_stmt *query = NULL;
    int code = sqlite3_prepare_v2(
        handle,
        "SELECT (page_count - freelist_count) * page_size FROM "
        "pragma_page_count, pragma_freelist_count, pragma_page_size",
        -1, &query, NULL);

    if (code == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW)
        *used = sqlite3_column_int64(query, 0);
    else
        code = SQLITE_ERROR;
    sqlite3_finalize(query);
    return code;
}

bool sl_sqlite_usage(const char *path, int64_t max_bytes,
                     struct sl_sqlite_usage *out)
{
    struct sl_sqlite_limit limit;
    sqlite3 *handle = NULL;

    sl_sqlite_limit_divide(&limit, max_bytes);
    *out = (struct sl_sqlite_usage){
        .limit = limit.data,
        .files = size_of_path(path, "") + size_of_path(path, "-wal") +
                 size_of_path(path, "-shm"),
    };
    if (size_of_path(path, "") == 0)
        return true; /* not written yet */
    int code = sqlite3_open_v2(
        path, &handle, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK) {
        sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        code = read_usage(handle, &out->used);
    }
    sqlite3_close(handle);
    return code == SQLITE_OK;
}
