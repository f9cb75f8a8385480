/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides of the bridge share. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static _Thread_local struct failure last;

struct failure *last_failure(void)
{
    return &last;
}

const char *status_text(enum status status)
{
    static const char *const texts[] = {
        [WORKED] = "ok",
        [INVALID_ARGUMENT] = "invalid-argument",
        [NOT_FOUND] = "not-found",
        [ALREADY_EXISTS] = "already-exists",
        [CONFLICT] = "conflict",
        [ABORTED] = "aborted",
        [PERMISSION_DENIED] = "permission-denied",
        [READ_ONLY] = "read-only",
        [RESOURCE_EXHAUSTED] = "resource-exhausted",
        [CANCELLED] = "cancelled",
        [UNAUTHENTICATED] = "unauthenticated",
        [TOO_LARGE] = "too-large",
        [TIMED_OUT] = "timeout",
        [UNAVAILABLE] = "unavailable",
        [UNSUPPORTED] = "unsupported",
        [INTERNAL] = "internal",
    };

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status]
                                                             : "?";
}

struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* --- Cases and features ------------------------------------------------- */

static unsigned feature_of(const char *word, size_t len)
{
    for (const struct suite_feature *item = suite_features; item->bit != 0;
         item++)
        if (strlen(item->word) == len && memcmp(item->word, word, len) == 0)
            return item->bit;
    return 0;
}

unsigned suite_features_of(const char *words)
{
    unsigned features = 0;

    while (*words != '\0') {
        size_t len = strcspn(words, ",");
        features |= feature_of(words, len);
        words += len + (words[len] == ',');
    }
    return features;
}

const struct suite_case *suite_case_at(size_t index)
{
    for (size_t i = 0; suite[i] != NULL; i++)
        for (const struct suite_case *item = suite[i]; item->name != NULL;
             item++)
            if (index-- == 0)
                return item;
    return NULL;
}

case_fn *suite_case_run(const struct suite_case *item, unsigned features,
                        const char **lacks)
{
    const struct suite_feature *missing = suite_features;

    if ((item->needs & ~features) == 0)
        return item->run;
    while ((missing->bit & item->needs & ~features) == 0)
        missing++;
    *lacks = missing->word;
    return missing->lacking;
}

uint64_t suite_limit(const char *word)
{
    const struct suite_limit *limit = suite_limits;

    while (strcmp(limit->word, word) != 0)
        limit++;
    return limit->value;
}

/* --- Checks ------------------------------------------------------------- */

static const char *const no_message_has[] = {"\x7f", "\xc2\x85", "\xe2\x80\xa8",
                                             "\xe2\x80\xa9", NULL};

static bool is_one_line(const char *message)
{
    for (const char *at = message; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            return false;
    for (size_t i = 0; no_message_has[i] != NULL; i++)
        if (strstr(message, no_message_has[i]) != NULL)
            return false;
    return true;
}

/* One line, for people; retryable says whether to repeat the call can help.
 * holds: types-23 types-25 types-27 types-29 */
static void expect_well_formed(bool retryable, const char *call,
                               const char *file, int line)
{
    size_t len = strlen(last.message);

    if (len == 0 || len > MESSAGE_MAX || !is_one_line(last.message))
        case_fail(file, line, "%s: a message of %zu bytes: %s", call, len,
                  last.message);
    if (last.retryable != retryable)
        case_fail(file, line, "%s: %sretryable: %s", call,
                  retryable ? "not " : "", last.message);
}

void case_wrong(enum status status, enum status expected, const char *call,
                const char *file, int line)
{
    case_fail(file, line, "%s is %s, not %s: %s", call, status_text(status),
              status_text(expected), status != WORKED ? last.message : "");
}

void case_expect(enum status status, enum status expected, bool retryable,
                 const char *call, const char *file, int line)
{
    if (status != expected)
        case_wrong(status, expected, call, file, line);
    if (status != WORKED)
        expect_well_formed(retryable, call, file, line);
}

void *zeros(size_t len)
{
    void *memory = calloc(1, len);

    CHECK(memory != NULL);
    return memory;
}

void sleep_ms(int ms)
{
    struct timespec left = {.tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000L};

    while (nanosleep(&left, &left) != 0)
        continue;
}
