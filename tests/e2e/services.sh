#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A server that is not there, is not who it should be, or does not let us in.
. "$(dirname "$0")/lib.sh"
. "$HERE/server.sh"
. "$SL_TEST_SERVICES/redis.env"
CERTS=$(dirname "$SL_TEST_CA")

# store URL [LINES...]: a manifest with this store.
store() {
    url=$1
    shift
    manifest '[[resource]]' 'name = "store"' 'type = "kv.redis"' \
        "url = \"$url\"" 'timeout = "20s"' "$@"
}

# answers CODE TEXT: what the component learns of get; slight itself is content.
answers() {
    slight 1 run . -- get store "key-$$"
    holds test "$(wc -l <out)" -eq 1
    says out "$1: "
    says out "$2"
    lacks out secret
    lacks out "$SL_TEST_REDIS_PASSWORD"
    is err </dev/null
}

works() {
    slight 0 run . -- get store "key-$$"
    is out <<END
none
END
    is err </dev/null
}

plain=$SL_TEST_REDIS_HOST:$SL_TEST_REDIS_PORT
tls=localhost:$SL_TEST_REDIS_TLS_PORT
ca="ca = \"$SL_TEST_CA\""

# --- It works, as it should ---
store "$SL_TEST_REDIS_URL"
works
store "$SL_TEST_REDIS_TLS_URL" "$ca"
works
store "rediss://:$SL_TEST_REDIS_PASSWORD@127.0.0.1:$SL_TEST_REDIS_TLS_PORT" "$ca"
works

# --- Nobody there: the first call says so, and nothing before.  holds: kv-25 types-20 ---
port=$(free_port)
store "redis://:secret@127.0.0.1:$port"
answers unavailable "127.0.0.1:$port"
store "rediss://:secret@no-such-host.invalid"
answers unavailable "no-such-host.invalid"

# --- Not let in ---
store "redis://:secret@$plain"
answers unauthenticated "redis: "
store "redis://$plain"
answers unauthenticated "redis: "
store "redis://somebody:secret@$plain"
answers unauthenticated "redis: "
store "redis://$plain" 'password = "${env:WRONG}"'
WRONG=secret
export WRONG
answers unauthenticated "redis: "

# --- Not who it should be ---
store "$SL_TEST_REDIS_TLS_URL"
answers unauthenticated "$tls"
says out certificate
store "$SL_TEST_REDIS_TLS_URL" "ca = \"$CERTS/stranger.pem\""
answers unauthenticated "$tls"
says out certificate

# impostor CERTIFICATE HOST: a server of our own that shows it.
impostor() {
    port=$(free_port)
    server_start "$FOLDER/$1" --tls-port "$port" --port 0 \
        --tls-cert-file "$CERTS/$1.pem" --tls-key-file "$CERTS/$1.key" \
        --tls-ca-cert-file "$SL_TEST_CA" --tls-auth-clients no
    store "rediss://$2:$port" "$ca"
    answers unauthenticated "$2:$port"
    says out certificate
}
impostor other localhost
impostor other 127.0.0.1
impostor expired localhost

# TLS where there is none, and none where there is TLS.
store "rediss://$plain" "$ca"
sed -i 's/^timeout = .*/timeout = "1s"/' slightfile.toml
answers timeout "TLS handshake failed; check that the server speaks TLS on this port: $plain"
store "redis://$tls"
answers unavailable "$tls"

# --- Authorities that cannot be read are the manifest's error. ---
store "rediss://$tls" 'ca = "none.pem"'
slight 3 run . -- get store key
one_error
says err none.pem
store "rediss://$tls" 'ca = "slightfile.toml"'
slight 3 run . -- get store key
one_error
says err slightfile.toml

# --- Gone between two runs, and back ---
port=$(free_port)
server_start "$FOLDER/own" --port "$port"
store "redis://127.0.0.1:$port"
works
kill "$SERVER"
wait_for ended "$SERVER"
answers unavailable "127.0.0.1:$port"
server_start "$FOLDER/own" --port "$port"
works

finish
