/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key-value stores, as the rest of slight uses them: wit/kv/kv.wit in C.
 *
 * A store is a service (service/service.h) of the capability sl_kv; its calls
 * are arrays of the requests here, and their answers.
 */
#ifndef SL_KV_KV_H
#define SL_KV_KV_H

#include "base/bytes.h"
#include "service/service.h"

enum {
    SL_KV_KEY_MAX = 1024,          /* bytes in a key; at least one */
    SL_KV_VERSION_MAX = 64,        /* bytes in a version */
    SL_KV_PAGE_MAX = 1000,         /* keys in a page */
    SL_KV_MANY_MAX = 1000,         /* requests in one call */
    SL_KV_CURSOR_MAX = 1024 * 1024 /* bytes in a cursor */
};

/* Bytes of all values of one call together, both ways. */
#define SL_KV_CALL_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum sl_kv_verb {
    SL_KV_GET,
    SL_KV_EXISTS,
    SL_KV_SET,
    SL_KV_DELETE,
    SL_KV_INCREMENT,
    SL_KV_KEYS,
};

enum { SL_KV_VERB_COUNT = SL_KV_KEYS + 1 };

/* When a SET or a DELETE may happen. */
enum sl_kv_condition {
    SL_KV_ALWAYS,
    SL_KV_ABSENT,  /* SET only; otherwise SL_ALREADY_EXISTS */
    SL_KV_VERSION, /* the key's version is `version`; otherwise SL_CONFLICT */
};

/*
 * What is asked for; the bytes are borrowed until the function they are given
 * to returns.  A zeroed request with a verb and a key is a plain one.
 * The bridge mirrors this struct: bridge/slight_bridge.h.
 */
struct sl_kv_request {
    uint32_t verb; /* enum sl_kv_verb; the first member */
    enum sl_kv_condition condition;
    struct sl_bytes key;     /* KEYS: the prefix, which may be empty */
    struct sl_bytes value;   /* SET */
    struct sl_bytes version; /* SL_KV_VERSION */
    struct sl_bytes
        cursor;      /* KEYS: as answered before; empty: from the start */
    uint64_t ttl_ms; /* SET, if has_ttl: 1 or more */
    int64_t delta;   /* INCREMENT */
    uint32_t limit;  /* KEYS: 1 to SL_KV_PAGE_MAX */
    bool has_ttl;
    /* GET, and SET where the service has versions: fill answer.version. */
    bool want_version;
};

/*
 * What came of it: err.status says whether it worked.  The fields that the verb
 * does not fill are as sl_kv_answer_init left them.
 * The bridge mirrors this struct: bridge/slight_bridge.h.
 */
struct sl_kv_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    bool found;           /* GET, EXISTS: there is one; DELETE: there was one */
    int64_t number;       /* INCREMENT: the sum */
    struct sl_held value; /* GET, if found; the reader's to release */
    /* GET and SET, if wanted; SET by a driver always may.  Empty: the service
     * has no versions. */
    char version[SL_KV_VERSION_MAX + 1];
    uint32_t key_count; /* KEYS: how many */
    struct sl_buf keys; /* KEYS: each key followed by a NUL */
    struct sl_buf next; /* KEYS: where the next page starts; empty: the end */
};
SL_ASSERT_IS_ANSWER(struct sl_kv_answer);

/* Both take a struct sl_kv_answer.  Done frees what it holds. */
void sl_kv_answer_init(void *answer);
void sl_kv_answer_done(void *answer);

/* The settings of a kv resource. */
struct sl_kv_config {
    struct sl_service_config service;
    int64_t max_value; /* bytes in a value */
};

extern const struct sl_capability sl_kv;

#endif
