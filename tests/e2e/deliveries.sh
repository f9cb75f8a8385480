#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components that are called with messages and events: what comes back, what
# goes to the dead letters, and that nothing is lost by kill -9.
. "$(dirname "$0")/lib.sh"
. "$HERE/counting.sh"

# manifests KIND GUEST RESOURCE TRIGGER-LINES: KIND.toml, and KIND-send.toml.
manifests() {
    resource="[[resource]]
name = \"$3\"
type = \"$1.sqlite\"
path = \"$1.db\"
$([ "$1" = mq ] || echo 'lease = "5s"')"
    {
        echo "slight = 1
name = \"$1\"
[component]
source = \"$SL_TEST_GUESTS/e2e-$2.wasm\"
$resource
[[resource]]
name = \"seen\"
type = \"kv.sqlite\"
path = \"seen-$1.db\"
[[trigger]]
type = \"$1\"
resource = \"$3\"
timeout = \"5s\"
backoff = \"50ms\""
        cat
    } >"$1.toml"
    echo "slight = 1
name = \"send\"
[component]
source = \"$SL_TEST_GUESTS/e2e-sender.wasm\"
$resource" >"$1-send.toml"
}

# start KIND
start() {
    "$SLIGHT" run "$1.toml" >"$1.out" 2>>"$1.log" &
    WORKER=$!
    PIDS="$PIDS $WORKER"
}

# How often what was seen, by its payload.
seen() {
    sqlite3 "seen-$1.db" "SELECT key || ' ' || CAST(value AS TEXT) FROM entries
        ORDER BY key" 2>/dev/null
}

# left KIND: how many are not settled.
left() {
    case $1 in
    mq) sqlite3 mq.db "SELECT count(*) FROM message" ;;
    pubsub) sqlite3 pubsub.db "SELECT (SELECT count(*) FROM delivery) +
        (SELECT count(*) FROM event WHERE topic = 1 AND seq >
            coalesce((SELECT position FROM grp), 0))" ;;
    esac
}

nothing_left() {
    [ "$(left "$1")" = 0 ]
}

settle() {
    wait_for nothing_left "$1"
}

# check_outcomes KIND ARGS-OF-SENDER...
check_outcomes() {
    kind=$1
    shift
    WHAT="$kind: outcomes"
    printf '%s\n' plain trap retry reject spin >lines
    INPUT=lines slight 0 run "$kind-send.toml" -- "$@"
    start "$kind"
    settle "$kind"
    seen "$kind" >body
    is body <<END
plain 1
reject 1
retry 3
spin 2
trap 2
END
    says "$kind.log" "event=trapped component=$kind"
    says "$kind.log" 'reason="not yet"'
    says "$kind.log" 'reason=never'
    says "$kind.log" "event=timed-out component=$kind"
    # One that is sent while it waits.
    WHAT="$kind: woken"
    echo later >lines
    INPUT=lines slight 0 run "$kind-send.toml" -- "$@"
    settle "$kind"
    seen "$kind" >body
    says body "later 1"
    WHAT="$kind: the end"
    kill -TERM "$WORKER"
    wait "$WORKER"
    got=$?
    [ $got -eq 0 ] || fail "exit code $got"
}

# check_kills KIND ARGS-OF-SENDER...: every message is seen, whenever the
# process was killed.
check_kills() {
    kind=$1
    shift
    WHAT="$kind: kill -9"
    seq -f 'm%g' 3000 >lines
    INPUT=lines slight 0 run "$kind-send.toml" -- "$@"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        start "$kind"
        sleep "0.$(shuf -i 10-35 -n 1)"
        kill -9 "$WORKER"
        wait "$WORKER" 2>/dev/null
    done
    start "$kind"
    settle "$kind"
    kill -TERM "$WORKER"
    wait "$WORKER"
    seen "$kind" | sed -n 's/^\(m[0-9]*\) .*/\1/p' | sort >body
    sort lines >expected
    holds cmp -s body expected
}

manifests mq worker jobs </dev/null
check_outcomes mq mq jobs
WHAT="mq: dead letters"
sqlite3 mq.db "SELECT CAST(payload AS TEXT), reason FROM dead" >body
is body <<END
reject|never
END
holds has mq.log 1 event=dead-letter resource=jobs id=4 delivery=1 reason=never
slight 0 dead-letters list jobs --manifest mq.toml
says out "4                              1"
says out "  6  never"
slight 0 dead-letters drop jobs 4 --manifest mq.toml
is out <<END
dropped 4
END
check_kills mq mq jobs

