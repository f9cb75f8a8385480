#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's MariaDB with passwords and TLS on one port; see mysql_family.sh.
NAME=mariadb
. "$(dirname "$0")/mysql_family.sh"

make_data() {
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$DATA" \
        --skip-test-db --auth-root-authentication-method=normal
}

version() {
    mariadbd --version
}

server() {
    spawn mariadbd --no-defaults --user="$(id -un)" --tmpdir="$DIR" \
        --innodb-buffer-pool-size=128M --max-recursive-iterations=4294967295 \
        --plugin-load-add=auth_ed25519 "$@"
}

# The other way to log in that MariaDB has.
more_users() {
    cat <<END
CREATE USER IF NOT EXISTS edward@'%' IDENTIFIED VIA ed25519 USING PASSWORD('$PASSWORD');
GRANT ALL ON slight.* TO edward@'%';
END
}

client() {
    mariadb "$@"
}

service_main "$@"
