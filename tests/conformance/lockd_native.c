/* SPDX-License-Identifier: Apache-2.0 */
/* lockd_cases.h over src/lockd; and the cases with threads and processes. */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lockd/driver.h"
#include "lockd_cases.h"
#include "native.h"

/* --- The interface ------------------------------------------------------ */

struct lock {
    struct sl_service *service;
    struct sl_lock *lock;
};

static struct sl_bytes in(struct bytes bytes)
{
    return SL_BYTES(bytes.ptr, bytes.len);
}

static enum status answer_of(struct sl_service *service,
                             const struct sl_lockd_request *request,
                             struct sl_lockd_answer *answer)
{
    (void)sl_service_do(service, NULL, request, 1, answer);
    return status_of((const struct sl_answer *)answer);
}

static struct sl_lockd_request acquire_request(struct bytes key,
                                               struct lock_options options)
{
    return (struct sl_lockd_request){
        .verb = SL_LOCKD_ACQUIRE,
        .key = in(key),
        .ttl_ms = options.ttl_ms,
        .has_wait = options.has_wait,
        .wait_ms = options.wait_ms,
        .keep_alive = options.keep_alive,
    };
}

enum status lock_acquire(struct resource *resource, struct bytes key,
                         struct lock_options options, struct lock **out)
{
    const struct sl_lockd_request request = acquire_request(key, options);
    struct sl_service *service = resource->store.service;
    struct sl_lockd_answer answer;

    *out = NULL;
    enum status status = answer_of(service, &request, &answer);
    if (status != WORKED)
        return status;
    *out = sl_alloc(sizeof(**out));
    (*out)->service = service;
    (*out)->lock = sl_lock_new(service, &request);
    sl_lock_grant((*out)->lock, &answer);
    return WORKED;
}

enum status lock_is_locked(struct resource *resource, struct bytes key,
                           bool *locked)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_IS_LOCKED,
                                             .key = in(key)};
    struct sl_lockd_answer answer;

    enum status status = answer_of(resource->store.service, &request, &answer);
    *locked = answer.locked;
    return status;
}

bool lock_has_key(struct lock *lock, struct bytes key)
{
    return sl_bytes_equal(sl_lock_key(lock->lock), in(key));
}

uint64_t lock_token(struct lock *lock)
{
    return sl_lock_fencing_token(lock->lock);
}

uint64_t lock_ttl_ms(struct lock *lock)
{
    return sl_lock_ttl_ms(lock->lock);
}

bool lock_is_held(struct lock *lock)
{
    return sl_lock_is_held(lock->lock);
}

static enum status tell(struct lock *lock, enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock->lock, verb);
    struct sl_lockd_answer answer;

    enum status status = answer_of(lock->service, &request, &answer);
    sl_lock_note(lock->lock, verb, &answer);
    return status;
}

enum status lock_renew(struct lock *lock)
{
    return tell(lock, SL_LOCKD_RENEW);
}

enum status lock_release(struct lock *lock)
{
    return tell(lock, SL_LOCKD_RELEASE);
}

void lock_drop(struct lock *lock)
{
    sl_lock_free(lock->lock);
    free(lock);
}

/* --- Clocks ------------------------------------------------------------- */

static atomic_long
    jump_s; /* of the system's clock, in the eyes of this process */

/* In place of libc's: what is linked statically calls this one. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_REALTIME)
        now->tv_sec += atomic_load(&jump_s);
    return (int)result;
}

/* --- Many at once ------------------------------------------------------- */

enum { PROCESSES = 3, THREADS = 3, GRANTS = 1000 };

/* What all of them see. */
struct arena {
    atomic_int inside;
    atomic_long grants;
    atomic_ulong last_token;
    atomic_int wrong;
};

static const char arena_name[] = "arena";

/* In a file beside the driver's own. */
static struct arena *map_arena(const char *path)
{
    FILE *file = fopen(path, "a+");

    CHECK(file != NULL && ftruncate(fileno(file), sizeof(struct arena)) == 0);
    void *map = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE,
                     MAP_SHARED, fileno(file), 0);
    fclose(file);
    CHECK(map != MAP_FAILED);
    return map;
}

struct contender {
    struct resource *resource;
    struct arena *arena;
};

static void be_inside(struct arena *arena, struct lock *lock)
{
    unsigned long token = lock_token(lock);

    if (atomic_fetch_add(&arena->inside, 1) != 0)
        atomic_fetch_add(&arena->wrong, 1);
    if (atomic_exchange(&arena->last_token, token) >= token)
        atomic_fetch_add(&arena->wrong, 1);
    if (!lock_is_held(lock))
        atomic_fetch_add(&arena->wrong, 1);
    atomic_fetch_sub(&arena->inside, 1);
    atomic_fetch_add(&arena->grants, 1);
}

