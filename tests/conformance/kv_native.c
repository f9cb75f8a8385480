/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases' interface over src/kv, without a guest, and the program that runs
 * them against one driver:
 *
 *     SL_TEST_DRIVER=kv.redis SL_TEST_SETTINGS=FILE test.conformance.kv
 *     SL_TEST_DRIVER=kv.redis test.conformance.kv --features
 *
 * (the latter prints what the driver can do, as a number).  Each case has a
 * store of its own: @CASE@ in the settings is a word that no other run and no
 * other case has, and @DIR@ an empty folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "kv/driver.h"
#include "kv_cases.h"
#include "manifest/capabilities.h"
#include "support/stores.h"

_Static_assert((int)KV_INTERNAL == (int)SL_INTERNAL, "not the same words");
_Static_assert((int)KV_NEEDS_KEYS == (int)SL_KV_FEATURE_KEYS,
               "not the same features");

/* --- The interface ------------------------------------------------------ */

struct kv {
    struct test_store store;
};

static _Thread_local struct kv_failure last;

const struct kv_failure *kv_last_failure(void)
{
    return &last;
}

void kv_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vprint_error(fmt, args);
    va_end(args);
    print_error("\n");
    _fail(file, line);
    abort(); /* not reached */
}

static struct sl_bytes in(struct kv_bytes bytes)
{
    return SL_BYTES(bytes.ptr, bytes.len);
}

static enum kv_status status_of(const struct sl_kv_answer *answer)
{
    if (answer->err.status == SL_OK)
        return KV_OK;
    last.status = (enum kv_status)answer->err.status;
    last.retryable = answer->retryable;
    snprintf(last.message, sizeof(last.message), "%s", answer->err.message);
    return last.status;
}

/* One request; the answer is the caller's to finish with. */
static enum kv_status call(struct kv *kv, struct sl_kv_request request,
                           struct sl_kv_answer *answer)
{
    (void)sl_service_do(kv->store.service, NULL, &request, 1, answer);
    return status_of(answer);
}

static struct sl_kv_request request(enum sl_kv_verb verb, struct kv_bytes key)
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

enum kv_status kv_get(struct kv *kv, struct kv_bytes key,
                      struct kv_value *value)
{
    struct sl_kv_answer answer;
    enum kv_status status = call(kv, request(SL_KV_GET, key), &answer);

    if (status == KV_OK)
        take_value(&answer, value);
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_get_entry(struct kv *kv, struct kv_bytes key,
                            struct kv_value *value)
{
    struct sl_kv_answer answer;
    struct sl_kv_request get = request(SL_KV_GET, key);

