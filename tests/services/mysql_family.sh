# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What MySQL and MariaDB have in common.  Sourced by the script of each, which
# sets NAME and defines `make_data` (a new data folder in $DATA), `version`,
# `server` (runs the server with these options) and `client`.
#
# The administrator is root, whom `tell` is; tests are `slight`, which may do
# anything.  SL_TEST_MYSQL_OPTIONS are more options of the server.
. "$(dirname "$0")/common.sh"

# Longer lock waits than tests want to see, and series of numbers by recursion.
OPTIONS="--innodb-lock-wait-timeout=3 --character-set-server=utf8mb4
    --max-connections=250 --skip-name-resolve --skip-log-bin
    --max-prepared-stmt-count=100000"

places() {
    DATA=$DIR/data
    # The path of a socket is short.
    SOCKET=/tmp/slight-$NAME-$(printf '%s' "$DIR" | cksum | cut -d ' ' -f 1).sock
}

# Done at every start.
write_users() {
    cat <<END
ALTER USER root@localhost IDENTIFIED BY '$PASSWORD';
CREATE DATABASE IF NOT EXISTS slight;
CREATE USER IF NOT EXISTS slight@'%' IDENTIFIED BY '$PASSWORD';
GRANT ALL ON *.* TO slight@'%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS client@'%' REQUIRE X509;
GRANT ALL ON slight.* TO client@'%';
END
    more_users
}

more_users() { :; }

launch() {
    ports PORT
    places
    if [ ! -f "$DIR/made" ]; then
        fill_data "$(version)" >>"$DIR/log" 2>&1 || { tail -n 20 "$DIR/log" >&2; return 1; }
        touch "$DIR/made"
    fi
    forget # after a kill; another process may have that id by now
    (umask 077; write_users >"$DIR/users.sql")
    durable="--innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF"
    [ -z "${SL_TEST_DURABLE:-}" ] || durable=
    # shellcheck disable=SC2086 # words are meant
    server --datadir="$DATA" --socket="$SOCKET" --pid-file="$DIR/server.pid" \
        --init-file="$DIR/users.sql" --bind-address="$HOST" --port="$PORT" \
        --ssl-ca="$CERTS/ca.pem" --ssl-cert="$CERTS/$CERT.pem" \
        --ssl-key="$CERTS/$CERT.key" $OPTIONS $durable ${SL_TEST_MYSQL_OPTIONS:-}
}

forget() {
    places
    rm -f "$SOCKET" "$SOCKET.lock"
}

tell() {
    places
    MYSQL_PWD=$PASSWORD client --no-defaults --batch --skip-column-names \
        -uroot --socket="$SOCKET" "$@"
}

# The last of what write_users does is done.
ready() {
    ports
    tell -e "SHOW GRANTS FOR client@'%'" | grep -q slight
}

describe() {
    upper=$(printf '%s' "$NAME" | tr '[:lower:]' '[:upper:]')
    tell -e "SELECT CONCAT('# ', version())"
    cat <<END
SL_TEST_${upper}_HOST=$HOST
SL_TEST_${upper}_PORT=$PORT
SL_TEST_${upper}_PASSWORD=$PASSWORD
SL_TEST_${upper}_URL=mysqls://slight:$PASSWORD@localhost:$PORT/slight
SL_TEST_CA=$CERTS/ca.pem
END
}
