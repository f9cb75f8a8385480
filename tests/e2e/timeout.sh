#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A run that is longer than it may be: exit code 6, whatever it waits for.
. "$(dirname "$0")/lib.sh"

# What it could read is never written.
mkfifo never
sleep 600 >never &
PIDS="$PIDS $!"

too_long() {
    slight 6 "$@"
    holds test "$(wc -l <err)" -eq 1
    says err "timed out; raise --timeout"
    says err "--timeout"
    says err "\"timeout\" in [component]"
}

too_long run --timeout 300ms "$GUEST" -- loop
says err 'component "e2e-guest"'
is out <<END
looping
END
too_long run --timeout 300ms "$GUEST" -- sleep
INPUT=never

# Its standard error is its own, so that there may be a line of it before.
slight 6 run --timeout 300ms "$GUEST" -- cat
says err "timed out; raise --timeout"
INPUT=/dev/null

# The manifest's; the command line's goes before it, and 0s is none.
manifest 'timeout = "300ms"'
too_long run . -- loop
says err 'component "guest"'
too_long run --timeout 200ms . -- sleep
manifest 'timeout = "1ms"'
slight 0 run --timeout 0s . -- args no limit
slight 0 run --timeout 1h . -- args long enough
sed -i '/^timeout/d' slightfile.toml
slight 0 run . -- args no limit

# Of a trigger that has none of its own, too.
. "$HERE/serving.sh"
{
    printf 'slight = 1\nname = "spin"\n[component]\nsource = "%s"\n' "$SL_TEST_GUESTS/e2e-http.wasm"
    printf 'timeout = "300ms"\n[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n'
} >spin.toml
serve spin.toml
get 504 /spin
stop TERM 0

# A server that accepts and says nothing, and a store that waits longer: the
# store is not waited for.
. "$HERE/server.sh"
server_start "$FOLDER/server" --port "$(free_port)"
kill -STOP "$SERVER"

# store COMPONENT-TIMEOUT STORE-TIMEOUT
store() {
    manifest "timeout = \"$1\"" '[[resource]]' 'name = "store"' \
        'type = "kv.redis"' "url = \"redis://127.0.0.1:$SERVER_PORT\"" \
        "timeout = \"$2\""
}
store 500ms 1h
too_long run . -- get store key
store 1h 1h
interrupted INT 130 asking run . -- ask store key
interrupted TERM 143 asking run . -- ask store key

# The other way round it is the call that ends, and the component goes on.
store 1h 300ms
slight 1 run . -- get store key
says out "timeout: "
says out "127.0.0.1:$SERVER_PORT"
is err </dev/null

finish
