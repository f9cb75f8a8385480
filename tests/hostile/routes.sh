#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two components on one listener: one has as many requests as it may, all of which
# hang, and gets 503 for more; the other one has all of its own.
. "$(dirname "$0")/lib.sh"

{
    printf 'slight = 1\nname = "app"\n'
    victim | sed 's|^listen = "127.0.0.3:0"|listen = "127.0.0.3:0"\nroute = "/hello"|'
    printf '[[component]]\nname = "attacker"\nsource = "%s"\n' \
        "$SL_TEST_GUESTS/e2e-http.wasm"
    printf '[[trigger]]\ntype = "http"\ncomponent = "attacker"\n'
    printf 'listen = "127.0.0.3:0"\nroute = "/half"\nconcurrency = 20\n'
} >app.toml
serve_hostile --grace 2s
JOBS=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    curl -s -m 60 -o /dev/null "$VICTIM/half" &
    JOBS="$JOBS $!"
    PIDS="$PIDS $!"
done
sleep 1
URL=$VICTIM
get 503 /half
says head 'retry-after: 1'
probe_start
sleep 4
probe_stop
get 503 /half
get 200 /hello
stop TERM 6
# shellcheck disable=SC2086 # words are meant
wait $JOBS

finish