static void *contend(void *context)
{
    struct contender *contender = context;
    static const struct lock_options options = {
        .ttl_ms = 60000, .has_wait = true, .wait_ms = 120000};
    struct lock *lock;

    while (atomic_load(&contender->arena->grants) < GRANTS) {
        atomic_store(&jump_s, (long)arc4random_uniform(200000) - 100000);
        if (lock_acquire(contender->resource, TEXT("contended"), options,
                         &lock) != WORKED) {
            atomic_fetch_add(&contender->arena->wrong, 1);
            return NULL;
        }
        be_inside(contender->arena, lock);
        if (arc4random_uniform(2) == 0 && lock_release(lock) != WORKED)
            atomic_fetch_add(&contender->arena->wrong, 1);
        lock_drop(lock);
    }
    return NULL;
}

static void contend_here(struct resource *resource, const char *path)
{
    struct contender contender = {resource, map_arena(path)};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, contend, &contender) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    munmap(contender.arena, sizeof(struct arena));
}

static void reap(pid_t pid)
{
    int how;

    CHECK(waitpid(pid, &how, 0) == pid);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void never_two(struct resource *resource)
{
    char path[] = "/tmp/slight-arena-XXXXXX";
    pid_t pids[PROCESSES];
    int out;

    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    setenv("SL_TEST_ARENA", path, 1);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = start_process(arena_name, &out);
        close(out);
    }
    contend_here(resource, path);
    for (int i = 0; i < PROCESSES; i++)
        reap(pids[i]);
    struct arena *arena = map_arena(path);
    long grants = atomic_load(&arena->grants);
    int wrong = atomic_load(&arena->wrong);
    munmap(arena, sizeof(*arena));
    unlink(path);
    atomic_store(&jump_s, 0);
    CHECK(grants >= GRANTS);
    CHECK(wrong == 0);
}

/* --- In line ------------------------------------------------------------ */

/* Who waits, and gives it back as soon as it has it. */
struct waiter {
    struct resource *resource;
    struct sl_call *call;
    atomic_int *served;
    atomic_int place; /* in which it was served */
};

static void have_turn(void *context)
{
    struct waiter *waiter = context;
    struct sl_lockd_answer answer;

    sl_call_collect(waiter->call, &answer);
    if (answer.err.status == SL_OK) {
        const struct sl_lockd_request release = {
            .verb = SL_LOCKD_RELEASE,
            .key = SL_LITERAL("key"),
            .holder = sl_bytes_of(answer.holder),
        };
        int place = atomic_fetch_add(waiter->served, 1);
        sl_service_post(waiter->resource->store.service, NULL, &release, 1);
        atomic_store(&waiter->place, place);
    } else {
        atomic_store(&waiter->place, INT_MAX);
    }
}

/* Once this is answered, what was submitted before has been run. */
static void flush(struct resource *resource)
{
    const struct sl_lockd_request renew = {
        .verb = SL_LOCKD_RENEW,
        .key = SL_LITERAL("another key"),
        .holder = SL_LITERAL("nobody"),
        .ttl_ms = LOCKD_TTL_MIN_MS,
    };
    struct sl_lockd_answer answer;

    FAILS(answer_of(resource->store.service, &renew, &answer), CONFLICT);
}

static void in_order_of_arrival(struct resource *resource)
{
    enum { WAITERS = 8 };
    static const struct lock_options options = {
        .ttl_ms = 60000, .has_wait = true, .wait_ms = 120000};
    const struct sl_lockd_request request =
        acquire_request(TEXT("key"), options);
    struct waiter waiters[WAITERS];
    struct resource *other = resource_again();
    atomic_int served = 0;
    struct lock *lock;

    CHECK(other != NULL);
    OK(lock_acquire(resource, TEXT("key"), options, &lock));
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *waiter = &waiters[i];
        *waiter = (struct waiter){.resource = i % 2 == 0 ? resource : other,
                                  .served = &served,
                                  .place = -1};
        sl_service_submit(waiter->resource->store.service, NULL, &request, 1,
                          have_turn, waiter, &waiter->call);
        flush(waiter->resource);
    }
    lock_give_back(lock);
    for (int i = 0; i < WAITERS; i++) {
        for (int tries = 0; tries < 6000 && waiters[i].place == -1; tries++)
            sleep_ms(10);
        CHECK(waiters[i].place == i);
        sl_call_release(waiters[i].call);
    }
    resource_close(other);
}

static void no_op(void *context)
{
    (void)context;
}

