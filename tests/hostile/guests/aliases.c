/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose arguments are far larger than the component's memory: entries of
 * a list that all point at the same bytes.  The path says which; what is
 * answered is the error's code and message, or "ok".
 */
#include <stdio.h>

#include "http_reply.h"

enum { MANY = 1000, SETS = 10000, NULLS = 32766, LARGE = 16 << 20 };

static uint8_t *large;

static http_string_t text_of(const char *text)
{
    return (http_string_t){(uint8_t *)text, strlen(text)};
}

/* LARGE bytes of a text; one, wherever it is asked for. */
static http_string_t large_text(void)
{
    return (http_string_t){large, LARGE};
}

static void *array_of(size_t count, size_t size)
{
    void *array = calloc(count, size);

    if (array == NULL)
        abort();
    return array;
}

static void tell(wasi_http_types_own_response_outparam_t out, bool ok,
                 const slight_types_errors_error_t *error)
{
    char line[600];

    if (ok)
        snprintf(line, sizeof(line), "ok\n");
    else
        snprintf(line, sizeof(line), "%d %.*s\n", error->code,
                 (int)error->message.len, (const char *)error->message.ptr);
    http_reply_text(out, 200, line);
}

/* --- wasi:http ---------------------------------------------------------- */

static void pass_fields(wasi_http_types_own_response_outparam_t out)
{
    enum { ENTRIES = 512, BYTES = 8 << 20 };
    wasi_http_types_list_tuple2_field_name_field_value_t list = {
        array_of(ENTRIES, sizeof(*list.ptr)), ENTRIES};
    wasi_http_types_own_fields_t fields;
    wasi_http_types_header_error_t error;

    for (size_t i = 0; i < ENTRIES; i++) {
        list.ptr[i].f0 = text_of("x");
        list.ptr[i].f1 = (wasi_http_types_field_value_t){large, BYTES};
    }
    bool ok = wasi_http_types_static_fields_from_list(&list, &fields, &error);
    http_reply_text(out, 200, ok ? "ok\n" : "refused\n");
}

/* --- sql ---------------------------------------------------------------- */

static void pass_sets(wasi_http_types_own_response_outparam_t out,
                      slight_sql_database_list_value_t *one)
{
    slight_sql_database_list_list_value_t sets = {
        array_of(SETS, sizeof(*sets.ptr)), SETS};
    http_string_t name = text_of("db"),
                  statement = text_of("INSERT INTO t VALUES (?)");
    slight_sql_database_own_connection_t connection;
    slight_types_errors_error_t error;
    slight_sql_database_done_t done;

    for (size_t i = 0; i < SETS; i++)
        sets.ptr[i] = *one;
    bool ok = slight_sql_database_static_connection_open(&name, &connection,
                                                         &error) &&
              slight_sql_database_method_connection_execute_many(
                  slight_sql_database_borrow_connection(connection), &statement,
                  &sets, &done, &error);
    tell(out, ok, &error);
}

static void pass_nulls(wasi_http_types_own_response_outparam_t out)
{
    slight_sql_database_list_value_t nulls = {
        array_of(NULLS, sizeof(*nulls.ptr)), NULLS};

    pass_sets(out, &nulls);
}

/* LARGE bytes that take long to be read. */
static void pass_json(wasi_http_types_own_response_outparam_t out)
{
    slight_sql_database_list_value_t json = {array_of(1, sizeof(*json.ptr)), 1};

    memset(large, ' ', LARGE);
    large[LARGE - 1] = '1';
    json.ptr[0].tag = SLIGHT_SQL_DATABASE_VALUE_JSON;
    json.ptr[0].val.json = large_text();
    pass_sets(out, &json);
}

/* As much as one call may have, of which the last byte is wrong: all of it is
 * read, several times. */
