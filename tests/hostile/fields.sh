#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four instances at once that make headers without end: 4,000 sets of 120 KiB in
# each, by WASI 0.2 and 0.3.  host-memory ends them, and slight stays below four
# times as much, and four times their own memory, and what it needs itself.
. "$(dirname "$0")/lib.sh"

{
    app
    called attacker "$SL_TEST_HOSTILE/hostile-fields.wasm" 127.0.0.2 'memory = "64MiB"'
    called attacker3 "$SL_TEST_HOSTILE/hostile-fields3.wasm" 127.0.0.4 'memory = "64MiB"'
} >app.toml
serve_hostile
ATTACKER3=$(address_at 127.0.0.4)

# attack ADDRESS PATH: four requests at the same time, each of which ends its own
# instance.
attack() {
    WHAT="$1$2"
    attacks=
    for i in 1 2 3 4; do
        curl -s -m 300 -o /dev/null -w '%{http_code}' "$1$2" >"code$i" &
        attacks="$attacks $!"
    done
    # shellcheck disable=SC2086 # a list
    wait $attacks
    for i in 1 2 3 4; do
        [ "$(cat "code$i")" = 500 ] || fail "answered $(cat "code$i")"
    done
}

probe_start
for path in list append clone request; do
    attack "$ATTACKER" /$path
    attack "$ATTACKER3" /$path
done
attack "$ATTACKER3" /response
says served "raise host-memory in the manifest"
attack "$ATTACKER3" /streams
says served "store handle limit exceeded"

# What is made and dropped again is not held; a name of megabytes is not taken.
for path in dropped method authority; do
    for address in "$ATTACKER" "$ATTACKER3"; do
        WHAT="$address/$path"
        curl -s -m 300 "$address/$path" >answer
        says answer made
    done
done

# none_held COMPONENT REFUSED
none_held() {
    WHAT="the metrics of $1"
    refused=$(metric "slight_component_host_memory_refused_total{component=\"$1\"}")
    [ "$refused" = "$2" ] || fail "refused: $refused"
    is_free() { [ "$(metric "slight_component_host_memory_bytes{component=\"$1\"}")" = 0 ]; }
    wait_for is_free "$1"
}
none_held attacker 16
none_held attacker3 20
probe_for 300
probe_stop
rss_below 400

WHAT="what slight check says"
"$SLIGHT" check app.toml >out 2>err || fail "exit code $?"
says out "64MiB of memory, 32MiB of host memory"

stop TERM 0
finish
