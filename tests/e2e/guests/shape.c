/* SPDX-License-Identifier: Apache-2.0 */
/* Another function behind the name of slight:kv/store: wit/shape. */
#include "app.h"

int main(void)
{
    return (int)slight_kv_store_static_bucket_open(1);
}
