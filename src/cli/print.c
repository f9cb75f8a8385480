/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the command line.
 */
#include "cli/print.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/output.h"

static bool has_colour(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (no_color != NULL && no_color[0] != '\0')
        return false;
    if (term != NULL && strcmp(term, "dumb") == 0)
        return false;
    return isatty(fileno(out)) == 1;
}

const char *sl_style_on(FILE *out, enum sl_style style)
{
    if (!has_colour(out))
        return "";
    switch (style) {
    case SL_STYLE_BOLD:
        return "\033[1m";
    case SL_STYLE_RED:
        return "\033[1;31m";
    case SL_STYLE_GREEN:
        return "\033[32m";
    case SL_STYLE_YELLOW:
        return "\033[33m";
    }
    return "";
}

const char *sl_style_off(FILE *out)
{
    return has_colour(out) ? "\033[0m" : "";
}

void sl_print_text(FILE *out, const char *text)
{
    sl_escape(out, sl_bytes_of(text), SL_ESCAPE_LINE);
}

void sl_print_lines(FILE *out, const char *text)
{
    sl_escape(out, sl_bytes_of(text), SL_ESCAPE_LINES);
}

void sl_print_line(FILE *out, const char *fmt, ...)
{
    SL_CLEANUP(sl_freep) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    sl_print_text(out, text);
    fputc('\n', out);
}

FILE *sl_message_open(struct sl_message *message)
{
    *message = (struct sl_message){0};
    message->out = open_memstream(&message->text, &message->len);
    return message->out != NULL ? message->out : stderr;
}

void sl_message_close(struct sl_message *message)
{
    if (message->out != NULL && fclose(message->out) == 0) {
        fflush(stdout); /* keep the order of both streams */
        sl_output_write(STDERR_FILENO, SL_OUTPUT_LOG,
                        SL_BYTES(message->text, message->len), NULL);
    }
    free(message->text);
}

/* "error: text" */
static void put_paragraph(FILE *out, enum sl_style style, const char *word,
                          const char *text)
{
    fprintf(out, "%s%s:%s ", sl_style_on(stderr, style), word,
            sl_style_off(stderr));
    sl_print_text(out, text);
    fputc('\n', out);
}

static void SL_PRINTF(2, 0)
    print_message(enum sl_log_level level, const char *fmt, va_list args)
{
    bool is_error = level == SL_LOG_ERROR;
    const char *word = is_error ? "error" : "warning";
    struct sl_message message;
    char text[2048];

    vsnprintf(text, sizeof(text), fmt, args);
    if (sl_log_format() == SL_LOG_JSON) {
        const struct sl_log_field reason = SL_FIELD_STRING("reason", text);
        sl_log_write(level, word, &reason, 1);
        return;
    }
    put_paragraph(sl_message_open(&message),
                  is_error ? SL_STYLE_RED : SL_STYLE_YELLOW, word, text);
    sl_message_close(&message);
}

void sl_print_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_message(SL_LOG_ERROR, fmt, args);
    va_end(args);
}

void sl_print_warning(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_message(SL_LOG_WARN, fmt, args);
    va_end(args);
}

void sl_print_error_at(const char *file, unsigned line, unsigned column,
                       const char *message)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("file", file),
        SL_FIELD_NUMBER("line", line),
        SL_FIELD_NUMBER("column", column),
        SL_FIELD_STRING("reason", message),
    };
    struct sl_message text;

    if (sl_log_format() == SL_LOG_JSON) {
        sl_log_write(SL_LOG_ERROR, "error", fields, 4);
        return;
    }
    FILE *out = sl_message_open(&text);
    fputs(sl_style_on(stderr, SL_STYLE_BOLD), out);
    sl_print_text(out, file);
    fprintf(out, ":%u:%u:%s ", line, column, sl_style_off(stderr));
    put_paragraph(out, SL_STYLE_RED, "error", message);
    sl_message_close(&text);
}

int sl_print_failure(const struct sl_error *err, int code)
{
    sl_print_error("%s", err->message);
    return code;
}
