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

static void print_safely(FILE *out, const char *text, char keep)
{
    for (; *text != '\0'; text++) {
        bool control = (unsigned char)*text < ' ' || *text == 0x7f;
        putc(control && *text != keep ? '?' : *text, out);
    }
}

void sl_print_text(FILE *out, const char *text)
{
    print_safely(out, text, '\0');
}

void sl_print_lines(FILE *out, const char *text)
{
    print_safely(out, text, '\n');
}

static void SL_PRINTF(3, 0) print_message(enum sl_style style, const char *word,
                                          const char *fmt, va_list args)
{
    char message[2048];

    vsnprintf(message, sizeof(message), fmt, args);
    fflush(stdout); /* what was said before comes before */
    fprintf(stderr, "%s%s:%s ", sl_style_on(stderr, style), word,
            sl_style_off(stderr));
    sl_print_text(stderr, message);
    fputc('\n', stderr);
}

void sl_print_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_message(SL_STYLE_RED, "error", fmt, args);
    va_end(args);
}

void sl_print_warning(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_message(SL_STYLE_YELLOW, "warning", fmt, args);
    va_end(args);
}

int sl_print_failure(const struct sl_error *err, int code)
{
    sl_print_error("%s", err->message);
    return code;
}
