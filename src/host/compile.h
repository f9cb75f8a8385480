/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling in a process of its own, with an end to its time and its memory.
 *
 * What a component makes of the compiler is known by trying only: 55 KiB can
 * take minutes and gigabytes.  So another process does it, which is this
 * program once more (/proc/self/exe; where that cannot be had, a fork that goes
 * on), with closed descriptors, almost no environment and limits of its own,
 * and which gives all memory back at its end.
 */
#ifndef SL_HOST_COMPILE_H
#define SL_HOST_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "slight_bridge.h"

struct sl_compile {
    const char *source; /* the file, for messages */
    int wasm;           /* a descriptor of its bytes, at their begin */
    const struct sl_bridge_engine_config *engine;
    int64_t timeout_ms; /* 0: no limit */
    int64_t memory;     /* bytes beside those that the program has itself */
    int interrupt;      /* readable: give up at once; -1: none */
    bool tell;          /* the log, what takes longer than two seconds */
};

/*
 * Compile, into a memfd that *code becomes, the caller's to close.
 * SL_INVALID_ARGUMENT, SL_TOO_LARGE: as sl_bridge_compile; SL_TIMEOUT,
 * SL_UNAVAILABLE: a limit was met; SL_CONFLICT: interrupted.  The message names
 * the file and says what to do.
 */
SL_MUST_CHECK enum sl_status sl_compile(const struct sl_compile *compile,
                                        int *code, struct sl_error *err);

/* The first argument of the process that compiles. */
#define SL_COMPILE_ARGUMENT "compile-child"

/*
 * The process that compiles, for main: its exit code.  Standard input is the
 * component, standard output takes the code, standard error the message.
 */
int sl_compile_child(int argc, const char *const argv[]);

#endif
