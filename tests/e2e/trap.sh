#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a component does to itself ends it, and nothing else: exit code 5.
. "$(dirname "$0")/lib.sh"
GUEST=$SL_TEST_GUESTS/e2e-debug.wasm

# traps ACT FUNCTION TEXT: in this function, for this reason.
traps() {
    slight 5 run "$GUEST" -- "$1"
    one_error
    says err "error: component \"e2e-debug\" trapped: $3"
    says err "$2"
    holds grep -q '^  0: ' err
    is out </dev/null
}

# The file and the line of its own function; a frame of the deepest 20 is shown.
lines() {
    holds grep -q "$1"' (.*/guest[_a-z]*\.c:[0-9]*)$' err
}

traps unreachable ': unreachable' 'wasm `unreachable` instruction executed'
traps out-of-bounds ': out_of_bounds' 'out of bounds memory access'
traps divide ': divide' 'integer divide by zero'
traps overflow ': overflow' 'integer overflow'
traps call-null ': call_null' 'uninitialized element'
traps abort ': end_by_abort' 'wasm `unreachable` instruction executed'

# Recursion without end, on the stack of calls and on the one in memory.  The
# deepest frames are shown.
traps recurse ' 19: recurse' 'call stack exhausted'
traps overrun ' 19: overrun' 'out of bounds memory access'
lines overrun

# Handles that it has not, memory that it has not, text that is none.  The
# function of the bindings that calls the host is the one that ends.
traps drop-twice ': drop_twice' 'unknown handle index'
lines drop_twice
traps use-dropped 'bucket_get (' 'unknown handle index'
traps use-invented 'bucket_get (' 'unknown handle index 12345'
traps pass-outside 'bucket_get (' 'a pointer and a length are out of bounds'
traps pass-no-text 'bucket_get (' 'invalid utf-8'

# Nothing is left behind: the next run is as good as the first.
slight 0 run "$GUEST" -- get default key
is out <<END
none
END

finish
