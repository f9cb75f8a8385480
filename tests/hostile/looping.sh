#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A hundred guests that compute and never end: the victim has its processors when it
# needs them, and the time of each of the hundred ends when it should.
. "$(dirname "$0")/lib.sh"

# looping TIMEOUT: the manifest, with that of the attacker's requests.
looping() {
    {
        app
        called attacker "$SL_TEST_GUESTS/e2e-http.wasm" 127.0.0.2
        echo "timeout = \"$1\""
    } >app.toml
}

# attack COUNT PATH: so many requests at once, whose codes go to the file codes.
attack() {
    JOBS=
    i=0
    while [ $i -lt "$1" ]; do
        i=$((i + 1))
        curl -s -m 300 -o /dev/null -w '%{http_code}\n' "$ATTACKER$2" >>codes &
        JOBS="$JOBS $!"
        PIDS="$PIDS $!"
    done
}

looping 300s
serve_hostile --grace 2s
attack 100 /spin
WHAT="those that loop"
wait_for answering "$ATTACKER" 100
probe_start
probe_for 800
probe_stop
rss_below 300
stop TERM 6 # they are cut
# shellcheck disable=SC2086 # words are meant
wait $JOBS

# Their time ends, though they are many: with what they held, so that as many have
# room again.
looping 3s
serve_hostile
rm codes
attack 100 /spin
# shellcheck disable=SC2086 # words are meant
wait $JOBS
WHAT="the ends of those that loop"
holds test "$(grep -c '^504$' codes)" = 100
says served 'event=timed-out component=attacker'
URL=$VICTIM
get 200 /hello
stop TERM 0

finish
