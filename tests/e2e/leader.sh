#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Leader election: one at a time, and another one when it is killed.
. "$(dirname "$0")/lib.sh"

cp "$HERE/../../examples/leader-c/slightfile.toml" .
cp "$SL_TEST_GUESTS/leader-c.wasm" leader.wasm

# candidate NAME
candidate() {
    "$SLIGHT" run >"$1.out" 2>"$1.err" &
    eval "$1=$!"
    PIDS="$PIDS $!"
}

WHAT="the first one leads"
candidate first
wait_for grep -qs 'leader, token 1' first.out
candidate second
wait_for grep -qs waiting second.out
sleep 3
says second.out waiting
lacks second.out leader

WHAT="the second one takes over"
# shellcheck disable=SC2154 # candidate sets them
kill -9 "$first"
wait_for grep -qs 'leader, token 2' second.out

WHAT="one that ends lets go at once"
candidate third
wait_for grep -qs waiting third.out
# shellcheck disable=SC2154
kill -TERM "$second"
wait_for grep -qs 'leader, token 3' third.out

# One that sleeps is no leader when it wakes.
WHAT="one that was stopped"
candidate fourth
wait_for grep -qs waiting fourth.out
# shellcheck disable=SC2154
kill -STOP "$third"
wait_for grep -qs 'leader, token 4' fourth.out
kill -CONT "$third"
wait_for grep -qs 'lost the lock' third.out

finish
