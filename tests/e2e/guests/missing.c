/* SPDX-License-Identifier: Apache-2.0 */
/* Imports that no host provides: wit/missing.  With an argument it calls none. */
#include "app.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    app_string_t item;

    (void)argv;
    if (argc > 1) {
        puts("called nobody");
        return 0;
    }
    app_string_set(&item, "item");
    app_plain();
    return (int)(acme_warehouse_stock_count(&item) +
                 acme_warehouse_prices_of(&item) + slight_kv_stor_get() +
                 wasi_cli_keyboard_key());
}
