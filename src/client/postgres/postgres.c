/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of libpq in non-blocking mode, with deadlines.  Nothing is read
 * from the environment, and no files except those that the settings name.
 */
#include "client/postgres/internal.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/wait.h"
#include "net/resolve.h"

enum {
    RECEIVED_MAX =
        288 << 20, /* bytes of one result: more than the largest row */
    CANCEL_MS = 1000,
    FRESH_NS = 1000000, /* a server that has just answered is alive */
};

/* --- Connecting --------------------------------------------------------- */

/* Whether OpenSSL has buffered data, which poll() does not see. */
static bool has_tls_pending(const struct sl_pg *pg)
{
    SSL *ssl = PQsslInUse(pg->handle) != 0 ? PQgetssl(pg->handle) : NULL;

    return ssl != NULL && SSL_pending(ssl) > 0;
}

/* 1: ready, 0: the deadline has passed, -1: the socket has failed. */
static int wait_for_postgres(const struct sl_pg *pg, short events,
                             sl_deadline deadline)
{
    int fd = PQsocket(pg->handle);

    if ((events & POLLIN) != 0 && has_tls_pending(pg))
        return 1;
    return fd < 0 ? -1 : sl_wait_fd(fd, events, deadline);
}

static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

/* "address,address" and "name,name": libpq's form of a name with several
 * addresses. */
static enum sl_status list_addresses(const struct sl_pg_host *host,
                                     sl_deadline deadline,
                                     struct sl_buf *addresses,
                                     struct sl_buf *names, struct sl_error *err)
{
    struct addrinfo *found = NULL;
    char text[128];
    enum sl_status status =
        sl_resolve(host->url.host, host->url.port, deadline, &found, err);

    for (struct addrinfo *a = found; status == SL_OK && a != NULL;
         a = a->ai_next) {
        const char *comma = addresses->len > 0 ? "," : "";
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        status = sl_buf_printf(addresses, err, "%s%s", comma, text);
        if (status == SL_OK)
            status = sl_buf_printf(names, err, "%s%s", comma, host->url.host);
    }
    if (found != NULL)
        freeaddrinfo(found);
    if (status == SL_OK && addresses->len == 0)
        status = sl_fail(err, SL_UNAVAILABLE, "%s: no address", host->where);
    return status;
}

static PGconn *connect_start(const struct sl_pg_target *target,
                             const struct sl_pg_host *host, const char *attrs,
                             const char *addresses, const char *names)
{
    /* Prevents libpq's defaults: this path never exists. */
    static const char nowhere[] = "/dev/null/none";
    char port[12];
    const struct sl_pg_options *options = target->options;
    const char *const keys[] = {
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "dbname",
        "passfile",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "gssencmode",
        "options",
        "application_name",
        "channel_binding",
        "client_encoding",
        "target_session_attrs",
        NULL,
    };
    const char *const values[] = {
        names,
        addresses,
        port,
        target->user,
        target->password,
        host->url.path,
        nowhere,
        host->tls,
        host->ca != NULL ? host->ca : nowhere,
        options->certificate != NULL ? options->certificate : nowhere,
        options->key != NULL ? options->key : nowhere,
        nowhere,
        "disable",
        target->settings,
        sl_pg_application(&host->url),
        sl_pg_channel_binding(&host->url),
        "UTF8",
        attrs,
        NULL,
    };

    snprintf(port, sizeof(port), "%d", host->url.port);
    return PQconnectStartParams(keys, values, 0);
}

/* Run libpq's connection state machine to its end. */
static enum sl_status connect_through(struct sl_pg *pg, sl_deadline deadline,
                                      struct sl_error *err)
{
    const char *where = pg->target->hosts[pg->host].where;
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;

    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        int ready = wait_for_postgres(
            pg, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        if (ready == 0)
            return sl_fail(err, SL_TIMEOUT, "%s: no connection in time", where);
        step = PQconnectPoll(pg->handle);
    }
    if (step == PGRES_POLLING_OK)
        return SL_OK;
    return sl_pg_explain_connect(PQerrorMessage(pg->handle), where, err);
}

