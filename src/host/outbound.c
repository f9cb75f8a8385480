/* SPDX-License-Identifier: Apache-2.0 */
#include "host/outbound.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/tsan_boundary.h"
#include "host/instance.h"

static void log_refused(const struct sl_grants *grants, const char *event,
                        const struct sl_bridge_http_server *server)
{
    sl_log(
        SL_LOG_WARN, event,
        SL_FIELD_STRING("component", grants->component->name),
        SL_FIELD_STRING("scheme", server->is_tls ? "https" : "http"),
        SL_FIELD("host", server->host), SL_FIELD_NUMBER("port", server->port),
        SL_FIELD_STRING("remedy", "name it in the component's allowed-hosts"));
}

bool sl_outbound_may_request(void *context,
                             const struct sl_bridge_http_server *server)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_grants *grants = context;
    const struct sl_allowed_host *hosts = grants->component->allowed_hosts;
    size_t count = grants->component->allowed_host_count;
    const struct sl_destination to = {server->host, server->port,
                                      server->is_tls ? SL_SCHEME_HTTPS
                                                     : SL_SCHEME_HTTP};

    bool is_name = server->address.len == 0;
    bool may = is_name
                   ? sl_allowed_hosts_have(hosts, count, &to)
                   : sl_allowed_hosts_reach(hosts, count, &to, server->address);
    if (!may)
        log_refused(grants, is_name ? "host-denied" : "address-denied", server);
    return may;
}

static void log_fault(const struct sl_grants *grants,
                      const struct sl_bridge_http_server *server,
                      const char *reason, const char *remedy)
{
    sl_log(
        SL_LOG_WARN, "request-failed",
        SL_FIELD_STRING("component", grants->component->name),
        SL_FIELD_STRING("scheme", server->is_tls ? "https" : "http"),
        SL_FIELD("host", server->host), SL_FIELD_NUMBER("port", server->port),
        SL_FIELD_STRING("reason", reason), SL_FIELD_STRING("remedy", remedy));
}

/* The file that is named, or those that a system may have. */
static void log_no_certificates(const struct sl_grants *grants,
                                const struct sl_bridge_http_server *server)
{
    const char *file = getenv("SSL_CERT_FILE");
    const char *folder = getenv("SSL_CERT_DIR");
    SL_CLEANUP(sl_freep) char *reason = NULL;

    if (file == NULL && folder == NULL)
        reason = sl_strdup("there are no CA certificates: neither "
                           "/etc/ssl/certs/ca-certificates.crt nor what other "
                           "systems have in its place");
    else
        reason = sl_asprintf("there are no CA certificates in %s%s%s%s%s",
                             file != NULL ? file : "",
                             file != NULL ? " (SSL_CERT_FILE)" : "",
                             file != NULL && folder != NULL ? " nor in " : "",
                             folder != NULL ? folder : "",
                             folder != NULL ? " (SSL_CERT_DIR)" : "");
    log_fault(grants, server, reason,
              "install them (the package ca-certificates), or name a file of "
              "them by SSL_CERT_FILE");
}

void sl_outbound_request_failed(void *context,
                                const struct sl_bridge_http_server *server,
                                enum sl_bridge_request_fault fault)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_grants *grants = context;
    SL_CLEANUP(sl_freep) char *reason = NULL;

    switch (fault) {
    case SL_BRIDGE_NO_CERTIFICATES:
        log_no_certificates(grants, server);
        return;
    case SL_BRIDGE_HEAD_TOO_LARGE:
        reason = sl_asprintf("the answer has more than %lld header fields, or "
                             "more than 400 KiB of them",
                             (long long)grants->component->max_response_fields);
        log_fault(grants, server, reason,
                  "raise max-response-fields in [component] of the manifest");
        return;
    }
}
