/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The half that waits for the process that compiles, and ends it.
 */
#include "host/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/log.h"
#include "base/option.h"
#include "host/compile_internal.h"

enum {
    REPORT_MS = 2000, /* before that nobody needs to know */
    MESSAGE_MAX = 4096,
    KEPT_MAX = 32, /* variables */
};

/* What the child needs is made before the fork: after it, in a process with
 * other threads, only the simplest calls are safe. */
struct plan {
    char *argv[6];
    char *env[KEPT_MAX + 1];
    char name[8];
    char argument[16];
    char engine[2 * sizeof(struct sl_bridge_engine_config) + 1];
    char memory[24];
    char cpu[24];
    uint64_t cpu_seconds;
    pid_t parent;
    int wasm, code, message;
};

/* What a program needs to start at all, where it is not installed as usual, or
 * instrumented. */
static void plan_environment(struct plan *plan)
{
    static const char *const kept[] = {"LD_", "ASAN_", "LSAN_", "TSAN_",
                                       "UBSAN_"};
    size_t count = 0;

    for (char **env = environ; *env != NULL && count < KEPT_MAX; env++)
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
            if (strncmp(*env, kept[i], strlen(kept[i])) == 0)
                plan->env[count++] = *env;
}

static void plan_child(struct plan *plan, const struct sl_compile *compile)
{
    const uint8_t *bytes = (const uint8_t *)compile->engine;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    for (size_t i = 0; i < sizeof(*compile->engine); i++)
        snprintf(plan->engine + 2 * i, 3, "%02x", bytes[i]);
    /* The parent enforces the time-out; this limit is for a child that has lost
     * its parent. */
    if (compile->timeout_ms > 0)
        plan->cpu_seconds = ((uint64_t)compile->timeout_ms / 1000 + 2) *
                            (uint64_t)(processors > 0 ? processors : 1);
    snprintf(plan->memory, sizeof(plan->memory), "%" PRId64, compile->memory);
    snprintf(plan->cpu, sizeof(plan->cpu), "%" PRIu64, plan->cpu_seconds);
    snprintf(plan->name, sizeof(plan->name), "slight");
    snprintf(plan->argument, sizeof(plan->argument), SL_COMPILE_ARGUMENT);
    plan->argv[0] = plan->name;
    plan->argv[1] = plan->argument;
    plan->argv[2] = plan->engine;
    plan->argv[3] = plan->memory;
    plan->argv[4] = plan->cpu;
    plan->parent = getpid();
    plan_environment(plan);
}

/* Ctrl-C and the end of a terminal reach both processes; the parent decides. */
static void leave_signals_to_parent(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &ignore, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_child(const struct plan *plan,
                               const struct sl_compile *compile)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan->parent)
        _exit(SL_COMPILE_FAILED + SL_INTERNAL);
    leave_signals_to_parent();
    if (dup2(plan->wasm, STDIN_FILENO) < 0 ||
        dup2(plan->code, STDOUT_FILENO) < 0 ||
        dup2(plan->message, STDERR_FILENO) < 0)
        _exit(SL_COMPILE_FAILED + SL_INTERNAL);
    syscall(SYS_close_range, STDERR_FILENO + 1U, ~0U, 0U);
    execve("/proc/self/exe", plan->argv, plan->env);
    /* There is no /proc, or it may not be executed: compile in this one. */
    _exit(sl_compile_within(compile->engine, (uint64_t)compile->memory,
                            plan->cpu_seconds));
}

/* A child that runs, and how it ended. */
struct child {
    pid_t pid;
    int message; /* to be read; it ends when the child ends */
    struct sl_buf text;
    int status; /* of waitpid */
    bool interrupted;
    bool timed_out;
};

static enum sl_status fail_start(const struct sl_compile *compile,
                                 const char *what, struct sl_error *err)
{
    return sl_fail(err, SL_INTERNAL, "%s: it cannot be compiled: %s: %s",
                   compile->source, what, strerror(errno));
}

