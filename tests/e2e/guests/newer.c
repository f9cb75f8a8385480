/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component for slight:kv 0.2.1, which has one function more than 0.2.0
 * (wit/newer of the build).  Only with CALLS_TOUCH does it import that.
 */
#include <stdio.h>

#include "imports.h"

static int failed(const char *call, const slight_kv_store_error_t *error)
{
    printf("%s: %.*s\n", call, (int)error->message.len,
           (const char *)error->message.ptr);
    return 1;
}

int main(void)
{
    slight_kv_store_own_bucket_t own;
    slight_kv_store_error_t error;
    imports_string_t name;
    imports_string_t key;
    imports_list_u8_t value = {(uint8_t *)"of a newer guest", 16};
    imports_option_list_u8_t found;

    imports_string_set(&name, "store");
    imports_string_set(&key, "key");
    if (!slight_kv_store_static_bucket_open(&name, &own, &error))
        return failed("open", &error);
    slight_kv_store_borrow_bucket_t bucket = slight_kv_store_borrow_bucket(own);
    if (!slight_kv_store_method_bucket_set(bucket, &key, &value, &error))
        return failed("set", &error);
#ifdef CALLS_TOUCH
    if (!slight_kv_store_method_bucket_touch(bucket, &key, &error))
        return failed("touch", &error);
#endif
    if (!slight_kv_store_method_bucket_get(bucket, &key, &found, &error))
        return failed("get", &error);
    printf("value: %.*s\n", (int)found.val.len, (const char *)found.val.ptr);
    return 0;
}
