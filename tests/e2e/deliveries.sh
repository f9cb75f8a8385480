#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components that are called with messages and events: what comes back, what
# goes to the dead letters, and that nothing is lost by kill -9.
. "$(dirname "$0")/lib.sh"

# manifests KIND GUEST RESOURCE TRIGGER-LINES: KIND.toml, and KIND-send.toml.
manifests() {
    resource="[[resource]]
name = \"$3\"
type = \"$1.sqlite\"
path = \"$1.db\"
$([ "$1" = mq ] || echo 'lease = "2s"')"
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
timeout = \"1s\"
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
    wait_for 30 nothing_left "$1"
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
check_kills mq mq jobs

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
check_kills pubsub pubsub events t

# What a manifest can get wrong.
WHAT="a wrong manifest"
sed 's/resource = "jobs"/resource = "seen"/; s/timeout/time-out/' mq.toml >wrong.toml
slight 3 run wrong.toml
says err 'the resource "seen" is of the kind kv; this trigger needs one of the kind mq'
says err 'unknown key "time-out" in [[trigger]]; did you mean "timeout"?'
sed '/dead-letter/d' pubsub.toml >wrong.toml
slight 3 run wrong.toml
says err '"max-deliveries" needs "dead-letter"'

finish
