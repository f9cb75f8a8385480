/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a command component, waited for on this thread.
 */
#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/tsan_boundary.h"
#include "host/internal.h"
#include "host/sockets.h"

/* Runs on a thread of the engine; the eventfd orders it with wait_for_end. */
static void run_done(void *context, const struct sl_bridge_outcome *outcome)
{
    SL_CALLED_BY_BRIDGE;
    struct sl_host *host = context;
    const uint64_t one = 1;

    host->end = outcome->end;
    host->exit_code = outcome->exit_code;
    host->message = sl_strndup(outcome->message.ptr, outcome->message.len);
    host->backtrace =
        sl_strndup(outcome->backtrace.ptr, outcome->backtrace.len);
    while (write(host->done, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* False where the run was interrupted. */
static bool wait_for_end(struct sl_host *host, int interrupt)
{
    struct pollfd fds[] = {
        {.fd = host->done, .events = POLLIN},
        {.fd = interrupt, .events = POLLIN}, /* ignored where negative */
    };
    uint64_t count;

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    if (fds[0].revents == 0)
        return false;
    while (read(host->done, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    return true;
}

/* The arguments, variables and folders of a run, in the bridge's terms. */
struct lists {
    struct sl_bytes *args;
    struct sl_pair *env;
    size_t env_count;
    struct sl_bridge_directory *directories;
    size_t directory_count;
};

static void lists_done(struct lists *lists)
{
    free(lists->args);
    free(lists->env);
    free(lists->directories);
}

/* Of two values for one name the later one stays. */
static void add_variable(struct lists *lists,
                         const struct sl_manifest_variable *variable)
{
    const struct sl_bytes name = sl_bytes_of(variable->name);
    const struct sl_bytes value = sl_bytes_of(variable->value);

    for (size_t i = 0; i < lists->env_count; i++) {
        if (sl_bytes_equal(lists->env[i].name, name)) {
            lists->env[i].value = value;
            return;
        }
    }
    lists->env[lists->env_count++] = (struct sl_pair){name, value};
}

static void add_directory(struct lists *lists,
                          const struct sl_manifest_directory *directory)
{
    lists->directories[lists->directory_count++] = (struct sl_bridge_directory){
        .host_path = sl_bytes_of(directory->host),
        .guest_path = sl_bytes_of(directory->guest),
        .writable = directory->writable,
    };
}

static struct lists make_lists(const struct sl_manifest_component *manifest,
                               const struct sl_host_run *run,
                               const char *const *args, size_t arg_count)
{
    const char *slash = strrchr(manifest->source, '/');
    struct lists lists = {
        .args = sl_alloc_array(arg_count + 1, sizeof(*lists.args)),
        .env = sl_alloc_array(manifest->env_count + run->env_count + 1,
                              sizeof(*lists.env)),
        .directories =
            sl_alloc_array(manifest->directory_count + run->directory_count + 1,
                           sizeof(*lists.directories)),
    };

    lists.args[0] = sl_bytes_of(slash != NULL ? slash + 1 : manifest->source);
    for (size_t i = 0; i < arg_count; i++)
        lists.args[i + 1] = sl_bytes_of(args[i]);
    for (size_t i = 0; i < manifest->env_count; i++)
        add_variable(&lists, &manifest->env[i]);
    for (size_t i = 0; i < run->env_count; i++)
        add_variable(&lists, &run->env[i]);
    for (size_t i = 0; i < manifest->directory_count; i++)
        add_directory(&lists, &manifest->directories[i]);
    for (size_t i = 0; i < run->directory_count; i++)
        add_directory(&lists, &run->directories[i]);
    return lists;
}

/* What a run gets; borrows from lists. */
static struct sl_bridge_run
make_run(const struct sl_manifest_component *manifest,
         const struct sl_host_run *run, struct lists *lists)
{
    bool own_args = run->args != NULL;
    size_t arg_count = own_args ? run->arg_count : manifest->arg_count;
    int64_t timeout_ms =
        run->timeout_ms >= 0 ? run->timeout_ms : manifest->timeout_ms;

    *lists = make_lists(manifest, run, own_args ? run->args : manifest->args,
                        arg_count);
    return (struct sl_bridge_run){
        .args = lists->args,
        .arg_count = arg_count + 1,
        .env = lists->env,
        .env_count = lists->env_count,
        .directories = lists->directories,
        .directory_count = lists->directory_count,
        .tcp = sl_sockets_have_tcp(manifest),
        .udp = sl_sockets_have_udp(manifest),
        .max_memory = (uint64_t)manifest->memory,
        .timeout_ms = (uint64_t)timeout_ms,
    };
}

static void start_program(struct sl_host *host, const struct sl_host_run *run)
{
    SL_CLEANUP(lists_done) struct lists lists;
    struct sl_bridge_run request =
        make_run(host->components[0].manifest, run, &lists);

    sl_host_stdio_prepare(run->raw_output);
    request.inherit_stdin = true;
    request.stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
    request.stderr_is_terminal = isatty(STDERR_FILENO) == 1;
    request.write = sl_host_stdio_write;
    sl_tsan_boundary_leave();
    sl_bridge_program_start(host->components[0].program, &request, run_done,
                            host);
}

/* The longest that a trigger of it allows; each keeps to its own. */
static int64_t trigger_timeout_ms(const struct sl_manifest *manifest,
                                  const struct sl_manifest_component *component)
{
    int64_t longest = 0;

    for (size_t i = 0; i < manifest->trigger_count; i++)
        if (manifest->triggers[i].component == component &&
            manifest->triggers[i].timeout_ms > longest)
            longest = manifest->triggers[i].timeout_ms;
    return longest;
}

enum sl_status sl_host_prepare(struct sl_host *host,
                               const struct sl_host_run *run,
                               struct sl_error *err)
{
    const struct sl_manifest *manifest = host->manifest;

    for (size_t i = 0; i < manifest->component_count; i++) {
        SL_CLEANUP(lists_done) struct lists lists;
        struct sl_manifest_component *component = &manifest->components[i];
        struct sl_bridge_run request = make_run(component, run, &lists);
        if (request.timeout_ms == 0)
            request.timeout_ms =
                (uint64_t)trigger_timeout_ms(manifest, component);
        request.output = sl_host_output_line;
        request.output_context = &host->components[i].output;
        sl_tsan_boundary_leave();
        enum sl_status status = sl_bridge_program_prepare(
            host->components[i].program, &request, err);
        if (status != SL_OK)
            return sl_fail_in(err, "%s", component->source);
    }
    return SL_OK;
}

static enum sl_status fill_outcome(const struct sl_host *host,
                                   struct sl_host_outcome *outcome,
                                   struct sl_error *err)
{
    *outcome = (struct sl_host_outcome){
        .message = host->message,
        .backtrace = host->backtrace,
    };
    switch (host->end) {
    case SL_BRIDGE_RETURNED:
        outcome->end = SL_HOST_EXITED;
        return SL_OK;
    case SL_BRIDGE_EXITED:
        outcome->end = SL_HOST_EXITED;
        outcome->exit_code = host->exit_code;
        return SL_OK;
    case SL_BRIDGE_TRAPPED:
        outcome->end = SL_HOST_TRAPPED;
        return SL_OK;
    case SL_BRIDGE_TIMED_OUT:
        outcome->end = SL_HOST_TIMED_OUT;
        return SL_OK;
    case SL_BRIDGE_FAILED:
    case SL_BRIDGE_RETRY: /* only handlers end so */
    case SL_BRIDGE_REJECTED:
        break;
    }
    return sl_fail(err, SL_UNAVAILABLE, "%s: could not be started: %s",
                   host->components[0].manifest->source, host->message);
}

enum sl_status sl_host_run(struct sl_host *host, const struct sl_host_run *run,
                           struct sl_host_outcome *outcome,
                           struct sl_error *err)
{
    sl_freep(&host->message);
    sl_freep(&host->backtrace);
    host->message = NULL;
    host->backtrace = NULL;

    start_program(host, run);
    if (wait_for_end(host, run->interrupt)) {
        sl_host_stdio_finish();
        return fill_outcome(host, outcome, err);
    }
    *outcome = (struct sl_host_outcome){
        .end = SL_HOST_INTERRUPTED,
        .message = "",
        .backtrace = "",
    };
    return SL_OK;
}
