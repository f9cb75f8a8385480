#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A schema for one case.
exec "$(dirname "$0")/../../../tests/services/postgres.sh" tell "$SL_TEST_SERVICES" \
    -d slight -c "CREATE SCHEMA \"$1\" AUTHORIZATION slight"
