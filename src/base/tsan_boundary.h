/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boundary to Rust, for ThreadSanitizer.
 *
 * ThreadSanitizer sees neither Rust's locks and atomics, which pass an instance
 * from thread to thread, nor that other threads reuse the stacks of guests, on
 * which our functions run.  It would report both as races.  So everything
 * before a leave is declared to happen before everything after the next enter.
 * That hides races between guests, which the tests without guests look for.
 * Without ThreadSanitizer these macros do nothing.
 *
 * A function that Rust calls begins with SL_CALLED_BY_BRIDGE, before its first
 * declaration: it enters there, and leaves when it returns, after all that
 * SL_CLEANUP frees.  A function that calls Rust for what another thread is
 * going to do leaves first.
 */
#ifndef SL_BASE_TSAN_BOUNDARY_H
#define SL_BASE_TSAN_BOUNDARY_H

#include "base/bytes.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SL_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SL_TSAN 1
#endif

#ifdef SL_TSAN
#include <sanitizer/tsan_interface.h>
extern char sl_tsan_boundary;
#define sl_tsan_boundary_enter() __tsan_acquire(&sl_tsan_boundary)
#define sl_tsan_boundary_leave() __tsan_release(&sl_tsan_boundary)

static inline char sl_tsan_boundary_entered(void)
{
    sl_tsan_boundary_enter();
    return 0;
}

static inline void sl_tsan_boundary_left(const char *entered)
{
    (void)entered;
    sl_tsan_boundary_leave();
}

#define SL_CALLED_BY_BRIDGE                                                    \
    SL_CLEANUP(sl_tsan_boundary_left)                                          \
    const char at_boundary __attribute__((unused)) = sl_tsan_boundary_entered()
#else
#define sl_tsan_boundary_enter() ((void)0)
#define sl_tsan_boundary_leave() ((void)0)
#define SL_CALLED_BY_BRIDGE ((void)0)
#endif

#endif
