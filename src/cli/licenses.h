/* SPDX-License-Identifier: Apache-2.0 */
/* The third-party notices: what slight is linked with, under which licenses. */
#ifndef SL_CLI_LICENSES_H
#define SL_CLI_LICENSES_H

#include <stdio.h>

/* The shared libraries of this program, then what is linked statically, with
 * the texts of the licenses (scripts/notices.sh). */
void sl_licenses_print(FILE *out);

#endif
