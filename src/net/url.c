/* SPDX-License-Identifier: Apache-2.0 */
/* The URL of a service. */
#include "net/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decode percent-encoding; NULL: malformed, or an encoded NUL. */
static char *percent_decode(const char *text, size_t len)
{
    char *out = sl_alloc(len + 1), *to = out;

    for (size_t i = 0; i < len; i++, to++) {
        if (text[i] != '%') {
            *to = text[i];
            continue;
        }
        int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0) {
            free(out);
            return NULL;
        }
        *to = (char)(high * 16 + low);
        i += 2;
    }
    return out;
}

static enum sl_status fail_syntax(struct sl_error *err, const char *what)
{
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "not a URL such as scheme://user:password@host:port/path: "
                   "%s",
                   what);
}

/* A hint for a password that contains an unencoded / before its @. */
static const char *password_hint(const char *text)
{
    const char *authority = strstr(text, "://");
    size_t len = authority == NULL ? 0 : strcspn(authority + 3, "/?#");

    if (authority == NULL || memchr(authority + 3, '@', len) != NULL ||
        strchr(authority + 3 + len, '@') == NULL)
        return "";
    return "; in a user or a password / is written %2F, ? %3F, # %23 and % "
           "%25, or it has a setting of its own";
}

static enum sl_status parse_user(const char *text, size_t len,
                                 struct sl_url *url, struct sl_error *err)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon == NULL ? len : (size_t)(colon - text);

    if (user_len > 0 && (url->user = percent_decode(text, user_len)) == NULL)
        return fail_syntax(
            err, "the user is badly percent-encoded; write a % as %25");
    if (colon != NULL &&
        (url->password = percent_decode(colon + 1, len - user_len - 1)) == NULL)
        return fail_syntax(
            err, "the password is badly percent-encoded; write a % as "
                 "%25");
    return SL_OK;
}

static enum sl_status parse_url_port(const char *text, size_t len,
                                     struct sl_url *url, struct sl_error *err)
{
    int port = 0;

    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || port > 65535)
            return fail_syntax(err, "the port is not a number");
        port = port * 10 + (text[i] - '0');
    }
    if (len == 0 || port < 1 || port > 65535)
        return fail_syntax(err, "a port is 1 to 65535");
    url->port = port;
    return SL_OK;
}

static enum sl_status parse_url_host(const char *text, size_t len,
                                     struct sl_url *url, struct sl_error *err)
{
    const char *end = text + len, *port = NULL;

    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL)
            return fail_syntax(err, "a [ without a ]");
        if (close + 1 < end && close[1] != ':')
            return fail_syntax(err, "unexpected character after ']'");
        port = close + 1 < end ? close + 2 : NULL;
        url->host = sl_strndup(text + 1, (size_t)(close - text - 1));
    } else {
        const char *colon = memchr(text, ':', len);
        port = colon == NULL ? NULL : colon + 1;
        url->host =
            percent_decode(text, colon == NULL ? len : (size_t)(colon - text));
    }
    if (url->host == NULL || url->host[0] == '\0')
        return fail_syntax(err, "there is no host");
    return port == NULL ? SL_OK
                        : parse_url_port(port, (size_t)(end - port), url, err);
}

static enum sl_status parse_parameter(const char *text, size_t len,
                                      struct sl_url *url, struct sl_error *err)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - text);

    if (len == 0)
        return SL_OK;
    if (url->parameter_count == SL_URL_PARAMETERS_MAX)
        return fail_syntax(err, "too many parameters in the query");
    struct sl_url_parameter *parameter =
        &url->parameters[url->parameter_count++];
    parameter->name = percent_decode(text, name_len);
    parameter->value = equals == NULL
                           ? sl_strdup("")
                           : percent_decode(equals + 1, len - name_len - 1);
    if (parameter->name == NULL || parameter->value == NULL)
        return fail_syntax(err,
                           "a parameter is badly percent-encoded; write a % as "
                           "%25");
    return SL_OK;
}

static enum sl_status parse_query(const char *text, struct sl_url *url,
                                  struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && *text != '\0') {
        size_t len = strcspn(text, "&");
        status = parse_parameter(text, len, url, err);
        text += len + (text[len] == '&');
    }
    return status;
}

static enum sl_status parse_url(const char *text, struct sl_url *url,
                                struct sl_error *err)
{
    const char *rest = strstr(text, "://");

    if (rest == NULL || rest == text)
        return fail_syntax(err, "there is no scheme");
    url->scheme = sl_strndup(text, (size_t)(rest - text));
    for (char *c = url->scheme; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    rest += 3;

    size_t len = strcspn(rest, "/?#");
    const char *path = rest + len;
    const char *at = memrchr(rest, '@', len);
    if (at != NULL) {
        if (parse_user(rest, (size_t)(at - rest), url, err) != SL_OK)
            return err->status;
        rest = at + 1;
    }
    if (parse_url_host(rest, (size_t)(path - rest), url, err) != SL_OK)
        return err->status;
    /* The user probably meant the text after the @ as the host. */
    if (at == NULL && memchr(path, '@', strcspn(path, "?#")) != NULL)
        return fail_syntax(err, "an @ in the path is written %40");
    if (strchr(path, '#') != NULL)
        return fail_syntax(err, "nothing may follow a #");
    len = strcspn(path, "?");
    if (len > 1 && (url->path = percent_decode(path + 1, len - 1)) == NULL)
        return fail_syntax(err,
                           "the path is badly percent-encoded; write a % as "
                           "%25");
    return path[len] == '?' ? parse_query(path + len + 1, url, err) : SL_OK;
}

enum sl_status sl_url_parse(const char *text, struct sl_url *out,
                            struct sl_error *err)
{
    struct sl_url url = {0};
    struct sl_error own;
    enum sl_status status = parse_url(text, &url, &own);

    if (status != SL_OK) {
        sl_url_done(&url);
        return sl_fail(err, status, "%s%s", own.message, password_hint(text));
    }
    *out = url;
    return SL_OK;
}

void sl_url_done(struct sl_url *url)
{
    free(url->scheme);
    free(url->user);
    free(url->password);
    free(url->host);
    free(url->path);
    for (size_t i = 0; i < url->parameter_count; i++) {
        free(url->parameters[i].name);
        free(url->parameters[i].value);
    }
    *url = (struct sl_url){0};
}
