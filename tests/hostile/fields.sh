#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four instances at once that make headers without end: 4,000 sets of 120 KiB in
# each.  host-memory ends them, and slight stays below four times as much, and four
# times their own memory, and what it needs itself.
. "$(dirname "$0")/lib.sh"

{
    printf 'slight = 1\nname = "app"\n'
    victim
    cat <<END
[[component]]
name = "attacker"
source = "$SL_TEST_HOSTILE/hostile-fields.wasm"
memory = "64MiB"
host-memory = "16MiB"
[[trigger]]
type = "http"
component = "attacker"
listen = "127.0.0.2:0"
END
} >app.toml
serve_hostile

# attack PATH: four requests, one after the other but there at the same time, each
# of which ends its own instance.  What loops is another case's.
attack() {
    WHAT="$1"
    attacks=
    for i in 1 2 3 4; do
        curl -s -m 60 -o /dev/null -w '%{http_code}' "$ATTACKER$1" >"code$i" &
        attacks="$attacks $!"
        sleep 0.2
    done
    # shellcheck disable=SC2086 # a list
    wait $attacks
    for i in 1 2 3 4; do
        [ "$(cat "code$i")" = 500 ] || fail "answered $(cat "code$i")"
    done
}

probe_start
attack /list
attack /append
attack /clone
attack /request
says served "raise host-memory in the manifest"

WHAT="headers that are dropped again"
curl -s -m 60 "$ATTACKER/dropped" >answer
says answer made

WHAT="the metrics"
[ "$(metric 'slight_component_host_memory_refused_total{component="attacker"}')" = 16 ] ||
    fail "refused: $(metric 'slight_component_host_memory_refused_total.*')"
[ "$(metric 'slight_component_host_memory_bytes{component="attacker"}')" = 0 ] ||
    fail "still held: $(metric 'slight_component_host_memory_bytes.*')"
sleep 3
probe_stop
rss_below 250

WHAT="what slight check says"
"$SLIGHT" check app.toml >out 2>err || fail "exit code $?"
says out "64MiB of memory, 16MiB of the host's"

stop TERM 0
finish