/* Whoever gave up, in this process, holds up nobody. */
static void who_gives_up_leaves(struct resource *resource)
{
    static const struct lock_options patient = {
        .ttl_ms = 60000, .has_wait = true, .wait_ms = 60000};
    const struct sl_lockd_request request =
        acquire_request(TEXT("key"), patient);
    struct lock *lock;
    struct sl_call *call;

    for (int i = 0; i < 10; i++) {
        OK(lock_acquire(resource, TEXT("key"), patient, &lock));
        sl_service_submit(resource->store.service, NULL, &request, 1, no_op,
                          NULL, &call);
        sleep_ms(10);
        sl_call_release(call);
        lock_drop(lock);
    }
    OK(lock_acquire(resource, TEXT("key"), patient, &lock));
    lock_give_back(lock);
}

/* --- Holders that sleep, and die ---------------------------------------- */

static const struct lock_options short_and_kept = {.ttl_ms = LOCKD_TTL_MIN_MS,
                                                   .has_wait = true,
                                                   .wait_ms = 60000,
                                                   .keep_alive = true};

/* Take it, say with which token, and say at the end whether it is held. */
static void hold(struct resource *resource)
{
    struct lock *lock;
    char line[8];

    OK(lock_acquire(resource, TEXT("key"), short_and_kept, &lock));
    printf("%lu\n", (unsigned long)lock_token(lock));
    fflush(stdout);
    for (int i = 0; i < 600 && lock_is_held(lock); i++)
        sleep_ms(100);
    snprintf(line, sizeof(line), "%s", lock_is_held(lock) ? "held" : "lost");
    puts(line);
    fflush(stdout);
    lock_drop(lock);
}

void suite_work(struct resource *resource, const char *what)
{
    if (strcmp(what, arena_name) == 0)
        contend_here(resource, getenv("SL_TEST_ARENA"));
    else
        hold(resource);
}

bool suite_dialect(const char *name)
{
    (void)name;
    return true;
}

static unsigned long read_token(FILE *from)
{
    char line[64];

    CHECK(fgets(line, sizeof(line), from) != NULL);
    return strtoul(line, NULL, 10);
}

static void a_holder_that_sleeps(struct resource *resource)
{
    struct lock *lock;
    char line[64];
    int out;

    pid_t pid = start_process("hold", &out);
    FILE *from = fdopen(out, "r");
    unsigned long token = read_token(from);
    CHECK(kill(pid, SIGSTOP) == 0);
    OK(lock_acquire(resource, TEXT("key"), short_and_kept, &lock));
    CHECK(lock_token(lock) > token);
    CHECK(kill(pid, SIGCONT) == 0);
    CHECK(fgets(line, sizeof(line), from) != NULL);
    CHECK(strcmp(line, "lost\n") == 0);
    reap(pid);
    fclose(from);
    CHECK(lock_is_held(lock));
    lock_give_back(lock);
}

static void a_holder_that_is_killed(struct resource *resource)
{
    struct lock *lock;
    bool locked;
    int out;

    pid_t pid = start_process("hold", &out);
    FILE *from = fdopen(out, "r");
    unsigned long token = read_token(from);
    sleep_ms(LOCKD_TTL_MIN_MS * 2);
    OK(lock_is_locked(resource, TEXT("key"), &locked));
    CHECK(locked);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    fclose(from);
    OK(lock_acquire(resource, TEXT("key"), short_and_kept, &lock));
    CHECK(lock_token(lock) > token);
    lock_give_back(lock);
}

/* A waiter that is killed stands in nobody's way for long. */
static void a_waiter_that_is_killed(struct resource *resource)
{
    struct lock *lock;
    int out;

    OK(lock_acquire(resource, TEXT("key"), short_and_kept, &lock));
    pid_t pid = start_process("hold", &out);
    sleep_ms(1000); /* that it stands in line */
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    close(out);
    lock_give_back(lock);
    OK(lock_acquire(resource, TEXT("key"), short_and_kept, &lock));
    lock_give_back(lock);
}

static void text_that_is_none(struct resource *resource)
{
    struct lock *lock;

    FAILS(lock_acquire(resource, TEXT("\xff"), short_and_kept, &lock),
          INVALID_ARGUMENT);
}

const struct suite_case lockd_side_cases[] = {
    {"never two, and tokens grow, though clocks jump", LOCKD_NEEDS_SHARED,
     never_two},
    {"in the order of arrival", LOCKD_NEEDS_FAIR | LOCKD_NEEDS_SHARED,
     in_order_of_arrival, .holds = "lockd-6"},
    {"who gives up leaves the line", 0, who_gives_up_leaves},
    {"a holder that sleeps", LOCKD_NEEDS_SHARED, a_holder_that_sleeps},
    {"a holder that is killed", LOCKD_NEEDS_SHARED, a_holder_that_is_killed},
    {"a waiter that is killed", LOCKD_NEEDS_SHARED, a_waiter_that_is_killed},
    {"a key that is no text", 0, text_that_is_none},
    {0},
};
