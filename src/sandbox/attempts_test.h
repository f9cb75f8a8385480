/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined process tries: what must fail, and what must work. */
#ifndef SL_SANDBOX_ATTEMPTS_TEST_H
#define SL_SANDBOX_ATTEMPTS_TEST_H

#include <stddef.h>

/* Folders of the test, and files in them; escape_test.c makes them. */
extern char folder[];
extern char granted[64], readable[64], outside[64];

enum { ALLOWED_PORT = 1 }; /* where nothing listens */

/* An attempt's errno; 0: it worked. */
typedef int attempt_fn(void);

struct attempt {
    const char *name;
    attempt_fn *run;
    int expected;
    int abi; /* of Landlock, from which on it fails; 0: by seccomp */
};

extern const struct attempt attempts[];
extern const size_t attempt_count;

/* What must still work. */
extern const struct attempt uses[];
extern const size_t use_count;

/* Some of them by themselves. */
int try_execve(void);
int try_outside(void);
int try_socket(int family, int type, int protocol);

#endif
