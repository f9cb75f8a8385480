/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of Kafka and librdkafka. */
#include <stdio.h>
#include <string.h>

#include "pubsub/kafka/internal.h"

/* In ns: a refused login that is retried for so long is final. */
#define FINAL_AFTER INT64_C(2000000000)

struct answer {
    rd_kafka_resp_err_t code;
    enum sl_status status;
    const char *remedy; /* or NULL */
};

#define LOCAL(name) RD_KAFKA_RESP_ERR__##name
#define KAFKA(name) RD_KAFKA_RESP_ERR_##name

static const char again[] = "try again later";
static const char credentials[] =
    "check user, password and mechanism in the manifest";
static const char certificates[] =
    "check tls, ca, certificate and key in the manifest, and the broker's name";
static const char rights[] = "the broker's ACLs do not allow this user that";
static const char size[] = "raise max.message.bytes of the topic, or send less";

/* Every code of librdkafka 2.12 and Kafka. */
static const struct answer answers[] = {
    {LOCAL(BAD_MSG), SL_INTERNAL, NULL},
    {LOCAL(BAD_COMPRESSION), SL_INTERNAL, NULL},
    {LOCAL(DESTROY), SL_UNAVAILABLE, NULL},
    {LOCAL(FAIL), SL_INTERNAL, NULL},
    {LOCAL(TRANSPORT), SL_UNAVAILABLE, again},
    {LOCAL(CRIT_SYS_RESOURCE), SL_UNAVAILABLE, again},
    {LOCAL(RESOLVE), SL_UNAVAILABLE, "check brokers in the manifest"},
    {LOCAL(MSG_TIMED_OUT), SL_TIMEOUT, again},
    {LOCAL(PARTITION_EOF), SL_INTERNAL, NULL},
    {LOCAL(UNKNOWN_PARTITION), SL_UNAVAILABLE, again},
    {LOCAL(FS), SL_INTERNAL, NULL},
    {LOCAL(UNKNOWN_TOPIC), SL_NOT_FOUND,
     "create the topic, or set create-topics in the manifest"},
    {LOCAL(ALL_BROKERS_DOWN), SL_UNAVAILABLE, again},
    {LOCAL(INVALID_ARG), SL_INVALID_ARGUMENT, NULL},
    {LOCAL(TIMED_OUT), SL_TIMEOUT, again},
    {LOCAL(QUEUE_FULL), SL_RESOURCE_EXHAUSTED, again},
    {LOCAL(ISR_INSUFF), SL_UNAVAILABLE, again},
    {LOCAL(NODE_UPDATE), SL_UNAVAILABLE, again},
    {LOCAL(SSL), SL_UNAUTHENTICATED, certificates},
    {LOCAL(WAIT_COORD), SL_UNAVAILABLE, again},
    {LOCAL(UNKNOWN_GROUP), SL_CONFLICT, NULL},
    {LOCAL(IN_PROGRESS), SL_UNAVAILABLE, again},
    {LOCAL(PREV_IN_PROGRESS), SL_UNAVAILABLE, again},
    {LOCAL(EXISTING_SUBSCRIPTION), SL_INTERNAL, NULL},
    {LOCAL(ASSIGN_PARTITIONS), SL_INTERNAL, NULL},
    {LOCAL(REVOKE_PARTITIONS), SL_INTERNAL, NULL},
    {LOCAL(CONFLICT), SL_INTERNAL, NULL},
    {LOCAL(STATE), SL_CONFLICT, NULL},
    {LOCAL(UNKNOWN_PROTOCOL), SL_INTERNAL, NULL},
    {LOCAL(NOT_IMPLEMENTED), SL_UNSUPPORTED, NULL},
    {LOCAL(AUTHENTICATION), SL_UNAUTHENTICATED, credentials},
    {LOCAL(NO_OFFSET), SL_INTERNAL, NULL},
    {LOCAL(OUTDATED), SL_INTERNAL, NULL},
    {LOCAL(TIMED_OUT_QUEUE), SL_TIMEOUT, again},
    {LOCAL(UNSUPPORTED_FEATURE), SL_UNSUPPORTED, "use a newer broker"},
    {LOCAL(WAIT_CACHE), SL_UNAVAILABLE, again},
    {LOCAL(INTR), SL_UNAVAILABLE, again},
    {LOCAL(KEY_SERIALIZATION), SL_INTERNAL, NULL},
    {LOCAL(VALUE_SERIALIZATION), SL_INTERNAL, NULL},
    {LOCAL(KEY_DESERIALIZATION), SL_INTERNAL, NULL},
    {LOCAL(VALUE_DESERIALIZATION), SL_INTERNAL, NULL},
    {LOCAL(PARTIAL), SL_UNAVAILABLE, again},
    {LOCAL(READ_ONLY), SL_INTERNAL, NULL},
    {LOCAL(NOENT), SL_NOT_FOUND, NULL},
    {LOCAL(UNDERFLOW), SL_INTERNAL, NULL},
    {LOCAL(INVALID_TYPE), SL_INTERNAL, NULL},
    {LOCAL(RETRY), SL_UNAVAILABLE, again},
    {LOCAL(PURGE_QUEUE), SL_UNAVAILABLE, again},
    {LOCAL(PURGE_INFLIGHT), SL_TIMEOUT, again},
    {LOCAL(FATAL), SL_UNAVAILABLE, again},
    {LOCAL(INCONSISTENT), SL_INTERNAL, NULL},
    {LOCAL(GAPLESS_GUARANTEE), SL_UNAVAILABLE, again},
    {LOCAL(MAX_POLL_EXCEEDED), SL_CONFLICT, NULL},
    {LOCAL(UNKNOWN_BROKER), SL_UNAVAILABLE, again},
    {LOCAL(NOT_CONFIGURED), SL_INTERNAL, NULL},
    {LOCAL(FENCED), SL_CONFLICT, NULL},
    {LOCAL(APPLICATION), SL_INTERNAL, NULL},
    {LOCAL(ASSIGNMENT_LOST), SL_CONFLICT, NULL},
    {LOCAL(NOOP), SL_INTERNAL, NULL},
    {LOCAL(AUTO_OFFSET_RESET), SL_UNAVAILABLE, again},
    {LOCAL(LOG_TRUNCATION), SL_UNAVAILABLE, again},
    {LOCAL(INVALID_DIFFERENT_RECORD), SL_UNAVAILABLE, again},
    {LOCAL(DESTROY_BROKER), SL_UNAVAILABLE, again},
    {KAFKA(UNKNOWN), SL_INTERNAL, NULL},
    {KAFKA(OFFSET_OUT_OF_RANGE), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_MSG), SL_UNAVAILABLE, again},
    {KAFKA(UNKNOWN_TOPIC_OR_PART), SL_NOT_FOUND,
     "create the topic, or set create-topics in the manifest"},
    {KAFKA(INVALID_MSG_SIZE), SL_INVALID_ARGUMENT, NULL},
    {KAFKA(LEADER_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(NOT_LEADER_FOR_PARTITION), SL_UNAVAILABLE, again},
    {KAFKA(REQUEST_TIMED_OUT), SL_TIMEOUT, again},
    {KAFKA(BROKER_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(REPLICA_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(MSG_SIZE_TOO_LARGE), SL_TOO_LARGE, size},
    {KAFKA(STALE_CTRL_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(OFFSET_METADATA_TOO_LARGE), SL_TOO_LARGE, NULL},
    {KAFKA(NETWORK_EXCEPTION), SL_UNAVAILABLE, again},
    {KAFKA(COORDINATOR_LOAD_IN_PROGRESS), SL_UNAVAILABLE, again},
    {KAFKA(COORDINATOR_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(NOT_COORDINATOR), SL_UNAVAILABLE, again},
    {KAFKA(TOPIC_EXCEPTION), SL_INVALID_ARGUMENT, "choose another name"},
    {KAFKA(RECORD_LIST_TOO_LARGE), SL_TOO_LARGE, size},
    {KAFKA(NOT_ENOUGH_REPLICAS), SL_UNAVAILABLE,
     "fewer replicas are in sync than min.insync.replicas asks for"},
    {KAFKA(NOT_ENOUGH_REPLICAS_AFTER_APPEND), SL_TIMEOUT,
     "fewer replicas are in sync than min.insync.replicas asks for"},
    {KAFKA(INVALID_REQUIRED_ACKS), SL_INTERNAL, NULL},
    {KAFKA(ILLEGAL_GENERATION), SL_CONFLICT, NULL},
    {KAFKA(INCONSISTENT_GROUP_PROTOCOL), SL_CONFLICT,
     "other members of the group do not use cooperative-sticky: choose another "
     "group"},
    {KAFKA(INVALID_GROUP_ID), SL_INVALID_ARGUMENT, "choose another group"},
    {KAFKA(UNKNOWN_MEMBER_ID), SL_CONFLICT, NULL},
    {KAFKA(INVALID_SESSION_TIMEOUT), SL_INVALID_ARGUMENT,
     "set a lease between the broker's group.min.session.timeout.ms and "
     "group.max.session.timeout.ms"},
    {KAFKA(REBALANCE_IN_PROGRESS), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_COMMIT_OFFSET_SIZE), SL_TOO_LARGE, NULL},
    {KAFKA(TOPIC_AUTHORIZATION_FAILED), SL_PERMISSION_DENIED, rights},
    {KAFKA(GROUP_AUTHORIZATION_FAILED), SL_PERMISSION_DENIED, rights},
    {KAFKA(CLUSTER_AUTHORIZATION_FAILED), SL_PERMISSION_DENIED, rights},
    {KAFKA(INVALID_TIMESTAMP), SL_INVALID_ARGUMENT,
     "check the clocks of this machine and the broker"},
    {KAFKA(UNSUPPORTED_SASL_MECHANISM), SL_UNAUTHENTICATED, credentials},
    {KAFKA(ILLEGAL_SASL_STATE), SL_UNAUTHENTICATED, credentials},
    {KAFKA(UNSUPPORTED_VERSION), SL_UNSUPPORTED, "use a newer broker"},
    {KAFKA(TOPIC_ALREADY_EXISTS), SL_ALREADY_EXISTS, NULL},
    {KAFKA(INVALID_PARTITIONS), SL_INVALID_ARGUMENT,
     "check partitions in the manifest"},
    {KAFKA(INVALID_REPLICATION_FACTOR), SL_INVALID_ARGUMENT,
     "check replication in the manifest: there are fewer brokers"},
    {KAFKA(INVALID_REPLICA_ASSIGNMENT), SL_INVALID_ARGUMENT, NULL},
    {KAFKA(INVALID_CONFIG), SL_INVALID_ARGUMENT, NULL},
    {KAFKA(NOT_CONTROLLER), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_REQUEST), SL_INVALID_ARGUMENT, NULL},
    {KAFKA(UNSUPPORTED_FOR_MESSAGE_FORMAT), SL_UNSUPPORTED,
     "use a newer message format"},
    {KAFKA(POLICY_VIOLATION), SL_PERMISSION_DENIED,
     "a policy of the brokers refuses it"},
    {KAFKA(OUT_OF_ORDER_SEQUENCE_NUMBER), SL_TIMEOUT, again},
    {KAFKA(DUPLICATE_SEQUENCE_NUMBER), SL_TIMEOUT, again},
    {KAFKA(INVALID_PRODUCER_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_TXN_STATE), SL_INTERNAL, NULL},
    {KAFKA(INVALID_PRODUCER_ID_MAPPING), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_TRANSACTION_TIMEOUT), SL_INTERNAL, NULL},
    {KAFKA(CONCURRENT_TRANSACTIONS), SL_INTERNAL, NULL},
    {KAFKA(TRANSACTION_COORDINATOR_FENCED), SL_INTERNAL, NULL},
    {KAFKA(TRANSACTIONAL_ID_AUTHORIZATION_FAILED), SL_PERMISSION_DENIED,
     rights},
    {KAFKA(SECURITY_DISABLED), SL_UNSUPPORTED, NULL},
    {KAFKA(OPERATION_NOT_ATTEMPTED), SL_UNAVAILABLE, again},
    {KAFKA(KAFKA_STORAGE_ERROR), SL_UNAVAILABLE,
     "a disk of the broker fails, or is full"},
    {KAFKA(LOG_DIR_NOT_FOUND), SL_UNAVAILABLE,
     "a disk of the broker fails, or is full"},
    {KAFKA(SASL_AUTHENTICATION_FAILED), SL_UNAUTHENTICATED, credentials},
    {KAFKA(UNKNOWN_PRODUCER_ID), SL_UNAVAILABLE, again},
    {KAFKA(REASSIGNMENT_IN_PROGRESS), SL_UNAVAILABLE, again},
    {KAFKA(DELEGATION_TOKEN_AUTH_DISABLED), SL_UNAUTHENTICATED, credentials},
    {KAFKA(DELEGATION_TOKEN_NOT_FOUND), SL_UNAUTHENTICATED, credentials},
    {KAFKA(DELEGATION_TOKEN_OWNER_MISMATCH), SL_UNAUTHENTICATED, credentials},
    {KAFKA(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED), SL_UNAUTHENTICATED,
     credentials},
    {KAFKA(DELEGATION_TOKEN_AUTHORIZATION_FAILED), SL_PERMISSION_DENIED,
     rights},
    {KAFKA(DELEGATION_TOKEN_EXPIRED), SL_UNAUTHENTICATED, credentials},
    {KAFKA(INVALID_PRINCIPAL_TYPE), SL_INTERNAL, NULL},
    {KAFKA(NON_EMPTY_GROUP), SL_CONFLICT, NULL},
    {KAFKA(GROUP_ID_NOT_FOUND), SL_NOT_FOUND, NULL},
    {KAFKA(FETCH_SESSION_ID_NOT_FOUND), SL_UNAVAILABLE, again},
    {KAFKA(INVALID_FETCH_SESSION_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(LISTENER_NOT_FOUND), SL_UNAVAILABLE,
     "the broker's advertised.listeners lack the listener in use"},
    {KAFKA(TOPIC_DELETION_DISABLED), SL_PERMISSION_DENIED, NULL},
    {KAFKA(FENCED_LEADER_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(UNKNOWN_LEADER_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(UNSUPPORTED_COMPRESSION_TYPE), SL_UNSUPPORTED,
     "choose another compression in the manifest"},
    {KAFKA(STALE_BROKER_EPOCH), SL_UNAVAILABLE, again},
    {KAFKA(OFFSET_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(MEMBER_ID_REQUIRED), SL_UNAVAILABLE, again},
    {KAFKA(PREFERRED_LEADER_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(GROUP_MAX_SIZE_REACHED), SL_RESOURCE_EXHAUSTED,
     "the group has as many members as the broker's group.max.size allows"},
    {KAFKA(FENCED_INSTANCE_ID), SL_CONFLICT, NULL},
    {KAFKA(ELIGIBLE_LEADERS_NOT_AVAILABLE), SL_UNAVAILABLE, again},
    {KAFKA(ELECTION_NOT_NEEDED), SL_INTERNAL, NULL},
    {KAFKA(NO_REASSIGNMENT_IN_PROGRESS), SL_INTERNAL, NULL},
    {KAFKA(GROUP_SUBSCRIBED_TO_TOPIC), SL_CONFLICT, NULL},
    {KAFKA(INVALID_RECORD), SL_INVALID_ARGUMENT,
     "the topic refuses such an event, perhaps one without a key: see its "
     "cleanup.policy"},
    {KAFKA(UNSTABLE_OFFSET_COMMIT), SL_UNAVAILABLE, again},
    {KAFKA(THROTTLING_QUOTA_EXCEEDED), SL_RESOURCE_EXHAUSTED, again},
    {KAFKA(PRODUCER_FENCED), SL_UNAVAILABLE, again},
    {KAFKA(RESOURCE_NOT_FOUND), SL_NOT_FOUND, NULL},
    {KAFKA(DUPLICATE_RESOURCE), SL_ALREADY_EXISTS, NULL},
    {KAFKA(UNACCEPTABLE_CREDENTIAL), SL_UNAUTHENTICATED, credentials},
    {KAFKA(INCONSISTENT_VOTER_SET), SL_INTERNAL, NULL},
    {KAFKA(INVALID_UPDATE_VERSION), SL_INTERNAL, NULL},
    {KAFKA(FEATURE_UPDATE_FAILED), SL_INTERNAL, NULL},
    {KAFKA(PRINCIPAL_DESERIALIZATION_FAILURE), SL_INTERNAL, NULL},
    {KAFKA(UNKNOWN_TOPIC_ID), SL_NOT_FOUND,
     "create the topic, or set create-topics in the manifest"},
    {KAFKA(FENCED_MEMBER_EPOCH), SL_CONFLICT, NULL},
    {KAFKA(UNRELEASED_INSTANCE_ID), SL_CONFLICT, NULL},
    {KAFKA(UNSUPPORTED_ASSIGNOR), SL_UNSUPPORTED, NULL},
    {KAFKA(STALE_MEMBER_EPOCH), SL_CONFLICT, NULL},
    {KAFKA(UNKNOWN_SUBSCRIPTION_ID), SL_INTERNAL, NULL},
    {KAFKA(TELEMETRY_TOO_LARGE), SL_INTERNAL, NULL},
    {KAFKA(REBOOTSTRAP_REQUIRED), SL_UNAVAILABLE, again},
};

static const struct answer unknown = {KAFKA(UNKNOWN), SL_INTERNAL, NULL};

static const struct answer *find_kafka_error(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (answers[i].code == code)
            return &answers[i];
    return &unknown;
}

enum sl_status sl_pubsub_kafka_status(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? SL_OK
                                              : find_kafka_error(code)->status;
}

bool sl_pubsub_kafka_is_known_error(rd_kafka_resp_err_t code)
{
    return find_kafka_error(code) != &unknown;
}

static enum sl_status fail_with_text(const struct sl_pubsub_kafka_store *store,
                                     const char *what,
                                     const struct answer *answer,
                                     const char *text, struct sl_error *err)
{
    return sl_fail(err, answer->status, "Kafka at %.200s: %s: %s%s%s",
                   store->options->brokers, what, text,
                   answer->remedy != NULL ? "; " : "",
                   answer->remedy != NULL ? answer->remedy : "");
}

enum sl_status sl_pubsub_kafka_fail(const struct sl_pubsub_kafka_store *store,
                                    const char *what, rd_kafka_resp_err_t code,
                                    struct sl_error *err)
{
    return fail_with_text(store, what, find_kafka_error(code),
                          rd_kafka_err2str(code), err);
}

/* --- Recorded failures -------------------------------------------------- */

void sl_pubsub_kafka_failure_init(struct sl_pubsub_kafka_failure *failure)
{
    pthread_mutex_init(&failure->lock, NULL);
}

/*
 * A certificate was refused: the broker's by us, or ours by the broker.
 */
static bool is_about_certificates(const char *text)
{
    return text != NULL && (strstr(text, "verif") != NULL ||
                            (strstr(text, "alert") != NULL &&
                             (strstr(text, "certificate") != NULL ||
                              strstr(text, "unknown ca") != NULL)));
}

rd_kafka_resp_err_t sl_pubsub_kafka_classify(rd_kafka_resp_err_t code,
                                             const char *text)
{
    /* A connection that is cut while the mechanisms are listed says nothing
     * about the credentials. */
    if (code == LOCAL(AUTHENTICATION) && text != NULL &&
        strstr(text, "handshake failed: Local:") != NULL)
        return LOCAL(TRANSPORT);
    if (code != LOCAL(SSL) && code != LOCAL(TRANSPORT))
        return code;
    return is_about_certificates(text) ? LOCAL(SSL) : LOCAL(TRANSPORT);
}

void sl_pubsub_kafka_failure_set(struct sl_pubsub_kafka_failure *failure,
                                 rd_kafka_resp_err_t code, const char *text)
{
    code = sl_pubsub_kafka_classify(code, text);
    pthread_mutex_lock(&failure->lock);
    /* "All brokers down" says less than the reason for the last one. */
    if (failure->code == 0 || code != LOCAL(ALL_BROKERS_DOWN)) {
        failure->code = code;
        snprintf(failure->text, sizeof(failure->text), "%s",
                 text != NULL ? text : rd_kafka_err2str(code));
        for (char *c = failure->text; *c != '\0'; c++)
            if (*c < ' ' || *c > '~')
                *c = ' ';
    }
    failure->since = sl_now_ns();
    pthread_mutex_unlock(&failure->lock);
}

void sl_pubsub_kafka_failure_clear(struct sl_pubsub_kafka_failure *failure)
{
    pthread_mutex_lock(&failure->lock);
    failure->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&failure->lock);
}

bool sl_pubsub_kafka_failure_is_set(struct sl_pubsub_kafka_failure *failure)
{
    pthread_mutex_lock(&failure->lock);
    bool some = failure->code != RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&failure->lock);
    return some;
}

/* librdkafka retries forever and reports a failure once. */
bool sl_pubsub_kafka_failure_is_final(struct sl_pubsub_kafka_failure *failure,
                                      int64_t start)
{
    pthread_mutex_lock(&failure->lock);
    bool final = sl_pubsub_kafka_status(failure->code) == SL_UNAUTHENTICATED;
    final =
        final && (failure->since >= start || sl_now_ns() - start > FINAL_AFTER);
    pthread_mutex_unlock(&failure->lock);
    return final;
}

enum sl_status
sl_pubsub_kafka_fail_with(const struct sl_pubsub_kafka_store *store,
                          struct sl_pubsub_kafka_failure *failure,
                          const char *what, rd_kafka_resp_err_t code,
                          struct sl_error *err)
{
    char text[sizeof(failure->text)];

    pthread_mutex_lock(&failure->lock);
    rd_kafka_resp_err_t why = failure->code;
    memcpy(text, failure->text, sizeof(text));
    pthread_mutex_unlock(&failure->lock);
    if (why == RD_KAFKA_RESP_ERR_NO_ERROR)
        return sl_pubsub_kafka_fail(store, what, code, err);
    return fail_with_text(store, what, find_kafka_error(why), text, err);
}
