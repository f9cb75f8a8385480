/* SPDX-License-Identifier: Apache-2.0 */
/* Values and keys of every kind: set, get, exists, delete. */
#include "kv_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kv_bytes the_key = {(const uint8_t *)"key", 3};

static void values_of_all_kinds(struct kv *kv)
{
    const struct kv_bytes values[] = {
        KV_TEXT("hello"),
        KV_TEXT(""),
        KV_TEXT("x"),
        KV_TEXT("\0"),
        KV_TEXT("a\0b\0"),
        KV_TEXT("\xff\xfe\x80 no UTF-8"),
        KV_TEXT("a line\r\nand another\n"),
        KV_TEXT("$-1\r\n*2\r\n"),
        KV_TEXT("-9223372036854775808"),
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

static void values_of_all_sizes(struct kv *kv)
{
    uint8_t *bytes = pattern(KV_VALUE_MAX);

    for (size_t len = 1; len <= KV_VALUE_MAX; len *= 2) {
        const struct kv_bytes below = {bytes, len - 1}, exact = {bytes, len};
        OK(kv_set(kv, the_key, below));
        HOLDS(kv, the_key, below);
        OK(kv_set(kv, the_key, exact));
        HOLDS(kv, the_key, exact);
    }
    free(bytes);
}

static void a_value_over_the_limit(struct kv *kv)
{
    uint8_t *bytes = pattern(KV_VALUE_MAX + 1);
    const struct kv_bytes large = {bytes, KV_VALUE_MAX + 1};
    char version[KV_VERSION_MAX + 1];

    FAILS(kv_set(kv, the_key, large), KV_TOO_LARGE);
    ABSENT(kv, the_key);
    OK(kv_set(kv, the_key, KV_TEXT("small")));
    FAILS(kv_set(kv, the_key, large), KV_TOO_LARGE);
    FAILS(kv_set_with(kv, the_key, large, (struct kv_options){0}, version),
          KV_TOO_LARGE);
    HOLDS(kv, the_key, KV_TEXT("small"));
    free(bytes);
}

static void set_replaces(struct kv *kv)
{
    OK(kv_set(kv, the_key, KV_TEXT("a longer one")));
    OK(kv_set(kv, the_key, KV_TEXT("short")));
    HOLDS(kv, the_key, KV_TEXT("short"));
    OK(kv_set(kv, the_key, KV_TEXT("")));
    HOLDS(kv, the_key, KV_TEXT(""));
}

static void absent_is_no_error(struct kv *kv)
{
    ABSENT(kv, the_key);
    ABSENT(kv, KV_TEXT("another"));
}

static void delete_tells_whether(struct kv *kv)
{
    bool found = true;

    OK(kv_delete(kv, the_key, &found));
    CHECK(!found);
    OK(kv_set(kv, the_key, KV_TEXT("")));
    OK(kv_delete(kv, the_key, &found));
    CHECK(found);
    ABSENT(kv, the_key);
    OK(kv_delete(kv, the_key, &found));
    CHECK(!found);
    OK(kv_set(kv, the_key, KV_TEXT("again")));
    HOLDS(kv, the_key, KV_TEXT("again"));
}

static void keys_of_all_kinds(struct kv *kv)
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
        OK(kv_set(kv, kv_bytes_of(keys[i]), kv_bytes_of(value)));
    }
    for (int i = 0; i < COUNT; i++) {
        bool found = false;
        snprintf(value, sizeof(value), "%d", i);
        HOLDS(kv, kv_bytes_of(keys[i]), kv_bytes_of(value));
        OK(kv_delete(kv, kv_bytes_of(keys[i]), &found));
        CHECK(found);
        ABSENT(kv, kv_bytes_of(keys[i]));
    }
}

