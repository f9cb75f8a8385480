/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of compiled code: one file a component and compiler, named by a
 * hash of both.
 *
 * Files appear by rename, so that nobody meets half of one.  Behind the code
 * stands its checksum: what the disk damaged is compiled again, not run.
 *
 * The folder is one descriptor, from sl_open_private_folder, and every file is
 * opened from there, once: what is checked is what is loaded.
 */
#include "host/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"

enum {
    SUM_SIZE = 32,
    STALE_SECONDS = 60 * 60 /* a half-written file of a dead process */
};

#define ENTRY_SUFFIX ".code"
#define HALF_SUFFIX ".half"

struct sl_cache {
    char *folder;
    int fd;
    uint64_t bytes_max;
};

/* SHA-256 of all parts, each preceded by its length. */
static void hash_parts(const struct sl_bytes *parts, size_t count,
                       uint8_t sum[SUM_SIZE])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; good && i < count; i++) {
        uint64_t len = parts[i].len;
        good = EVP_DigestUpdate(md, &len, sizeof(len)) == 1 &&
               EVP_DigestUpdate(md, parts[i].ptr, parts[i].len) == 1;
    }
    /* Only for want of memory. */
    if (!good || EVP_DigestFinal_ex(md, sum, NULL) != 1)
        abort();
    EVP_MD_CTX_free(md);
}

char *sl_cache_folder(void)
{
    const char *folder = getenv("SLIGHT_CACHE_DIR");
    if (folder != NULL && folder[0] != '\0')
        return strcmp(folder, "off") == 0 ? NULL : sl_strdup(folder);

    const char *base = getenv("XDG_CACHE_HOME");
    if (base != NULL && base[0] == '/')
        return sl_asprintf("%s/slight/code", base);
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return sl_asprintf("%s/.cache/slight/code", home);
    return NULL;
}

enum sl_status sl_cache_open(const char *folder, uint64_t bytes_max,
                             struct sl_cache **out, struct sl_error *err)
{
    struct sl_error cause;
    int fd = -1;

    if (sl_open_private_folder(folder, &fd, &cause) != SL_OK)
        return sl_fail(err, cause.status, "%s; or set SLIGHT_CACHE_DIR",
                       cause.message);

    struct sl_cache *cache = sl_alloc(sizeof(*cache));
    cache->folder = sl_strdup(folder);
    cache->bytes_max = bytes_max;
    cache->fd = fd;
    *out = cache;
    return SL_OK;
}

void sl_cache_free(struct sl_cache *cache)
{
    if (cache == NULL)
        return;
    close(cache->fd);
    free(cache->folder);
    free(cache);
}

struct sl_cache_key sl_cache_key_of(struct sl_bytes wasm,
                                    struct sl_bytes fingerprint)
{
    const struct sl_bytes parts[] = {wasm, fingerprint};
    struct sl_cache_key key;
    uint8_t sum[SUM_SIZE];

    hash_parts(parts, 2, sum);
    for (size_t i = 0; i < SUM_SIZE; i++)
        snprintf(key.text + 2 * i, 3, "%02x", sum[i]);
    return key;
}

static void entry_name(const struct sl_cache_key *key, char name[80])
{
    snprintf(name, 80, "%s" ENTRY_SUFFIX, key->text);
}

/* Whether the checksum at the end is that of what stands before it. */
static bool is_whole(int fd, off_t size)
{
    if (size <= SUM_SIZE)
        return false;
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;

    const struct sl_bytes code = SL_BYTES(map, (size_t)size - SUM_SIZE);
    uint8_t sum[SUM_SIZE];
    hash_parts(&code, 1, sum);
    bool whole = memcmp(sum, code.ptr + code.len, SUM_SIZE) == 0;
    munmap(map, (size_t)size);
    return whole;
}

/*
 * This user's, closed to everybody else, and under no other name: nobody else
 * can have it open to write, unless it was given to them.
 */
static bool only_ours(const struct stat *info)
{
    return S_ISREG(info->st_mode) && info->st_uid == geteuid() &&
           (info->st_mode & 077) == 0 && info->st_nlink == 1;
}

