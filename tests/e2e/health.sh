#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Resources that do not work: each is logged once when it fails, at the start
# too, and once when it works again, with calls and without.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

PORT=$("$HERE/../services/free_port.sh")

# resource NAME TYPE LINES...
resource() {
    printf '[[resource]]\nname = "%s"\ntype = "%s"\n' "$1" "$2"
    shift 2
    printf '%s\n' "$@" ''
}

{
    echo 'slight = 1
name = "health"
[component]
source = "api.wasm"
resources = ["values"]
[[trigger]]
type = "http"
listen = "127.0.0.1:0"'
    resource values kv.redis "url = \"redis://127.0.0.1:$PORT\"" \
        'timeout = "5s"' 'retry.attempts = 1'
    resource file kv.sqlite 'path = "no/such/a.db"'
    resource lite sql.sqlite 'path = "no/such/b.db"'
    resource queue mq.sqlite 'path = "no/such/c.db"'
    resource fine sql.sqlite 'path = "fine.db"'
    resource pg sql.postgres 'url = "postgres://u:hunter2@127.0.0.1:1/d"'
    resource pgkv kv.postgres 'url = "postgres://u:hunter2@127.0.0.1:1/d"'
    resource my sql.mysql 'url = "mysqls://u:hunter2@127.0.0.1:1/d"'
    resource etcd lockd.etcd 'endpoints = "http://127.0.0.1:1"'
    resource zk lockd.zookeeper 'servers = "127.0.0.1:1"'
    resource kafka pubsub.kafka 'brokers = "127.0.0.1:1"'
} >slightfile.toml
cp "$SL_TEST_GUESTS/http-kv-c.wasm" api.wasm

# logged EVENT RESOURCE COUNT
logged() {
    [ "$(grep -c "event=$1 resource=$2 " served)" = "$3" ]
}

told() {
    for name in values file lite queue pg pgkv my etcd zk kafka; do
        logged resource-failed $name 1 || return 1
    done
}

serve .
WHAT="the start"
wait_for told
says served "event=resource-failed resource=my type=sql.mysql reason="
says served "event=resource-failed resource=file type=kv.sqlite reason=\"no/such/a.db: cannot open it"
lacks served resource=fine
lacks served hunter2

# Without a call.
WHAT="a folder that is made"
mkdir -p no/such
for name in file lite queue; do
    wait_for logged resource-again $name 1
done

# Calls that fail say nothing more; the first that works may come before it is
# asked.
for _ in 1 2 3; do
    get 503 /key
done
redis-server --port "$PORT" --bind 127.0.0.1 --save '' --daemonize no >redis.log 2>&1 &
REDIS=$!
PIDS="$PIDS $REDIS"
WHAT="a server that is started"
wait_for logged resource-again values 1
get 200 /key -X PUT --data 1

# It ends, and a call finds that out.
kill -9 "$REDIS"
wait "$REDIS" 2>/dev/null
failed_again() {
    curl -s -m 300 -o body "$URL/key"
    logged resource-failed values 2
}
WHAT="a server that is killed"
wait_for failed_again
for _ in 1 2 3; do
    get 503 /key
done
holds logged resource-failed values 2
holds logged resource-again values 1
for name in file lite queue pg pgkv my etcd zk kafka; do
    WHAT=$name
    holds logged resource-failed "$name" 1
done
stop TERM 0

finish
