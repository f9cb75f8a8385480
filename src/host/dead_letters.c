/* SPDX-License-Identifier: Apache-2.0 */
#include "host/dead_letters.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mq/mq.h"

enum {
    PAGE = SL_MQ_RECEIVE_MAX,
    AT_ONCE = 100, /* that are settled in one call */
};

struct sl_dead_letters {
    struct sl_service *service;
};

enum sl_status sl_dead_letters_open(const struct sl_manifest_resource *resource,
                                    struct sl_dead_letters **out,
                                    struct sl_error *err)
{
    const char *type = sl_driver_info(resource->driver).name;

    if (resource->capability != &sl_mq)
        return sl_fail(err, SL_UNSUPPORTED,
                       "\"%s\" is of the type %s, and only queues (mq.*) keep "
                       "dead letters; those of events are in the topic that "
                       "the trigger's \"dead-letter\" names",
                       resource->name, type);
    struct sl_dead_letters *letters = sl_alloc(sizeof(*letters));
    enum sl_status status = sl_service_open(
        resource->capability, resource->name, resource->driver,
        resource->config, resource->options, &letters->service, err);
    if (status == SL_OK)
        *out = letters;
    else
        free(letters);
    return status;
}

bool sl_dead_letters_close(struct sl_dead_letters *letters)
{
    if (letters == NULL)
        return true;
    bool all_back = sl_service_free(letters->service);
    if (all_back)
        free(letters);
    return all_back;
}

/* --- Visiting ----------------------------------------------------------- */

typedef bool message_fn(void *context, const struct sl_delivery *message);

/* Ask for those behind *after, and keep the last one's receipt there. */
static enum sl_status visit_page(struct sl_dead_letters *letters, char **after,
                                 message_fn *visit, void *context, bool *more,
                                 struct sl_error *err)
{
    const struct sl_mq_request request = {
        .verb = SL_MQ_DEAD_LIST,
        .limit = PAGE,
        .receipt = sl_bytes_of(*after),
    };
    struct sl_mq_answer answer;
    enum sl_status status =
        sl_service_do(letters->service, NULL, &request, 1, &answer);

    *err = answer.err;
    *more = status == SL_OK && answer.deliveries.count > 0;
    for (size_t i = 0; *more && i < answer.deliveries.count; i++)
        *more = visit(context, answer.deliveries.items[i]);
    if (*more) {
        struct sl_bytes last =
            answer.deliveries.items[answer.deliveries.count - 1]->receipt;
        free(*after);
        *after = sl_strndup(last.ptr, last.len);
    }
    sl_answers_done(letters->service, &answer, 1);
    return status;
}

static enum sl_status visit_all(struct sl_dead_letters *letters,
                                message_fn *visit, void *context,
                                struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *after = sl_strdup("");
    enum sl_status status = SL_OK;
    bool more = true;

    while (status == SL_OK && more)
        status = visit_page(letters, &after, visit, context, &more, err);
    return status;
}

struct visitor {
    sl_dead_letter_fn *visit;
    void *context;
};

static bool visit_one(void *context, const struct sl_delivery *message)
{
    const struct visitor *visitor = context;
    struct sl_mq_burial burial = {0};

    if (!sl_mq_read_burial(message->receipt, &burial))
        return true;
    const struct sl_dead_letter letter = {
        .id = message->id,
        .reason = burial.reason,
        .group = message->key,
        .payload = message->payload,
        .attributes = message->attributes,
        .attribute_count = message->attribute_count,
        .sent_at_ms = message->sent_at_ms,
        .died_at_ms = burial.died_at_ms,
        .deliveries = message->delivery_count,
    };
    return visitor->visit(visitor->context, &letter);
}

enum sl_status sl_dead_letters_visit(struct sl_dead_letters *letters,
                                     sl_dead_letter_fn *visit, void *context,
                                     struct sl_error *err)
{
    struct visitor visitor = {visit, context};

