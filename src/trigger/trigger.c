/* SPDX-License-Identifier: Apache-2.0 */
/* All triggers of a manifest, as one. */
#include "trigger/trigger.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/tsan_boundary.h"
#include "trigger/consumer.h"
#include "trigger/http.h"

struct sl_triggers {
    struct sl_http_trigger **servers;
    size_t server_count;
    struct sl_consumer **consumers;
    size_t consumer_count;
    atomic_size_t undrained;
    int drained;                        /* an eventfd */
    struct sl_trigger_metrics *metrics; /* by the index in the manifest */
};

/* Whether a trigger before this one has the same address. */
static bool is_served(const struct sl_manifest *manifest, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (manifest->triggers[i].type == SL_TRIGGER_HTTP &&
            strcmp(manifest->triggers[i].listen,
                   manifest->triggers[index].listen) == 0)
            return true;
    return false;
}

static enum sl_status start_trigger(struct sl_triggers *triggers,
                                    struct sl_host *host,
                                    const struct sl_manifest *manifest,
                                    size_t index, struct sl_error *err)
{
    const struct sl_manifest_trigger *trigger = &manifest->triggers[index];

    if (trigger->type != SL_TRIGGER_HTTP) {
        triggers->consumers[triggers->consumer_count++] =
            sl_consumer_start(host, trigger, &triggers->metrics[index]);
        return SL_OK;
    }
    if (is_served(manifest, index))
        return SL_OK;
    enum sl_status status =
        sl_http_trigger_start(host, manifest, index, triggers->metrics,
                              &triggers->servers[triggers->server_count], err);
    triggers->server_count += status == SL_OK;
    return status;
}

enum sl_status sl_triggers_start(struct sl_host *host,
                                 const struct sl_manifest *manifest,
                                 struct sl_triggers **out,
                                 struct sl_toml_place *where,
                                 struct sl_error *err)
{
    struct sl_triggers *triggers = sl_alloc(sizeof(*triggers));
    enum sl_status status = SL_OK;

    triggers->servers =
        sl_alloc_array(manifest->trigger_count, sizeof(*triggers->servers));
    triggers->consumers =
        sl_alloc_array(manifest->trigger_count, sizeof(*triggers->consumers));
    triggers->metrics =
        sl_alloc_array(manifest->trigger_count, sizeof(*triggers->metrics));
    triggers->drained = eventfd(0, EFD_CLOEXEC);
    *out = triggers; /* what has been started must be stopped */
    *where = (struct sl_toml_place){0};
    if (triggers->drained < 0)
        return sl_fail(err, SL_UNAVAILABLE, "eventfd: %s", strerror(errno));
    for (size_t i = 0; i < manifest->trigger_count; i++) {
        status = start_trigger(triggers, host, manifest, i, err);
        if (status == SL_OK)
            continue;
        *where = manifest->triggers[i].listen_place;
        break;
    }
    return status;
}

void sl_triggers_visit(const struct sl_triggers *triggers,
                       sl_triggers_visit_fn *visit, void *context)
{
    for (size_t i = 0; i < triggers->server_count; i++)
        visit(context, sl_http_trigger_text(triggers->servers[i]));
    for (size_t i = 0; i < triggers->consumer_count; i++)
        visit(context, sl_consumer_text(triggers->consumers[i]));
}

const struct sl_trigger_metrics *
sl_trigger_metrics(const struct sl_triggers *triggers, size_t index)
{
    return &triggers->metrics[index];
}

bool sl_trigger_listener(const struct sl_triggers *triggers, size_t index,
                         struct sl_trigger_listener *out)
{
    if (index >= triggers->server_count)
        return false;
    *out = sl_http_trigger_listener(triggers->servers[index]);
    return true;
}

static void on_drained(void *context)
{
    SL_CALLED_BY_BRIDGE;
    struct sl_triggers *triggers = context;
    const uint64_t one = 1;

    if (atomic_fetch_sub(&triggers->undrained, 1) == 1)
        while (write(triggers->drained, &one, sizeof(one)) < 0 &&
               errno == EINTR)
            ;
}

int sl_triggers_drain(struct sl_triggers *triggers)
{
    /* One more, so that it does not end before all have begun. */
    atomic_store(&triggers->undrained,
                 triggers->server_count + triggers->consumer_count + 1);
    for (size_t i = 0; i < triggers->server_count; i++)
        sl_http_trigger_drain(triggers->servers[i], on_drained, triggers);
    for (size_t i = 0; i < triggers->consumer_count; i++)
        sl_consumer_drain(triggers->consumers[i], on_drained, triggers);
    on_drained(triggers);
    return triggers->drained;
}

void sl_triggers_stop(struct sl_triggers *triggers)
{
    if (triggers == NULL)
        return;
    for (size_t i = 0; i < triggers->server_count; i++)
        sl_http_trigger_stop(triggers->servers[i]);
    for (size_t i = 0; i < triggers->consumer_count; i++)
        sl_consumer_stop(triggers->consumers[i]);
}

void sl_triggers_free(struct sl_triggers *triggers)
{
    if (triggers == NULL)
        return;
    for (size_t i = 0; i < triggers->server_count; i++)
        sl_http_trigger_free(triggers->servers[i]);
    for (size_t i = 0; i < triggers->consumer_count; i++)
        sl_consumer_free(triggers->consumers[i]);
    free(triggers->metrics);
    free(triggers->servers);
    free(triggers->consumers);
    sl_closep(&triggers->drained);
    free(triggers);
}
