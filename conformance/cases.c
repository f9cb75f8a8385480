/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides of the bridge share. */
#include "cases.h"

#include <string.h>
#include <time.h>

static _Thread_local struct failure last;

struct failure *last_failure(void)
{
    return &last;
}

struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

const struct suite_case *suite_case_at(unsigned features, size_t index)
{
    for (size_t i = 0; suite[i] != NULL; i++)
        for (const struct suite_case *item = suite[i]; item->name != NULL;
             item++)
            if ((item->needs & ~features) == 0 && index-- == 0)
                return item;
    return NULL;
}

void case_wrong(enum status status, enum status expected, const char *call,
                const char *file, int line)
{
    case_fail(file, line, "%s: status %d, not %d: %s", call, (int)status,
              (int)expected, status != WORKED ? last.message : "");
}

void case_check_failure(const char *call, const char *file, int line)
{
    if (last.message[0] == '\0' || strchr(last.message, '\n') != NULL)
        case_fail(file, line, "%s: the message is not one line: \"%s\"", call,
                  last.message);
}

void sleep_ms(int ms)
{
    struct timespec left = {.tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000L};

    while (nanosleep(&left, &left) != 0)
        continue;
}