    return visit_all(letters, visit_one, &visitor, err);
}

/* --- Settling ----------------------------------------------------------- */

/* What was chosen: all names first, since what is sent again may die again. */
struct chosen {
    const char *const *ids; /* NULL: all */
    size_t id_count;
    char **names; /* the id and the receipt of each, in turn */
    size_t count;
    size_t room;
};

static void chosen_done(struct chosen *chosen)
{
    for (size_t i = 0; i < 2 * chosen->count; i++)
        free(chosen->names[i]);
    free(chosen->names);
}

static bool is_wanted(const struct chosen *chosen, struct sl_bytes id)
{
    if (chosen->ids == NULL)
        return true;
    for (size_t i = 0; i < chosen->id_count; i++)
        if (sl_bytes_equal(id, sl_bytes_of(chosen->ids[i])))
            return true;
    return false;
}

static bool choose_letter(void *context, const struct sl_delivery *message)
{
    struct chosen *chosen = context;

    if (!is_wanted(chosen, message->id))
        return true;
    if (chosen->count == chosen->room) {
        size_t room = chosen->room == 0 ? PAGE : 2 * chosen->room;
        char **names = sl_alloc_array(2 * room, sizeof(*names));
        if (chosen->count > 0)
            memcpy(names, chosen->names, 2 * chosen->count * sizeof(*names));
        free(chosen->names);
        chosen->names = names;
        chosen->room = room;
    }
    chosen->names[2 * chosen->count] =
        sl_strndup(message->id.ptr, message->id.len);
    chosen->names[2 * chosen->count + 1] =
        sl_strndup(message->receipt.ptr, message->receipt.len);
    chosen->count++;
    return true;
}

/* Those from `first` on, as many as fit into a call. */
static enum sl_status settle_some(struct sl_dead_letters *letters,
                                  enum sl_dead_letters_action action,
                                  const struct chosen *chosen, size_t first,
                                  sl_dead_letter_done_fn *done, void *context,
                                  size_t *count, struct sl_error *err)
{
    struct sl_mq_request requests[AT_ONCE] = {0};
    struct sl_mq_answer answers[AT_ONCE];
    size_t left = chosen->count - first;
    size_t number = left < AT_ONCE ? left : AT_ONCE;
    enum sl_status status = SL_OK;

    for (size_t i = 0; i < number; i++)
        requests[i] = (struct sl_mq_request){
            .verb = action == SL_DEAD_LETTERS_REPLAY ? SL_MQ_DEAD_REPLAY
                                                     : SL_MQ_DEAD_DROP,
            .receipt = sl_bytes_of(chosen->names[2 * (first + i) + 1]),
        };
    (void)sl_service_do(letters->service, NULL, requests, number, answers);
    for (size_t i = 0; i < number; i++) {
        /* Somebody else may have been faster. */
        if (answers[i].err.status == SL_NOT_FOUND)
            continue;
        if (answers[i].err.status != SL_OK) {
            status = answers[i].err.status;
            *err = answers[i].err;
            continue;
        }
        done(context, chosen->names[2 * (first + i)], answers[i].id);
        ++*count;
    }
    sl_answers_done(letters->service, answers, number);
    return status;
}

enum sl_status sl_dead_letters_settle(struct sl_dead_letters *letters,
                                      enum sl_dead_letters_action action,
                                      const char *const *ids, size_t id_count,
                                      sl_dead_letter_done_fn *done,
                                      void *context, size_t *count,
                                      struct sl_error *err)
{
    SL_CLEANUP(chosen_done)
    struct chosen chosen = {.ids = ids, .id_count = id_count};
    enum sl_status status = visit_all(letters, choose_letter, &chosen, err);

    *count = 0;
    for (size_t first = 0; status == SL_OK && first < chosen.count;
         first += AT_ONCE)
        status = settle_some(letters, action, &chosen, first, done, context,
                             count, err);
    return status;
}
