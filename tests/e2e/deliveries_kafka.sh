#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Dead letters of a trigger on Kafka: what is rejected, and what was delivered
# too often; nothing else.
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC1091 # the service writes it
. "$SL_TEST_SERVICES/kafka.env"

prefix=dead-$$-
resource="[[resource]]
name = \"events\"
type = \"pubsub.kafka\"
brokers = \"$SL_TEST_KAFKA_TLS_BROKERS\"
tls = true
ca = \"$SL_TEST_CA\"
user = \"slight\"
password = \"$SL_TEST_KAFKA_PASSWORD\"
prefix = \"$prefix\"
lease = \"6s\""
echo "slight = 1
name = \"dead\"
[component]
source = \"$SL_TEST_GUESTS/e2e-subscriber.wasm\"
$resource
[[resource]]
name = \"seen\"
type = \"kv.sqlite\"
path = \"seen.db\"
[[trigger]]
type = \"pubsub\"
resource = \"events\"
timeout = \"10s\"
backoff = \"50ms\"
topic = \"t\"
group = \"g\"
start = \"earliest\"
dead-letter = \"dead\"
max-deliveries = 2" >dead.toml
echo "slight = 1
name = \"send\"
[component]
source = \"$SL_TEST_GUESTS/e2e-sender.wasm\"
$resource" >send.toml

# The dead letters so far.
dead() {
    kcat -C -q -e -b "127.0.0.1:$SL_TEST_KAFKA_INSIDE_PORT" -t "${prefix}dead" \
        -o beginning -f '%s\n' 2>/dev/null | sort
}

WHAT="what is sent"
printf '%s\n' plain trap retry reject >lines
INPUT=lines slight 0 run send.toml -- pubsub events t

WHAT="dead letters"
"$SLIGHT" run dead.toml >out 2>log &
WORKER=$!
PIDS="$PIDS $WORKER"
# seen KEY: the worker has.
seen() {
    sqlite3 seen.db "SELECT key FROM entries" 2>/dev/null | grep -q "$1"
}

two_dead() {
    [ "$(dead | wc -l)" -ge 2 ]
}

wait_for two_dead
# One that comes behind them, when all have been settled.
echo later >lines
INPUT=lines slight 0 run send.toml -- pubsub events t
wait_for seen later
kill -TERM "$WORKER"
wait "$WORKER"
got=$?
[ $got -eq 0 ] || fail "exit code $got"
dead >body
is body <<END
reject
retry
END
sqlite3 seen.db "SELECT key || ' ' || CAST(value AS TEXT) FROM entries ORDER BY key" >body
is body <<END
later 1
plain 1
reject 1
retry 2
trap 2
END

WHAT="settled"
# Nothing is left for who comes later.
"$SLIGHT" run dead.toml >out 2>>log &
WORKER=$!
PIDS="$PIDS $WORKER"
echo last >lines
INPUT=lines slight 0 run send.toml -- pubsub events t
wait_for seen last
kill -TERM "$WORKER"
wait "$WORKER"
dead >body
is body <<END
reject
retry
END

finish
