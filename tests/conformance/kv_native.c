/* SPDX-License-Identifier: Apache-2.0 */
/* kv_cases.h over src/kv, without a guest. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/driver.h"
#include "kv_cases.h"
#include "native.h"

_Static_assert((int)INTERNAL == (int)SL_INTERNAL, "not the same words");

static struct sl_bytes in(struct bytes bytes)
{
    return SL_BYTES(bytes.ptr, bytes.len);
}

static enum status status_of_answer(const struct sl_kv_answer *answer)
{
    return status_of((const struct sl_answer *)answer);
}

/* One request; the answer is the caller's to finish with. */
static enum status call(struct resource *kv, struct sl_kv_request request,
                        struct sl_kv_answer *answer)
{
    (void)sl_service_do(kv->store.service, NULL, &request, 1, answer);
    return status_of_answer(answer);
}

static struct sl_kv_request request(enum sl_kv_verb verb, struct bytes key)
{
    return (struct sl_kv_request){.verb = verb, .key = in(key)};
}

static void take_value(const struct sl_kv_answer *answer,
                       struct kv_value *value)
{
    struct sl_bytes bytes = answer->value.bytes;

    *value = (struct kv_value){.found = answer->found, .len = bytes.len};
    if (answer->found)
        value->ptr = (uint8_t *)sl_strndup(bytes.ptr, bytes.len);
    memcpy(value->version, answer->version, sizeof(value->version));
}

enum status kv_get(struct resource *kv, struct bytes key,
                   struct kv_value *value)
{
    struct sl_kv_answer answer;
    enum status status = call(kv, request(SL_KV_GET, key), &answer);

    if (status == WORKED)
        take_value(&answer, value);
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_get_entry(struct resource *kv, struct bytes key,
                         struct kv_value *value)
{
    struct sl_kv_answer answer;
    struct sl_kv_request get = request(SL_KV_GET, key);

