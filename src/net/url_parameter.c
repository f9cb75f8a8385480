/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the parameters of a URL against the list of a driver. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "net/url.h"

static const char *skip_separators(const char *name)
{
    return name + strspn(name, "-_");
}

/* Without case, "-" and "_". */
static bool is_same_name(const char *a, const char *b)
{
    for (a = skip_separators(a), b = skip_separators(b);
         *a != '\0' && *b != '\0';
         a = skip_separators(a + 1), b = skip_separators(b + 1))
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    return *a == *b;
}

static bool is_listed_value(const char *value, const char *values)
{
    size_t wanted = strlen(value);

    while (*values != '\0') {
        size_t len = strcspn(values, " ");
        if (len == wanted && strncasecmp(values, value, len) == 0)
            return true;
        values += len + (values[len] == ' ');
    }
    return false;
}

const char *sl_url_parameter(const struct sl_url *url, const char *name)
{
    for (size_t i = 0; i < url->parameter_count; i++)
        if (is_same_name(url->parameters[i].name, name))
            return url->parameters[i].value;
    return NULL;
}

bool sl_url_parameter_is(const struct sl_url *url, const char *name,
                         const char *values)
{
    const char *value = sl_url_parameter(url, name);

    return value != NULL && is_listed_value(value, values);
}

/* Not even the name of an unknown parameter is shown: it may be a part of a
 * password. */
static enum sl_status explain_unknown(const struct sl_url_known *known,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf names = SL_BUF(300);

    for (; known->name != NULL; known++)
        if ((known->values != NULL || known->remedy == NULL) &&
            sl_buf_printf(&names, NULL, "%s%s", names.len > 0 ? ", " : "",
                          known->name) != SL_OK)
            break;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "the query of the URL has an unknown parameter; known are: "
                   "%.*s; in a password write ? as %%3F",
                   names.len > 0 ? (int)names.len : 4,
                   names.len > 0 ? (const char *)names.ptr : "none");
}

static enum sl_status check_parameter_value(const struct sl_url_known *known,
                                            const char *value,
                                            struct sl_error *err)
{
    if (known->values == NULL && known->remedy == NULL)
        return SL_OK;
    if (known->values != NULL && is_listed_value(value, known->values))
        return SL_OK;
    if (known->values == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "\"%s\" in the query of the URL: %s", known->name,
                       known->remedy);
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "\"%s\" in the query of the URL: expected%s %s%s%s",
                   known->name,
                   strchr(known->values, ' ') != NULL ? " one of" : "",
                   known->values, known->remedy != NULL ? "; " : "",
                   known->remedy != NULL ? known->remedy : "");
}

enum sl_status sl_url_check_parameters(const struct sl_url *url,
                                       const struct sl_url_known *known,
                                       struct sl_error *err)
{
    for (size_t i = 0; i < url->parameter_count; i++) {
        const struct sl_url_parameter *parameter = &url->parameters[i];
        const struct sl_url_known *k = known;
        while (k->name != NULL && !is_same_name(k->name, parameter->name))
            k++;
        if (k->name == NULL)
            return explain_unknown(known, err);
        if (sl_url_parameter(url, k->name) != parameter->value)
            return sl_fail(
                err, SL_INVALID_ARGUMENT,
                "\"%s\" is given more than once in the query of the URL",
                k->name);
        enum sl_status status = check_parameter_value(k, parameter->value, err);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}
