/* SPDX-License-Identifier: Apache-2.0 */
/* From the bridge to what a handle stands for. */
#include "host/functions.h"

#include "base/bytes.h"
#include "base/tsan_boundary.h"
#include "host/guest_call.h"
#include "host/instance.h"
#include "host/outbound.h"
#include "host/sockets.h"

#ifdef SL_TSAN
/*
 * ThreadSanitizer's settings, for every program that runs guests; the name is
 * its own.  Rust is not instrumented, but its calls of memcpy and malloc are
 * seen.  And Wasmtime leaves the handler of a guest's trap by a jump, so that
 * whatever comes after it looks like a part of the handler.
 */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "ignore_interceptors_accesses=1:report_signal_unsafe=0";
}
#endif

static void *new_instance(void *grants)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_new(grants);
}

static void free_instance(void *instance)
{
    SL_CALLED_BY_BRIDGE;
    sl_instance_free(instance);
}

static enum sl_status open_resource(void *instance, const char *capability,
                                    struct sl_bytes name, uint32_t *handle,
                                    struct sl_error *err)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_open(instance, capability, name, handle, err);
}

static void drop_handle(void *instance, uint32_t handle)
{
    SL_CALLED_BY_BRIDGE;
    sl_instance_drop(instance, handle);
}

/* A handle that is not open is a defect of the bridge, and ends the guest. */
static bool call_object(void *instance, uint32_t handle, const void *requests,
                        size_t count, void *answers, uint32_t *made,
                        struct sl_bridge_wait *wait, struct sl_call **call)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_guest_call guest = {instance, wait, call};
    const struct sl_object *found = sl_instance_find(instance, handle);

    if (found == NULL)
        return false;
    const struct sl_object object = *found; /* it may move */
    return object.ops->call(&guest, &object, requests, count, answers, made);
}

static void attach_answer(void *instance, uint32_t handle, uint32_t verb,
                          void *answer)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *object = sl_instance_find(instance, handle);

    if (object != NULL && object->ops->attach != NULL)
        object->ops->attach(object, verb, answer);
}

static enum sl_status attach_many(void *instance, uint32_t handle, void *answer,
                                  uint32_t *handles, size_t *count,
                                  struct sl_error *err)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *found = sl_instance_find(instance, handle);

    if (found == NULL || found->ops->attach_many == NULL)
        return sl_fail(err, SL_INTERNAL, "the handle is not open");
    const struct sl_object object = *found; /* it may move */
    return object.ops->attach_many(instance, &object, answer, handles, count,
                                   err);
}

static bool view_object(void *instance, uint32_t handle,
                        enum sl_bridge_view view, void *out)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *object = sl_instance_find(instance, handle);
    bool has_view = object != NULL && object->ops->view != NULL &&
                    object->ops->viewed == view;

    if (has_view)
        object->ops->view(object, out);
    return has_view;
}

static void collect_answers(struct sl_call *finished, void *answers)
{
    SL_CALLED_BY_BRIDGE;
    sl_call_collect(finished, answers);
}

static void release_call(struct sl_call *call)
{
    SL_CALLED_BY_BRIDGE;
    sl_call_release(call);
}

static bool hold_bytes(void *instance, size_t bytes, size_t more)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_hold(instance, bytes, more);
}

const struct sl_bridge_host sl_host_functions = {
    .instance_new = new_instance,
    .instance_free = free_instance,
    .open = open_resource,
    .drop = drop_handle,
    .call = call_object,
    .attach = attach_answer,
    .collect = collect_answers,
    .release = release_call,
    .view = view_object,
    .attach_many = attach_many,
    .may_request = sl_outbound_may_request,
    .hold = hold_bytes,
    .request_failed = sl_outbound_request_failed,
    .may_use_socket = sl_sockets_may_use,
};
