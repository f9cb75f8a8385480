/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ThreadSanitizer is told: see border.h.  Without it, nothing is here.
 */
#include "base/border.h"

#ifdef SL_TSAN
char sl_border;
#else
typedef int sl_border_is_empty; /* C wants something in a file */
#endif