static void pass_texts(wasi_http_types_own_response_outparam_t out)
{
    enum { TEXTS = 3, TIMES = 10 };
    slight_sql_database_list_value_t texts = {
        array_of(TEXTS, sizeof(*texts.ptr)), TEXTS};
    slight_sql_database_own_connection_t db;
    slight_types_errors_error_t error;
    slight_sql_database_rows_t rows;
    http_string_t name = text_of("db"), statement = text_of("SELECT ?, ?, ?");

    for (size_t i = 0; i < LARGE; i += 2)
        memcpy(large + i, "\xc3\xa9", 2);
    large[0] = ' ';
    large[1] = '"';
    large[LARGE - 2] = '"';
    large[LARGE - 1] = 'x';
    for (size_t i = 0; i < TEXTS; i++) {
        texts.ptr[i].tag = SLIGHT_SQL_DATABASE_VALUE_JSON;
        texts.ptr[i].val.json = large_text();
    }
    bool ok = slight_sql_database_static_connection_open(&name, &db, &error);
    for (int n = 0; n < TIMES; n++)
        ok = slight_sql_database_method_connection_query(
            slight_sql_database_borrow_connection(db), &statement, &texts,
            &rows, &error);
    tell(out, ok, &error);
}

/* --- kv ----------------------------------------------------------------- */

static bool open_bucket(slight_kv_store_own_bucket_t *bucket,
                        slight_types_errors_error_t *error)
{
    http_string_t name = text_of("kv");

    return slight_kv_store_static_bucket_open(&name, bucket, error);
}

static void pass_keys(wasi_http_types_own_response_outparam_t out, bool get)
{
    http_list_string_t keys = {array_of(MANY, sizeof(*keys.ptr)), MANY};
    slight_kv_store_list_result_bool_error_t deleted;
    slight_types_errors_error_t error;
    slight_kv_store_own_bucket_t bucket;
    http_list_option_list_u8_t got;

    for (size_t i = 0; i < MANY; i++)
        keys.ptr[i] = large_text();
    bool ok = open_bucket(&bucket, &error);
    if (ok && get)
        ok = slight_kv_store_method_bucket_get_many(
            slight_kv_store_borrow_bucket(bucket), &keys, &got, &error);
    else if (ok) {
        ok = slight_kv_store_method_bucket_delete_many(
            slight_kv_store_borrow_bucket(bucket), &keys, &deleted, &error);
        if (ok && deleted.len > 0 && deleted.ptr[0].is_err) {
            error = deleted.ptr[0].val.err;
            ok = false;
        }
    }
    tell(out, ok, &error);
}

static void pass_values(wasi_http_types_own_response_outparam_t out)
{
    http_list_tuple2_string_list_u8_t entries = {
        array_of(MANY, sizeof(*entries.ptr)), MANY};
    slight_kv_store_list_result_void_error_t set;
    slight_types_errors_error_t error;
    slight_kv_store_own_bucket_t bucket;

    for (size_t i = 0; i < MANY; i++) {
        entries.ptr[i].f0 = text_of("k");
        entries.ptr[i].f1 = (http_list_u8_t){large, LARGE};
    }
    bool ok =
        open_bucket(&bucket, &error) &&
        slight_kv_store_method_bucket_set_many(
            slight_kv_store_borrow_bucket(bucket), &entries, &set, &error);
    tell(out, ok, &error);
}

/* What is allowed still is: one value of the most bytes that a manifest allows
 * where it says nothing. */
static void pass_value(wasi_http_types_own_response_outparam_t out)
{
    http_string_t key = text_of("large");
    http_list_u8_t value = {large, LARGE};
    slight_types_errors_error_t error;
    slight_kv_store_own_bucket_t bucket;

    bool ok = open_bucket(&bucket, &error) &&
              slight_kv_store_method_bucket_set(
                  slight_kv_store_borrow_bucket(bucket), &key, &value, &error);
    tell(out, ok, &error);
}

/* --- mq and pubsub ------------------------------------------------------ */

enum { ATTRIBUTES = 64 };

static http_tuple2_string_string_t *large_attributes(void)
{
    http_tuple2_string_string_t *pairs = array_of(ATTRIBUTES, sizeof(*pairs));

    for (size_t i = 0; i < ATTRIBUTES; i++) {
        pairs[i].f0 = text_of("name");
        pairs[i].f1 = large_text();
    }
    return pairs;
}

