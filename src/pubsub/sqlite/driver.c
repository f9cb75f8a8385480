/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.sqlite: the embedded default.  One row for each event, in the order of
 * publishing, for all groups.
 *
 * A group has seen the events up to its position.  Each of those that is not
 * acknowledged has a row in `delivery`: READY, or HIDDEN until a time, or
 * IN_FLIGHT with a member, or BLOCKED by an earlier event of its key.  Only the
 * first event of a key is not BLOCKED.  So acknowledged and blocked events are
 * not scanned again, and no event is skipped.
 *
 * A member that is not renewed expires by the clock of the store; its events
 * become READY when another member receives.
 *
 * A receipt is the number of the event and the number of the delivery.
 */
#include "pubsub/sqlite/internal.h"

#include "service/attributes.h"

enum {
    BATCH_MAX = 1024,
};

/* --- Publishing --------------------------------------------------------- */

static void refuse_sqlite_topic(struct sl_op *op, int64_t most)
{
    struct sl_error err;

    sl_fail(&err, SL_RESOURCE_EXHAUSTED,
            "there are %lld topics already; publish to one of them, or raise "
            "max-topics in the manifest",
            (long long)most);
    sl_op_fail(op, &err);
    op->full = true;
}

static void refuse_sqlite_group(struct sl_op *op, int64_t most)
{
    struct sl_error err;

    sl_fail(&err, SL_RESOURCE_EXHAUSTED,
            "the topic has %lld groups already; subscribe in one of them, or "
            "raise max-groups in the manifest",
            (long long)most);
    sl_op_fail(op, &err);
    op->full = true;
}

/* Find or create the topic of the request.  *found is false, and op answered,
 * if there are too many topics. */
static int find_topic_row(struct sl_embedded *connection, struct sl_op *op,
                          int64_t *topic, bool *found)
{
    struct sl_bytes name = sl_pubsub_request_of(op)->topic;
    int64_t most = ((struct sl_pubsub_sqlite *)connection)->max_topics;
    sqlite3_stmt *add =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_ADD_TOPIC);

    sl_embedded_bind_text(
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_FIND_TOPIC), 1, name);
    int code = sl_embedded_query_integer(
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_FIND_TOPIC), topic,
        found);
    if (code != SQLITE_OK || *found)
        return code;
    sl_embedded_bind_text(add, 1, name);
    sqlite3_bind_int64(add, 2, most);
    code = sl_embedded_query_integer(add, topic, found);
    if (code == SQLITE_OK && !*found)
        refuse_sqlite_topic(op, most);
    return code;
}

static int run_publish(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_buf *packed = &((struct sl_pubsub_sqlite *)connection)->packed;
    sqlite3_stmt *insert =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_INSERT);
    struct sl_error err;
    int64_t topic;
    bool found;

    sl_buf_clear(packed);
    if (sl_attributes_pack(request->attributes, request->attribute_count,
                           packed, &err) != SL_OK)
        return SQLITE_NOMEM;
    int code = find_topic_row(connection, op, &topic, &found);
    if (code != SQLITE_OK || !found)
        return code;
    sqlite3_bind_int64(insert, 1, topic);
    sqlite3_bind_int64(insert, 2, sl_wall_ms());
    sqlite3_bind_int64(insert, 3,
                       connection->now + sl_pubsub_config_of(op)->retention_ms);
    code = sl_pubsub_sqlite_bind_key(insert, 4, request->key);
    if (code == SQLITE_OK)
        code = sl_embedded_bind_blob(insert, 5, sl_buf_bytes(packed));
    if (code == SQLITE_OK)
        code = sl_embedded_bind_blob(insert, 6, request->payload);
    if (code != SQLITE_OK) {
        (void)sl_embedded_finish(insert);
        return code;
    }
    op->changed = true;
    return sl_embedded_perform(insert);
}

/* --- Members ------------------------------------------------------------ */

/* As find_topic_row: *found is false if there are too many. */
static int add_group(struct sl_embedded *connection, struct sl_op *op,
                     int64_t topic, int64_t *group, bool *found)
{
    const struct sl_pubsub_request *request = op->request;
    int64_t most = ((struct sl_pubsub_sqlite *)connection)->max_groups;
    sqlite3_stmt *add =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_ADD_GROUP);
    int64_t last = 0;

    int code = request->from_earliest
                   ? SQLITE_OK
                   : sl_embedded_query_integer(
                         sl_pubsub_sqlite_with(connection,
                                               SL_PUBSUB_SQLITE_LAST, topic, 0),
                         &last, found);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(add, 1, topic);
    sl_embedded_bind_text(add, 2, request->group);
    sqlite3_bind_int64(add, 3, last);
    sqlite3_bind_int64(add, 4, most);
    code = sl_embedded_query_integer(add, group, found);
    if (code == SQLITE_OK && !*found)
        refuse_sqlite_group(op, most);
    return code;
}

