#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A hundred thousand operations by components that do anything, some of whose
# requests are aborted: slight stays, its memory stays, the victim notices nothing.
. "$(dirname "$0")/lib.sh"

OPERATIONS=${SL_TEST_CHAOS_OPERATIONS:-100000}
EACH=200 # of a request
CLIENTS=8

{
    printf 'slight = 1\nname = "app"\n'
    victim
    cat <<END
[[component]]
name = "attacker"
source = "$SL_TEST_HOSTILE/hostile-chaos.wasm"
resources = ["memory", "file", "locks", "jobs", "events", "data"]
[[trigger]]
type = "http"
component = "attacker"
listen = "127.0.0.2:0"
concurrency = 16
timeout = "60s"
END
    for resource in memory=kv.memory file=kv.sqlite locks=lockd.sqlite \
        jobs=mq.sqlite events=pubsub.sqlite data=sql.sqlite; do
        name=${resource%=*}
        printf '[[resource]]\nname = "%s"\ntype = "%s"\n' "$name" "${resource#*=}"
        [ "$name" = memory ] || printf 'path = "%s.db"\n' "$name"
        printf 'timeout = "1s"\n'
    done
} >app.toml
serve_hostile --grace 60s
probe_start

# ask SEED: how it ended, and how many operations were done, is a line of done.N.
ask() {
    limit=300
    [ $(($1 % 10)) -ne 0 ] || limit=0.2 # this client leaves
    curl -s -m $limit -w ' %{http_code}\n' "$ATTACKER/$1/$EACH" |
        tr '\n' ' ' >>"done.$2"
    echo >>"done.$2"
}

# Each client has its own seeds, until enough was done.
client() {
    seed=$1
    while [ "$(operations)" -lt "$OPERATIONS" ]; do
        ask "$seed" "$1"
        seed=$((seed + CLIENTS))
        kill -0 "$SERVER" 2>/dev/null || return
    done
}

operations() {
    cat done.* 2>/dev/null | grep -c "^$EACH  200" | awk "{ print \$1 * $EACH }"
}

for number in $(seq $CLIENTS); do
    client "$number" &
    JOBS="${JOBS:-} $!"
done
# shellcheck disable=SC2086 # words are meant
wait $JOBS
probe_stop
WHAT="the operations"
echo "$(operations) operations; answers by status:"
cat done.* | awk '{ n[$NF]++ } END { for (s in n) print n[s], s }'
[ "$(operations)" -ge "$OPERATIONS" ] || fail "only $(operations) operations"
rss_below 1024
WHAT="what slight says"
cp served err
no_insides
stop TERM 0

finish
