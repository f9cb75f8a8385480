/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/postgres.h"

void postgres_tell(const char *statement)
{
    fault_tell("-d slight -c \"%s\" >/dev/null", statement);
}

void postgres_least_rights(const char *sequence)
{
    static const char own[] = "schema = \"own\"";
    static const char least[] =
        "schema = \"own\"\nuser = \"least\"\npassword = \"least\"";
    struct test_store store;

    postgres_tell("CREATE SCHEMA own AUTHORIZATION slight; CREATE USER least "
                  "PASSWORD 'least'; GRANT USAGE ON SCHEMA own TO least");
    fault_open_own(&store, NULL, least); /* they are not there yet */
    fault_call_is(&store, fault_driver.write(-1), SL_PERMISSION_DENIED, "");
    test_store_done(&store);
    fault_open_own(&store, NULL, own);
    fault_call_is(&store, fault_driver.write(-2), SL_OK, "");
    test_store_done(&store);
    fault_tell("-d slight -c \"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
               "TABLES IN SCHEMA own TO least; GRANT USAGE ON SEQUENCE own.%s "
               "TO least\"",
               sequence);
    fault_open_own(&store, NULL, least);
    fault_call_is(&store, fault_driver.write(-3), SL_OK, "");
    test_store_done(&store);
}
