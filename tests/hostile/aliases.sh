#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lists whose entries all point at the same bytes: gigabytes for whoever believes
# them.  Each is refused by its lengths, at once, and the neighbours notice nothing.
. "$(dirname "$0")/lib.sh"

{
    app
    called attacker "$SL_TEST_HOSTILE/hostile-aliases.wasm" 127.0.0.2 \
        'resources = ["kv", "db", "mq", "pubsub", "lockd"]'
    resource kv kv.memory
    resource db sql.sqlite 'path = "db"'
    resource mq mq.sqlite 'path = "mq"'
    resource pubsub pubsub.sqlite 'path = "pubsub"'
    resource lockd lockd.sqlite 'path = "lockd"'
} >app.toml
serve_hostile

# attack PATH TEXT: what is answered has TEXT in it.
attack() {
    WHAT="$1"
    curl -s -m 300 "$ATTACKER$1" >answer || fail "no answer: $?"
    says answer "$2"
}

probe_start
for _ in 1 2 3; do
    attack /nulls "bytes: at most 67108864 together; make several calls"
    attack /json "bytes: at most 67108864 together; make several calls"
    attack /get "0 a key of 16777216 bytes"
    attack /delete "0 a key of 16777216 bytes"
    attack /values "8 the values of one call together are at most 67108864"
    attack /messages "bytes: at most 67108864 together; make several calls"
    attack /messages/attributes "bytes: at most 67108864 together; make several calls"
    attack /events "bytes: at most 67108864 together; make several calls"
    attack /events/attributes "bytes: at most 67108864 together; make several calls"
    attack /lock "0 a key of 16777216 bytes"
    attack /name "whose name no manifest could have"
    attack /value "ok"
done

# WASI has no answer for it: that instance ends, and nothing else.
for _ in 1 2 3; do
    WHAT="/fields"
    code=$(curl -s -m 300 -o answer -w '%{http_code}' "$ATTACKER/fields")
    [ "$code" = 500 ] || fail "answered $code: $(cat answer)"
done
says served "too much data is being copied between the host and the guest"

# Texts that take long to read, of many at once: work of the background.
JOBS=
for i in 1 2 3 4 5 6; do
    curl -s -m 300 "$ATTACKER/texts" >"text$i" &
    JOBS="$JOBS $!"
done
# shellcheck disable=SC2086 # words are meant
wait $JOBS
WHAT="/texts"
for i in 1 2 3 4 5 6; do
    says "text$i" "JSON"
done
probe_for 100
probe_stop
rss_below 400

stop TERM 0
finish
