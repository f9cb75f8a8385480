/* SPDX-License-Identifier: Apache-2.0 */
/* Versions and conditions: get-entry, set-with, delete-if. */
#include "kv_cases.h"
#include "kv_collision.h"

#include <string.h>

typedef char version_text[KV_VERSION_MAX + 1];

static const struct bytes the_key = {(const uint8_t *)"key", 3};
static const struct kv_options always = {.condition = KV_ALWAYS};
static const struct kv_options if_absent = {.condition = KV_ABSENT};

static struct kv_options if_version(const char *version)
{
    return (struct kv_options){.condition = KV_VERSION, .version = version};
}

static void expect_printable(const char *version)
{
    CHECK(version[0] != '\0');
    for (; *version != '\0'; version++)
        CHECK(*version > ' ' && *version <= '~');
}

/* key holds value, in this version. */
static void expect_entry(struct resource *kv, struct bytes key,
                         struct bytes expected, const char *version)
{
    struct kv_value value = {0};

    OK(kv_get_entry(kv, key, &value));
    CHECK(value.found);
    CHECK(value.len == expected.len);
    CHECK(value.len == 0 || memcmp(value.ptr, expected.ptr, value.len) == 0);
    CHECK(strcmp(value.version, version) == 0);
    kv_value_done(&value);
}

static void read_version(struct resource *kv, struct bytes key,
                         version_text version)
{
    struct kv_value value = {0};

    OK(kv_get_entry(kv, key, &value));
    CHECK(value.found);
    expect_printable(value.version);
    strcpy(version, value.version);
    kv_value_done(&value);
}

static void entries(struct resource *kv)
{
    struct kv_value value = {0};
    version_text written, read;

    OK(kv_get_entry(kv, the_key, &value));
    CHECK(!value.found);
    OK(kv_set_with(kv, the_key, TEXT("a\0b"), always, written));
    expect_printable(written);
    expect_entry(kv, the_key, TEXT("a\0b"), written);
    HOLDS(kv, the_key, TEXT("a\0b"));
    OK(kv_set(kv, the_key, TEXT("")));
    read_version(kv, the_key, read);
    expect_entry(kv, the_key, TEXT(""), read);
}

static void another_value_has_another_version(struct resource *kv)
{
    enum { COUNT = 30 };
    version_text versions[COUNT];

    for (int i = 0; i < COUNT; i++) {
        const uint8_t value[] = {(uint8_t)i, 0, (uint8_t)(COUNT - i)};
        const struct bytes bytes = {value, (size_t)(i % 3) + 1};
        if (i % 2 == 0)
            OK(kv_set(kv, the_key, bytes));
        else
            OK(kv_set_with(kv, the_key, bytes, always, versions[i]));
        read_version(kv, the_key, versions[i]);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(versions[i], versions[j]) != 0);
        if (i % 5 == 0) {
            bool found;
            OK(kv_delete(kv, the_key, &found));
            OK(kv_set(kv, the_key, TEXT("between")));
        }
    }
}

/* Whoever can choose values must not be able to choose versions. */
static void values_that_were_made_to_collide(struct resource *kv)
{
    version_text first, second, other;

    OK(kv_set_with(kv, the_key, TEXT(COLLISION_FIRST), always, first));
    OK(kv_set(kv, the_key, TEXT(COLLISION_SECOND)));
    FAILS(kv_set_with(kv, the_key, TEXT("lost"), if_version(first), other),
          CONFLICT);
    FAILS(kv_delete_if(kv, the_key, first), CONFLICT);
    read_version(kv, the_key, second);
    CHECK(strcmp(first, second) != 0);
    HOLDS(kv, the_key, TEXT(COLLISION_SECOND));
}

/* A value that comes back may have its version again, or a new one; a condition
 * says the same. */
static void a_value_that_comes_back(struct resource *kv)
{
    version_text before, after, written;

    OK(kv_set_with(kv, the_key, TEXT("a"), always, before));
    OK(kv_set_with(kv, the_key, TEXT("b"), always, written));
    OK(kv_set_with(kv, the_key, TEXT("a"), always, after));
    expect_entry(kv, the_key, TEXT("a"), after);
    if (strcmp(before, after) != 0)
        FAILS(kv_set_with(kv, the_key, TEXT("c"), if_version(before), written),
              CONFLICT);
    OK(kv_set_with(kv, the_key, TEXT("c"), if_version(after), written));
    HOLDS(kv, the_key, TEXT("c"));
}

static void set_if_absent(struct resource *kv)
{
    version_text version, other;
    bool found;

    OK(kv_set_with(kv, the_key, TEXT("first"), if_absent, version));
    expect_entry(kv, the_key, TEXT("first"), version);
    FAILS(kv_set_with(kv, the_key, TEXT("second"), if_absent, other),
          ALREADY_EXISTS);
    expect_entry(kv, the_key, TEXT("first"), version);
    OK(kv_set(kv, the_key, TEXT("")));
    FAILS(kv_set_with(kv, the_key, TEXT("second"), if_absent, other),
          ALREADY_EXISTS);
    OK(kv_delete(kv, the_key, &found));
    OK(kv_set_with(kv, the_key, TEXT("third"), if_absent, version));
    HOLDS(kv, the_key, TEXT("third"));
}