static int run_subscribe(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    sqlite3_stmt *find =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_FIND_GROUP);
    sqlite3_stmt *add =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_ADD_MEMBER);
    int64_t topic, group;
    bool found = false;

    int code = find_topic_row(connection, op, &topic, &found);
    if (code != SQLITE_OK || !found)
        return code;
    sqlite3_bind_int64(find, 1, topic);
    sl_embedded_bind_text(find, 2, request->group);
    code = sl_embedded_query_integer(find, &group, &found);
    if (code == SQLITE_OK && !found)
        code = add_group(connection, op, topic, &group, &found);
    if (code != SQLITE_OK || !found)
        return code;
    sqlite3_bind_int64(add, 1, group);
    sl_embedded_bind_text(add, 2, request->member);
    sqlite3_bind_int64(add, 3,
                       connection->now + sl_pubsub_config_of(op)->lease_ms);
    return sl_embedded_perform(add);
}

/* Find the member of the request; *found is false if the group does not know
 * it. */
static int find_member_row(struct sl_embedded *connection,
                           const struct sl_op *op,
                           struct sl_pubsub_member *member, bool *found)
{
    const struct sl_pubsub_request *request = op->request;
    sqlite3_stmt *find =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_FIND_MEMBER);

    sl_embedded_bind_text(find, 1, request->topic);
    sl_embedded_bind_text(find, 2, request->group);
    sl_embedded_bind_text(find, 3, request->member);
    sqlite3_bind_int64(find, 4, connection->now);
    *found = sqlite3_step(find) == SQLITE_ROW;
    if (*found)
        *member = (struct sl_pubsub_member){
            .id = sqlite3_column_int64(find, 0),
            .alive = sqlite3_column_int(find, 1) != 0,
            .group = sqlite3_column_int64(find, 2),
            .position = sqlite3_column_int64(find, 3),
            .topic = sqlite3_column_int64(find, 4),
        };
    return sl_embedded_finish(find);
}

/* Its events become READY again. */
static int remove_member_row(struct sl_embedded *connection, struct sl_op *op,
                             int64_t member)
{
    int code = sl_pubsub_sqlite_perform(connection, SL_PUBSUB_SQLITE_TAKE_BACK,
                                        member, 0);

    if (sqlite3_changes(connection->file.handle) > 0)
        op->changed = true;
    return code == SQLITE_OK
               ? sl_pubsub_sqlite_perform(
                     connection, SL_PUBSUB_SQLITE_REMOVE_MEMBER, member, 0)
               : code;
}

static int remove_expired_members(struct sl_embedded *connection,
                                  struct sl_op *op)
{
    int64_t member;
    bool found = true;
    int code = SQLITE_OK;

    while (code == SQLITE_OK && found) {
        code = sl_embedded_query_integer(
            sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_DEAD,
                                  connection->now, 0),
            &member, &found);
        if (code == SQLITE_OK && found)
            code = remove_member_row(connection, op, member);
    }
    return code;
}

/* --- One op: each returns SQLite's code ----------------------------------- */

static int settle_delivery(struct sl_embedded *connection, struct sl_op *op,
                           const struct sl_pubsub_member *member)
{
    const struct sl_pubsub_request *request = op->request;
    int64_t group = member->group, seq, delivery;
    struct sl_bytes key;
    bool found = false;

    if (sl_embedded_parse_receipt(request->receipt, &seq, &delivery)) {
        sqlite3_stmt *find = sl_pubsub_sqlite_with(
            connection, SL_PUBSUB_SQLITE_FIND_DELIVERY, group, seq);
        sqlite3_bind_int64(find, 3, member->id);
        sqlite3_bind_int64(find, 4, delivery);
        found = sqlite3_step(find) == SQLITE_ROW;
        int code = found ? sl_pubsub_sqlite_keep_key(connection, find, 0, &key)
                         : SQLITE_OK;
        int finished = sl_embedded_finish(find);
        if (code != SQLITE_OK || finished != SQLITE_OK)
            return code != SQLITE_OK ? code : finished;
    }
    if (!found) {
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the event is no longer leased to this member");
        return SQLITE_OK;
    }
    if (request->verb == SL_PUBSUB_ACKNOWLEDGE)
        return sl_pubsub_sqlite_forget(connection, op, group, seq, key);
    sqlite3_stmt *give_back =
        sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_RETURN, group, seq);
    sqlite3_bind_int64(give_back, 3,
                       request->delay_ms > 0 ? SL_PUBSUB_SQLITE_HIDDEN
                                             : SL_PUBSUB_SQLITE_READY);
    if (request->delay_ms > 0)
        sqlite3_bind_int64(give_back, 4,
                           connection->now + (int64_t)request->delay_ms);
    op->changed = true;
    return sl_embedded_perform(give_back);
}

