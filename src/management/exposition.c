/* SPDX-License-Identifier: Apache-2.0 */
#include "management/exposition.h"

void sl_exposition_write(const struct sl_exposition *exposition)
{
    sl_exposition_write_process(exposition);
    sl_exposition_write_components(exposition);
    if (exposition->triggers != NULL)
        sl_exposition_write_triggers(exposition);
    sl_exposition_write_resources(exposition);
    sl_exposition_write_output(exposition);
}
