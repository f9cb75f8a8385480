/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of lockd.redis and their replies. */
#include "lockd/redis/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOLDER_WORDS = 4, /* 128 random bits */
    HOLDER_LEN = HOLDER_WORDS * 8,
    SEEN_EVERY_MS = 500, /* how often a waiter is seen at least, */
    SEEN_GRID_MS = 250,  /* together with others */
};

static const char *const verbs[] = {
    [SL_LOCKD_ACQUIRE] = "acquire",
    [SL_LOCKD_RENEW] = "renew",
    [SL_LOCKD_RELEASE] = "release",
    [SL_LOCKD_IS_LOCKED] = "is-locked",
};

/* --- Commands ----------------------------------------------------------- */

static enum sl_status
begin_lock_call(struct sl_redis_script_call *call,
                struct sl_redis_script_connection *connection,
                struct sl_bytes key, const char *verb, struct sl_error *err)
{
    static const char *const keys[] = {
        "lock:", "line:", "seen:", "token", "ticket", SL_REDIS_CHANGES, NULL};

    sl_redis_script_begin(call, connection);
    enum sl_status status =
        sl_redis_script_keys(call, connection, keys, key, err);
    sl_redis_script_add(call, sl_bytes_of(verb));
    return status;
}

static void make_redis_holder(char holder[HOLDER_LEN + 1])
{
    for (size_t i = 0; i < HOLDER_WORDS; i++)
        snprintf(holder + i * 8, 9, "%08" PRIx32, arc4random());
}

enum sl_status sl_lockd_redis_append(void *context, const struct sl_op *op,
                                     struct sl_buf *out, struct sl_error *err)
{
    const struct sl_lockd_request *request = op->request;
    char holder[HOLDER_LEN + 1];
    struct sl_redis_script_call call;
    enum sl_status status = begin_lock_call(&call, context, request->key,
                                            verbs[request->verb], err);

    if (status != SL_OK)
        return status;
    if (request->verb == SL_LOCKD_ACQUIRE) {
        make_redis_holder(holder);
        sl_redis_script_add(&call, sl_bytes_of(holder));
    } else {
        sl_redis_script_add(&call, request->holder);
    }
    sl_redis_script_add_number(&call, (int64_t)request->ttl_ms);
    sl_redis_script_add_number(&call, op->waiter_id);
    sl_redis_script_add_number(&call, sl_op_may_wait(op));
    sl_lockd_answer_of(op)->asked_at = sl_lock_clock();
    return sl_redis_script_append(&call, out, err);
}

void sl_lockd_redis_leave(struct sl_redis_script_connection *connection,
                          const struct sl_op *op)
{
    struct sl_redis_script_call call;
    struct sl_error err;
    int64_t woken;

    if (begin_lock_call(&call, connection, sl_lockd_request_of(op)->key,
                        "leave", &err) != SL_OK)
        return;
    sl_redis_script_add_number(&call, op->waiter_id);
    if (!sl_redis_script_ask(connection, &call, &woken))
        connection->redis.broken = true; /* the waiter expires */
}

/* --- Replies ------------------------------------------------------------ */

static void refuse_redis_lock(struct sl_op *op, const char *why)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT, "%s", why);
    sl_op_fail(op, &err);
}

/* A text that make_holder has made. */
static bool is_holder(struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr("0123456789abcdef", text.ptr[i], 16) == NULL)
            return false;
    return text.len == HOLDER_LEN;
}

static bool answer_granted(struct sl_op *op, const redisReply *reply)
{
    struct sl_lockd_answer *answer = op->answer;
    struct sl_bytes text, holder;
    int64_t token;

    if (!sl_redis_text_at(reply, 1, &text) ||
        !sl_bytes_to_integer(text, &token) || token <= 0 ||
        !sl_redis_text_at(reply, 2, &holder) || !is_holder(holder))
        return false;
    answer->fencing_token = (uint64_t)token;
    answer->ttl_ms = sl_lockd_request_of(op)->ttl_ms;
    memcpy(answer->holder, holder.ptr, holder.len);
    answer->holder[holder.len] = '\0';
    op->waiter_id = 0;
    return true;
}

static bool answer_held(struct sl_op *op, const redisReply *reply)
{
    struct sl_bytes text;
    int64_t left, ticket;

    if (!sl_redis_number_at(reply, 1, &left) || left < 0 ||
        !sl_redis_text_at(reply, 2, &text) ||
        !sl_bytes_to_integer(text, &ticket) || ticket < 0)
        return false;
    op->waiter_id = ticket;
    if (ticket != 0) {
        op->retry_if_not_first_at =
            sl_deadline_on_grid(SEEN_EVERY_MS, SEEN_GRID_MS);
        op->retry_at = left < SEEN_GRID_MS ? sl_deadline_in_ms(left + 1)
                                           : op->retry_if_not_first_at;
    }
    refuse_redis_lock(op, "another one holds the lock");
    return true;
}

bool sl_lockd_redis_answer(void *context, struct sl_op *op, redisReply *reply)
{
    int64_t worked, woken = 0;

    (void)context;
    if (reply->type == REDIS_REPLY_ERROR) {
        sl_redis_script_fail(op, reply);
        return true;
    }
    if (!sl_redis_number_at(reply, 0, &worked))
        return false;
    switch ((enum sl_lockd_verb)sl_op_verb(op)) {
    case SL_LOCKD_ACQUIRE:
        return worked != 0 ? answer_granted(op, reply) : answer_held(op, reply);
    case SL_LOCKD_IS_LOCKED:
        sl_lockd_answer_of(op)->locked = worked != 0;
        return true;
    case SL_LOCKD_RELEASE:
        op->changed = sl_redis_number_at(reply, 1, &woken) && woken != 0;
        break;
    case SL_LOCKD_RENEW:
        break;
    }
    if (worked == 0)
        refuse_redis_lock(op, "the lock was lost");
    return true;
}
