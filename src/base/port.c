/* SPDX-License-Identifier: Apache-2.0 */
#include "base/port.h"

bool sl_port_parse(struct sl_bytes text, uint16_t *port)
{
    unsigned long number = 0;

    if (text.len < 1 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        number = number * 10 + (text.ptr[i] - '0');
    }
    if (number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}
