/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the ZooKeeper client: ensembles, paths, credentials. */
#include "client/zookeeper/zookeeper.h"
#include "net/peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { DEFAULT_PORT = 2181, PATH_MAX_BYTES = 512, HOST_MAX = 255 };

/* Whether a server accepts the path. */
static bool is_node_path(const char *path)
{
    size_t length = strlen(path);

    if (length > PATH_MAX_BYTES || !sl_bytes_are_text(sl_bytes_of(path)))
        return false;
    if (path[0] != '/' || length < 2 || path[length - 1] == '/')
        return false;
    for (const char *at = path; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    for (const char *name = path + 1;;) {
        size_t end = strcspn(name, "/");
        if (end == 0 || (end == 1 && name[0] == '.') ||
            (end == 2 && memcmp(name, "..", 2) == 0))
            return false;
        if (name[end] == '\0')
            return true;
        name += end + 1;
    }
}

enum sl_status sl_zk_check_path(const void *field, struct sl_error *err)
{
    if (!is_node_path(*(const char *const *)field))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected the path of a node, as /slight/locks");
    return SL_OK;
}

enum sl_status sl_zk_check_auth(const void *field, struct sl_error *err)
{
    const char *auth = *(const char *const *)field;

    if (strcmp(auth, "digest") != 0 && strcmp(auth, "sasl") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"digest\" or \"sasl\"");
    return SL_OK;
}

/* host, host:port, [address] or [address]:port. */
static bool parse_server(struct sl_bytes text, struct sl_zk_server *server)
{
    const char *at = (const char *)text.ptr, *end = at + text.len;
    bool bracketed = text.len > 0 && *at == '[';
    const char *host = at + bracketed;
    const char *stop =
        memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    char *rest;

    if (stop == NULL && bracketed)
        return false;
    if (stop == NULL)
        stop = end;
    size_t length = (size_t)(stop - host);
    if (length == 0 || length > HOST_MAX || memchr(host, ' ', length) != NULL)
        return false;
    at = stop + bracketed;
    long port = DEFAULT_PORT;
    if (at < end) {
        SL_CLEANUP(sl_freep)
        char *digits = sl_strndup(at, (size_t)(end - at));
        if (digits[0] != ':' || digits[1] < '0' || digits[1] > '9')
            return false;
        port = strtol(digits + 1, &rest, 10);
        if (*rest != '\0' || port < 1 || port > 65535)
            return false;
    }
    server->host = sl_strndup(host, length);
    server->port = (int)port;
    return true;
}

/* Fill servers and chroot; the caller frees them also after a failure. */
static bool parse_servers(const char *text, struct sl_zk_ensemble *ensemble)
{
    const char *slash = strchr(text, '/');
    const char *end = slash != NULL ? slash : text + strlen(text);

    if (strchr(text, '?') != NULL)
        return false;
    if (slash != NULL && strcmp(slash, "/") != 0 && !is_node_path(slash))
        return false;
    ensemble->chroot =
        sl_strdup(slash != NULL && slash[1] != '\0' ? slash : "");
    for (const char *at = text;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        if (ensemble->count == SL_ZK_SERVERS_MAX ||
            !parse_server(SL_BYTES(at, (size_t)(stop - at)),
                          &ensemble->servers[ensemble->count]))
            return false;
        ensemble->count++;
        if (comma == NULL)
            return true;
        at = comma;
    }
}

enum sl_status sl_zk_check_servers(const void *field, struct sl_error *err)
{
    struct sl_zk_ensemble ensemble = {.count = 0};
    bool fine = parse_servers(*(const char *const *)field, &ensemble);

    sl_zk_ensemble_done(&ensemble);
    if (!fine)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected host:port,host:port, at most %d of them, with "
                       "an optional /chroot after the last; no scheme and no "
                       "query: write tls, ca, user and password as separate "
                       "settings",
                       SL_ZK_SERVERS_MAX);
    return SL_OK;
}

static enum sl_status check_combinations(const struct sl_zk_options *options,
                                         struct sl_error *err)
{
    if ((options->user == NULL) != (options->password == NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "`user` and `password` belong together; set both");
    if (options->user == NULL && strcmp(options->auth, "sasl") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "\"sasl\" needs `user` and `password`");
    if (options->user != NULL && strchr(options->user, ':') != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "`user` cannot contain a colon");
    if ((options->cert == NULL) != (options->key == NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "`cert` and `key` belong together; set both");
    if (!options->tls && (options->ca != NULL || options->cert != NULL))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "`ca`, `cert` and `key` need TLS; set tls = true");
    return SL_OK;
}

enum sl_status sl_zk_ensemble_init(struct sl_zk_ensemble *ensemble,
                                   const struct sl_zk_options *options,
                                   struct sl_error *err)
{
    enum sl_status status = check_combinations(options, err);

    if (status == SL_OK && !parse_servers(options->servers, ensemble))
        status = sl_zk_check_servers(&options->servers, err);
    if (status == SL_OK && options->tls)
        status = sl_tls_new(options->ca, &ensemble->tls, err);
    if (status == SL_OK && options->cert != NULL)
        status = sl_tls_use_certificate(ensemble->tls, options->cert,
                                        options->key, err);
    if (status != SL_OK)
        return status;
    ensemble->sasl = strcmp(options->auth, "sasl") == 0;
    ensemble->user = options->user;
    ensemble->password = options->password;
    /* A random start spreads clients over the servers. */
    ensemble->next = arc4random_uniform(ensemble->count);
    return SL_OK;
}

void sl_zk_ensemble_done(struct sl_zk_ensemble *ensemble)
{
    for (unsigned i = 0; i < ensemble->count; i++)
        free(ensemble->servers[i].host);
    free(ensemble->chroot);
    sl_tls_free(ensemble->tls);
    memset(ensemble, 0, sizeof(*ensemble));
}

void sl_zk_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_zk_options *options = data;

    if (options->password != NULL && !options->tls)
        sl_peer_tell_of_list(options->servers, NULL, "set tls = true", tell,
                             context);
}
