/* SPDX-License-Identifier: Apache-2.0 */
/* Listing keys: prefixes, pages, cursors. */
#include "kv_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called between pages, so that a case can write meanwhile. */
typedef void between_fn(struct resource *kv, int page);

/* What a whole listing gave: each key once, in order. */
struct listing {
    char **keys;
    size_t count;
    int pages;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add(struct listing *listing, struct kv_page *page)
{
    listing->keys = realloc(listing->keys, (listing->count + page->count + 1) *
                                               sizeof(char *));
    CHECK(listing->keys != NULL);
    for (size_t i = 0; i < page->count; i++)
        listing->keys[listing->count++] = page->keys[i];
    page->count = 0; /* handed over */
    kv_page_done(page);
}

static void sort_once(struct listing *listing)
{
    size_t kept = 0;

    if (listing->count > 0)
        qsort(listing->keys, listing->count, sizeof(char *), compare);
    for (size_t i = 0; i < listing->count; i++) {
        if (kept > 0 && strcmp(listing->keys[kept - 1], listing->keys[i]) == 0)
            free(listing->keys[i]);
        else
            listing->keys[kept++] = listing->keys[i];
    }
    listing->count = kept;
}

static struct listing list(struct resource *kv, struct bytes prefix,
                           uint32_t limit, between_fn *between)
{
    struct listing listing = {0};
    char *cursor = NULL;

    do {
        struct kv_page page = {0};
        OK(kv_keys(kv, prefix, cursor, limit, &page));
        CHECK(page.count <= limit);
        free(cursor);
        cursor = page.next;
        page.next = NULL; /* handed over */
        add(&listing, &page);
        CHECK(++listing.pages < 100000);
        if (between != NULL)
            between(kv, listing.pages);
    } while (cursor != NULL);
    sort_once(&listing);
    return listing;
}

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->keys[i]);
    free(listing->keys);
}

/* Exactly these, which end with NULL, are listed, whatever the limit. */
static void lists(struct resource *kv, struct bytes prefix,
                  const char *const expected[])
{
    static const uint32_t limits[] = {1, 2, 10, KV_PAGE_MAX};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct listing listing = list(kv, prefix, limits[i], NULL);
        size_t count = 0;
        while (expected[count] != NULL)
            count++;
        if (listing.count != count)
            case_fail(__FILE__, __LINE__, "%zu keys, not %zu, for prefix %.*s",
                      listing.count, count, (int)prefix.len,
                      (const char *)prefix.ptr);
        for (size_t j = 0; j < count; j++) {
            bool there = bsearch(&expected[j], listing.keys, count,
                                 sizeof(char *), compare) != NULL;
            if (!there)
                case_fail(__FILE__, __LINE__, "not listed: %s", expected[j]);
        }
        listing_done(&listing);
    }
}

