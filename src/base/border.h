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
 */
#ifndef SL_BASE_BORDER_H
#define SL_BASE_BORDER_H

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
#else
#define sl_border_enter() ((void)0)
#define sl_border_leave() ((void)0)
#endif

#endif
