/* SPDX-License-Identifier: Apache-2.0 */
/* What target.c shares with postgres.c. */
#ifndef SL_CLIENT_POSTGRES_INTERNAL_H
#define SL_CLIENT_POSTGRES_INTERNAL_H

#include <stdatomic.h>

#include "client/postgres/postgres.h"

/* One of the servers. */
struct sl_pg_host {
    struct sl_url url;
    const char *tls; /* the sslmode */
    const char *ca;  /* NULL: certificates are not verified */
    char *where;     /* "host:port" */
};

struct sl_pg_target {
    struct sl_pg_host hosts[SL_PG_HOSTS_MAX];
    size_t count;
    atomic_size_t *last; /* the host that was used last */
    const struct sl_pg_options *options;
    const char *user;
    const char *password;
    const char *attrs; /* target_session_attrs */
    char *settings;
    char *where; /* all hosts, for messages */
};

#endif