int sl_cache_find(struct sl_cache *cache, const struct sl_cache_key *key)
{
    char name[80];
    struct stat info;

    entry_name(key, name);
    /* A pipe under that name keeps nobody waiting. */
    int fd =
        openat(cache->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &info) != 0 || !only_ours(&info) ||
        !is_whole(fd, info.st_size)) {
        sl_closep(&fd);
        sl_cache_drop(cache, key);
        return -1;
    }
    futimens(fd, NULL); /* used now: it goes last */
    return fd;
}

void sl_cache_drop(struct sl_cache *cache, const struct sl_cache_key *key)
{
    char name[80];

    entry_name(key, name);
    unlinkat(cache->fd, name, 0);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);

    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

struct entry {
    char name[NAME_MAX + 1];
    uint64_t size;
    struct timespec used;
};

struct listing {
    struct entry *entries;
    size_t count;
    uint64_t bytes;
};

static void add_entry(struct listing *list, const char *name,
                      const struct stat *info)
{
    list->entries =
        sl_realloc(list->entries, (list->count + 1) * sizeof(*list->entries));
    struct entry *entry = &list->entries[list->count++];
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->size = (uint64_t)info->st_size;
    entry->used = info->st_mtim;
    list->bytes += entry->size;
}

/* Every entry; halves that nobody will finish are removed on the way. */
static struct listing list_entries(struct sl_cache *cache)
{
    struct listing list = {0};
    struct dirent *item;
    struct stat info;
    int fd = openat(cache->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

    if (folder == NULL) {
        sl_closep(&fd);
        return list;
    }
    while ((item = readdir(folder)) != NULL) {
        if (fstatat(cache->fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (ends_with(item->d_name, HALF_SUFFIX) &&
            info.st_mtim.tv_sec < time(NULL) - STALE_SECONDS)
            unlinkat(cache->fd, item->d_name, 0);
        else if (ends_with(item->d_name, ENTRY_SUFFIX))
            add_entry(&list, item->d_name, &info);
    }
    closedir(folder);
    return list;
}

static int by_use(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;

    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    if (a->used.tv_nsec != b->used.tv_nsec)
        return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Remove what was not used for longest, but keep the one called keep. */
static void evict_entries(struct sl_cache *cache, const char *keep)
{
    struct listing list = list_entries(cache);

    if (list.bytes > cache->bytes_max)
        qsort(list.entries, list.count, sizeof(*list.entries), by_use);
    for (size_t i = 0; i < list.count && list.bytes > cache->bytes_max; i++) {
        if (strcmp(list.entries[i].name, keep) == 0)
            continue;
        unlinkat(cache->fd, list.entries[i].name, 0);
        list.bytes -= list.entries[i].size;
    }
    free(list.entries);
}

static enum sl_status fail_store(const struct sl_cache *cache,
                                 struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE, "%s: %s", cache->folder,
                   strerror(errno));
}

/* A name that no process that was killed has left behind. */
static void half_name(const struct sl_cache_key *key, char half[120])
{
    uint64_t number = 0;

    if (RAND_bytes((uint8_t *)&number, sizeof(number)) != 1)
        number = (uint64_t)getpid();
    snprintf(half, 120, "%s.%016" PRIx64 HALF_SUFFIX, key->text, number);
}

enum sl_status sl_cache_store(struct sl_cache *cache,
                              const struct sl_cache_key *key,
                              struct sl_bytes code, int *out,
                              struct sl_error *err)
{
    uint8_t sum[SUM_SIZE];
    char name[80];
    char half[120];

    entry_name(key, name);
    half_name(key, half);
    hash_parts(&code, 1, sum);

    SL_CLEANUP(sl_closep)
    int fd = openat(cache->fd, half,
                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_store(cache, err);
    /* What the umask took away, and what a default ACL added. */
    if (fchmod(fd, 0600) != 0 || !sl_write_all(fd, code) ||
        !sl_write_all(fd, SL_BYTES(sum, sizeof(sum))) || fsync(fd) != 0 ||
        renameat(cache->fd, half, cache->fd, name) != 0) {
        enum sl_status status = fail_store(cache, err);
        unlinkat(cache->fd, half, 0);
        return status;
    }
    evict_entries(cache, name);
    *out = fd;
    fd = -1; /* handed over */
    return SL_OK;
}
