/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As many sets of headers as it gets, of 120 KiB each, none of them dropped:
 * more of the host's memory than of its own.  The path says how they are made.
 */
#include <unistd.h>

#include "http_reply.h"

enum {
    SETS = 4000,
    ENTRIES = 15,
    BYTES = 8 << 10,
    PAUSE = 50,
    LONG = 1 << 20,
    NAMES = 300
};

static wasi_http_types_own_fields_t
make_list(wasi_http_types_list_tuple2_field_name_field_value_t *list)
{
    wasi_http_types_own_fields_t fields;
    wasi_http_types_header_error_t error;

    if (!wasi_http_types_static_fields_from_list(list, &fields, &error))
        abort();
    return fields;
}

static wasi_http_types_own_fields_t
make_by_append(wasi_http_types_list_tuple2_field_name_field_value_t *list)
{
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    wasi_http_types_header_error_t error;

    for (size_t i = 0; i < ENTRIES; i++)
        if (!wasi_http_types_method_fields_append(
                wasi_http_types_borrow_fields(fields), &list->ptr[i].f0,
                &list->ptr[i].f1, &error))
            abort();
    return fields;
}

/* A clone is a copy as soon as it is changed. */
static wasi_http_types_own_fields_t
make_clone(wasi_http_types_list_tuple2_field_name_field_value_t *list)
{
    static wasi_http_types_own_fields_t first;
    static bool made;
    wasi_http_types_header_error_t error;
    http_string_t name = {(uint8_t *)"y", 1};
    wasi_http_types_field_value_t value = {(uint8_t *)"1", 1};

    if (!made)
        first = make_list(list);
    made = true;
    wasi_http_types_own_fields_t fields = wasi_http_types_method_fields_clone(
        wasi_http_types_borrow_fields(first));
    if (!wasi_http_types_method_fields_append(
            wasi_http_types_borrow_fields(fields), &name, &value, &error))
        abort();
    return fields;
}

/* Where the headers are a request's, which has a body that nobody reads. */
static void
make_request(wasi_http_types_list_tuple2_field_name_field_value_t *list)
{
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(make_list(list));
    wasi_http_types_own_outgoing_body_t body;
    wasi_http_types_own_output_stream_t stream;
    wasi_io_streams_stream_error_t error;
    uint64_t room;

    if (!wasi_http_types_method_outgoing_request_body(
            wasi_http_types_borrow_outgoing_request(request), &body) ||
        !wasi_http_types_method_outgoing_body_write(
            wasi_http_types_borrow_outgoing_body(body), &stream) ||
        !wasi_io_streams_method_output_stream_check_write(
            wasi_io_streams_borrow_output_stream(stream), &room, &error))
        abort();
    http_list_u8_t piece = {calloc(1, room), room};
    if (piece.ptr == NULL ||
        !wasi_io_streams_method_output_stream_write(
            wasi_io_streams_borrow_output_stream(stream), &piece, &error))
        abort();
    free(piece.ptr);
}

/* A request that has no headers, but a long method or authority. */
static void make_named(bool method)
{
    static uint8_t letters[LONG];
    http_string_t text = {letters, LONG};
    wasi_http_types_method_t other = {.tag = WASI_HTTP_TYPES_METHOD_OTHER,
                                      .val.other = text};
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(
            wasi_http_types_constructor_fields());
    wasi_http_types_borrow_outgoing_request_t borrowed =
        wasi_http_types_borrow_outgoing_request(request);

    memset(letters, 'x', sizeof(letters));
    if (method)
        (void)wasi_http_types_method_outgoing_request_set_method(borrowed,
                                                                 &other);
    else
        (void)wasi_http_types_method_outgoing_request_set_authority(borrowed,
                                                                    &text);
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    static uint8_t bytes[BYTES];
    wasi_http_types_tuple2_field_name_field_value_t entries[ENTRIES];
    wasi_http_types_list_tuple2_field_name_field_value_t list = {entries,
                                                                 ENTRIES};
    char *path = http_path(wasi_http_types_borrow_incoming_request(owned));

    if (path == NULL)
        abort();
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < ENTRIES; i++) {
        entries[i].f0 = (http_string_t){(uint8_t *)"x", 1};
        entries[i].f1 = (wasi_http_types_field_value_t){bytes, BYTES};
    }
    int sets = strcmp(path, "/method") == 0 || strcmp(path, "/authority") == 0
                   ? NAMES
                   : SETS;
    for (int i = 0; i < sets && strcmp(path, "/hello") != 0; i++) {
        if (i == PAUSE) /* so that several have as much at the same time */
            sleep(1);
        if (strcmp(path, "/append") == 0)
            make_by_append(&list);
        else if (strcmp(path, "/clone") == 0)
            make_clone(&list);
        else if (strcmp(path, "/request") == 0)
            make_request(&list);
        else if (strcmp(path, "/method") == 0 ||
                 strcmp(path, "/authority") == 0)
            make_named(path[1] == 'm');
        else if (strcmp(path, "/dropped") == 0)
            wasi_http_types_fields_drop_own(make_list(&list));
        else
            make_list(&list);
    }
    http_reply_text(out, 200, "made\n");
    free(path);
}