static void set_if_version(struct resource *kv)
{
    version_text first, second, other;

    OK(kv_set(kv, the_key, TEXT("first")));
    read_version(kv, the_key, first);
    OK(kv_set_with(kv, the_key, TEXT("second"), if_version(first), second));
    expect_entry(kv, the_key, TEXT("second"), second);
    FAILS(kv_set_with(kv, the_key, TEXT("third"), if_version(first), other),
          CONFLICT);
    expect_entry(kv, the_key, TEXT("second"), second);
    OK(kv_set_with(kv, the_key, TEXT(""), if_version(second), second));
    OK(kv_set_with(kv, the_key, TEXT("x"), if_version(second), second));
    expect_entry(kv, the_key, TEXT("x"), second);
}

static void no_version_of_an_absent_key(struct resource *kv)
{
    version_text version, other;
    bool found;

    OK(kv_set(kv, the_key, TEXT("value")));
    read_version(kv, the_key, version);
    OK(kv_delete(kv, the_key, &found));
    FAILS(kv_set_with(kv, the_key, TEXT("again"), if_version(version), other),
          CONFLICT);
    FAILS(kv_delete_if(kv, the_key, version), CONFLICT);
    ABSENT(kv, the_key);
}

static void texts_that_are_no_version(struct resource *kv)
{
    char long_text[200];
    const char *const texts[] = {
        "",
        " ",
        "0",
        "-1",
        "1 ",
        "none",
        "\n",
        "\xc3\xa9",
        "*",
        long_text,
        "99999999999999999999999999999999",
    };
    version_text other;

    memset(long_text, '1', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    OK(kv_set(kv, the_key, TEXT("value")));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FAILS(kv_set_with(kv, the_key, TEXT("other"), if_version(texts[i]),
                          other),
              CONFLICT);
        FAILS(kv_delete_if(kv, the_key, texts[i]), CONFLICT);
    }
    HOLDS(kv, the_key, TEXT("value"));
}

static void delete_if_version(struct resource *kv)
{
    version_text first, second;

    OK(kv_set_with(kv, the_key, TEXT("first"), always, first));
    OK(kv_set_with(kv, the_key, TEXT("second"), always, second));
    FAILS(kv_delete_if(kv, the_key, first), CONFLICT);
    HOLDS(kv, the_key, TEXT("second"));
    OK(kv_delete_if(kv, the_key, second));
    ABSENT(kv, the_key);
    FAILS(kv_delete_if(kv, the_key, second), CONFLICT);
}

static void versions_of_numbers(struct resource *kv)
{
    version_text before, after, other;
    int64_t sum;

    OK(kv_increment(kv, the_key, 1, &sum));
    read_version(kv, the_key, before);
    OK(kv_increment(kv, the_key, 1, &sum));
    read_version(kv, the_key, after);
    CHECK(strcmp(before, after) != 0);
    FAILS(kv_set_with(kv, the_key, TEXT("9"), if_version(before), other),
          CONFLICT);
    OK(kv_set_with(kv, the_key, TEXT("9"), if_version(after), other));
    HOLDS(kv, the_key, TEXT("9"));
}

const struct suite_case kv_version_cases[] = {
    {"an entry has its value and its version", KV_NEEDS_VERSION, entries,
     .holds = "kv-14 kv-29 kv-33"},
    {"another value has another version", KV_NEEDS_VERSION,
     another_value_has_another_version, .holds = "kv-15"},
    {"values that were made to collide", KV_NEEDS_VERSION,
     values_that_were_made_to_collide, .holds = "kv-15"},
    {"a value that comes back", KV_NEEDS_VERSION, a_value_that_comes_back,
     .holds = "kv-15 kv-18"},
    {"set if absent", KV_NEEDS_VERSION | KV_NEEDS_ABSENT, set_if_absent,
     .holds = "kv-17 kv-34 types-4"},
    {"set if the version is", KV_NEEDS_VERSION, set_if_version,
     .holds = "kv-18 kv-34 types-5"},
    {"an absent key is in no version", KV_NEEDS_VERSION,
     no_version_of_an_absent_key, .holds = "kv-18 kv-38"},
    {"a text that is no version is a conflict", KV_NEEDS_VERSION,
     texts_that_are_no_version, .holds = "kv-19"},
    {"delete if the version is", KV_NEEDS_VERSION, delete_if_version,
     .holds = "kv-37 kv-38"},
    {"an increment changes the version", KV_NEEDS_VERSION | KV_NEEDS_INCREMENT,
     versions_of_numbers, .holds = "kv-15"},
    {0},
};