    get.want_version = true;
    enum kv_status status = call(kv, get, &answer);
    if (status == KV_OK)
        take_value(&answer, value);
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_exists(struct kv *kv, struct kv_bytes key, bool *found)
{
    struct sl_kv_answer answer;
    enum kv_status status = call(kv, request(SL_KV_EXISTS, key), &answer);

    if (status == KV_OK)
        *found = answer.found;
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_set(struct kv *kv, struct kv_bytes key, struct kv_bytes value)
{
    struct sl_kv_answer answer;
    struct sl_kv_request set = request(SL_KV_SET, key);

    set.value = in(value);
    enum kv_status status = call(kv, set, &answer);
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_set_with(struct kv *kv, struct kv_bytes key,
                           struct kv_bytes value, struct kv_options options,
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
    enum kv_status status = call(kv, set, &answer);
    if (status == KV_OK)
        memcpy(version, answer.version, KV_VERSION_MAX + 1);
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_delete(struct kv *kv, struct kv_bytes key, bool *found)
{
    struct sl_kv_answer answer;
    enum kv_status status = call(kv, request(SL_KV_DELETE, key), &answer);

    if (status == KV_OK)
        *found = answer.found;
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_delete_if(struct kv *kv, struct kv_bytes key,
                            const char *version)
{
    struct sl_kv_answer answer;
    struct sl_kv_request delete = request(SL_KV_DELETE, key);

    delete.condition = SL_KV_VERSION;
    delete.version = sl_bytes_of(version);
    enum kv_status status = call(kv, delete, &answer);
    sl_kv_answer_done(&answer);
    return status;
}

enum kv_status kv_increment(struct kv *kv, struct kv_bytes key, int64_t delta,
                            int64_t *sum)
{
    struct sl_kv_answer answer;
    struct sl_kv_request increment = request(SL_KV_INCREMENT, key);

    increment.delta = delta;
    enum kv_status status = call(kv, increment, &answer);
    if (status == KV_OK)
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

enum kv_status kv_keys(struct kv *kv, struct kv_bytes prefix,
                       const char *cursor, uint32_t limit, struct kv_page *page)
{
    struct sl_kv_answer answer;
    struct sl_kv_request keys = request(SL_KV_KEYS, prefix);

    keys.limit = limit;
    if (cursor != NULL)
        keys.cursor = sl_bytes_of(cursor);
    enum kv_status status = call(kv, keys, &answer);
    if (status == KV_OK)
        take_page(&answer, page);
    sl_kv_answer_done(&answer);
    return status;
}

/* --- On many keys ------------------------------------------------------- */

static struct sl_kv_answer *call_many(struct kv *kv, enum sl_kv_verb verb,
                                      const struct kv_bytes keys[],
                                      const struct kv_bytes values[],
                                      size_t count)
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

enum kv_status kv_get_many(struct kv *kv, const struct kv_bytes keys[],
                           size_t count, struct kv_value values[])
{
    struct sl_kv_answer *answers = call_many(kv, SL_KV_GET, keys, NULL, count);
    enum kv_status status = KV_OK;

    for (size_t i = 0; i < count && status == KV_OK; i++)
        status = status_of(&answers[i]);
    for (size_t i = 0; i < count && status == KV_OK; i++)
        take_value(&answers[i], &values[i]);
    answers_free(answers, count);
    return status;
}

/* The status of the call as a whole, and that of each key. */
static enum kv_status take_each(const struct sl_kv_answer *answers,
                                size_t count, enum kv_status each[],
                                bool found[])
{
    if (count > 0 && answers[0].refused)
        return status_of(&answers[0]);
    for (size_t i = 0; i < count; i++) {
        each[i] = status_of(&answers[i]);
        if (found != NULL)
            found[i] = answers[i].found;
    }
    return KV_OK;
}

enum kv_status kv_set_many(struct kv *kv, const struct kv_bytes keys[],
                           const struct kv_bytes values[], size_t count,
                           enum kv_status each[])
{
    struct sl_kv_answer *answers =
        call_many(kv, SL_KV_SET, keys, values, count);
    enum kv_status status = take_each(answers, count, each, NULL);

    answers_free(answers, count);
    return status;
}

enum kv_status kv_delete_many(struct kv *kv, const struct kv_bytes keys[],
                              size_t count, enum kv_status each[], bool found[])
{
    struct sl_kv_answer *answers =
        call_many(kv, SL_KV_DELETE, keys, NULL, count);
    enum kv_status status = take_each(answers, count, each, found);

    answers_free(answers, count);
    return status;
}

/* --- The run ------------------------------------------------------------ */

static const char *driver_name;
static char *settings; /* with @CASE@ and @DIR@ in it */

/* One case on its way. */
struct run {
    const struct kv_case *item;
    size_t number;
    char folder[64];
    struct kv kv;
};

static char *replace(char *text, const char *word, const char *by)
{
    for (char *at; (at = strstr(text, word)) != NULL;) {
        char *replaced = sl_asprintf("%.*s%s%s", (int)(at - text), text, by,
                                     at + strlen(word));
        free(text);
        text = replaced;
    }
    return text;
}

static int set_up(void **state)
{
    struct run *run = *state;
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *word =
        sl_asprintf("conformance-%ld-%zu", (long)getpid(), run->number);

    snprintf(run->folder, sizeof(run->folder), "/tmp/slight-kv-XXXXXX");
    if (mkdtemp(run->folder) == NULL)
        return -1;
    SL_CLEANUP(sl_freep)
    char *mine = replace(sl_strdup(settings), "@CASE@", word);
    mine = replace(mine, "@DIR@", run->folder);
    if (test_store_open(&run->kv.store, driver_name, mine, &err) == SL_OK)
        return 0;
    print_error("%s: %s\n", driver_name, err.message);
    return -1;
}

static int tear_down(void **state)
{
    struct run *run = *state;

    test_store_done(&run->kv.store);
    test_remove_folder(run->folder);
    return 0;
}

static void run_case(void **state)
{
    struct run *run = *state;

    run->item->run(&run->kv);
}

static int run_all(const struct sl_driver *driver)
{
    enum { CASES_MAX = 200 };
    static struct run runs[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    size_t count = 0;

    for (; kv_case_at(driver->features, count) != NULL; count++) {
        assert_true(count < CASES_MAX);
        runs[count].item = kv_case_at(driver->features, count);
        runs[count].number = count;
        tests[count] = (struct CMUnitTest){
            .name = runs[count].item->name,
            .test_func = run_case,
            .setup_func = set_up,
            .teardown_func = tear_down,
            .initial_state = &runs[count],
        };
    }
    return _cmocka_run_group_tests(driver->name, tests, count, NULL, NULL);
}

static char *read_settings(const char *path)
{
    struct sl_buf text = SL_BUF(1 << 20);
    struct sl_error err;

    if (sl_file_read(path, &text, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(2);
    }
    char *copy = sl_strndup(text.ptr, text.len);
    sl_buf_done(&text);
    return copy;
}

int main(int argc, char **argv)
{
    driver_name = getenv("SL_TEST_DRIVER");
    const char *path = getenv("SL_TEST_SETTINGS");
    const struct sl_driver *driver =
        driver_name != NULL ? sl_driver_find(driver_name, NULL) : NULL;

    if (driver == NULL) {
        fprintf(stderr, "SL_TEST_DRIVER names no driver of this build\n");
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "--features") == 0) {
        printf("%u\n", driver->features);
        return 0;
    }
    if (path == NULL) {
        fprintf(stderr, "SL_TEST_SETTINGS is not set\n");
        return 2;
    }
    test_services_load();
    settings = read_settings(path);
    int failed = run_all(driver);
    free(settings);
    return failed == 0 ? 0 : 1;
}
