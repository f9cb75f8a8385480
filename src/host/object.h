/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle of a guest stands for. */
#ifndef SL_HOST_OBJECT_H
#define SL_HOST_OBJECT_H

#include "base/bytes.h"
#include "base/error.h"
#include "service/service.h"
#include "slight_bridge.h"

struct sl_guest_call; /* guest_call.h */

/*
 * An object of an instance.  The functions below get a copy of it, or a pointer
 * that holds until the instance adds another object.
 */
struct sl_object {
    const struct sl_object_ops *ops; /* NULL: the handle is free */
    struct sl_service *service;
    void *data;   /* owned; the ops' */
    size_t bytes; /* that it holds beside its handle: a message's, an event's */
};

/* What can be done with an object of one kind. */
struct sl_object_ops {
    /*
     * Must.  Send requests of the capability to the object.  True: answers are
     * filled.  False: the call is pending.  made: see struct sl_bridge_host.
     */
    bool (*call)(const struct sl_guest_call *guest,
                 const struct sl_object *object, const void *requests,
                 size_t count, void *answers, uint32_t *made);

    /* May.  The request that made the object has succeeded, or a request to it
     * was answered: keep what is needed of the answer. */
    void (*attach)(const struct sl_object *object, uint32_t verb, void *answer);

    /* May.  Make a handle for each delivery in the answer.  After a failure
     * there is none, and the deliveries were returned to the service. */
    enum sl_status (*attach_many)(void *instance,
                                  const struct sl_object *object, void *answer,
                                  uint32_t *handles, size_t *count,
                                  struct sl_error *err);

    /* May.  Fill the struct that the bridge has for `viewed`. */
    void (*view)(const struct sl_object *object, void *out);
    enum sl_bridge_view viewed;

    /* May.  Free the data.  Does not wait. */
    void (*free)(const struct sl_object *object);
};

#endif
