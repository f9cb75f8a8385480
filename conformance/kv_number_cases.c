/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: increment. */
#include "kv_cases.h"

static const struct bytes the_key = {(const uint8_t *)"key", 3};

static void absent_counts_as_zero(struct resource *kv)
{
    int64_t sum = 0;

    OK(kv_increment(kv, the_key, 5, &sum));
    CHECK(sum == 5);
    HOLDS(kv, the_key, TEXT("5"));
    OK(kv_increment(kv, TEXT("zero"), 0, &sum));
    CHECK(sum == 0);
    HOLDS(kv, TEXT("zero"), TEXT("0"));
    OK(kv_increment(kv, TEXT("negative"), -3, &sum));
    CHECK(sum == -3);
    HOLDS(kv, TEXT("negative"), TEXT("-3"));
}

static void get_and_set_share_it(struct resource *kv)
{
    int64_t sum = 0;

    OK(kv_set(kv, the_key, TEXT("41")));
    OK(kv_increment(kv, the_key, 1, &sum));
    CHECK(sum == 42);
    OK(kv_increment(kv, the_key, -50, &sum));
    CHECK(sum == -8);
    HOLDS(kv, the_key, TEXT("-8"));
    OK(kv_set(kv, the_key, TEXT("-7")));
    OK(kv_increment(kv, the_key, 7, &sum));
    CHECK(sum == 0);
    for (int i = 1; i <= 20; i++) {
        OK(kv_increment(kv, the_key, 3, &sum));
        CHECK(sum == 3 * i);
    }
    HOLDS(kv, the_key, TEXT("60"));
}

static void values_that_are_no_number(struct resource *kv)
{
    const struct bytes values[] = {
        TEXT(""),
        TEXT("text"),
        TEXT("1.5"),
        TEXT(" 1"),
        TEXT("1 "),
        TEXT("1\n"),
        TEXT("0x10"),
        TEXT("1e3"),
        TEXT("1\0"),
        TEXT("-"),
        TEXT("--1"),
        TEXT("+5"),
        TEXT("007"),
        TEXT("00"),
        TEXT("-0"),
        TEXT("-01"),
        TEXT("+0"),
        TEXT("1_000"),
        TEXT("\xd9\xa1"), /* a digit, but not of ASCII */
        TEXT("9223372036854775808"),
        TEXT("\xff"),
        TEXT("-9223372036854775809"),
        TEXT("99999999999999999999999999999999999999"),
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int64_t sum = 77;
        OK(kv_set(kv, the_key, values[i]));
        FAILS(kv_increment(kv, the_key, 1, &sum), INVALID_ARGUMENT);
        CHECK(sum == 77);
        HOLDS(kv, the_key, values[i]);
    }
}

static void sums_out_of_range(struct resource *kv)
{
    int64_t sum = 77;

    OK(kv_set(kv, the_key, TEXT("9223372036854775807")));
    FAILS(kv_increment(kv, the_key, 1, &sum), INVALID_ARGUMENT);
    HOLDS(kv, the_key, TEXT("9223372036854775807"));
    OK(kv_increment(kv, the_key, INT64_MIN, &sum));
    CHECK(sum == -1);
    OK(kv_set(kv, the_key, TEXT("-9223372036854775808")));
    FAILS(kv_increment(kv, the_key, -1, &sum), INVALID_ARGUMENT);
    FAILS(kv_increment(kv, the_key, INT64_MIN, &sum), INVALID_ARGUMENT);
    HOLDS(kv, the_key, TEXT("-9223372036854775808"));
    OK(kv_increment(kv, the_key, INT64_MAX, &sum));
    CHECK(sum == -1);
}

static void the_largest_and_smallest(struct resource *kv)
{
    int64_t sum = 0;

    OK(kv_increment(kv, TEXT("max"), INT64_MAX, &sum));
    CHECK(sum == INT64_MAX);
    OK(kv_increment(kv, TEXT("min"), INT64_MIN, &sum));
    CHECK(sum == INT64_MIN);
    HOLDS(kv, TEXT("max"), TEXT("9223372036854775807"));
    HOLDS(kv, TEXT("min"), TEXT("-9223372036854775808"));
}

const struct suite_case kv_number_cases[] = {
    {"an absent number counts as zero", KV_NEEDS_INCREMENT,
     absent_counts_as_zero, .holds = "kv-41 kv-42"},
    {"get and set share a number with increment", KV_NEEDS_INCREMENT,
     get_and_set_share_it, .holds = "kv-40 kv-42"},
    {"a value that is no number is not incremented", KV_NEEDS_INCREMENT,
     values_that_are_no_number, .holds = "kv-42 kv-44"},
    {"a sum out of range changes nothing", KV_NEEDS_INCREMENT,
     sums_out_of_range, .holds = "kv-44"},
    {"the largest and the smallest number", KV_NEEDS_INCREMENT,
     the_largest_and_smallest, .holds = "kv-40 kv-42"},
    {0},
};
