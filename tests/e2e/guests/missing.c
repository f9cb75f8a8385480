/* SPDX-License-Identifier: Apache-2.0 */
/* Imports that no host provides: wit/missing. */
#include "app.h"

int main(void)
{
    app_string_t item;

    app_string_set(&item, "item");
    app_plain();
    return (int)(acme_warehouse_stock_count(&item) +
                 acme_warehouse_prices_of(&item) + slight_kv_stor_get() +
                 wasi_cli_keyboard_key());
}
