#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis with a password, on a plain port and on one with TLS.
NAME=${NAME:-redis}
. "$(dirname "$0")/common.sh"

# redis-slow-disk.sh has its own.
[ "$(type -t server)" = function ] || server() { spawn redis-server "$@"; }

launch() {
    ports PORT TLS_PORT
    set -- --save "" --appendonly yes --appendfsync everysec
    # Tests look into the file, which is one for as long as nothing rewrites it.
    [ -z "${SL_TEST_DURABLE:-}" ] ||
        set -- --save "" --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0
    server --bind "$HOST" --port "$PORT" --tls-port "$TLS_PORT" \
        --tls-cert-file "$CERTS/$CERT.pem" --tls-key-file "$CERTS/$CERT.key" \
        --tls-ca-cert-file "$CERTS/ca.pem" --tls-auth-clients no \
        --dir "$DIR" --requirepass "$PASSWORD" "$@"
}

tell() {
    REDISCLI_AUTH=$PASSWORD redis-cli --no-auth-warning -e -h "$HOST" -p "$PORT" "$@"
}

ready() {
    ports
    tell ping | grep -q PONG
}

describe() {
    cat <<END
SL_TEST_REDIS_HOST=$HOST
SL_TEST_REDIS_PORT=$PORT
SL_TEST_REDIS_TLS_PORT=$TLS_PORT
SL_TEST_REDIS_PASSWORD=$PASSWORD
SL_TEST_REDIS_URL=redis://:$PASSWORD@$HOST:$PORT
SL_TEST_REDIS_TLS_URL=rediss://:$PASSWORD@localhost:$TLS_PORT
SL_TEST_CA=$CERTS/ca.pem
END
}

service_main "$@"
