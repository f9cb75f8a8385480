/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines.  Each is put together first and then queued to be written, so that
 * lines of several threads do not mix.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/output.h"

enum { FIELD_MAX = 2048 };

static const char *const level_names[] = {
    [SL_LOG_ERROR] = "error",
    [SL_LOG_WARN] = "warn",
    [SL_LOG_INFO] = "info",
    [SL_LOG_DEBUG] = "debug",
};

static const char *const format_names[] = {
    [SL_LOG_TEXT] = "text",
    [SL_LOG_JSON] = "json",
};

static atomic_int threshold = SL_LOG_WARN;
static atomic_int chosen_format = SL_LOG_TEXT;

/* The index of text in names, or -1. */
static int find_name(const char *const names[], int count, const char *text)
{
    while (--count >= 0 && strcmp(text, names[count]) != 0)
        ;
    return count;
}

bool sl_log_level_parse(const char *text, enum sl_log_level *level)
{
    int found = find_name(level_names, SL_LOG_DEBUG + 1, text);

    if (found >= 0)
        *level = (enum sl_log_level)found;
    return found >= 0;
}

bool sl_log_format_parse(const char *text, enum sl_log_format *format)
{
    int found = find_name(format_names, SL_LOG_JSON + 1, text);

    if (found >= 0)
        *format = (enum sl_log_format)found;
    return found >= 0;
}

void sl_log_set_level(enum sl_log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool sl_log_wants(enum sl_log_level level)
{
    return (int)level <= atomic_load(&threshold);
}

void sl_log_set_format(enum sl_log_format format)
{
    atomic_store(&chosen_format, (int)format);
}

enum sl_log_format sl_log_format(void)
{
    return (enum sl_log_format)atomic_load(&chosen_format);
}

/* --- Text --------------------------------------------------------------- */

/* In quotes, as JSON has them. */
static void put_quoted(FILE *line, struct sl_bytes text)
{
    fputc('"', line);
    if (text.len > FIELD_MAX)
        text.len = FIELD_MAX;
    sl_escape(line, text, SL_ESCAPE_QUOTED);
    fputc('"', line);
}

static bool is_word(struct sl_bytes text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/@";

    for (size_t i = 0; i < text.len && i < FIELD_MAX; i++)
        if (memchr(allowed, text.ptr[i], sizeof(allowed) - 1) == NULL)
            return false;
    return text.len > 0 && text.len < FIELD_MAX;
}

static void put_value(FILE *line, const struct sl_log_field *field,
                      bool is_json)
{
    switch (field->type) {
    case SL_FIELD_TEXT:
        if (!is_json && is_word(field->text))
            fwrite(field->text.ptr, 1, field->text.len, line);
        else
            put_quoted(line, field->text);
        return;
    case SL_FIELD_INTEGER:
        fprintf(line, "%" PRId64, field->number);
        return;
    case SL_FIELD_MS:
        fprintf(line, "%.3f", (double)field->number / 1e6);
        return;
    }
}

static void put_time(FILE *line)
{
    struct timespec now;
    struct tm date;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &date);
    fprintf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void put_fields(FILE *line, bool is_json,
                       const struct sl_log_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].name == NULL)
            continue;
        fprintf(line, is_json ? ",\"%s\":" : " %s=", fields[i].name);
        put_value(line, &fields[i], is_json);
    }
}

char *sl_log_text(enum sl_log_level level, const char *event,
                  const struct sl_log_field *fields, size_t count, size_t *len)
{
    bool is_json = sl_log_format() == SL_LOG_JSON;
    char *text = NULL;
    FILE *line = open_memstream(&text, len);

    if (line == NULL)
        return NULL;
    fputs(is_json ? "{\"time\":\"" : "", line);
    put_time(line);
    fprintf(line,
            is_json ? "\",\"level\":\"%s\",\"event\":\"%s\""
                    : " level=%s event=%s",
            level_names[level], event);
    put_fields(line, is_json, fields, count);
    fputs(is_json ? "}\n" : "\n", line);
    if (fclose(line) == 0)
        return text;
    free(text);
    return NULL;
}

void sl_log_write(enum sl_log_level level, const char *event,
                  const struct sl_log_field *fields, size_t count)
{
    size_t len = 0;
    SL_CLEANUP(sl_freep)
    char *text = sl_log_text(level, event, fields, count, &len);

    if (text != NULL) /* otherwise there is nowhere to say so */
        sl_output_write(STDERR_FILENO, SL_OUTPUT_LOG, SL_BYTES(text, len),
                        NULL);
}
