/* SPDX-License-Identifier: Apache-2.0 */
/* From the bridge to what a handle stands for. */
#include "host/functions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/border.h"
#include "base/bytes.h"
#include "base/log.h"
#include "host/database.h"
#include "host/instance.h"
#include "host/queue.h"
#include "host/topics.h"
#include "lockd/lockd.h"

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

static void *instance_new(void *context)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_new(context);
}

static void instance_free(void *instance)
{
    SL_CALLED_BY_BRIDGE;
    sl_instance_free(instance);
}

static enum sl_status open(void *instance, const char *capability,
                           struct sl_bytes name, uint32_t *handle,
                           struct sl_error *err)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_open(instance, capability, name, handle, err);
}

static void drop(void *instance, uint32_t handle)
{
    SL_CALLED_BY_BRIDGE;
    sl_instance_drop(instance, handle);
}

static void wake(void *waker)
{
    sl_border_leave();
    sl_bridge_waker_wake(waker);
}

/* Who calls: what is woken, where the call is put, where it is counted. */
struct caller {
    void *instance;
    struct sl_bridge_wait *wait;
    struct sl_call **call;
    struct sl_metric *metrics;
    const void *owner; /* the component */
};

/* A guest that runs alone may as well wait on its own thread.  True where it is
 * answered: the component holds too much already. */
static bool submit(struct sl_service *service, struct sl_session *session,
                   const void *requests, size_t count, void *answers,
                   const struct caller *caller)
{
    struct sl_error err;
    const struct sl_caller guest = {
        .metrics = caller->metrics,
        .owner = caller->owner,
        .free_until = sl_deadline_in_ms(sl_bridge_wait_free_ms(caller->wait)),
        .block = sl_bridge_block,
        .held = sl_instance_held(caller->instance),
    };

    if (sl_instance_may_call(caller->instance,
                             sl_service_call_bytes(service, requests, count),
                             &err) != SL_OK) {
        sl_answers_refuse(service, answers, count, &err);
        return true;
    }
    sl_service_submit_for(service, session, &guest, requests, count, wake,
                          sl_bridge_waker_take(caller->wait), caller->call);
    return false;
}

/* A call that needs no session; true where it is answered. */
static bool call_service(struct sl_service *service, const void *requests,
                         size_t count, void *answers,
                         const struct caller *caller)
{
    return sl_service_try_for(service, caller->metrics, requests, count,
                              answers) ||
           submit(service, NULL, requests, count, answers, caller);
}

static bool call_database(void *instance, const struct sl_object *object,
                          const void *requests, void *answers, uint32_t *made,
                          const struct caller *caller)
{
    struct sl_sql_request request = *(const struct sl_sql_request *)requests;
    struct sl_service *service = object->service;
    struct sl_session *session;
    struct sl_error err;

    if (sl_database_prepare(instance, object, &request, made, &session, &err) !=
        SL_OK) {
        sl_answer_fail(service, answers, &err);
        return true;
    }
    if (session == NULL)
        return call_service(service, &request, 1, answers, caller);
    return submit(service, session, &request, 1, answers, caller);
}

/* To the service itself; made is set where a lock is asked for. */
static bool call_locks(void *instance, struct sl_service *service,
                       const struct sl_lockd_request *request, void *answers,
                       uint32_t *made, const struct caller *caller)
{
    struct sl_error err;

    if (made != NULL) {
        const struct sl_object object = {
            .kind = SL_OBJECT_LOCK,
            .service = service,
            .lock = sl_lock_new(service, request),
        };
        if (sl_instance_add(instance, &object, made, &err) != SL_OK) {
            sl_lock_free(object.lock);
            sl_answer_fail(service, answers, &err);
            return true;
        }
    }
    return call_service(service, request, 1, answers, caller);
}

static bool call_lock(const struct sl_object *object,
                      const struct sl_lockd_request *asked, void *answers,
                      const struct caller *caller)
{
    const struct sl_lockd_request request =
        sl_lock_request(object->lock, (enum sl_lockd_verb)asked->verb);

    return call_service(object->service, &request, 1, answers, caller);
}

static bool call_message(const struct sl_object *object,
                         const struct sl_mq_request *asked, void *answers,
                         const struct caller *caller)
{
    struct sl_mq_request request = *asked;

    request.receipt = sl_message_get(object->message)->receipt;
    return call_service(object->service, &request, 1, answers, caller);
}

/* To the service itself; made is set where a subscription is asked for. */
static bool call_broker(void *instance, struct sl_service *service,
                        const struct sl_pubsub_request *requests, size_t count,
                        void *answers, uint32_t *made,
                        const struct caller *caller)
{
    struct sl_error err;

    if (made == NULL)
        return call_service(service, requests, count, answers, caller);
    const struct sl_object object = {
        .kind = SL_OBJECT_SUBSCRIPTION,
        .service = service,
        .subscription = sl_subscription_new(
            service, requests->topic, requests->group, requests->from_earliest),
    };
    if (sl_instance_add(instance, &object, made, &err) != SL_OK) {
        sl_subscription_free(object.subscription);
        sl_answer_fail(service, answers, &err);
        return true;
    }
    const struct sl_pubsub_request subscribe =
        sl_subscription_request(object.subscription, SL_PUBSUB_SUBSCRIBE);
    return call_service(service, &subscribe, 1, answers, caller);
}

