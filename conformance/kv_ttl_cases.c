/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time to live.  No case relies on how fast the machine is: what must expire is
 * waited for, and what must stay is looked at after it would have gone.
 */
#include "kv_cases.h"

#include <string.h>
#include <time.h>

enum { SHORT_MS = 300, LONG_MS = 600000 };

static const struct bytes the_key = {(const uint8_t *)"key", 3};

static enum status set_ttl(struct resource *kv, struct bytes key,
                           struct bytes value, uint64_t ttl_ms)
{
    char version[KV_VERSION_MAX + 1];

    return kv_set_with(kv, key, value,
                       (struct kv_options){.has_ttl = true, .ttl_ms = ttl_ms},
                       version);
}

static void it_expires(struct resource *kv)
{
    struct kv_value value = {0};
    bool found = true;

    OK(set_ttl(kv, TEXT("later"), TEXT("stays"), LONG_MS));
    OK(set_ttl(kv, the_key, TEXT("value"), SHORT_MS));
    kv_wait_absent(kv, the_key);
    ABSENT(kv, the_key);
    OK(kv_get_many(kv, &the_key, 1, &value));
    CHECK(!value.found);
    OK(kv_delete(kv, the_key, &found));
    CHECK(!found);
    HOLDS(kv, TEXT("later"), TEXT("stays"));
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * The write happened between `before` and `after`, each look between `asked` and
 * now: however slow the machine is, a look that finds it was asked before the
 * latest end, and one that does not is answered after the soonest.
 */
static void not_sooner_and_not_later(struct resource *kv)
{
    enum { LATEST_MS = 1000, ROUNDING_MS = 2 };
    int64_t before = now_ms();
    OK(set_ttl(kv, the_key, TEXT("value"), SHORT_MS));
    int64_t after = now_ms();
    bool found = true;

    while (found) {
        int64_t asked = now_ms();
        OK(kv_exists(kv, the_key, &found));
        if (found)
            CHECK(asked < after + SHORT_MS + LATEST_MS);
        else
            CHECK(now_ms() + ROUNDING_MS >= before + SHORT_MS);
    }
    ABSENT(kv, the_key);
}

/* What a condition lets through has the time to live that it names: none. */
static void a_conditional_write_ends_it(struct resource *kv)
{
    enum { MIDDLE_MS = 2000 };
    char version[KV_VERSION_MAX + 1], next[KV_VERSION_MAX + 1];
    const struct kv_options lives = {.has_ttl = true, .ttl_ms = MIDDLE_MS};
    const struct kv_options same = {.condition = KV_VERSION,
                                    .version = version};
    enum status status = CONFLICT;

    /* On a machine so slow that it has expired: once more. */
    while (status == CONFLICT) {
        OK(kv_set_with(kv, the_key, TEXT("value"), lives, version));
        status = kv_set_with(kv, the_key, TEXT("stays"), same, next);
    }
    OK(status);
    sleep_ms(MIDDLE_MS + 1200);
    HOLDS(kv, the_key, TEXT("stays"));
}

static void expired_is_absent(struct resource *kv)
{
    char version[KV_VERSION_MAX + 1], other[KV_VERSION_MAX + 1];
    struct kv_value value = {0};
    const struct kv_options short_lived = {.has_ttl = true, .ttl_ms = SHORT_MS};

    OK(kv_set_with(kv, the_key, TEXT("value"), short_lived, version));
    kv_wait_absent(kv, the_key);
    OK(kv_get_entry(kv, the_key, &value));
    CHECK(!value.found);
    FAILS(kv_delete_if(kv, the_key, version), CONFLICT);
    FAILS(kv_set_with(
              kv, the_key, TEXT("other"),
              (struct kv_options){.condition = KV_VERSION, .version = version},
              other),
          CONFLICT);
    ABSENT(kv, the_key);
    OK(kv_set_with(kv, the_key, TEXT("new"),
                   (struct kv_options){.condition = KV_ABSENT}, other));
    HOLDS(kv, the_key, TEXT("new"));
}

static void set_takes_it_away(struct resource *kv)
{
    char version[KV_VERSION_MAX + 1];
    enum status each;
    const struct bytes many = TEXT("many"), value = TEXT("stays");

    OK(set_ttl(kv, the_key, TEXT("value"), SHORT_MS));
    OK(set_ttl(kv, TEXT("with"), TEXT("value"), SHORT_MS));
    OK(set_ttl(kv, many, TEXT("value"), SHORT_MS));
    OK(kv_set(kv, the_key, value));
    OK(kv_set_with(kv, TEXT("with"), value, (struct kv_options){0}, version));
    OK(kv_set_many(kv, &many, &value, 1, &each));
    CHECK(each == WORKED);
    sleep_ms(SHORT_MS + 1200);
    HOLDS(kv, the_key, value);
    HOLDS(kv, TEXT("with"), value);
    HOLDS(kv, many, value);
}

static void it_can_be_changed(struct resource *kv)
{
    OK(set_ttl(kv, the_key, TEXT("value"), SHORT_MS));
    OK(set_ttl(kv, the_key, TEXT("value"), LONG_MS));
    OK(set_ttl(kv, TEXT("other"), TEXT("value"), LONG_MS));
    OK(set_ttl(kv, TEXT("other"), TEXT("value"), SHORT_MS));
    OK(kv_set(kv, TEXT("third"), TEXT("value")));
    OK(set_ttl(kv, TEXT("third"), TEXT("value"), SHORT_MS));
    kv_wait_absent(kv, TEXT("other"));
    kv_wait_absent(kv, TEXT("third"));
    sleep_ms(SHORT_MS + 1200);
    HOLDS(kv, the_key, TEXT("value"));
}

static void a_failed_condition_leaves_it(struct resource *kv)
{
    char version[KV_VERSION_MAX + 1];
    struct kv_options absent = {.condition = KV_ABSENT};
    const struct kv_options stale = {.condition = KV_VERSION,
                                     .version = "stale"};

    OK(set_ttl(kv, the_key, TEXT("value"), LONG_MS));
    FAILS(kv_set_with(kv, the_key, TEXT("other"), stale, version), CONFLICT);
    absent.has_ttl = true;
    absent.ttl_ms = SHORT_MS;
    FAILS(kv_set_with(kv, the_key, TEXT("other"), absent, version),
          ALREADY_EXISTS);
    sleep_ms(SHORT_MS + 1200);
    HOLDS(kv, the_key, TEXT("value")); /* not the short one */

    OK(set_ttl(kv, the_key, TEXT("value"), 2000));
    absent.has_ttl = false;
    /* On a machine so slow that it has expired the write works: once more. */
    while (kv_set_with(kv, the_key, TEXT("value"), absent, version) == WORKED)
        OK(set_ttl(kv, the_key, TEXT("value"), 2000));
    CHECK(last_failure()->status == ALREADY_EXISTS);
    kv_wait_absent(kv, the_key); /* nor for ever */
}

static void with_conditions(struct resource *kv)
{
    char version[KV_VERSION_MAX + 1];
    struct kv_options options = {
        .condition = KV_ABSENT, .has_ttl = true, .ttl_ms = SHORT_MS};

    OK(kv_set_with(kv, the_key, TEXT("value"), options, version));
    kv_wait_absent(kv, the_key);
    OK(kv_set_with(kv, the_key, TEXT("value"), (struct kv_options){0},
                   version));
    options.condition = KV_VERSION;
    options.version = version;
    char next[KV_VERSION_MAX + 1];
    OK(kv_set_with(kv, the_key, TEXT("next"), options, next));
    kv_wait_absent(kv, the_key);
}

static void bounds(struct resource *kv)
{
    const uint64_t ten_years = UINT64_C(315360000000);

    OK(kv_set(kv, the_key, TEXT("value")));
    FAILS(set_ttl(kv, the_key, TEXT("x"), 0), INVALID_ARGUMENT);
    FAILS(set_ttl(kv, the_key, TEXT("x"), ten_years + 1), INVALID_ARGUMENT);
    FAILS(set_ttl(kv, the_key, TEXT("x"), UINT64_MAX), INVALID_ARGUMENT);
    FAILS(set_ttl(kv, the_key, TEXT("x"), (uint64_t)INT64_MAX + 1),
          INVALID_ARGUMENT);
    HOLDS(kv, the_key, TEXT("value"));
    OK(set_ttl(kv, the_key, TEXT("long"), ten_years));
    HOLDS(kv, the_key, TEXT("long"));
    OK(set_ttl(kv, the_key, TEXT("short"), 1));
    kv_wait_absent(kv, the_key);
}

static void increment_keeps_it(struct resource *kv)
{
    int64_t sum = 0;

    /* Unless it expired before the increment, and 1 is what became of it. */
    while (sum != 6) {
        OK(set_ttl(kv, the_key, TEXT("5"), 2000));
        OK(kv_increment(kv, the_key, 1, &sum));
    }
    kv_wait_absent(kv, the_key);
    OK(kv_increment(kv, the_key, 1, &sum));
    CHECK(sum == 1);
    sleep_ms(2200);
    HOLDS(kv, the_key, TEXT("1")); /* a new one, without */
}

static void expired_is_not_listed(struct resource *kv)
{
    struct kv_page page = {0};

    OK(set_ttl(kv, TEXT("a"), TEXT("value"), SHORT_MS));
    OK(set_ttl(kv, TEXT("b"), TEXT("value"), LONG_MS));
    kv_wait_absent(kv, TEXT("a"));
    char *cursor = NULL;
    size_t listed = 0;
    do {
        char *next;
        OK(kv_keys(kv, TEXT(""), cursor, 1000, &page));
        for (size_t i = 0; i < page.count; i++)
            CHECK(strcmp(page.keys[i], "b") == 0);
        listed += page.count;
        next = page.next;
        page.next = cursor; /* freed with the page */
        cursor = next;
        kv_page_done(&page);
    } while (cursor != NULL);
    CHECK(listed > 0);
}

const struct suite_case kv_ttl_cases[] = {
    {"a value with a time to live expires", KV_NEEDS_TTL, it_expires,
     .holds = "kv-21 kv-22"},
    {"a time to live is neither shorter nor longer", KV_NEEDS_TTL,
     not_sooner_and_not_later, .holds = "kv-21"},
    {"what has expired is absent for conditions too",
     KV_NEEDS_TTL | KV_NEEDS_VERSION | KV_NEEDS_ABSENT, expired_is_absent,
     .holds = "kv-21"},
    {"set takes a time to live away", KV_NEEDS_TTL, set_takes_it_away,
     .holds = "kv-22 kv-32"},
    {"a conditional write takes a time to live away",
     KV_NEEDS_TTL | KV_NEEDS_VERSION, a_conditional_write_ends_it,
     .holds = "kv-22"},
    {"a time to live can be changed", KV_NEEDS_TTL, it_can_be_changed,
     .holds = "kv-21 kv-22"},
    {"a failed condition leaves the time to live",
     KV_NEEDS_TTL | KV_NEEDS_VERSION | KV_NEEDS_ABSENT,
     a_failed_condition_leaves_it, .holds = "kv-34"},
    {"a conditional write with a time to live",
     KV_NEEDS_TTL | KV_NEEDS_VERSION | KV_NEEDS_ABSENT, with_conditions,
     .holds = "kv-18 kv-21"},
    {"bounds of a time to live", KV_NEEDS_TTL, bounds, .holds = "kv-20"},
    {"increment keeps the time to live", KV_NEEDS_TTL | KV_NEEDS_INCREMENT,
     increment_keeps_it, .holds = "kv-43"},
    {"what has expired is not listed", KV_NEEDS_TTL | KV_NEEDS_KEYS,
     expired_is_not_listed, .holds = "kv-21 kv-46"},
    {0},
};
