/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ThreadSanitizer's settings, for every program that has Rust in it.  Without
 * it, nothing is here.
 */
#include "base/border.h"

#ifdef SL_TSAN

/* Its name for it. */
const char *__tsan_default_options(void);

/*
 * Rust is not instrumented, but its calls of memcpy and malloc are seen.  And
 * Wasmtime leaves the handler of a guest's trap by a jump, so that whatever
 * comes after it looks like a part of the handler.
 */
const char *__tsan_default_options(void)
{
    return "ignore_interceptors_accesses=1:report_signal_unsafe=0";
}

#else

typedef int sl_tsan_is_empty; /* C wants something in a file */

#endif