static bool call_subscription(const struct sl_object *object,
                              const struct sl_pubsub_request *asked,
                              void *answers, const struct caller *caller)
{
    struct sl_pubsub_request request = sl_subscription_request(
        object->subscription, (enum sl_pubsub_verb)asked->verb);

    request.limit = asked->limit;
    request.wait_ms = asked->wait_ms;
    return call_service(object->service, &request, 1, answers, caller);
}

static bool call_delivery(const struct sl_object *object, void *answers,
                          const struct caller *caller)
{
    const struct sl_pubsub_request request =
        sl_delivery_request(object->delivery);

    return call_service(object->service, &request, 1, answers, caller);
}

/* By what the handle stands for. */
static bool call_object(void *instance, const struct sl_object *object,
                        const void *requests, size_t count, void *answers,
                        uint32_t *made, const struct caller *caller)
{
    const struct sl_capability *capability =
        sl_service_capability(object->service);

    switch (object->kind) {
    case SL_OBJECT_LOCK:
        return call_lock(object, requests, answers, caller);
    case SL_OBJECT_MESSAGE:
        return call_message(object, requests, answers, caller);
    case SL_OBJECT_SUBSCRIPTION:
        return call_subscription(object, requests, answers, caller);
    case SL_OBJECT_DELIVERY:
        return call_delivery(object, answers, caller);
    default:
        break;
    }
    if (capability == &sl_sql)
        return call_database(instance, object, requests, answers, made, caller);
    if (capability == &sl_lockd)
        return call_locks(instance, object->service, requests, answers, made,
                          caller);
    if (capability == &sl_pubsub)
        return call_broker(instance, object->service, requests, count, answers,
                           made, caller);
    return call_service(object->service, requests, count, answers, caller);
}

static bool call(void *instance, uint32_t handle, const void *requests,
                 size_t count, void *answers, uint32_t *made,
                 struct sl_bridge_wait *wait, struct sl_call **out)
{
    SL_CALLED_BY_BRIDGE;
    bool answered = false;

    const struct sl_object *object = sl_instance_find(instance, handle);
    /* Not open: the bridge's own defect, and it ends the guest. */
    if (object != NULL) {
        const struct caller caller = {
            instance, wait, out, sl_instance_metrics(instance, object->service),
            sl_instance_component(instance)};
        answered = call_object(instance, object, requests, count, answers, made,
                               &caller);
    }
    return answered;
}

static void adopt(void *instance, uint32_t made, uint32_t verb, void *answer)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *object = sl_instance_find(instance, made);
    if (object != NULL && object->kind == SL_OBJECT_CURSOR)
        sl_cursor_opened(object->cursor, answer);
    if (object != NULL && object->kind == SL_OBJECT_LOCK) {
        if (verb == SL_LOCKD_ACQUIRE)
            sl_lock_grant(object->lock, answer);
        else
            sl_lock_note(object->lock, (enum sl_lockd_verb)verb, answer);
    }
    if (object != NULL && object->kind == SL_OBJECT_MESSAGE)
        sl_message_note(object->message, (enum sl_mq_verb)verb, answer);
    if (object != NULL && object->kind == SL_OBJECT_SUBSCRIPTION &&
        verb == SL_PUBSUB_SUBSCRIBE)
        sl_subscription_begun(object->subscription);
    if (object != NULL && object->kind == SL_OBJECT_DELIVERY)
        sl_delivery_note(object->delivery, answer);
}

static void collect(struct sl_call *finished, void *answers)
{
    SL_CALLED_BY_BRIDGE;
    sl_call_collect(finished, answers);
}

static void release(struct sl_call *finished)
{
    SL_CALLED_BY_BRIDGE;
    sl_call_release(finished);
}

static const struct sl_sql_column *sql_columns(void *instance, uint32_t cursor,
                                               size_t *count)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_sql_column *columns = NULL;

    const struct sl_object *object = sl_instance_find(instance, cursor);
    if (object != NULL && object->kind == SL_OBJECT_CURSOR)
        columns = sl_cursor_columns(object->cursor, count);
    return columns;
}

static bool lock_state(void *instance, uint32_t lock,
                       struct sl_bridge_lock_state *state)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *object = sl_instance_find(instance, lock);
    bool found = object != NULL && object->kind == SL_OBJECT_LOCK;
    if (found)
        *state = (struct sl_bridge_lock_state){
            .key = sl_lock_key(object->lock),
            .fencing_token = sl_lock_fencing_token(object->lock),
            .ttl_ms = sl_lock_ttl_ms(object->lock),
            .held = sl_lock_is_held(object->lock),
        };
    return found;
}

