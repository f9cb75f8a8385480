#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis with a password, on a plain port and on one with TLS.
NAME=redis
. "$(dirname "$0")/common.sh"

PASSWORD=slight-test-password

launch() {
    PORT=$(free_port)
    TLS_PORT=$(free_port)
    echo "$PORT $TLS_PORT" >"$DIR/ports"
    spawn redis-server --bind "$HOST" --port "$PORT" --tls-port "$TLS_PORT" \
        --tls-cert-file "$CERTS/server.pem" \
        --tls-key-file "$CERTS/server.key" \
        --tls-ca-cert-file "$CERTS/ca.pem" --tls-auth-clients no \
        --dir "$DIR" --save "" --appendonly no --requirepass "$PASSWORD"
}

ready() {
    read -r PORT TLS_PORT <"$DIR/ports"
    REDISCLI_AUTH=$PASSWORD redis-cli -h "$HOST" -p "$PORT" ping | grep -q PONG
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