static void keys_of_all_sizes(struct kv *kv)
{
    char text[KV_KEY_MAX + 1];
    struct kv_bytes key = {(const uint8_t *)text, 0};

    memset(text, 'k', sizeof(text));
    for (key.len = 1; key.len <= KV_KEY_MAX; key.len *= 2) {
        OK(kv_set(kv, key, KV_TEXT("value")));
        HOLDS(kv, key, KV_TEXT("value"));
    }
    key.len = KV_KEY_MAX - 1;
    ABSENT(kv, key);
}

/* Every function, with a key that is none. */
static void expect_no_key(struct kv *kv, struct kv_bytes key)
{
    struct kv_value value = {0};
    struct kv_page page = {0};
    enum kv_status each;
    char version[KV_VERSION_MAX + 1];
    bool found;

    FAILS(kv_get(kv, key, &value), KV_INVALID_ARGUMENT);
    FAILS(kv_exists(kv, key, &found), KV_INVALID_ARGUMENT);
    FAILS(kv_set(kv, key, KV_TEXT("value")), KV_INVALID_ARGUMENT);
    FAILS(
        kv_set_with(kv, key, KV_TEXT("value"), (struct kv_options){0}, version),
        KV_INVALID_ARGUMENT);
    FAILS(kv_delete(kv, key, &found), KV_INVALID_ARGUMENT);
    FAILS(kv_delete_if(kv, key, "1"), KV_INVALID_ARGUMENT);
    FAILS(kv_get_entry(kv, key, &value), KV_INVALID_ARGUMENT);
    FAILS(kv_get_many(kv, &key, 1, &value), KV_INVALID_ARGUMENT);
    OK(kv_set_many(kv, &key, &key, 1, &each));
    CHECK(each == KV_INVALID_ARGUMENT);
    OK(kv_delete_many(kv, &key, 1, &each, &found));
    CHECK(each == KV_INVALID_ARGUMENT);
    if (key.len > 0)
        FAILS(kv_keys(kv, key, NULL, 10, &page), KV_INVALID_ARGUMENT);
}

static void keys_that_are_none(struct kv *kv)
{
    char text[KV_KEY_MAX + 1];

    memset(text, 'k', sizeof(text));
    expect_no_key(kv, (struct kv_bytes){(const uint8_t *)text, sizeof(text)});
    expect_no_key(kv, KV_TEXT(""));
    expect_no_key(kv, KV_TEXT("\0"));
    expect_no_key(kv, KV_TEXT("a\0b"));
    expect_no_key(kv, KV_TEXT("a\0"));
}

static void keys_are_compared_byte_by_byte(struct kv *kv)
{
    const struct kv_bytes keys[] = {
        KV_TEXT("key"),      KV_TEXT("Key"),       KV_TEXT("key "),
        KV_TEXT(" key"),     KV_TEXT("ke"),        KV_TEXT("keys"),
        KV_TEXT("\xc3\xa9"), KV_TEXT("e\xcc\x81"),
    };
    enum { COUNT = sizeof(keys) / sizeof(keys[0]) };

    for (size_t i = 0; i < COUNT; i++)
        OK(kv_set(kv, keys[i], keys[i]));
    for (size_t i = 0; i < COUNT; i++)
        HOLDS(kv, keys[i], keys[i]);
}

const struct kv_case kv_value_cases[] = {
    {"values of all kinds come back", 0, values_of_all_kinds},
    {"values of all sizes come back", 0, values_of_all_sizes},
    {"a value over the limit is refused", 0, a_value_over_the_limit},
    {"set replaces what was there", 0, set_replaces},
    {"an absent key is no error", 0, absent_is_no_error},
    {"delete tells whether there was something", 0, delete_tells_whether},
    {"keys of all kinds", 0, keys_of_all_kinds},
    {"keys of all sizes", 0, keys_of_all_sizes},
    {"what is no key is refused", KV_NEEDS_VERSION | KV_NEEDS_KEYS,
     keys_that_are_none},
    {"keys are compared byte by byte", 0, keys_are_compared_byte_by_byte},
    {0},
};
