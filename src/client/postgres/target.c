/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the PostgreSQL client: servers, files, startup options. */
#include "client/postgres/internal.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/peer.h"

enum sl_status sl_pg_check_name(const void *field, struct sl_error *err)
{
    enum { NAME_MAX_BYTES = 63 };
    const char *name = *(const char *const *)field;
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_BYTES ||
        !sl_bytes_are_text(sl_bytes_of(name)))
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected 1 to %d bytes",
                       NAME_MAX_BYTES);
    return SL_OK;
}

/* libpq before version 16 cannot use the system's authorities by name. */
static const char *system_ca_file(void)
{
    static const char debian[] = "/etc/ssl/certs/ca-certificates.crt";
    const char *file = getenv(X509_get_default_cert_file_env());

    if (file == NULL || file[0] == '\0')
        file = X509_get_default_cert_file();
    return access(file, R_OK) == 0 ? file : debian;
}

static enum sl_status check_files(const struct sl_pg_options *options,
                                  struct sl_error *err)
{
    const char *const files[] = {options->ca, options->certificate,
                                 options->key};

    if ((options->certificate == NULL) != (options->key == NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "certificate and key belong together; set both");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] != NULL && access(files[i], R_OK) != 0)
            return sl_fail(err, SL_INVALID_ARGUMENT, "%s: %s", files[i],
                           strerror(errno));
    return SL_OK;
}

/*
 * The options of the startup packet.  The schema is quoted as a name; spaces
 * and backslashes are escaped by a backslash.
 */
static char *make_settings(const char *schema, const char *more)
{
    static const char always[] =
        "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c "
        "extra_float_digits=1 -c bytea_output=hex -c "
        "standard_conforming_strings=on -c backslash_quote=safe_encoding";
    SL_CLEANUP(sl_freep) char *quoted = NULL;
    size_t len = 0;

    if (schema == NULL)
        return sl_asprintf("%s %s", always, more);
    quoted = sl_alloc(2 * strlen(schema) + 1);
    for (const char *c = schema; *c != '\0'; c++) {
        if (*c == '"')
            quoted[len++] = '"';
        if (*c == ' ' || *c == '\\')
            quoted[len++] = '\\';
        quoted[len++] = *c;
    }
    return sl_asprintf("%s -c search_path=\"%s\" %s", always, quoted, more);
}

void sl_pg_target_free(struct sl_pg_target *target)
{
    if (target == NULL)
        return;
    for (size_t i = 0; i < target->count; i++) {
        sl_url_done(&target->hosts[i].url);
        free(target->hosts[i].where);
    }
    free(target->last);
    free(target->settings);
    free(target->where);
    free(target);
}

static enum sl_status add_host(struct sl_pg_target *target, const char *text,
                               struct sl_error *err)
{
    struct sl_pg_host *host = &target->hosts[target->count];
    enum sl_status status = sl_url_parse(text, &host->url, err);

    if (status != SL_OK)
        return status;
    target->count++;
    if (host->url.port == 0)
        host->url.port = 5432;
    host->tls = sl_pg_tls_mode(target->options, &host->url);
    host->ca = target->options->ca;
    /* libpq verifies in every mode if there are authorities. */
    if (host->ca == NULL && strncmp(host->tls, "verify-", 7) == 0)
        host->ca = system_ca_file();
    host->where = sl_asprintf("%s:%d", host->url.host, host->url.port);
    char *before = target->where;
    target->where = before == NULL ? sl_strdup(host->where)
                                   : sl_asprintf("%s,%s", before, host->where);
    free(before);
    return SL_OK;
}

static enum sl_status add_hosts(struct sl_pg_target *target,
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < SL_PG_HOSTS_MAX; i++) {
        SL_CLEANUP(sl_freep)
        char *text = sl_pg_url_of_host(target->options->url, i);
        if (text == NULL)
            break;
        status = add_host(target, text, err);
    }
    return status;
}

enum sl_status sl_pg_target_new(const struct sl_pg_options *options,
                                const char *settings, struct sl_pg_target **out,
                                struct sl_error *err)
{
    struct sl_pg_target *target = sl_alloc(sizeof(*target));
    const struct sl_url *url = &target->hosts[0].url;

    target->options = options;
    target->last = sl_alloc(sizeof(*target->last));
    enum sl_status status = add_hosts(target, err);
    if (status == SL_OK)
        status = check_files(options, err);
    if (status != SL_OK) {
        sl_pg_target_free(target);
        return status;
    }
    target->user = options->user != NULL ? options->user : url->user;
    target->password =
        options->password != NULL ? options->password : url->password;
    target->attrs = sl_pg_session_attrs(url, target->count);
    target->settings = make_settings(options->schema, settings);
    *out = target;
    return SL_OK;
}

static void report_postgres_host(const struct sl_pg_options *options,
                                 const char *text, sl_risk_fn *tell,
                                 void *context)
{
    struct sl_url url;
    struct sl_error err;

    if (sl_url_parse(text, &url, &err) != SL_OK)
        return;
    const char *mode = sl_pg_tls_mode(options, &url);
    if (strcmp(mode, "prefer") == 0 || strcmp(mode, "disable") == 0)
        sl_peer_tell_of_url(text, NULL, options->password,
                            "set tls = \"verify-full\"", tell, context);
    sl_url_done(&url);
}

void sl_pg_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_pg_options *options = data;

    for (size_t i = 0; i < SL_PG_HOSTS_MAX; i++) {
        SL_CLEANUP(sl_freep) char *text = sl_pg_url_of_host(options->url, i);
        if (text == NULL)
            return;
        report_postgres_host(options, text, tell, context);
    }
}
