/* SPDX-License-Identifier: Apache-2.0 */
/* Two instances of one database. */
#include <stddef.h>

#include "guest.h"
#include "sql_cases.h"

static void hold(struct resource *sql, bool stay)
{
    struct sql_tx *tx = NULL;

    (void)stay;
    DO(sql, NULL, "CREATE TABLE held (id INTEGER)");
    DO(sql, NULL, "INSERT INTO held VALUES (1)");
    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    DO(sql, tx, "INSERT INTO held VALUES (2)");
    DO(sql, tx, "UPDATE held SET id = 3");
}

/* What was committed is there, and nothing else; and it is not locked. */
static void find(struct resource *sql)
{
    INT(sql, NULL, "SELECT sum(id) FROM held", 1);
    DO(sql, NULL, "UPDATE held SET id = 4");
    INT(sql, NULL, "SELECT sum(id) FROM held", 4);
}

/* holds: sql-78 sql-79 */
const struct suite_roles suite_roles = {hold, find, NULL, NULL};