/* Connect to one of the hosts. */
static enum sl_status open_host(struct sl_pg *pg,
                                const struct sl_pg_target *target, size_t index,
                                const char *attrs, sl_deadline deadline,
                                struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf addresses = SL_BUF(16384);
    SL_CLEANUP(sl_buf_done) struct sl_buf names = SL_BUF(65536);
    const struct sl_pg_host *host = &target->hosts[index];

    *pg = (struct sl_pg){.target = target, .host = index};
    enum sl_status status =
        list_addresses(host, deadline, &addresses, &names, err);
    if (status == SL_OK)
        status = sl_buf_append(&addresses, SL_BYTES("", 1), err);
    if (status == SL_OK)
        status = sl_buf_append(&names, SL_BYTES("", 1), err);
    if (status != SL_OK)
        return status;
    pg->handle = connect_start(target, host, attrs, (const char *)addresses.ptr,
                               (const char *)names.ptr);
    if (pg->handle == NULL)
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: out of memory for a connection", host->where);
    /* Messages of failed connections contain the SQLSTATE only in this mode. */
    PQsetErrorVerbosity(pg->handle, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(pg->handle, ignore_notice, NULL);
    if (PQstatus(pg->handle) == CONNECTION_BAD)
        status =
            sl_pg_explain_connect(PQerrorMessage(pg->handle), host->where, err);
    else
        status = connect_through(pg, deadline, err);
    if (status == SL_OK && PQsetnonblocking(pg->handle, 1) != 0)
        status = sl_fail(err, SL_UNAVAILABLE, "%s: %s", host->where,
                         "no non-blocking connection");
    if (status != SL_OK)
        sl_pg_close(pg);
    return status;
}

/* Connect to the first suitable host; each gets a share of the time. */
static enum sl_status open_any(struct sl_pg *pg,
                               const struct sl_pg_target *target,
                               const char *attrs, sl_deadline deadline,
                               struct sl_error *err)
{
    size_t first = atomic_load(target->last), count = target->count;
    enum sl_status status = SL_UNAVAILABLE;

    for (size_t i = 0; i < count; i++) {
        size_t index = (first + i) % count;
        int64_t share = sl_deadline_left_ms(deadline) / (int64_t)(count - i);
        status = open_host(pg, target, index, attrs,
                           i + 1 == count ? deadline : sl_deadline_in_ms(share),
                           err);
        if (status == SL_OK) {
            atomic_store(target->last, index);
            return SL_OK;
        }
    }
    if (count == 1)
        return status;
    (void)sl_fail_in(err, "none of the servers is suitable (%s); the last one",
                     attrs);
    if (status != SL_TIMEOUT && status != SL_UNAUTHENTICATED)
        err->status = SL_UNAVAILABLE;
    return err->status;
}

enum sl_status sl_pg_open(struct sl_pg *pg, const struct sl_pg_target *target,
                          sl_deadline deadline, struct sl_error *err)
{
    int64_t left = sl_deadline_left_ms(deadline);

    if (strcmp(target->attrs, "prefer-standby") != 0)
        return open_any(pg, target, target->attrs, deadline, err);
    if (open_any(pg, target, "standby", sl_deadline_in_ms(left / 2), err) ==
        SL_OK)
        return SL_OK;
    return open_any(pg, target, "any", deadline, err);
}

void sl_pg_close(struct sl_pg *pg)
{
    if (pg->handle != NULL)
        PQfinish(pg->handle);
    pg->handle = NULL;
}

/* --- Waiting ------------------------------------------------------------ */

static enum sl_status fail_broken(struct sl_pg *pg, struct sl_error *err)
{
    char line[256];
    const char *text = PQerrorMessage(pg->handle);

    pg->broken = true;
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\r\n"), text);
    return sl_fail(err, SL_UNAVAILABLE, "%s: the connection was lost%s%s",
                   pg->target->where, line[0] != '\0' ? ": " : "", line);
}

/* Notifications carry no data. */
static void take_notifications(struct sl_pg *pg, bool *notified)
{
    PGnotify *notify;

    while ((notify = PQnotifies(pg->handle)) != NULL) {
        PQfreemem(notify);
        if (notified != NULL)
            *notified = true;
    }
}

bool sl_pg_is_stale(struct sl_pg *pg, bool *notified, struct sl_error *err)
{
    struct pollfd poller = {.fd = PQsocket(pg->handle), .events = POLLIN};

    if (pg->broken) {
        sl_fail(err, SL_UNAVAILABLE, "%s: the connection was lost",
                pg->target->where);
        return true;
    }
    if (notified == NULL && sl_now_ns() - pg->answered < FRESH_NS)
        return false;
    /* Read unsolicited messages until there are none, or the connection
     * ends. */
    for (int i = 0; i < 100 && poll(&poller, 1, 0) > 0; i++) {
        if (PQconsumeInput(pg->handle) == 0 ||
            PQstatus(pg->handle) == CONNECTION_BAD) {
            (void)fail_broken(pg, err);
            return true;
        }
        (void)PQisBusy(pg->handle);
    }
    /* Some arrived together with results. */
    take_notifications(pg, notified);
    if (PQstatus(pg->handle) != CONNECTION_BAD)
        return false;
    (void)fail_broken(pg, err);
    return true;
}

static enum sl_status cancel_late(struct sl_pg *pg, struct sl_error *err)
{
    pg->broken = true;
    bool told = sl_pg_cancel(pg, sl_deadline_in_ms(CANCEL_MS));
    return sl_fail(err, SL_TIMEOUT, "%s: no answer in time%s",
                   pg->target->where,
                   told ? "; it was cancelled on the server" : "");
}

/* Read what has arrived, and count its approximate size. */
static enum sl_status read_available(struct sl_pg *pg, struct sl_error *err)
{
    int there = 0;

    /* Most results arrive in one read. */
    if (pg->reads++ > 0 && ioctl(PQsocket(pg->handle), FIONREAD, &there) == 0 &&
        there > 0)
        pg->received += (size_t)there;
    if (PQconsumeInput(pg->handle) == 0)
        return fail_broken(pg, err);
    if (pg->received > RECEIVED_MAX) {
        pg->broken = true;
        return sl_fail(err, SL_UNAVAILABLE, "%s: a row of more than %d bytes",
                       pg->target->where, RECEIVED_MAX);
    }
    return SL_OK;
}

enum sl_status sl_pg_sent(struct sl_pg *pg, int sent, struct sl_error *err)
{
    return sent == 1 ? SL_OK : fail_broken(pg, err);
}

enum sl_status sl_pg_flush(struct sl_pg *pg, sl_deadline deadline,
                           struct sl_error *err)
{
    for (;;) {
        int left = PQflush(pg->handle);
        if (left == 0)
            return SL_OK;
        if (left < 0)
            return fail_broken(pg, err);
        int ready = wait_for_postgres(pg, POLLIN | POLLOUT, deadline);
        if (ready == 0)
            return cancel_late(pg, err);
        /* The server may not read before we have read. */
        if (ready < 0)
            return fail_broken(pg, err);
        enum sl_status status = read_available(pg, err);
        if (status != SL_OK)
            return status;
    }
}

enum sl_status sl_pg_next(struct sl_pg *pg, sl_deadline deadline,
                          PGresult **result, struct sl_error *err)
{
    enum sl_status status = sl_pg_flush(pg, deadline, err);

    while (status == SL_OK && PQisBusy(pg->handle) != 0) {
        int ready = wait_for_postgres(pg, POLLIN, deadline);
        if (ready == 0)
            return cancel_late(pg, err);
        status = ready < 0 ? fail_broken(pg, err) : read_available(pg, err);
    }
    if (status != SL_OK)
        return status;
    *result = PQgetResult(pg->handle);
    pg->received = 0;
    pg->reads = 0;
    pg->answered = sl_now_ns();
    if (PQstatus(pg->handle) != CONNECTION_BAD)
        return SL_OK;
    /* A server that shuts down sends its reason. */
    if (*result != NULL && sl_pg_sqlstate(*result)[0] != '\0') {
        pg->broken = true;
        return SL_OK;
    }
    sl_pg_clear(result);
    return fail_broken(pg, err);
}

void sl_pg_clear(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}

enum sl_status sl_pg_drain(struct sl_pg *pg, sl_deadline deadline,
                           struct sl_error *err)
{
    enum sl_status first = SL_OK;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        struct sl_error mine;
        enum sl_status status = sl_pg_next(pg, deadline, &result, &mine);
        if (status == SL_OK && result == NULL)
            return first;
        if (status == SL_OK && PQresultStatus(result) == PGRES_FATAL_ERROR)
            first = first != SL_OK ? first : sl_pg_explain(result, true, err);
        if (status == SL_OK && !pg->broken)
            continue;
        if (first != SL_OK)
            return first;
        return status != SL_OK ? sl_fail(err, status, "%s", mine.message)
                               : fail_broken(pg, err);
    }
}

enum sl_status sl_pg_exec(struct sl_pg *pg, const char *text,
                          sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = sl_pg_sent(pg, PQsendQuery(pg->handle, text), err);

    return status == SL_OK ? sl_pg_drain(pg, deadline, err) : status;
}

bool sl_pg_cancel(const struct sl_pg *pg, sl_deadline deadline)
{
    struct sl_pg other;
    struct sl_error err;
    char text[64];

    if (PQstatus(pg->handle) == CONNECTION_BAD ||
        open_host(&other, pg->target, pg->host, "any", deadline, &err) != SL_OK)
        return false;
    snprintf(text, sizeof(text), "SELECT pg_cancel_backend(%d)",
             PQbackendPID(pg->handle));
    bool told = PQsendQuery(other.handle, text) == 1;
    while (told) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        if (PQflush(other.handle) < 0 ||
            wait_for_postgres(&other, POLLIN, deadline) != 1 ||
            PQconsumeInput(other.handle) == 0)
            told = false;
        if (!told || PQisBusy(other.handle) != 0)
            continue;
        result = PQgetResult(other.handle);
        if (result == NULL || PQresultStatus(result) == PGRES_TUPLES_OK)
            break;
        told = false;
    }
    sl_pg_close(&other);
    return told;
}
