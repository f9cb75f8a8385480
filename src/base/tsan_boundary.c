/* SPDX-License-Identifier: Apache-2.0 */
/* The variable of tsan_boundary.h; nothing without ThreadSanitizer. */
#include "base/tsan_boundary.h"

#ifdef SL_TSAN
char sl_tsan_boundary;
#else
typedef int sl_tsan_boundary_is_empty; /* C wants something in a file */
#endif
