#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An attacker writes without end, in one request for each embedded driver: the
# files stay below max-bytes, the victim is answered all the while, and who uses
# the same resource can still delete.  The store of a component without a manifest
# is kv.sqlite with 1 GiB, which is filled as well.
. "$(dirname "$0")/lib.sh"

# limited NAME TYPE MAX-BYTES: a resource, in a file of this name.
limited() {
    resource "$1" "$2" "max-bytes = \"$3\"" 'timeout = "120s"'
    [ "$2" = kv.memory ] || printf 'path = "%s.db"\n' "$1"
}

{
    app
    called attacker "$SL_TEST_HOSTILE/hostile-disk.wasm" 127.0.0.2 \
        'resources = ["kv", "default", "mq", "pubsub", "lockd", "sql"]'
    echo 'timeout = "300s"'
    called other "$SL_TEST_HOSTILE/hostile-disk.wasm" 127.0.0.4 \
        'resources = ["kv", "default", "mq", "lockd", "sql"]'
    echo 'timeout = "300s"'
    limited kv kv.sqlite 16MiB
    limited default kv.memory 16MiB
    limited mq mq.sqlite 16MiB
    limited pubsub pubsub.sqlite 16MiB
    limited lockd lockd.sqlite 1MiB
    limited sql sql.sqlite 16MiB
} >app.toml
serve_hostile
OTHER=$(address_at 127.0.0.4)

# The file and its log; the index of that is not counted.
below() {
    bytes=$(cat "$1.db" "$1.db-wal" | wc -c)
    [ "$bytes" -le "$2" ] || fail "$1 takes $bytes bytes"
}

value_of() {
    curl -s -m 300 "$HEALTH/metrics" | sed -n "s/^slight_resource_$1{resource=\"$2\".*} //p"
}

probe_start
for kind in kv mq pubsub lockd sql default; do
    WHAT="fill $kind"
    code=$(curl -s -m 300 -o out -w '%{http_code}' "$ATTACKER/fill/$kind")
    [ "$code" = 400 ] || fail "answered $code"
    says out "raise"
    says out "max-bytes"
    used=$(value_of used_bytes $kind) limit=$(value_of limit_bytes $kind)
    [ "$kind" = lockd ] || [ "$used" -gt $((limit / 2)) ] || fail "$used of $limit"
    [ "$used" -le "$limit" ] || fail "$used of $limit"
done
for kind in kv mq pubsub sql; do
    WHAT="the file of $kind"
    below $kind 16777216
done
WHAT="the file of lockd"
below lockd 1048576
for kind in kv mq lockd sql default; do
    WHAT="free $kind"
    code=$(curl -s -m 300 -o out -w '%{http_code}' "$OTHER/free/$kind")
    [ "$code" = 200 ] || fail "answered $code"
done
for kind in kv sql default; do
    WHAT="metrics of $kind"
    [ "$(value_of used_bytes $kind)" -lt 1000000 ] || fail "$(value_of used_bytes $kind) used"
done
probe_stop
rss_below 400
stop TERM 0

mkdir alone && cd alone || exit 1
slight 0 run "$GUEST" -- fill default 8
says out "resource-exhausted: "
says out "max-bytes"
says out "had room; one was deleted"
WHAT="the store of a component without a manifest"
bytes=$(cat .slight/default.db .slight/default.db-wal 2>/dev/null | wc -c)
[ "$bytes" -le 1073741824 ] || fail "it takes $bytes bytes"
[ "$bytes" -ge 536870912 ] || fail "it took no more than $bytes bytes"
slight 0 run "$GUEST" -- set default another value
cd "$FOLDER" || exit 1
finish
