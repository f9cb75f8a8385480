/* SPDX-License-Identifier: Apache-2.0 */
/* WASI: header fields, requests to others, and output. */
#include "chaos.h"

#include <stdio.h>

static void drop_fields(int32_t handle)
{
    wasi_http_types_fields_drop_own((wasi_http_types_own_fields_t){handle});
}

static struct chaos_handles all_fields = {.drop = drop_fields};

static void new_fields(void)
{
    chaos_keep(&all_fields, wasi_http_types_constructor_fields().__handle);
}

static void fields_from_list(void)
{
    wasi_http_types_list_tuple2_field_name_field_value_t list = {
        .len = chaos_count()};
    http_string_t name = chaos_text();
    http_list_u8_t bytes = chaos_bytes();
    wasi_http_types_own_fields_t fields;
    wasi_http_types_header_error_t error;

    list.ptr = chaos_new(list.len, sizeof(*list.ptr));
    for (size_t i = 0; i < list.len; i++) {
        list.ptr[i].f0 = name;
        list.ptr[i].f1 = (wasi_http_types_field_value_t){bytes.ptr, bytes.len};
    }
    if (wasi_http_types_static_fields_from_list(&list, &fields, &error))
        chaos_keep(&all_fields, fields.__handle);
}

static void append_field(void)
{
    http_string_t name = chaos_text();
    http_list_u8_t bytes = chaos_bytes();
    wasi_http_types_field_value_t value = {bytes.ptr, bytes.len};
    wasi_http_types_borrow_fields_t fields;
    wasi_http_types_header_error_t error;

    if (chaos_any(&all_fields, &fields.__handle))
        (void)wasi_http_types_method_fields_append(fields, &name, &value,
                                                   &error);
}

static void clone_fields(void)
{
    wasi_http_types_list_tuple2_field_name_field_value_t entries;
    wasi_http_types_borrow_fields_t fields;

    if (!chaos_any(&all_fields, &fields.__handle))
        return;
    chaos_keep(&all_fields,
               wasi_http_types_method_fields_clone(fields).__handle);
    wasi_http_types_method_fields_entries(fields, &entries);
}

/* To where it may not: denied, before anything goes out. */
static void send_request(void)
{
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(
            wasi_http_types_constructor_fields());
    wasi_http_types_borrow_outgoing_request_t borrowed =
        wasi_http_types_borrow_outgoing_request(request);
    wasi_http_types_own_future_incoming_response_t response;
    wasi_http_types_error_code_t error;
    http_string_t authority = chaos_text(), path = chaos_text();

    (void)wasi_http_types_method_outgoing_request_set_authority(borrowed,
                                                                &authority);
    (void)wasi_http_types_method_outgoing_request_set_path_with_query(borrowed,
                                                                      &path);
    if (wasi_http_outgoing_handler_handle(request, NULL, &response, &error))
        wasi_http_types_future_incoming_response_drop_own(response);
}

static void write_output(void)
{
    http_list_u8_t bytes = chaos_bytes();

    fwrite(bytes.ptr, 1, bytes.len < 5000 ? bytes.len : 5000, stdout);
    fputs(chaos_once_in(2) ? "\r\033[2J\n" : "\n", stdout);
    fflush(stdout);
}

static void drop_any_fields(void)
{
    int32_t handle;

    if (chaos_take(&all_fields, &handle))
        drop_fields(handle);
}

chaos_act *const chaos_http_acts[] = {
    new_fields,   fields_from_list, append_field,    clone_fields,
    send_request, write_output,     drop_any_fields, NULL};
