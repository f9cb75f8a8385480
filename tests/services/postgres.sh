#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL with scram passwords and TLS on one port.  The administrator is
# `postgres`, whom `tell` is (psql's arguments); tests are `slight`, which owns
# the database of the same name.  SL_TEST_STANDBY_OF is the folder of a running
# one, of which this one is a standby.
NAME=postgres
. "$(dirname "$0")/common.sh"

BIN=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)

# The server refuses to run as root: then it is Debian's user of its name, who
# may not get into the folder, so that its data are elsewhere.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid postgres --regid postgres --init-groups "$@"
    else
        "$@"
    fi
}

data_folder() {
    DATA=$DIR/data
    [ "$(id -u)" != 0 ] ||
        DATA=/tmp/slight-postgres-$(printf '%s' "$DIR" | cksum | cut -d ' ' -f 1)
}

own() {
    [ "$(id -u)" != 0 ] || chown postgres "$@"
}

# A folder that initdb left unfinished is not kept.
make_data() {
    mkdir -m 700 "$DATA" && own "$DATA" &&
        (umask 077; printf %s "$PASSWORD" >"$DATA.password") && own "$DATA.password" &&
        as_server "$BIN/initdb" -D "$DATA" -U postgres --auth scram-sha-256 \
            --pwfile "$DATA.password" -E UTF8 --locale=C.UTF-8 --no-sync \
            >>"$DIR/log" 2>&1 &&
        rm "$DATA.password" &&
        as_server sed -i '1i hostssl all client all cert' "$DATA/pg_hba.conf"
}

# A copy that follows the server in that folder.
copy_primary() {
    primary=$(sed -n 's/^SL_TEST_POSTGRES_PORT=//p' "$1/postgres.env")
    as_server env PGPASSWORD="$PASSWORD" "$BIN/pg_basebackup" -h "$HOST" \
        -p "$primary" -U postgres -D "$DATA" -R -X stream -c fast --no-sync \
        >>"$DIR/log" 2>&1 && touch "$DIR/made"
}

# After a kill: the server's processes notice, and the next one waits for that.
# It would also wait until the killed one is reaped, which may take seconds, but
# for the files with its number.
wait_children_gone() {
    [ -f "$DIR/pid" ] || return 0
    read -r old _ <"$DIR/pid"
    local give_up=$((SECONDS + STOP_SECONDS))
    while ps -o stat= -s "$old" | grep -qv '^Z'; do
        [ "$SECONDS" -le "$give_up" ] || return 1
        sleep 0.1
    done
    rm -f "$DATA/postmaster.pid" "$DATA"/.s.PGSQL.*
}

launch() {
    data_folder
    ports PORT
    wait_children_gone
    [ -f "$DATA/PG_VERSION" ] || [ -z "${SL_TEST_STANDBY_OF:-}" ] ||
        copy_primary "$SL_TEST_STANDBY_OF"
    [ -f "$DATA/PG_VERSION" ] && [ -f "$DIR/made" ] ||
        fill_data "$("$BIN/postgres" --version) $(id -u)"
    for file in "$CERT.pem" "$CERT.key" ca.pem; do
        install -m 600 "$CERTS/$file" "$DATA/slight-$file"
        own "$DATA/slight-$file"
    done
    set -- -c fsync=off -c full_page_writes=off
    [ -z "${SL_TEST_DURABLE:-}" ] || set --
    cd "$DATA"
    # shellcheck disable=SC2046 # words are meant
    spawn $([ "$(id -u)" != 0 ] ||
        echo setpriv --reuid postgres --regid postgres --init-groups) \
        "$BIN/postgres" -D "$DATA" -h "$HOST" -p "$PORT" -k "$DATA" \
        -c ssl=on -c "ssl_cert_file=slight-$CERT.pem" \
        -c "ssl_key_file=slight-$CERT.key" -c ssl_ca_file=slight-ca.pem \
        -c max_connections=200 -c shared_buffers=64MB "$@"
}

tell() {
    PGPASSWORD=$PASSWORD "$BIN/psql" -X -h "$HOST" -p "$PORT" -U postgres \
        -v ON_ERROR_STOP=1 -Atq "$@"
}

# The users of tests exist once it is ready for the first time.
ready() {
    ports
    if [ -f "$DIR/made" ]; then
        tell -d postgres -c 'SELECT 1'
    else
        missing_users | tell -d postgres && touch "$DIR/made"
    fi
}

# Each step where it was not done before.
missing_users() {
    cat <<END
SELECT 'CREATE USER slight PASSWORD ''$PASSWORD'''
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'slight') \\gexec
SELECT 'CREATE USER client'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'client') \\gexec
SELECT 'CREATE DATABASE slight OWNER slight'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'slight') \\gexec
END
}

describe() {
    cat <<END
SL_TEST_POSTGRES_HOST=$HOST
SL_TEST_POSTGRES_PORT=$PORT
SL_TEST_POSTGRES_PASSWORD=$PASSWORD
SL_TEST_POSTGRES_URL=postgres://slight:$PASSWORD@localhost:$PORT/slight
SL_TEST_CA=$CERTS/ca.pem
END
}

# Its processes end with it, and give back what they share.
end() {
    kill -QUIT "$pid"
}

forget() {
    data_folder
    wait_children_gone
    [ "$(id -u)" != 0 ] || rm -rf "$DATA"
}

service_main "$@"