static int run_for_member(struct sl_embedded *connection, struct sl_op *op)
{
    enum sl_pubsub_verb verb = (enum sl_pubsub_verb)sl_op_verb(op);
    struct sl_pubsub_member member;
    bool found;

    int code = find_member_row(connection, op, &member, &found);
    if (code != SQLITE_OK)
        return code;
    if (verb == SL_PUBSUB_LEAVE)
        return found ? remove_member_row(connection, op, member.id) : SQLITE_OK;
    if (!found || !member.alive) {
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the subscription's lease has expired: the group "
                           "does not know this member any more");
        return SQLITE_OK;
    }
    switch (verb) {
    case SL_PUBSUB_RECEIVE:
        code = remove_expired_members(connection, op);
        return code == SQLITE_OK
                   ? sl_pubsub_sqlite_receive(connection, op, &member)
                   : code;
    case SL_PUBSUB_RENEW:
        return sl_pubsub_sqlite_perform(
            connection, SL_PUBSUB_SQLITE_RENEW, member.id,
            connection->now + sl_pubsub_config_of(op)->lease_ms);
    default:
        return settle_delivery(connection, op, &member);
    }
}

static int run_pubsub_op(struct sl_embedded *connection, struct sl_op *op)
{
    switch ((enum sl_pubsub_verb)sl_op_verb(op)) {
    case SL_PUBSUB_PUBLISH:
        return run_publish(connection, op);
    case SL_PUBSUB_SUBSCRIBE:
        return run_subscribe(connection, op);
    default:
        return run_for_member(connection, op);
    }
}

static bool pubsub_op_writes(const struct sl_op *op)
{
    (void)op;
    return true;
}

/* Receiving frees room in the end; only new rows take it. */
static bool pubsub_op_frees(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_PUBSUB_PUBLISH &&
           sl_op_verb(op) != SL_PUBSUB_SUBSCRIBE;
}

static bool sweep_events(struct sl_embedded *connection)
{
    return sl_embedded_sweep(
        connection, sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_OVER),
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_SWEEP),
        sl_embedded_now(connection));
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_embedded_kind kind = {
    .capability = &sl_pubsub,
    .format = {.application_id = 0x534c7073, /* "SLps" */
               .version = 1,
               .create = sl_pubsub_sqlite_tables},
    .statements = sl_pubsub_sqlite_statements,
    .connection_size = sizeof(struct sl_pubsub_sqlite),
    .has_clock = true,
    .writes = pubsub_op_writes,
    .run = run_pubsub_op,
    .frees = pubsub_op_frees,
    .sweep = sweep_events,
};

static enum sl_status pubsub_sqlite_open(void *store, sl_deadline deadline,
                                         void **connection,
                                         struct sl_error *err)
{
    enum sl_status status =
        sl_embedded_open(&kind, store, deadline, connection, err);

    if (status == SL_OK) {
        struct sl_pubsub_sqlite *opened = *connection;
        const struct sl_pubsub_sqlite_options *options = store;
        opened->max_topics = options->max_topics;
        opened->max_groups = options->max_groups;
        opened->packed.limit = 2 * SL_ATTRIBUTE_BYTES_MAX;
        opened->key.limit = 2 * SL_PUBSUB_KEY_MAX;
    }
    return status;
}

static void pubsub_sqlite_close(void *connection)
{
    struct sl_pubsub_sqlite *opened = connection;

    sl_buf_done(&opened->packed);
    sl_buf_done(&opened->key);
    sl_embedded_close(connection);
}

static const struct sl_option option_table[] = {
    SL_EMBEDDED_OPTIONS,
    {.name = "max-topics",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_sqlite_options, max_topics),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "the most topics in the file"},
    {.name = "max-groups",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_sqlite_options, max_groups),
     .min = 1,
     .max = 1000000,
     .fallback = "1000",
     .help = "the most groups of a topic"},
    {0},
};

/* The only symbol this file exports. */
const struct sl_driver sl_driver_pubsub_sqlite = {
    .name = "pubsub.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; the processes of a machine "
               "may share it",
    .options = option_table,
    .options_size = sizeof(struct sl_pubsub_sqlite_options),
    .features = SL_PUBSUB_FEATURE_SUBSCRIBE | SL_PUBSUB_FEATURE_KEYS |
                SL_PUBSUB_FEATURE_EARLIEST | SL_PUBSUB_FEATURE_DURABLE |
                SL_PUBSUB_FEATURE_SHARED | SL_PUBSUB_FEATURE_UNDIVIDED,
    .max_connections = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .usage = sl_embedded_usage,
    .open = pubsub_sqlite_open,
    .close = pubsub_sqlite_close,
    .run = sl_embedded_run,
    .idle = sl_embedded_idle,
    .changed = sl_embedded_changed,
};
