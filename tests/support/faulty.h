/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-value driver that does nothing but what a test tells it to: it answers,
 * fails, waits, and counts.
 */
#ifndef TEST_SUPPORT_FAULTY_H
#define TEST_SUPPORT_FAULTY_H

#include <pthread.h>

#include "kv/driver.h"

enum { FAULTY_PLANS = 16, FAULTY_SEEN = 4096 };

/* What happens to the n-th op that the driver gets. */
struct faulty_plan {
    enum sl_status status;
    bool unsent;
};

struct faulty {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct faulty_plan plans[FAULTY_PLANS]; /* then all is well */
    int open_failures; /* so many times open is unavailable, then not */
    size_t value_len;  /* of every GET */
    bool gate_closed;  /* run waits until it opens */
    int stuck;         /* where not 0, only so many runs wait at the gate */
    int ops;
    int runs;
    int waiting;
    int opened;
    int closed;
    pthread_t ran_on; /* the last one */
    size_t largest_batch;
    char keys[FAULTY_SEEN][16]; /* of the ops, in their order */
};

/* Driver options: a pointer to the test's struct. */
struct faulty_options {
    struct faulty *faulty;
};

extern const struct sl_driver faulty_driver; /* everything is submitted */
extern const struct sl_driver faulty_inline; /* GET is inline */
extern const struct sl_driver faulty_aside;  /* may run where others wait */
extern const struct sl_driver faulty_poor;   /* has no features */

void faulty_init(struct faulty *faulty);
void faulty_set_gate(struct faulty *faulty, bool closed);
/* Wait until a run waits at the gate. */
void faulty_wait_run(struct faulty *faulty);

/* One store over the faulty driver. */
struct faulty_store {
    struct faulty faulty;
    struct faulty_options options;
    struct sl_kv_config config;
    struct sl_service *kv;
};

/* On one connection, with a timeout of 20 s.  They fail the test. */
void faulty_store_open(struct faulty_store *f, const struct sl_driver *driver);
void faulty_store_close(struct faulty_store *f);
/* Do one request; the answer's value and keys are thrown away. */
struct sl_kv_answer faulty_store_do(struct faulty_store *f,
                                    const struct sl_kv_request *one);
struct sl_kv_request faulty_request(enum sl_kv_verb verb, const char *key);

#endif