    get.want_version = true;
    enum status status = call(kv, get, &answer);
    if (status == WORKED)
        take_value(&answer, value);
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_exists(struct resource *kv, struct bytes key, bool *found)
{
    struct sl_kv_answer answer;
    enum status status = call(kv, request(SL_KV_EXISTS, key), &answer);

    if (status == WORKED)
        *found = answer.found;
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_set(struct resource *kv, struct bytes key, struct bytes value)
{
    struct sl_kv_answer answer;
    struct sl_kv_request set = request(SL_KV_SET, key);

    set.value = in(value);
    enum status status = call(kv, set, &answer);
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_set_with(struct resource *kv, struct bytes key,
                        struct bytes value, struct kv_options options,
                        char version[KV_VERSION_MAX + 1])
{
    struct sl_kv_answer answer;
    struct sl_kv_request set = request(SL_KV_SET, key);

    set.value = in(value);
    set.condition = (enum sl_kv_condition)options.condition;
    if (options.condition == KV_VERSION)
        set.version = sl_bytes_of(options.version);
    set.has_ttl = options.has_ttl;
    set.ttl_ms = options.ttl_ms;
    set.want_version = true;
    enum status status = call(kv, set, &answer);
    if (status == WORKED)
        memcpy(version, answer.version, KV_VERSION_MAX + 1);
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_delete(struct resource *kv, struct bytes key, bool *found)
{
    struct sl_kv_answer answer;
    enum status status = call(kv, request(SL_KV_DELETE, key), &answer);

    if (status == WORKED)
        *found = answer.found;
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_delete_if(struct resource *kv, struct bytes key,
                         const char *version)
{
    struct sl_kv_answer answer;
    struct sl_kv_request delete = request(SL_KV_DELETE, key);

    delete.condition = SL_KV_VERSION;
    delete.version = sl_bytes_of(version);
    enum status status = call(kv, delete, &answer);
    sl_kv_answer_done(&answer);
    return status;
}

enum status kv_increment(struct resource *kv, struct bytes key, int64_t delta,
                         int64_t *sum)
{
    struct sl_kv_answer answer;
    struct sl_kv_request increment = request(SL_KV_INCREMENT, key);

    increment.delta = delta;
    enum status status = call(kv, increment, &answer);
    if (status == WORKED)
        *sum = answer.number;
    sl_kv_answer_done(&answer);
    return status;
}

static void take_page(const struct sl_kv_answer *answer, struct kv_page *page)
{
    const char *key = (const char *)answer->keys.ptr;

    *page = (struct kv_page){.count = answer->key_count};
    page->keys = sl_alloc_array(answer->key_count, sizeof(char *));
    for (size_t i = 0; i < page->count; i++) {
        page->keys[i] = sl_strdup(key);
        key += strlen(key) + 1;
    }
    if (answer->next.len > 0)
        page->next = sl_strndup(answer->next.ptr, answer->next.len);
}

enum status kv_keys(struct resource *kv, struct bytes prefix,
                    const char *cursor, uint32_t limit, struct kv_page *page)
{
    struct sl_kv_answer answer;
    struct sl_kv_request keys = request(SL_KV_KEYS, prefix);

    keys.limit = limit;
    if (cursor != NULL)
        keys.cursor = sl_bytes_of(cursor);
    enum status status = call(kv, keys, &answer);
    if (status == WORKED)
        take_page(&answer, page);
    sl_kv_answer_done(&answer);
    return status;
}

/* --- On many keys ------------------------------------------------------- */

static struct sl_kv_answer *call_many(struct resource *kv, enum sl_kv_verb verb,
                                      const struct bytes keys[],
                                      const struct bytes values[], size_t count)
{
    struct sl_kv_request *requests = sl_alloc_array(count, sizeof(*requests));
    struct sl_kv_answer *answers = sl_alloc_array(count, sizeof(*answers));

    for (size_t i = 0; i < count; i++) {
        requests[i] = request(verb, keys[i]);
        if (values != NULL)
            requests[i].value = in(values[i]);
    }
    (void)sl_service_do(kv->store.service, NULL, requests, count, answers);
    free(requests);
    return answers;
}

static void answers_free(struct sl_kv_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_kv_answer_done(&answers[i]);
    free(answers);
}

enum status kv_get_many(struct resource *kv, const struct bytes keys[],
                        size_t count, struct kv_value values[])
{
    struct sl_kv_answer *answers = call_many(kv, SL_KV_GET, keys, NULL, count);
    enum status status = WORKED;

    for (size_t i = 0; i < count && status == WORKED; i++)
        status = status_of_answer(&answers[i]);
    for (size_t i = 0; i < count && status == WORKED; i++)
        take_value(&answers[i], &values[i]);
    answers_free(answers, count);
    return status;
}

/* The status of the call as a whole, and that of each key. */
static enum status take_each(const struct sl_kv_answer *answers, size_t count,
                             enum status each[], bool found[])
{
    if (count > 0 && answers[0].refused)
        return status_of_answer(&answers[0]);
    for (size_t i = 0; i < count; i++) {
        each[i] = status_of_answer(&answers[i]);
        if (found != NULL)
            found[i] = answers[i].found;
    }
    return WORKED;
}

enum status kv_set_many(struct resource *kv, const struct bytes keys[],
                        const struct bytes values[], size_t count,
                        enum status each[])
{
    struct sl_kv_answer *answers =
        call_many(kv, SL_KV_SET, keys, values, count);
    enum status status = take_each(answers, count, each, NULL);

    answers_free(answers, count);
    return status;
}

enum status kv_delete_many(struct resource *kv, const struct bytes keys[],
                           size_t count, enum status each[], bool found[])
{
    struct sl_kv_answer *answers =
        call_many(kv, SL_KV_DELETE, keys, NULL, count);
    enum status status = take_each(answers, count, each, found);

    answers_free(answers, count);
    return status;
}

/* --- What the program needs --------------------------------------------- */

bool suite_dialect(const char *name)
{
    (void)name;
    return true;
}
