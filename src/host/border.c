/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ThreadSanitizer is told: see border.h.  Without it, nothing is here.
 */
#include "host/border.h"

#ifdef SL_TSAN

char sl_border;

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

typedef int sl_border_is_empty; /* C wants something in a file */

#endif
