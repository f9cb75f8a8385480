/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd.c shares with watch.c. */
#ifndef SL_CLIENT_ETCD_INTERNAL_H
#define SL_CLIENT_ETCD_INTERNAL_H

#include "client/etcd/etcd.h"
#include "net/http/http.h"

/* The parts of a request, which live as long as it. */
struct sl_etcd_post {
    char *url;
    char *authorization; /* the header, or NULL */
    const char *headers[3];
};

struct sl_etcd_post sl_etcd_post_new(const struct sl_etcd_conn *conn,
                                     const char *path, const char *token);
/* Borrows from post, which must not move. */
struct sl_http_request sl_etcd_post_request(struct sl_etcd_post *post,
                                            struct sl_bytes body,
                                            sl_deadline deadline);
void sl_etcd_post_done(struct sl_etcd_post *post);

const struct sl_http_config *
sl_etcd_http_config(const struct sl_etcd_conn *conn);
/* The current token, for the caller to free; or NULL. */
char *sl_etcd_token(const struct sl_etcd_conn *conn);

/* Handle a line of a watch's answer.  False: the watch has ended. */
SL_MUST_CHECK bool sl_etcd_watch_line(struct sl_bytes line,
                                      sl_etcd_deleted_fn *deleted,
                                      void *context);

#endif