static enum sl_status adopt_many(void *instance, uint32_t handle, void *answer,
                                 uint32_t *handles, size_t *count,
                                 struct sl_error *err)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_object *object = sl_instance_find(instance, handle);
    if (object == NULL)
        return sl_fail(err, SL_INTERNAL, "the handle is not open");
    if (object->kind == SL_OBJECT_SUBSCRIPTION)
        return sl_deliveries_adopt(instance, object, answer, handles, count,
                                   err);
    return sl_messages_adopt(instance, object->service, answer, handles, count,
                             err);
}

static const struct sl_mq_message *mq_message(void *instance, uint32_t handle)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_mq_message *message = NULL;

    const struct sl_object *object = sl_instance_find(instance, handle);
    if (object != NULL && object->kind == SL_OBJECT_MESSAGE)
        message = sl_message_get(object->message);
    return message;
}

static const struct sl_pubsub_event *pubsub_event(void *instance,
                                                  uint32_t handle)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_pubsub_event *event = NULL;

    const struct sl_object *object = sl_instance_find(instance, handle);
    if (object != NULL && object->kind == SL_OBJECT_DELIVERY)
        event = sl_delivery_get(object->delivery);
    return event;
}

static void log_refused(const struct sl_grants *grants, const char *event,
                        const struct sl_bridge_http_server *server)
{
    sl_log(
        SL_LOG_WARN, event,
        SL_FIELD_STRING("component", grants->component->name),
        SL_FIELD_STRING("scheme", server->is_tls ? "https" : "http"),
        SL_FIELD("host", server->host), SL_FIELD_NUMBER("port", server->port),
        SL_FIELD_STRING("remedy", "name it in the component's allowed-hosts"));
}

static bool may_request(void *context,
                        const struct sl_bridge_http_server *server)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_grants *grants = context;
    const struct sl_allowed_host *hosts = grants->component->allowed_hosts;
    size_t count = grants->component->allowed_host_count;
    const struct sl_destination to = {server->host, server->port,
                                      server->is_tls};

    bool is_name = server->address.len == 0;
    bool may = is_name
                   ? sl_allowed_hosts_have(hosts, count, &to)
                   : sl_allowed_hosts_reach(hosts, count, &to, server->address);
    if (!may)
        log_refused(grants, is_name ? "host-denied" : "address-denied", server);
    return may;
}

static bool hold(void *instance, size_t bytes, size_t more)
{
    SL_CALLED_BY_BRIDGE;
    return sl_instance_hold(instance, bytes, more);
}

static void log_fault(const struct sl_grants *grants,
                      const struct sl_bridge_http_server *server,
                      const char *reason, const char *remedy)
{
    sl_log(
        SL_LOG_WARN, "request-failed",
        SL_FIELD_STRING("component", grants->component->name),
        SL_FIELD_STRING("scheme", server->is_tls ? "https" : "http"),
        SL_FIELD("host", server->host), SL_FIELD_NUMBER("port", server->port),
        SL_FIELD_STRING("reason", reason), SL_FIELD_STRING("remedy", remedy));
}

/* The file that is named, or those that a system may have. */
static void log_no_certificates(const struct sl_grants *grants,
                                const struct sl_bridge_http_server *server)
{
    const char *file = getenv("SSL_CERT_FILE");
    const char *folder = getenv("SSL_CERT_DIR");
    SL_CLEANUP(sl_freep) char *reason = NULL;

    if (file == NULL && folder == NULL)
        reason = sl_strdup("there are no CA certificates: neither "
                           "/etc/ssl/certs/ca-certificates.crt nor what other "
                           "systems have in its place");
    else
        reason = sl_asprintf("there are no CA certificates in %s%s%s%s%s",
                             file != NULL ? file : "",
                             file != NULL ? " (SSL_CERT_FILE)" : "",
                             file != NULL && folder != NULL ? " nor in " : "",
                             folder != NULL ? folder : "",
                             folder != NULL ? " (SSL_CERT_DIR)" : "");
    log_fault(grants, server, reason,
              "install them (the package ca-certificates), or name a file of "
              "them by SSL_CERT_FILE");
}

static void request_failed(void *context,
                           const struct sl_bridge_http_server *server,
                           enum sl_bridge_request_fault fault)
{
    SL_CALLED_BY_BRIDGE;
    const struct sl_grants *grants = context;
    SL_CLEANUP(sl_freep) char *reason = NULL;

    switch (fault) {
    case SL_BRIDGE_NO_CERTIFICATES:
        log_no_certificates(grants, server);
        return;
    case SL_BRIDGE_HEAD_TOO_LARGE:
        reason = sl_asprintf("the answer has more than %lld header fields, or "
                             "more than 400 KiB of them",
                             (long long)grants->component->max_response_fields);
        log_fault(grants, server, reason,
                  "raise max-response-fields in [component] of the manifest");
        return;
    }
}

const struct sl_bridge_host sl_host_functions = {
    .instance_new = instance_new,
    .instance_free = instance_free,
    .open = open,
    .drop = drop,
    .call = call,
    .adopt = adopt,
    .collect = collect,
    .release = release,
    .sql_columns = sql_columns,
    .lock_state = lock_state,
    .adopt_many = adopt_many,
    .mq_message = mq_message,
    .pubsub_event = pubsub_event,
    .may_request = may_request,
    .hold = hold,
    .request_failed = request_failed,
};
