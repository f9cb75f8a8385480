#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A database for one case.
exec "$(dirname "$0")/../../../tests/services/mariadb.sh" tell "$SL_TEST_SERVICES" \
    -e "CREATE DATABASE \`$1\`"
