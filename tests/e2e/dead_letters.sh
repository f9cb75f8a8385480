#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Dead letters on real services, from end to end: each is logged once and counted
# once; and what is rejected where there are none is acknowledged, logged and
# counted, and holds up nothing.
#
#     dead_letters.sh redis|kafka
. "$(dirname "$0")/lib.sh"
. "$HERE/counting.sh"
# shellcheck disable=SC1090 # the service writes it
. "$SL_TEST_SERVICES/$1.env"

# manifests NAME GUEST TRIGGER-LINES: NAME.toml, and NAME-send.toml; what is read is
# the resource.
manifests() {
    resource=$(cat)
    printf 'slight = 1\nname = "send"\n[component]\nsource = "%s"\n%s\n' \
        "$SL_TEST_GUESTS/e2e-sender.wasm" "$resource" >"$1-send.toml"
    printf 'slight = 1\nname = "%s"\n[component]\nsource = "%s"\n%s\n' "$1" \
        "$SL_TEST_GUESTS/e2e-$2.wasm" "$resource" >"$1.toml"
    {
        printf '[[resource]]\nname = "seen"\ntype = "kv.sqlite"\npath = "%s.db"\n' "$1"
        printf '[management]\nlisten = "127.0.0.1:0"\n'
        printf '[[trigger]]\ntimeout = "60s"\nbackoff = "50ms"\n%s\n' "$3"
    } >>"$1.toml"
}

# send NAME SENDER-ARGS...: the lines of the file lines.
send() {
    name=$1
    shift
    INPUT=lines slight 0 run "$name-send.toml" -- "$@"
}

start() {
    "$SLIGHT" run "$1.toml" >"$1.out" 2>>"$1.log" &
    WORKER=$!
    PIDS="$PIDS $WORKER"
    wait_for grep -q ' management http' "$1.log"
}

stop() {
    kill -TERM "$WORKER"
    wait "$WORKER"
    got=$?
    [ $got -eq 0 ] || fail "exit code $got"
}

# seen NAME: how often what was seen, by its payload.
seen() {
    sqlite3 "$1.db" "SELECT key || ' ' || CAST(value AS TEXT) FROM entries ORDER BY key" 2>/dev/null
}

has_seen() {
    seen "$1" | grep -qx "$2"
}

# nothing_more NAME SENDER-ARGS...: one that comes later is seen, and nothing else.
nothing_more() {
    name=$1
    shift
    stop
    seen "$name" >before
    start "$name"
    echo last >lines
    send "$name" "$@"
    wait_for has_seen "$name" 'last 1'
    stop
    { cat before; echo 'last 1'; } | sort >expected.seen
    seen "$name" | sort >body
    holds cmp -s expected.seen body
}

queue() {
    manifests queue worker 'type = "mq"
resource = "jobs"' <<END
[[resource]]
name = "jobs"
type = "mq.redis"
url = "$SL_TEST_REDIS_URL"
queue = "dead-$$"
max-deliveries = 2
END
    WHAT="a queue: what is rejected, and what was delivered too often"
    start queue
    printf '%s\n' broken plain reject broken >lines
    send queue mq jobs
    wait_for counted queue slight_trigger_dead_letters_total 'resource="jobs"' 3
    wait_for has_seen queue 'plain 1'
    holds counted queue slight_resource_dead_letters_total 'resource="jobs"' 3
    wait_for has queue.log 2 event=dead-letter resource=jobs delivery=2 reason=max-deliveries
    wait_for has queue.log 1 event=dead-letter resource=jobs delivery=1 reason=never
    slight 0 dead-letters list jobs --manifest queue.toml --json
    holds test "$(grep -c '"reason":"max-deliveries"' out)" = 2
    holds test "$(grep -c '"reason":"never"' out)" = 1
    nothing_more queue mq jobs
    holds has queue.log 3 event=dead-letter
    slight 0 dead-letters drop jobs --all --manifest queue.toml
}

# topic NAME MORE: a manifest of the topic t of the service, and its trigger.
topic() {
    prefix="$1-$$-"
    case $SERVICE in
    redis) lines="url = \"$SL_TEST_REDIS_URL\"" ;;
    kafka) lines="brokers = \"$SL_TEST_KAFKA_TLS_BROKERS\"
tls = true
ca = \"$SL_TEST_CA\"
user = \"slight\"
password = \"$SL_TEST_KAFKA_PASSWORD\"" ;;
    esac
    manifests "$1" subscriber "type = \"pubsub\"
resource = \"events\"
topic = \"t\"
group = \"g\"
start = \"earliest\"
$2" <<END
[[resource]]
name = "events"
type = "pubsub.$SERVICE"
prefix = "$prefix"
lease = "30s"
$lines
END
}

# Events of one key, the first of which is rejected.
discarded() {
    topic discarded ''
    WHAT="a topic: what is rejected, and no dead-letter"
    printf '%s\n' reject retry r >lines
    send discarded pubsub events t keyed
    start discarded
    wait_for has_seen discarded 'r 1'
    wait_for counted discarded slight_trigger_discarded_total 'group="g"' 1
    holds counted discarded slight_trigger_dead_letters_total 'group="g"' 0
    wait_for has discarded.log 1 event=discarded topic=t resource=events group=g \
        delivery=1 reason=never
    seen discarded >body
    is body <<END
r 1
reject 1
retry 3
END
    nothing_more discarded pubsub events t
    holds has discarded.log 1 event=discarded
    holds has discarded.log 0 event=dead-letter
}

letters() {
    topic letters 'dead-letter = "dead"
max-deliveries = 2'
    WHAT="a topic: dead letters"
    printf '%s\n' plain reject retry >lines
    send letters pubsub events t
    start letters
    wait_for counted letters slight_trigger_dead_letters_total 'group="g"' 2
    wait_for has_seen letters 'plain 1'
    wait_for has letters.log 1 event=dead-letter topic=t resource=events group=g \
        delivery=1 to=dead reason=never
    wait_for has letters.log 1 event=dead-letter topic=t resource=events group=g \
        delivery=2 to=dead 'reason="not yet"'
    nothing_more letters pubsub events t
    holds has letters.log 2 event=dead-letter
    holds has letters.log 0 event=discarded
}

SERVICE=$1
[ "$SERVICE" != redis ] || queue
discarded
letters
finish