static void set_all(struct resource *kv, const char *const keys[])
{
    for (size_t i = 0; keys[i] != NULL; i++)
        OK(kv_set(kv, bytes_of(keys[i]), TEXT("value")));
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const none[] = {NULL};

static void an_empty_store(struct resource *kv)
{
    lists(kv, TEXT(""), none);
    lists(kv, TEXT("a"), none);
}

static void prefixes(struct resource *kv)
{
    bool found;

    set_all(kv, KEYS("a", "a/1", "a/2", "a/2/x", "b", "b/1", "A", "aa"));
    lists(kv, TEXT(""),
          KEYS("a", "a/1", "a/2", "a/2/x", "b", "b/1", "A", "aa"));
    lists(kv, TEXT("a"), KEYS("a", "a/1", "a/2", "a/2/x", "aa"));
    lists(kv, TEXT("a/"), KEYS("a/1", "a/2", "a/2/x"));
    lists(kv, TEXT("a/2"), KEYS("a/2", "a/2/x"));
    lists(kv, TEXT("b/1"), KEYS("b/1"));
    lists(kv, TEXT("b/12"), none);
    lists(kv, TEXT("c"), none);
    OK(kv_delete(kv, TEXT("a/2"), &found));
    lists(kv, TEXT("a/"), KEYS("a/1", "a/2/x"));
}

static void prefixes_are_no_patterns(struct resource *kv)
{
    set_all(kv, KEYS("*", "**", "*a", "?", "?a", "[a]", "[a]b", "\\", "\\*",
                     "a", "ab", "b", "%a", "_a", "^a"));
    lists(kv, TEXT("*"), KEYS("*", "**", "*a"));
    lists(kv, TEXT("**"), KEYS("**"));
    lists(kv, TEXT("?"), KEYS("?", "?a"));
    lists(kv, TEXT("["), KEYS("[a]", "[a]b"));
    lists(kv, TEXT("[a]"), KEYS("[a]", "[a]b"));
    lists(kv, TEXT("\\"), KEYS("\\", "\\*"));
    lists(kv, TEXT("\\*"), KEYS("\\*"));
    lists(kv, TEXT("%"), KEYS("%a"));
    lists(kv, TEXT("_"), KEYS("_a"));
    lists(kv, TEXT("[^a]"), none);
}

static void keys_of_many_bytes(struct resource *kv)
{
    char longest[KV_KEY_MAX + 1];

    memset(longest, 'z', KV_KEY_MAX);
    longest[KV_KEY_MAX] = '\0';
    set_all(kv,
            KEYS("\xc3\xa9", "\xc3\xa9t\xc3\xa9", "\xc3\xaa", "e",
                 "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf!", "a b\n", longest));
    lists(kv, TEXT("\xc3\xa9"), KEYS("\xc3\xa9", "\xc3\xa9t\xc3\xa9"));
    lists(kv, TEXT("\xf4\x8f\xbf\xbf"),
          KEYS("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf!"));
    lists(kv, TEXT("a b"), KEYS("a b\n"));
    lists(kv, TEXT("zz"), KEYS(longest));
    lists(kv, bytes_of(longest), KEYS(longest));
}

static void arguments(struct resource *kv)
{
    static const char *const cursors[] = {
        "garbage", "-1", " ", "99999999999999999999999999999", "\xc3\xa9", ">",
    };
    struct kv_page page = {0};
    char long_prefix[KV_KEY_MAX + 1];

    set_all(kv, KEYS("a", "b"));
    FAILS(kv_keys(kv, TEXT(""), NULL, 0, &page), INVALID_ARGUMENT);
    FAILS(kv_keys(kv, TEXT(""), NULL, KV_PAGE_MAX + 1, &page),
          INVALID_ARGUMENT);
    FAILS(kv_keys(kv, TEXT(""), NULL, UINT32_MAX, &page), INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++)
        FAILS(kv_keys(kv, TEXT(""), cursors[i], 10, &page), INVALID_ARGUMENT);
    memset(long_prefix, 'p', sizeof(long_prefix));
    const struct bytes longest = {(const uint8_t *)long_prefix, KV_KEY_MAX};
    lists(kv, longest, none);
    const struct bytes too_long = {(const uint8_t *)long_prefix,
                                   KV_KEY_MAX + 1};
    FAILS(kv_keys(kv, too_long, NULL, 10, &page), INVALID_ARGUMENT);
}

/* Keys "PREFIX0000" and on. */
static void set_numbered(struct resource *kv, const char *prefix, size_t count)
{
    static char texts[KV_MANY_MAX][32];
    static struct bytes keys[KV_MANY_MAX], values[KV_MANY_MAX];
    static enum status each[KV_MANY_MAX];

    for (size_t done = 0; done < count;) {
        size_t n = count - done < KV_MANY_MAX ? count - done : KV_MANY_MAX;
        for (size_t i = 0; i < n; i++) {
            snprintf(texts[i], sizeof(texts[i]), "%s%04zu", prefix, done + i);
            keys[i] = bytes_of(texts[i]);
            values[i] = keys[i];
        }
        OK(kv_set_many(kv, keys, values, n, each));
        for (size_t i = 0; i < n; i++)
            CHECK(each[i] == WORKED);
        done += n;
    }
}

static bool is_listed(const struct listing *listing, const char *key)
{
    return listing->count > 0 && bsearch(&key, listing->keys, listing->count,
                                         sizeof(char *), compare) != NULL;
}

/* All numbered keys are listed, and `others` keys beside them at the most. */
static void expect_numbered(const struct listing *listing, const char *prefix,
                            size_t count, size_t others)
{
    char key[32];

    for (size_t i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%s%04zu", prefix, i);
        if (!is_listed(listing, key))
            case_fail(__FILE__, __LINE__, "not listed: %s", key);
    }
    CHECK(listing->count <= count + others);
}

static void thousands_of_keys(struct resource *kv)
{
    enum { COUNT = 2300 };
    static const uint32_t limits[] = {7, 100, KV_PAGE_MAX};

    set_numbered(kv, "k/", COUNT);
    set_numbered(kv, "other/", 300);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct listing listing = list(kv, TEXT("k/"), limits[i], NULL);
        expect_numbered(&listing, "k/", COUNT, 0);
        CHECK((size_t)listing.pages >= COUNT / limits[i]);
        listing_done(&listing);
    }
    struct listing all = list(kv, TEXT(""), KV_PAGE_MAX, NULL);
    CHECK(all.count == COUNT + 300);
    listing_done(&all);
}

