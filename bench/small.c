/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small guest, as one that answers requests would be: one call, no standard
 * input or output.  For the time that an instance takes.
 */
#include "command.h"

int main(void)
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t name, key;
    bool there;

    command_string_set(&name, "store");
    command_string_set(&key, "key");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error))
        return 1;
    return !slight_kv_store_method_bucket_exists(
        slight_kv_store_borrow_bucket(bucket), &key, &there, &error);
}