static void pass_messages(wasi_http_types_own_response_outparam_t out,
                          bool attributes)
{
    slight_mq_queue_list_outgoing_t list = {array_of(MANY, sizeof(*list.ptr)),
                                            MANY};
    http_tuple2_string_string_t *pairs = large_attributes();
    http_string_t name = text_of("mq");
    slight_mq_queue_list_result_string_error_t sent;
    slight_types_errors_error_t error;
    slight_mq_queue_own_queue_t queue;

    for (size_t i = 0; i < MANY; i++) {
        if (attributes)
            list.ptr[i].attributes =
                (slight_mq_types_attributes_t){pairs, ATTRIBUTES};
        else
            list.ptr[i].payload = (http_list_u8_t){large, 256 << 10};
    }
    bool ok = slight_mq_queue_static_queue_open(&name, &queue, &error) &&
              slight_mq_queue_method_queue_send_many(
                  slight_mq_queue_borrow_queue(queue), &list, &sent, &error);
    tell(out, ok, &error);
}

static void pass_events(wasi_http_types_own_response_outparam_t out,
                        bool attributes)
{
    slight_pubsub_topics_list_outgoing_t list = {
        array_of(MANY, sizeof(*list.ptr)), MANY};
    http_tuple2_string_string_t *pairs = large_attributes();
    http_string_t name = text_of("pubsub"), topic = text_of("t");
    slight_pubsub_topics_list_result_void_error_t published;
    slight_types_errors_error_t error;
    slight_pubsub_topics_own_broker_t broker;

    for (size_t i = 0; i < MANY; i++) {
        if (attributes)
            list.ptr[i].attributes =
                (slight_pubsub_types_attributes_t){pairs, ATTRIBUTES};
        else
            list.ptr[i].payload = (http_list_u8_t){large, 256 << 10};
    }
    bool ok = slight_pubsub_topics_static_broker_open(&name, &broker, &error) &&
              slight_pubsub_topics_method_broker_publish_many(
                  slight_pubsub_topics_borrow_broker(broker), &topic, &list,
                  &published, &error);
    tell(out, ok, &error);
}

/* --- Names -------------------------------------------------------------- */

static void pass_lock(wasi_http_types_own_response_outparam_t out)
{
    http_string_t name = text_of("lockd"), key = large_text();
    slight_types_errors_error_t error;
    slight_lockd_locks_own_service_t service;
    bool locked;

    bool ok =
        slight_lockd_locks_static_service_open(&name, &service, &error) &&
        slight_lockd_locks_method_service_is_locked(
            slight_lockd_locks_borrow_service(service), &key, &locked, &error);
    tell(out, ok, &error);
}

static void pass_name(wasi_http_types_own_response_outparam_t out)
{
    http_string_t name = large_text();
    slight_types_errors_error_t error;
    slight_kv_store_own_bucket_t bucket;

    tell(out, slight_kv_store_static_bucket_open(&name, &bucket, &error),
         &error);
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    char *path = http_path(wasi_http_types_borrow_incoming_request(owned));

    large = malloc(LARGE);
    if (path == NULL || large == NULL)
        abort();
    memset(large, 'x', LARGE);
    if (strcmp(path, "/fields") == 0)
        pass_fields(out);
    else if (strcmp(path, "/nulls") == 0)
        pass_nulls(out);
    else if (strcmp(path, "/texts") == 0)
        pass_texts(out);
    else if (strcmp(path, "/json") == 0)
        pass_json(out);
    else if (strcmp(path, "/get") == 0 || strcmp(path, "/delete") == 0)
        pass_keys(out, path[1] == 'g');
    else if (strcmp(path, "/values") == 0)
        pass_values(out);
    else if (strcmp(path, "/value") == 0)
        pass_value(out);
    else if (strncmp(path, "/messages", 9) == 0)
        pass_messages(out, path[9] != '\0');
    else if (strncmp(path, "/events", 7) == 0)
        pass_events(out, path[7] != '\0');
    else if (strcmp(path, "/lock") == 0)
        pass_lock(out);
    else
        pass_name(out);
    free(path);
}