# What the queue itself makes a dead letter is told, and counted, and comes back.
sed '/^path = "mq.db"/a max-deliveries = 2' mq.toml >worn.toml
printf '[management]\nlisten = "127.0.0.1:0"\n' >>worn.toml
WHAT="mq: what was delivered too often"
printf '%s\n' broken plain broken >lines
INPUT=lines slight 0 run mq-send.toml -- mq jobs
start worn
settle mq
holds has worn.log 2 event=dead-letter resource=jobs delivery=2 reason=max-deliveries
holds has worn.log 4 event=trapped queue=jobs
holds counted worn slight_trigger_dead_letters_total 'resource="jobs"' 2
holds counted worn slight_resource_dead_letters_total 'resource="jobs"' 2
slight 0 dead-letters list jobs --manifest worn.toml --json
sed 's/"\(sent\|died\)":"[^"]*"/"\1":0/g; s/"id":"[0-9]*"/"id":0/' out | sort -u >body
is body <<END
{"id":0,"deliveries":2,"sent":0,"died":0,"reason":"max-deliveries","group":null,"attributes":[],"bytes":6,"payload":"YnJva2Vu"}
END
# While it runs: delivered twice more, and a dead letter again.
first=$(sed -n '1s/.*"id":"\([0-9]*\)".*/\1/p' out)
slight 0 dead-letters replay jobs "$first" --manifest worn.toml
says out "replayed $first as "
wait_for counted worn slight_resource_dead_letters_total 'resource="jobs"' 3
holds has worn.log 3 event=dead-letter resource=jobs delivery=2 reason=max-deliveries
slight 1 dead-letters replay jobs "$first" --manifest worn.toml
says err "1 of these dead letters does not exist"
kill -TERM "$WORKER"
wait "$WORKER"
slight 0 dead-letters replay jobs --all --manifest worn.toml
holds test "$(wc -l <out)" -eq 2
holds test "$(left mq)" = 2
slight 0 dead-letters list jobs --manifest worn.toml
is out <<END
no dead letters
END
sqlite3 mq.db "DELETE FROM message"

manifests pubsub subscriber events <<END
topic = "t"
group = "g"
dead-letter = "dead"
max-deliveries = 5
END
check_outcomes pubsub pubsub events t
WHAT="pubsub: dead letters"
sqlite3 pubsub.db "SELECT CAST(payload AS TEXT) FROM event WHERE topic =
    (SELECT id FROM topic WHERE name = 'dead')" >body
is body <<END
reject
END
holds has pubsub.log 1 event=dead-letter topic=t resource=events group=g \
    delivery=1 to=dead reason=never
check_kills pubsub pubsub events t

# Without a topic of dead letters what is rejected is over, too.
rm -f pubsub.db* seen-pubsub.db*
printf '[management]\nlisten = "127.0.0.1:0"\n' >>pubsub.toml
sed '/^dead-letter/d; /^max-deliveries/d' pubsub.toml >refused.toml
WHAT="pubsub: rejected, and no dead-letter"
printf '%s\n' reject plain >lines
INPUT=lines slight 0 run pubsub-send.toml -- pubsub events t
start refused
settle pubsub
holds has refused.log 1 event=discarded topic=t resource=events group=g delivery=1 reason=never
holds counted refused slight_trigger_discarded_total 'group="g"' 1
holds counted refused slight_trigger_dead_letters_total 'group="g"' 0
seen pubsub >body
is body <<END
plain 1
reject 1
END
kill -TERM "$WORKER"
wait "$WORKER"

# What a manifest can get wrong.
WHAT="a wrong manifest"
sed 's/resource = "jobs"/resource = "seen"/; s/timeout/time-out/' mq.toml >wrong.toml
slight 3 run wrong.toml
says err 'the resource "seen" has the type kv.*; this trigger needs one of the type mq.*'
says err 'unknown key "time-out" in [[trigger]]; did you mean "timeout"?'
sed '/dead-letter/d' pubsub.toml >wrong.toml
slight 3 run wrong.toml
says err '"max-deliveries" needs "dead-letter"'

finish
