#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two components on one listener: one has as many requests as it may, all of which
# hang, and gets 503 for more; the other one has all of its own.
. "$(dirname "$0")/lib.sh"

{
    app | sed 's|^listen = "127.0.0.3:0"|&\nroute = "/hello"\ntimeout = "300s"|'
    called attacker "$SL_TEST_GUESTS/e2e-http.wasm" 127.0.0.3
    printf 'route = "/half"\nconcurrency = 20\ntimeout = "300s"\n'
} >app.toml
serve_hostile --grace 2s
JOBS=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    curl -s -m 300 -o /dev/null "$VICTIM/half" &
    JOBS="$JOBS $!"
    PIDS="$PIDS $!"
done
WHAT="the requests that hang"
wait_for answering "$VICTIM" 20
URL=$VICTIM
get 503 /half
says head 'retry-after: 1'
probe_start
probe_for 400
probe_stop
get 503 /half
get 200 /hello
stop TERM 6
# shellcheck disable=SC2086 # words are meant
wait $JOBS

finish
