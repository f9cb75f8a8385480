/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key-value stores for tests: a driver by its name, with settings written as a
 * manifest has them.
 */
#ifndef TEST_SUPPORT_STORES_H
#define TEST_SUPPORT_STORES_H

#include "service/driver.h"

struct test_store {
    struct sl_service *service;
    const struct sl_capability *capability;
    const struct sl_driver *driver;
    void *config;  /* the capability's struct, filled */
    void *options; /* the driver's struct, filled */
    char *text;    /* what the options borrow from */
};

/*
 * Fill everything but service.  Settings are lines `name = "text"`, `name = 5`
 * or `name = true`; ${env:NAME} in them is a variable of the environment, which
 * must be set.  What is not named has its default.
 */
SL_MUST_CHECK enum sl_status test_store_set(struct test_store *store,
                                            const char *driver,
                                            const char *settings,
                                            struct sl_error *err);

/* The same, and open it. */
SL_MUST_CHECK enum sl_status test_store_open(struct test_store *store,
                                             const char *driver,
                                             const char *settings,
                                             struct sl_error *err);

/*
 * Put what the running services say of themselves (SL_TEST_SERVICES/NAME.env,
 * lines NAME=value) into the environment.  Before any thread.
 */
void test_services_load(void);

/* Remove a folder and the files in it. */
void test_remove_folder(const char *folder);

/* Close and free; fine for a zeroed one. */
void test_store_done(struct test_store *store);

#endif
