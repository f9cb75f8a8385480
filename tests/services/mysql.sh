#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MySQL with passwords (caching_sha2_password) and TLS on one port; see
# mysql_family.sh.  scripts/services/mysql.sh gets it.
NAME=mysql
. "$(dirname "$0")/mysql_family.sh"

PREFIX=$("$HERE/../../scripts/services/mysql.sh")

# It wants to be told that it is root that runs it.
where() {
    set -- --no-defaults --user="$(id -un)" \
        --lc-messages-dir="$PREFIX/usr/share/mysql" \
        --character-sets-dir="$PREFIX/usr/share/mysql/charsets" \
        --plugin-dir="$PREFIX/usr/lib/mysql/plugin" --tmpdir="$DIR" --secure-file-priv=
    printf '%s\n' "$@"
}

make_data() {
    mapfile -t words < <(where)
    "$PREFIX/run" usr/sbin/mysqld "${words[@]}" --initialize-insecure \
        --datadir="$DATA"
}

version() {
    "$PREFIX/run" usr/sbin/mysqld --version
}

server() {
    mapfile -t words < <(where)
    spawn "$PREFIX/run" usr/sbin/mysqld "${words[@]}" --mysqlx=OFF \
        --performance-schema=OFF --innodb-buffer-pool-size=128M \
        --cte-max-recursion-depth=4294967295 "$@"
}

client() {
    "$PREFIX/run" usr/bin/mysql "$@"
}

service_main "$@"
