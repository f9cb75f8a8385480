/* SPDX-License-Identifier: Apache-2.0 */
/* Values and keys of every kind: set, get, exists, delete. */
#include "kv_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bytes the_key = {(const uint8_t *)"key", 3};

static void values_of_all_kinds(struct resource *kv)
{
    const struct bytes values[] = {
        TEXT("hello"),
        TEXT(""),
        TEXT("x"),
        TEXT("\0"),
        TEXT("a\0b\0"),
        TEXT("\xff\xfe\x80 no UTF-8"),
        TEXT("a line\r\nand another\n"),
        TEXT("$-1\r\n*2\r\n"),
        TEXT("-9223372036854775808"),
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        OK(kv_set(kv, the_key, values[i]));
        HOLDS(kv, the_key, values[i]);
    }
}

static uint8_t *pattern(size_t len)
{
    uint8_t *bytes = malloc(len + 1);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    return bytes;
}

static void values_of_all_sizes(struct resource *kv)
{
    uint8_t *bytes = pattern(KV_VALUE_MAX);

    for (size_t len = 1; len <= KV_VALUE_MAX; len *= 2) {
        const struct bytes below = {bytes, len - 1}, exact = {bytes, len};
        OK(kv_set(kv, the_key, below));
        HOLDS(kv, the_key, below);
        OK(kv_set(kv, the_key, exact));
        HOLDS(kv, the_key, exact);
    }
    free(bytes);
}

static void a_value_over_the_limit(struct resource *kv)
{
    uint8_t *bytes = pattern(KV_VALUE_MAX + 1);
    const struct bytes large = {bytes, KV_VALUE_MAX + 1};
    char version[KV_VERSION_MAX + 1], size[24];

    FAILS(kv_set(kv, the_key, large), TOO_LARGE);
    snprintf(size, sizeof(size), "%zu", KV_VALUE_MAX);
    CHECK(strstr(last_failure()->message, size) != NULL);
    ABSENT(kv, the_key);
    OK(kv_set(kv, the_key, TEXT("small")));
    FAILS(kv_set(kv, the_key, large), TOO_LARGE);
    FAILS(kv_set_with(kv, the_key, large, (struct kv_options){0}, version),
          TOO_LARGE);
    HOLDS(kv, the_key, TEXT("small"));
    free(bytes);
}

static void set_replaces(struct resource *kv)
{
    OK(kv_set(kv, the_key, TEXT("a longer one")));
    OK(kv_set(kv, the_key, TEXT("short")));
    HOLDS(kv, the_key, TEXT("short"));
    OK(kv_set(kv, the_key, TEXT("")));
    HOLDS(kv, the_key, TEXT(""));
}

static void absent_is_no_error(struct resource *kv)
{
    ABSENT(kv, the_key);
    ABSENT(kv, TEXT("another"));
}

static void delete_tells_whether(struct resource *kv)
{
    bool found = true;

    OK(kv_delete(kv, the_key, &found));
    CHECK(!found);
    OK(kv_set(kv, the_key, TEXT("")));
    OK(kv_delete(kv, the_key, &found));
    CHECK(found);
    ABSENT(kv, the_key);
    OK(kv_delete(kv, the_key, &found));
    CHECK(!found);
    OK(kv_set(kv, the_key, TEXT("again")));
    HOLDS(kv, the_key, TEXT("again"));
}

static void keys_of_all_kinds(struct resource *kv)
{
    static const char *const keys[] = {
        "a",
        "A",
        " ",
        "  ",
        "a b",
        "\n",
        "a\r\nb",
        "\t",
        "*",
        "?",
        "[a]",
        "[^a]",
        "\\",
        "\\*",
        "a*",
        "%",
        "_",
        "'",
        "\"",
        "--",
        "/",
        "../a",
        ":",
        "{a}",
        "\x01",
        "\x7f",
        "\xc3\xa9",
        "e\xcc\x81",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "\xef\xbf\xbf",
        "\xf4\x8f\xbf\xbf",
        ">",
        "0",
    };
    enum { COUNT = sizeof(keys) / sizeof(keys[0]) };
    char value[16];

    for (int i = 0; i < COUNT; i++) {
        snprintf(value, sizeof(value), "%d", i);
        OK(kv_set(kv, bytes_of(keys[i]), bytes_of(value)));
    }
    for (int i = 0; i < COUNT; i++) {
        bool found = false;
        snprintf(value, sizeof(value), "%d", i);
        HOLDS(kv, bytes_of(keys[i]), bytes_of(value));
        OK(kv_delete(kv, bytes_of(keys[i]), &found));
        CHECK(found);
        ABSENT(kv, bytes_of(keys[i]));
    }
}

