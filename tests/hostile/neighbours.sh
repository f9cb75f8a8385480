#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The probe itself: it passes where nothing is wrong, and fails where a victim
# does not answer, or late.
. "$(dirname "$0")/lib.sh"

app >app.toml
serve_hostile
probe_start
probe_for 200
probe_stop
rss_below 200

# The same with a victim that takes four seconds, which is late on a machine that
# has no processor to spare, too.
WHAT="a late victim"
probe_start /doze
probe_for 8
: >probe-stop
wait "$PROBE" && fail "not seen: $(cat probed)"
says probed "FAIL: hello's p99 is above"
lacks probed "FAIL: not everything"

WHAT="a victim that traps"
probe_start /trap
probe_for 12
: >probe-stop
wait "$PROBE" && fail "not seen: $(cat probed)"
says probed "FAIL: not everything was answered"

stop TERM 0
finish
