/* SPDX-License-Identifier: Apache-2.0 */
/* A later version of slight:kv/store: wit/version. */
#include "app.h"

int main(void)
{
    app_string_t key;
    app_string_t value;

    app_string_set(&key, "key");
    slight_kv_store_get(&key, &value);
    return (int)value.len;
}
