#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The probe itself: it passes where nothing is wrong, and fails where a victim
# does not answer, or late.
. "$(dirname "$0")/lib.sh"

{
    printf 'slight = 1\nname = "app"\n'
    victim
} >app.toml
serve_hostile
probe_start
sleep 2
probe_stop
rss_below 200

# The same with a victim that takes a second.
WHAT="a late victim"
probe_start /sleep
sleep 3
: >probe-stop
wait "$PROBE" && fail "not seen: $(cat probed)"
says probed "FAIL: hello's p99 is above"
lacks probed "FAIL: not everything"

WHAT="a victim that traps"
probe_start /trap
sleep 1
: >probe-stop
wait "$PROBE" && fail "not seen: $(cat probed)"
says probed "FAIL: not everything was answered"

stop TERM 0
finish
