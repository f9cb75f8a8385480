/* SPDX-License-Identifier: Apache-2.0 */
/* The tables and statements of mq.sqlite; driver.c explains them. */
#ifndef SL_MQ_SQLITE_SCHEMA_H
#define SL_MQ_SQLITE_SCHEMA_H

#include "driverkit/embedded.h"
#include "mq/driver.h"

/* Stored in the file. */
enum sl_mq_sqlite_state {
    SL_MQ_SQLITE_READY,
    SL_MQ_SQLITE_HIDDEN,
    SL_MQ_SQLITE_BLOCKED
};

enum sl_mq_sqlite_statement {
    SL_MQ_SQLITE_INSERT,
    SL_MQ_SQLITE_IN_GROUP,
    SL_MQ_SQLITE_FIND_DUPLICATE,
    SL_MQ_SQLITE_NOTE_DUPLICATE,
    SL_MQ_SQLITE_RETURNED,
    SL_MQ_SQLITE_SHOW,
    SL_MQ_SQLITE_NEXT,
    SL_MQ_SQLITE_DELIVER,
    SL_MQ_SQLITE_NEXT_UNTIL,
    SL_MQ_SQLITE_IN_FLIGHT,
    SL_MQ_SQLITE_DELETE,
    SL_MQ_SQLITE_HIDE,
    SL_MQ_SQLITE_UNBLOCK,
    SL_MQ_SQLITE_BURY,
    SL_MQ_SQLITE_DEAD,
    SL_MQ_SQLITE_REPLAY,
    SL_MQ_SQLITE_DROP,
    SL_MQ_SQLITE_COUNT,
    SL_MQ_SQLITE_LAPSED,
    SL_MQ_SQLITE_SWEEP,
};

/* Creates the tables and sets the format of the file. */
extern const char sl_mq_sqlite_tables[];
/* Ended by NULL. */
extern const char *const sl_mq_sqlite_statements[];

/* --- sqlite_dead.c: each returns SQLite's code ---------------------------- */

int sl_mq_sqlite_dead_list(struct sl_embedded *connection, struct sl_op *op);
/* DEAD_REPLAY and DEAD_DROP. */
int sl_mq_sqlite_dead_settle(struct sl_embedded *connection, struct sl_op *op);

#endif
