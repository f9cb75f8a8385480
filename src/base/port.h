/* SPDX-License-Identifier: Apache-2.0 */
/* Port numbers as text. */
#ifndef SL_BASE_PORT_H
#define SL_BASE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Parse 1 to 5 digits of at most 65535.  False, and *port unchanged, for
 * anything else. */
bool sl_port_parse(struct sl_bytes text, uint16_t *port);

#endif
