/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a driver of any capability that does what the test says: it
 * answers, fails, waits, and counts; and a capability with two verbs.
 */
#ifndef SL_SERVICE_FAKE_TEST_H
#define SL_SERVICE_FAKE_TEST_H

#include <pthread.h>

#include "service/driver.h"

enum { FAKE_PLANS = 16, FAKE_KEYS = 64 };

/* What happens to one op. */
struct fake_plan {
    enum sl_status status;
    bool unsent;
};

/* Both the options of the driver and its store.  `mutex` protects what the test
 * and the driver use at the same time. */
struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct fake_plan plans[FAKE_PLANS]; /* of the first ops; others succeed */
    /* Answers an op that succeeds; NULL: of the capability below. */
    void (*answer)(struct fake *fake, struct sl_op *op);
    int open_failures;           /* so many times open is unavailable */
    size_t value_len;            /* of each answer to a READ */
    bool gate_closed;            /* run waits until it opens */
    int stuck;                   /* if not 0, at most so many runs wait there */
    enum sl_status check_status; /* the result of `check` */
    bool check_hangs;            /* until the test clears it */
    int ops, runs, waiting, opened, closed, checks;
    pthread_t ran_on; /* the last run */
    size_t largest_batch;
    char keys[FAKE_KEYS][16]; /* of the first ops */
};

void fake_init(struct fake *fake);
/* The same happens to all of the first FAKE_PLANS ops. */
void fake_plan_all(struct fake *fake, struct fake_plan plan);
void fake_set_gate(struct fake *fake, bool closed);
/* Wait until a run waits at the gate. */
void fake_wait_run(struct fake *fake);

/* The functions of the driver. */
enum sl_status fake_store_new(const void *options, void **store,
                              struct sl_error *err);
void fake_store_free(void *store);
enum sl_status fake_open(void *store, sl_deadline deadline, void **connection,
                         struct sl_error *err);
void fake_close(void *connection);
bool fake_reset(void *connection);
enum sl_status fake_check(void *store, sl_deadline deadline,
                          struct sl_error *err);
void fake_run(void *connection, struct sl_op *const ops[], size_t count);

extern const struct sl_option fake_options[];

/* The members of a driver with these functions, which a test adds to. */
#define FAKE_DRIVER                                                            \
    .options = fake_options, .options_size = sizeof(struct fake),              \
    .max_batch = 64, .store_new = fake_store_new,                              \
    .store_free = fake_store_free, .open = fake_open, .close = fake_close,     \
    .run = fake_run, .reset = fake_reset

/* --- The capability "fake" ------------------------------------------------ */

enum fake_verb { FAKE_READ, FAKE_WRITE }; /* a READ may be repeated */

struct fake_request {
    uint32_t verb;
    struct sl_bytes key; /* 1 or more bytes */
    struct sl_bytes value;
};

struct fake_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    bool found;
    struct sl_held value;
};
SL_ASSERT_IS_ANSWER(struct fake_answer);

extern const struct sl_capability fake_capability;
extern const struct sl_driver fake_driver;
extern const struct sl_driver fake_inline; /* answers a READ in place */
extern const struct sl_driver fake_safe;   /* blocking_safe */

/* A service over one of these drivers. */
struct fake_service {
    struct fake fake;
    struct sl_service_config config;
    struct sl_service *service;
};

/* With one connection and a timeout of an hour.  They fail the test. */
void fake_service_open(struct fake_service *f, const struct sl_driver *driver);
/* Open it again, with its config as it is now. */
void fake_service_reopen(struct fake_service *f,
                         const struct sl_driver *driver);
void fake_service_close(struct fake_service *f);

struct fake_request fake_request(enum fake_verb verb, const char *key);
/* Do one request; the value of its answer is freed. */
struct fake_answer fake_service_do(struct fake_service *f,
                                   const struct fake_request *one);
void fake_answer_done(void *answer);

#endif