static void keys_of_all_sizes(struct resource *kv)
{
    char text[KV_KEY_MAX + 1];
    struct bytes key = {(const uint8_t *)text, 0};

    memset(text, 'k', sizeof(text));
    for (key.len = 1; key.len <= KV_KEY_MAX; key.len *= 2) {
        OK(kv_set(kv, key, TEXT("value")));
        HOLDS(kv, key, TEXT("value"));
    }
    key.len = KV_KEY_MAX - 1;
    ABSENT(kv, key);
}

/* Every function, with an invalid key. */
static void expect_no_key(struct resource *kv, struct bytes key)
{
    struct kv_value value = {0};
    struct kv_page page = {0};
    enum status each;
    char version[KV_VERSION_MAX + 1];
    bool found;

    FAILS(kv_get(kv, key, &value), INVALID_ARGUMENT);
    FAILS(kv_exists(kv, key, &found), INVALID_ARGUMENT);
    FAILS(kv_set(kv, key, TEXT("value")), INVALID_ARGUMENT);
    FAILS(kv_set_with(kv, key, TEXT("value"), (struct kv_options){0}, version),
          INVALID_ARGUMENT);
    FAILS(kv_delete(kv, key, &found), INVALID_ARGUMENT);
    FAILS(kv_delete_if(kv, key, "1"), INVALID_ARGUMENT);
    FAILS(kv_get_entry(kv, key, &value), INVALID_ARGUMENT);
    FAILS(kv_get_many(kv, &key, 1, &value), INVALID_ARGUMENT);
    OK(kv_set_many(kv, &key, &key, 1, &each));
    CHECK(each == INVALID_ARGUMENT);
    OK(kv_delete_many(kv, &key, 1, &each, &found));
    CHECK(each == INVALID_ARGUMENT);
    if (key.len > 0)
        FAILS(kv_keys(kv, key, NULL, 10, &page), INVALID_ARGUMENT);
}

static void keys_that_are_none(struct resource *kv)
{
    char text[KV_KEY_MAX + 1];

    memset(text, 'k', sizeof(text));
    expect_no_key(kv, (struct bytes){(const uint8_t *)text, sizeof(text)});
    expect_no_key(kv, TEXT(""));
    expect_no_key(kv, TEXT("\0"));
    expect_no_key(kv, TEXT("a\0b"));
    expect_no_key(kv, TEXT("a\0"));
}

static void keys_are_compared_byte_by_byte(struct resource *kv)
{
    const struct bytes keys[] = {
        TEXT("key"), TEXT("Key"),  TEXT("key "),     TEXT(" key"),
        TEXT("ke"),  TEXT("keys"), TEXT("\xc3\xa9"), TEXT("e\xcc\x81"),
    };
    enum { COUNT = sizeof(keys) / sizeof(keys[0]) };

    for (size_t i = 0; i < COUNT; i++)
        OK(kv_set(kv, keys[i], keys[i]));
    for (size_t i = 0; i < COUNT; i++)
        HOLDS(kv, keys[i], keys[i]);
}

const struct suite_case kv_value_cases[] = {
    {"values of all kinds come back", 0, values_of_all_kinds,
     .holds = "kv-3 kv-28 kv-31"},
    {"values of all sizes come back", 0, values_of_all_sizes, .holds = "kv-3"},
    {"a value over the limit is refused", 0, a_value_over_the_limit,
     .holds = "kv-4 types-12 types-13 types-14"},
    {"set replaces what was there", 0, set_replaces,
     .holds = "kv-7 kv-8 kv-32"},
    {"an absent key is no error", 0, absent_is_no_error,
     .holds = "kv-28 kv-31"},
    {"delete tells whether there was something", 0, delete_tells_whether,
     .holds = "kv-36"},
    {"keys of all kinds", 0, keys_of_all_kinds, .holds = "kv-1"},
    {"keys of all sizes", 0, keys_of_all_sizes, .holds = "kv-1"},
    {"what is no key is refused", KV_NEEDS_VERSION | KV_NEEDS_KEYS,
     keys_that_are_none, .holds = "kv-1 types-2"},
    {"keys are compared byte by byte", 0, keys_are_compared_byte_by_byte,
     .holds = "kv-2"},
    {0},
};
