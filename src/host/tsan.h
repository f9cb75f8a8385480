/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where Rust hands something from one thread to another, ThreadSanitizer sees
 * neither Rust's locks nor its atomics, and would call the next access a race.
 * These two tell it: everything before the release of an address happened
 * before everything after the next acquire of it.  Nothing without it.
 */
#ifndef SL_HOST_TSAN_H
#define SL_HOST_TSAN_H

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
#define sl_tsan_acquire(address) __tsan_acquire(address)
#define sl_tsan_release(address) __tsan_release(address)
#else
#define sl_tsan_acquire(address) ((void)(address))
#define sl_tsan_release(address) ((void)(address))
#endif

#endif