static enum sl_status start_child(const struct sl_compile *compile, int code,
                                  struct child *child, struct sl_error *err)
{
    struct plan plan = {.wasm = compile->wasm, .code = code};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_start(compile, "pipe", err);
    plan.message = ends[1];
    plan_child(&plan, compile);
    child->pid = fork();
    if (child->pid == 0)
        be_child(&plan, compile);
    close(ends[1]);
    child->message = ends[0];
    if (child->pid > 0)
        return SL_OK;
    enum sl_status status = fail_start(compile, "fork", err);
    sl_closep(&child->message);
    return status;
}

/* False at the end of the message. */
static bool read_message(struct child *child)
{
    uint8_t piece[512];
    ssize_t got = read(child->message, piece, sizeof(piece));

    if (got > 0) /* what exceeds the limit is dropped */
        (void)!sl_buf_append(&child->text, SL_BYTES(piece, (size_t)got), NULL);
    return got > 0 || (got < 0 && errno == EINTR);
}

static void log_progress(const struct sl_compile *compile, const char *event,
                         int64_t begin_ns)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("file", compile->source),
        SL_FIELD_TIME("ms", sl_now_ns() - begin_ns),
    };

    sl_log_write(SL_LOG_INFO, event, fields, 2);
}

static int ms_left(int64_t begin_ns, int64_t after_ms)
{
    int64_t left = after_ms - (sl_now_ns() - begin_ns) / 1000000;

    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Until it ends, or must be ended. */
static void watch_child(const struct sl_compile *compile, struct child *child)
{
    struct pollfd fds[2] = {{.fd = child->message, .events = POLLIN},
                            {.fd = compile->interrupt, .events = POLLIN}};
    const int64_t begin_ns = sl_now_ns();
    bool is_reported = !compile->tell;

    for (;;) {
        int wait_ms = compile->timeout_ms > 0
                          ? ms_left(begin_ns, compile->timeout_ms)
                          : -1;
        int report_ms = is_reported ? -1 : ms_left(begin_ns, REPORT_MS);
        bool is_time = wait_ms == 0;
        if (report_ms == 0 && !is_time) {
            log_progress(compile, "compiling", begin_ns);
            is_reported = true;
            continue;
        }
        if (report_ms > 0 && (wait_ms < 0 || report_ms < wait_ms))
            wait_ms = report_ms;
        fds[0].revents = fds[1].revents = 0;
        (void)poll(fds, 2, wait_ms);
        child->interrupted = fds[1].revents != 0;
        if (child->interrupted || (fds[0].revents != 0 && !read_message(child)))
            break;
        child->timed_out = is_time && fds[0].revents == 0;
        if (child->timed_out)
            break;
    }
    if (compile->tell && is_reported && !child->interrupted)
        log_progress(compile, "compile-end", begin_ns);
}

/* A child that has closed its message ends by itself. */
static void end_child(struct child *child)
{
    if (child->interrupted || child->timed_out)
        kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        ;
    sl_closep(&child->message);
}

/* The memory that ended it was the address space, of which the process that
 * compiles has no more than this one. */
static enum sl_status fail_without_space(const struct sl_compile *compile,
                                         struct sl_error *err)
{
    struct rlimit space = {0};
    char amount[32];

    (void)getrlimit(RLIMIT_AS, &space);
    sl_option_write_amount(SL_OPTION_SIZE, (int64_t)space.rlim_cur, amount,
                           sizeof(amount));
    return sl_fail(err, SL_UNAVAILABLE,
                   "%s: compiling it takes more address space than the process "
                   "may have (%s); raise that limit (ulimit -v)",
                   compile->source, amount);
}

static enum sl_status fail_at_limit(const struct sl_compile *compile,
                                    enum sl_status status, struct sl_error *err)
{
    bool is_time = status == SL_TIMEOUT;
    const char *name = is_time ? "compile-timeout" : "compile-memory";
    char amount[32];

    sl_option_write_amount(is_time ? SL_OPTION_DURATION_MS : SL_OPTION_SIZE,
                           is_time ? compile->timeout_ms : compile->memory,
                           amount, sizeof(amount));
    return sl_fail(err, status,
                   "%s: compiling it takes more %s than %s allows (%s); raise "
                   "it in [component] of the manifest, or by --%s",
                   compile->source, is_time ? "time" : "memory", name, amount,
                   name);
}

static bool says_no_memory(const char *text)
{
    static const char *const words[] = {
        "memory allocation of", "event=out-of-memory", "out of memory",
        "Cannot allocate memory", "allocation-size-too-big"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

/* A failed allocation ends the process by SIGABRT. */
static bool is_out_of_memory(const struct child *child, const char *text)
{
    if (says_no_memory(text))
        return true;
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) ==
                                          SL_COMPILE_FAILED + SL_UNAVAILABLE
                                    : WTERMSIG(child->status) == SIGABRT;
}

static enum sl_status fail_signalled(const struct sl_compile *compile,
                                     int number, struct sl_error *err)
{
    if (number == SIGXFSZ)
        return fail_at_limit(compile, SL_UNAVAILABLE, err);
    if (number == SIGXCPU)
        return fail_at_limit(compile, SL_TIMEOUT, err);
    if (number == SIGKILL)
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: compiling it was ended from outside (SIGKILL), as "
                       "the system does where memory is short; lower "
                       "compile-memory to be told the limit, or give it more",
                       compile->source);
    return sl_fail(err, SL_INTERNAL,
                   "%s: the compiler crashed on this component (signal "
                   "%d)",
                   compile->source, number);
}

static enum sl_status check_end(const struct sl_compile *compile,
                                const struct child *child, struct sl_error *err)
{
    const char *text = (const char *)child->text.ptr;
    const size_t mark = sizeof(SL_COMPILE_LITTLE_SPACE) - 1;
    bool has_little_space = strncmp(text, SL_COMPILE_LITTLE_SPACE, mark) == 0;
    int code = WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1;

    if (has_little_space)
        text += mark;

    if (child->interrupted)
        return sl_fail(err, SL_CONFLICT, "%s: interrupted", compile->source);
    if (child->timed_out)
        return fail_at_limit(compile, SL_TIMEOUT, err);
    if (code == 0)
        return SL_OK;
    if (is_out_of_memory(child, text))
        return has_little_space ? fail_without_space(compile, err)
                                : fail_at_limit(compile, SL_UNAVAILABLE, err);
    if (code < 0)
        return fail_signalled(compile, WTERMSIG(child->status), err);
    bool is_own =
        code > SL_COMPILE_FAILED && code < SL_COMPILE_FAILED + SL_STATUS_COUNT;
    return sl_fail(
        err, is_own ? (enum sl_status)(code - SL_COMPILE_FAILED) : SL_INTERNAL,
        "%s: %s%s", compile->source, text,
        code == SL_COMPILE_FAILED + SL_TOO_LARGE
            ? "; raise memory in [component] of the manifest"
            : "");
}

enum sl_status sl_compile(const struct sl_compile *compile, int *code,
                          struct sl_error *err)
{
    struct child child = {.message = -1, .text = SL_BUF(MESSAGE_MAX)};
    SL_CLEANUP(sl_closep) int fd = memfd_create("slight-code", MFD_CLOEXEC);

    if (fd < 0)
        return fail_start(compile, "memfd", err);
    enum sl_status status = start_child(compile, fd, &child, err);
    if (status != SL_OK)
        return status;
    watch_child(compile, &child);
    end_child(&child);
    status = sl_buf_append(&child.text, SL_LITERAL("\0"), err);
    if (status != SL_OK) /* the message was longer than is kept */
        child.text.ptr[child.text.len - 1] = '\0';
    status = check_end(compile, &child, err);
    sl_buf_done(&child.text);
    if (status != SL_OK)
        return status;
    *code = fd;
    fd = -1; /* handed over */
    return SL_OK;
}
