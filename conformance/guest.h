/* SPDX-License-Identifier: Apache-2.0 */
/* What is only on this side: how a suite opens what its cases work on. */
#ifndef CONFORMANCE_GUEST_H
#define CONFORMANCE_GUEST_H

#include "cases.h"
#include "command.h" /* the bindings */

/* The suite's: open the resource of the manifest that has this name. */
enum status suite_open(const char *name, struct resource **resource);
void suite_close(struct resource *resource);

/* Take away what earlier cases left.  A suite whose kind of resource has a way
 * defines it; guest.c's does nothing: the caller gives each case what is empty.
 */
void suite_empty(struct resource *resource, unsigned features);

/* `--role`: what several instances of the component do together, which share
 * one word.  NULL: the suite has no such role. */
struct suite_roles {
    /* Take something, and end with it; with stay it is killed with it. */
    void (*hold)(struct resource *resource, bool stay);
    case_fn *find;    /* after the holder's end */
    case_fn *contend; /* several at once */
    case_fn *audit;   /* after the contenders' end */
};

extern const struct suite_roles suite_roles;

/* `--dialect`: false where the suite knows none of this name; so does guest.c's,
 * of a suite without dialects. */
bool suite_dialect(const char *name);

/* Keep an error for last_failure, and free it. */
enum status failed(slight_types_errors_error_t *error);

/* A string for a call; borrowed. */
command_string_t string_of(struct bytes bytes);

/* Memory that must be there. */
void *must(void *memory);

/* The first of two resources of every case is "store", the other one "other".
 */
void check_grants(void);

#endif
