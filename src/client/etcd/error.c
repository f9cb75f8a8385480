/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of etcd's errors: by their text (api/v3rpc/rpctypes/error.go of
 * etcd 3.4 to 3.7), or else by the gRPC code
 * (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
 */
#include <string.h>

#include "client/etcd/etcd.h"

enum {
    UNCHANGED = 1, /* the server has certainly not acted */
    STALE = 2,     /* a new token may help */
};

struct meaning {
    enum sl_status status;
    unsigned flags;
    const char *remedy;
};

static const char too_large[] =
    "the request is larger than the server allows (max-request-bytes)";
static const char no_space[] =
    "the server's database is full (quota-backend-bytes): compact and "
    "defragment it, then disarm the alarm";
static const char again[] = "the cluster cannot answer now";

/* The first entry whose text is in the message counts. */
static const struct {
    const char *text;
    struct meaning meaning;
} messages[] = {
    {"invalid auth token",
     {SL_UNAUTHENTICATED, UNCHANGED | STALE,
      "the server does not know the login any more"}},
    {"revision of auth store is old",
     {SL_UNAVAILABLE, UNCHANGED | STALE,
      "users or roles were changed at this moment"}},
    {"authentication failed, invalid user ID or password",
     {SL_UNAUTHENTICATED, UNCHANGED, "the user or the password is wrong"}},
    {"user name is empty",
     {SL_UNAUTHENTICATED, UNCHANGED,
      "the server requires a user; set `user` and `password`"}},
    {"user name not found",
     {SL_UNAUTHENTICATED, UNCHANGED, "there is no such user"}},
    {"authentication is not enabled",
     {SL_UNAUTHENTICATED, UNCHANGED,
      "the server has authentication disabled; set no user"}},
    {"CommonName of client",
     {SL_UNAUTHENTICATED, UNCHANGED,
      "where there are users, the gateway takes no client's certificate with a "
      "common name; use one without"}},
    {"permission denied",
     {SL_PERMISSION_DENIED, UNCHANGED,
      "the user's roles do not allow this key or range"}},
    {"requested lease not found",
     {SL_NOT_FOUND, UNCHANGED, "the lease has expired"}},
    {"lease already exists",
     {SL_ALREADY_EXISTS, UNCHANGED, "the lease exists"}},
    {"too large lease TTL",
     {SL_INVALID_ARGUMENT, UNCHANGED,
      "the server does not accept this time to live"}},
    {"request is too large", {SL_TOO_LARGE, UNCHANGED, too_large}},
    {"received message larger than max", {SL_TOO_LARGE, UNCHANGED, too_large}},
    {"too many operations in txn request",
     {SL_TOO_LARGE, UNCHANGED,
      "more operations than the server allows (max-txn-ops)"}},
    {"database space exceeded", {SL_RESOURCE_EXHAUSTED, UNCHANGED, no_space}},
    {"too many requests",
     {SL_RESOURCE_EXHAUSTED, UNCHANGED, "the server has too many requests"}},
    {"revision has been compacted",
     {SL_CONFLICT, UNCHANGED, "the revision was compacted"}},
    {"is a future revision",
     {SL_UNAVAILABLE, UNCHANGED, "the member lags behind"}},
    {"corrupt cluster",
     {SL_UNAVAILABLE, UNCHANGED, "the cluster's members disagree (CORRUPT)"}},
    {"rpc not supported for learner",
     {SL_UNAVAILABLE, UNCHANGED, "this member is a learner; name others"}},
    {"not capable",
     {SL_UNSUPPORTED, UNCHANGED, "the cluster is older than slight needs"}},
    {"not leader", {SL_UNAVAILABLE, UNCHANGED, again}},
};

/* By gRPC's code, 0 to 16. */
static const struct meaning codes[] = {
    {SL_INTERNAL, 0, NULL},                             /* OK */
    {SL_UNAVAILABLE, 0, "the call was canceled"},       /* CANCELLED */
    {SL_INTERNAL, 0, NULL},                             /* UNKNOWN */
    {SL_INVALID_ARGUMENT, UNCHANGED, NULL},             /* INVALID_ARGUMENT */
    {SL_TIMEOUT, 0, "the server was not done in time"}, /* DEADLINE_EXCEEDED */
    {SL_NOT_FOUND, UNCHANGED, NULL},                    /* NOT_FOUND */
    {SL_ALREADY_EXISTS, UNCHANGED, NULL},               /* ALREADY_EXISTS */
    {SL_PERMISSION_DENIED, UNCHANGED, NULL},            /* PERMISSION_DENIED */
    {SL_RESOURCE_EXHAUSTED, UNCHANGED, NULL},           /* RESOURCE_EXHAUSTED */
    {SL_CONFLICT, UNCHANGED, NULL},              /* FAILED_PRECONDITION */
    {SL_CONFLICT, 0, NULL},                      /* ABORTED */
    {SL_INVALID_ARGUMENT, UNCHANGED, NULL},      /* OUT_OF_RANGE */
    {SL_UNSUPPORTED, UNCHANGED, NULL},           /* UNIMPLEMENTED */
    {SL_INTERNAL, 0, NULL},                      /* INTERNAL */
    {SL_UNAVAILABLE, 0, again},                  /* UNAVAILABLE */
    {SL_UNAVAILABLE, 0, "the server lost data"}, /* DATA_LOSS */
    {SL_UNAUTHENTICATED, UNCHANGED, NULL},       /* UNAUTHENTICATED */
};

/* An answer that is not from etcd: from a proxy or another server. */
static const struct meaning *meaning_of_http_code(int code)
{
    static const struct meaning
        unauthenticated = {SL_UNAUTHENTICATED, UNCHANGED, NULL},
        denied = {SL_PERMISSION_DENIED, UNCHANGED, NULL},
        large = {SL_TOO_LARGE, UNCHANGED, too_large},
        missing = {SL_UNSUPPORTED, UNCHANGED,
                   "the server is not etcd 3.4 or newer"},
        throttled = {SL_RESOURCE_EXHAUSTED, UNCHANGED, NULL},
        down = {SL_UNAVAILABLE, 0, NULL}, unknown = {SL_INTERNAL, 0, NULL};

    switch (code) {
    case 401:
        return &unauthenticated;
    case 403:
        return &denied;
    case 404:
    case 405:
        return &missing;
    case 413:
        return &large;
    case 429:
        return &throttled;
    case 502:
    case 503:
    case 504:
        return &down;
    default:
        return &unknown;
    }
}

static bool contains_text(struct sl_bytes message, const char *text)
{
    return message.len > 0 &&
           memmem(message.ptr, message.len, text, strlen(text)) != NULL;
}

static const struct meaning *meaning_of(struct sl_bytes message, int64_t code,
                                        int http_code)
{
    const int64_t count = sizeof(codes) / sizeof(codes[0]);

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (contains_text(message, messages[i].text))
            return &messages[i].meaning;
    /* The gateway's own answer to an unknown call. */
    if (code < 1 || code >= count ||
        (code == 5 && !contains_text(message, "etcdserver")))
        return meaning_of_http_code(http_code);
    return &codes[code];
}

/* The length of the printable start. etcd's messages may name key ranges, but
 * never a password or a token. */
static int printable_length(struct sl_bytes message)
{
    int len = 0;

    while ((size_t)len < message.len && len < 200 && message.ptr[len] >= 0x20 &&
           message.ptr[len] < 0x7f)
        len++;
    return len;
}

bool sl_etcd_is_full(const struct sl_error *err)
{
    return err->status == SL_RESOURCE_EXHAUSTED &&
           strstr(err->message, no_space) != NULL;
}

enum sl_status sl_etcd_explain(int code, struct sl_bytes body, bool *unchanged,
                               bool *stale, struct sl_error *err)
{
    SL_CLEANUP(sl_json_freep) struct sl_json *json = NULL;
    const struct sl_json *error = NULL;

    if (sl_json_parse(body, &json, NULL) == SL_OK)
        error = sl_json_get(json, "error"); /* of a stream */
    if (sl_json_get(error, "message") == NULL)
        error = json;
    struct sl_bytes message =
        json == NULL ? body : sl_json_text(error, "message");
    int64_t grpc_code = sl_json_integer(error, "code");
    if (grpc_code == 0)
        grpc_code = sl_json_integer(error, "grpc_code");
    const struct meaning *meaning = meaning_of(message, grpc_code, code);
    *unchanged = (meaning->flags & UNCHANGED) != 0;
    *stale = (meaning->flags & STALE) != 0;
    const char *remedy =
        meaning->remedy == NULL ? "the server answered" : meaning->remedy;
    if (message.len == 0)
        return sl_fail(err, meaning->status, "etcd: %s: HTTP %d", remedy, code);
    return sl_fail(err, meaning->status, "etcd: %s: %.*s", remedy,
                   printable_length(message), (const char *)message.ptr);
}
