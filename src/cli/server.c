/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/server.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "cli/target.h"

enum { QUIET_DRAIN_MS = 200 }; /* draining is announced after this time */

/* A line about the server: an entry of the log when that is JSON. */
static void print_event(const char *name, const char *event, const char *text)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("name", name),
        SL_FIELD_STRING("text", text),
    };

    if (sl_log_format() == SL_LOG_JSON) {
        sl_log_write(SL_LOG_INFO, event, fields, 2);
        return;
    }
    struct sl_message message;
    FILE *out = sl_message_open(&message);
    fprintf(out, "%s%s%s ", sl_style_on(stderr, SL_STYLE_GREEN), name,
            sl_style_off(stderr));
    sl_print_line(out, "%s", text);
    sl_message_close(&message);
}

static void print_listening(void *context, const char *text)
{
    print_event(context, "trigger", text);
}

/* Always an entry of the log, which others write at the same time. */
static void log_warning(const char *event, const char *text)
{
    const struct sl_log_field reason = SL_FIELD_STRING("reason", text);

    sl_log_write(SL_LOG_WARN, event, &reason, 1);
}

/* False after ms milliseconds; -1: no limit. */
static bool wait_readable(int fd, int64_t ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int ready;

    do
        ready = poll(&poll_fd, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

int sl_server_start_management(struct sl_server *server)
{
    const struct sl_manifest *manifest = server->manifest;
    struct sl_error err;

    if (manifest->management == NULL)
        return SL_EXIT_OK;
    if (sl_management_start(server->host, manifest, server->triggers,
                            &server->management, &err) != SL_OK)
        return sl_target_print_failure(manifest,
                                       manifest->management->listen_place, &err,
                                       SL_EXIT_COMPONENT);
    SL_CLEANUP(sl_freep)
    char *text =
        sl_asprintf("management %s", sl_management_text(server->management));
    print_event(manifest->name, "management", text);
    return SL_EXIT_OK;
}

int sl_server_start_triggers(struct sl_server *server)
{
    struct sl_toml_place place;
    struct sl_error err;

    if (sl_triggers_start(server->host, server->manifest, &server->triggers,
                          &place, &err) == SL_OK)
        return SL_EXIT_OK;
    return sl_target_print_failure(server->manifest, place, &err,
                                   SL_EXIT_COMPONENT);
}

void sl_server_end(struct sl_server *server, int code)
{
    sl_management_stop(server->management);
    sl_triggers_stop(server->triggers);
    /* The host informs the triggers of their end, so it is freed before them.
     */
    if (!sl_host_free(server->host)) {
        log_warning("call-lost", "a call of a resource never returned; slight "
                                 "ends without it");
        fflush(NULL);
        sl_output_flush(SL_OUTPUT_FLUSH_MS);
        /* Its thread may use anything until the process ends. */
        _exit(code);
    }
    sl_triggers_free(server->triggers);
    sl_management_free(server->management);
}

static void leave_at(sl_deadline deadline, int code)
{
    int seconds = sl_deadline_left_ms(deadline) / 1000;

    sl_signals_leave_after(seconds > SL_SERVER_CLOSE_SECONDS
                               ? (unsigned)seconds
                               : SL_SERVER_CLOSE_SECONDS,
                           code);
}

/* Whether calls in progress finished before the deadline. */
static bool drain_server(const struct sl_server *server, sl_deadline deadline)
{
    sl_management_drain(server->management);
    int drained = sl_triggers_drain(server->triggers);
    if (!wait_readable(drained, QUIET_DRAIN_MS))
        print_event(
            server->manifest->name, "draining",
            "finishing calls in progress; a second signal stops at once");
    return wait_readable(drained, sl_deadline_left_ms(deadline));
}

int sl_server_serve(const struct sl_server *server, int interrupt,
                    int64_t grace_ms)
{
    sl_triggers_visit(server->triggers, print_listening,
                      (void *)(uintptr_t)server->manifest->name);
    (void)wait_readable(interrupt, -1);
    (void)sl_signals_caught();
    sl_deadline deadline = sl_deadline_in_ms(grace_ms);
    if (drain_server(server, deadline)) {
        /* A slow service has the rest of the time to close. */
        leave_at(deadline, SL_EXIT_OK);
        return SL_EXIT_OK;
    }
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf("calls still in progress after %lld ms were "
                             "cancelled",
                             (long long)grace_ms);
    log_warning("drain-cut", text);
    sl_signals_leave_after(SL_SERVER_CLOSE_SECONDS, SL_EXIT_TIMEOUT);
    return SL_EXIT_TIMEOUT;
}
