/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border to Rust, for ThreadSanitizer.
 *
 * It sees neither Rust's locks and atomics, which hand an instance from thread
 * to thread, nor that the stacks of guests, on which our functions run, are
 * used again by other threads; it would call both races.  So in its eyes
 * everything before a leave happened before everything after the next enter.
 * That hides races between guests from it, which the tests without guests look
 * for. Without ThreadSanitizer these are nothing.
 *
 * A function that Rust calls begins with SL_CALLED_BY_BRIDGE, before its first
 * declaration: it enters there, and leaves when it returns, after all that
 * SL_CLEANUP frees.  Who calls Rust for what another thread is going to do
 * leaves first.
 */
#ifndef SL_BASE_BORDER_H
#define SL_BASE_BORDER_H

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
extern char sl_border;
#define sl_border_enter() __tsan_acquire(&sl_border)
#define sl_border_leave() __tsan_release(&sl_border)

static inline char sl_border_entered(void)
{
    sl_border_enter();
    return 0;
}

static inline void sl_border_left(const char *entered)
{
    (void)entered;
    sl_border_leave();
}

#define SL_CALLED_BY_BRIDGE                                                    \
    SL_CLEANUP(sl_border_left)                                                 \
    const char at_border __attribute__((unused)) = sl_border_entered()
#else
#define sl_border_enter() ((void)0)
#define sl_border_leave() ((void)0)
#define SL_CALLED_BY_BRIDGE ((void)0)
#endif

#endif