/* Write new keys and delete them again, around those that stay. */
static void disturb(struct resource *kv, int page)
{
    char key[32];
    bool found;

    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k/%04dnew%d", (page * 37 + i) % 500, i);
        OK(kv_set(kv, bytes_of(key), TEXT("value")));
        if (i % 2 == 0)
            OK(kv_delete(kv, bytes_of(key), &found));
    }
    snprintf(key, sizeof(key), "k/%04dgone", page % 100);
    OK(kv_delete(kv, bytes_of(key), &found));
    snprintf(key, sizeof(key), "k/%04d", page % 500);
    OK(kv_set(kv, bytes_of(key), TEXT("another value")));
}

static void what_stays_is_listed(struct resource *kv)
{
    char key[32];

    set_numbered(kv, "k/", 500);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "k/%04dgone", i);
        OK(kv_set(kv, bytes_of(key), TEXT("value")));
    }
    struct listing listing = list(kv, TEXT("k/"), 50, disturb);
    expect_numbered(&listing, "k/", 500, SIZE_MAX - 500);
    for (size_t i = 0; i < listing.count; i++)
        CHECK(strncmp(listing.keys[i], "k/", 2) == 0);
    listing_done(&listing);
}

static void the_key_of_a_cursor_is_deleted(struct resource *kv)
{
    struct kv_page page = {0};
    bool found;

    set_numbered(kv, "", 30);
    OK(kv_keys(kv, TEXT(""), NULL, 5, &page));
    for (size_t i = 0; i < page.count; i++)
        OK(kv_delete(kv, bytes_of(page.keys[i]), &found));
    struct listing listing = {0};
    char *cursor = page.next;
    page.next = NULL; /* handed over */
    add(&listing, &page);
    while (cursor != NULL) {
        OK(kv_keys(kv, TEXT(""), cursor, 5, &page));
        free(cursor);
        cursor = page.next;
        page.next = NULL; /* handed over */
        add(&listing, &page);
    }
    sort_once(&listing);
    CHECK(listing.count == 30);
    listing_done(&listing);
}

/* Every key of the page is there, and starts with this. */
static void expect_own(struct resource *kv, const struct kv_page *page,
                       const char *prefix)
{
    for (size_t i = 0; i < page->count; i++) {
        bool found = false;
        CHECK(strncmp(page->keys[i], prefix, strlen(prefix)) == 0);
        OK(kv_exists(kv, bytes_of(page->keys[i]), &found));
        CHECK(found);
    }
}

static void a_cursor_of_another_prefix(struct resource *kv)
{
    static const char *const prefixes_to_list[] = {"b/", "a/0002", "a/01", ""};
    struct kv_page first = {0}, page = {0};

    set_numbered(kv, "a/", 30);
    set_numbered(kv, "b/", 30);
    OK(kv_keys(kv, TEXT("a/"), NULL, 5, &first));
    CHECK(first.next != NULL);
    for (size_t i = 0; i < 4; i++) {
        enum status status = kv_keys(kv, bytes_of(prefixes_to_list[i]),
                                     first.next, KV_PAGE_MAX, &page);
        CHECK(status == WORKED || status == INVALID_ARGUMENT);
        if (status != WORKED)
            continue;
        expect_own(kv, &page, prefixes_to_list[i]);
        kv_page_done(&page);
    }
    kv_page_done(&first);
}

const struct suite_case kv_list_cases[] = {
    {"an empty store lists nothing", KV_NEEDS_KEYS, an_empty_store,
     .holds = "kv-23 kv-46"},
    {"keys are listed by prefix", KV_NEEDS_KEYS, prefixes, .holds = "kv-46"},
    {"a prefix is no pattern", KV_NEEDS_KEYS, prefixes_are_no_patterns,
     .holds = "kv-46"},
    {"keys of many bytes are listed", KV_NEEDS_KEYS, keys_of_many_bytes,
     .holds = "kv-46"},
    {"arguments of a listing", KV_NEEDS_KEYS, arguments,
     .holds = "kv-48 types-2"},
    {"thousands of keys are listed", KV_NEEDS_KEYS, thousands_of_keys,
     .holds = "kv-23 kv-46"},
    {"what stays is listed while others come and go", KV_NEEDS_KEYS,
     what_stays_is_listed, .holds = "kv-47"},
    {"a cursor outlives the keys of its page", KV_NEEDS_KEYS,
     the_key_of_a_cursor_is_deleted, .holds = "kv-47 kv-63"},
    {"a cursor of another prefix", KV_NEEDS_KEYS, a_cursor_of_another_prefix,
     .holds = "kv-63"},
    {0},
};
