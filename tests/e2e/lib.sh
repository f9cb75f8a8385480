# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by every script of this folder.  It gives an empty folder to work in,
# which goes away at the end, and these words:
#
#     slight CODE ARGS...     run it, and expect this exit code; what it wrote is
#                             in the files out and err; input is $INPUT, or none
#     says FILE TEXT          FILE (out or err) has TEXT in it
#     lacks FILE TEXT         and that it has not
#     is FILE <<END           FILE is this, and nothing more
#     holds COMMAND...        COMMAND succeeds
#     wait_for COMMAND...     wait until it succeeds; the limit is only there to end
#                             a test that hangs
#     interrupted SIGNAL CODE SIGN ARGS...    the same, ended by a signal
#     finish                  the last line: fails where anything did
#
# A script that ends before its last line fails, whatever its exit code.  What
# fails in a subshell or a pipe counts.
#
# Environment: SLIGHT, the program; SL_TEST_GUESTS, the folder of the components;
# SL_TEST_SERVICES, what the running services say of themselves; SL_TEST_SILENT, not
# empty where SLIGHT is a program that does nothing: the first failure ends it.
set -u

HERE=$(cd "$(dirname "$0")" && pwd)
GUEST=$SL_TEST_GUESTS/e2e-guest.wasm
FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/slight-e2e-XXXXXX")
FAILED=$FOLDER/.failed
FINISHED=
WHAT=
INPUT=/dev/null
PIDS=

# A process of this script's own: of one that it has waited for, another test's
# may have the number by now.
own() {
    grep -qs "^PPid:[[:space:]]*$$\$" "/proc/$1/status"
}

# Nothing that a test started outlives it.
clean_up() {
    for pid in $PIDS; do
        own "$pid" || continue
        kill -CONT "$pid" 2>/dev/null
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$FOLDER"
}

at_exit() {
    code=$?
    if [ -z "$FINISHED" ]; then
        echo "it ended before its last line"
        [ $code -ne 0 ] || code=1
    fi
    clean_up
    exit $code
}
trap at_exit EXIT
trap 'exit 1' INT TERM
cd "$FOLDER" || exit 1

# As on a terminal; management.sh looks at the other format.
export SLIGHT_LOG_FORMAT=text

# Compiled once for all tests.
export SLIGHT_CACHE_DIR="$SL_TEST_GUESTS/cache"

fail() {
    echo "FAIL: $WHAT: $1" | tee -a "$FAILED"
    [ -z "${SL_TEST_SILENT:-}" ] || exit 1
    for file in out err served; do # of a server, too: what a sanitizer found
        echo "--- $file"
        tail -c 4000 $file 2>/dev/null
    done
    echo "---"
}

holds() {
    "$@" || fail "not so: $*"
}

# A thread writes a server's log: a line may come after the answer.
says() {
    if [ "$1" = served ] && [ -n "${SERVER:-}" ] && ! ended "$SERVER"; then
        wait_for grep -qsF -e "$2" served
    else
        grep -qF -e "$2" "$1" || fail "$1 does not say: $2"
    fi
}

lacks() {
    ! grep -qF -e "$2" "$1" || fail "$1 says: $2"
}

is() {
    cat >expected
    cmp -s "$1" expected || {
        fail "$1 is not as expected:"
        diff expected "$1"
    }
}

# Whatever goes wrong, nobody sees the insides of the host.
no_insides() {
    for inside in panicked "thread '" "stack backtrace:" RUST_BACKTRACE \
        Sanitizer "core dumped" .rs:; do
        lacks err "$inside"
    done
}

slight() {
    expected=$1
    shift
    WHAT="slight $*"
    timeout -k 5 "${SLIGHT_LIMIT:-300}" "$SLIGHT" "$@" <"$INPUT" >out 2>err
    got=$?
    [ $got -eq "$expected" ] || fail "exit code $got, expected $expected"
    no_insides
}

# interrupted SIGNAL CODE SIGN ARGS...: once it has said SIGN it gets the signal,
# and then ends with this code.
interrupted() {
    signal=$1 expected=$2 sign=$3
    shift 3
    WHAT="SIG$signal for slight $*"
    # What the run before has said is not said by this one.
    rm -f out err
    "$SLIGHT" "$@" <"$INPUT" >out 2>err &
    pid=$!
    PIDS="$PIDS $pid"
    wait_for grep -qs "$sign" out err
    kill "-$signal" "$pid"
    wait_for ended "$pid" || return
    wait "$pid"
    got=$?
    [ $got -eq "$expected" ] || fail "exit code $got, expected $expected"
    no_insides
    lacks err "error:"
}

# Gone, or waiting for us to ask for its code.
ended() {
    ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2>/dev/null
}

# An error of slight's own is one paragraph: one line, which starts like this.
one_error() {
    [ "$(grep -c '^error: \|: error: ' err)" -eq 1 ] || fail "not one error"
}

# At least so many seconds, and fewer once something did not come.
PATIENCE=${SL_TEST_SILENT:-300}

wait_for() {
    tries=$((PATIENCE * 20))
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || {
            [ "$PATIENCE" -le 20 ] || PATIENCE=20
            fail "in vain: $*"
            return 1
        }
        sleep 0.05
    done
}

# manifest [LINES...]: a slightfile.toml for the guest, with these lines in
# [component] and below.
manifest() {
    {
        printf 'slight = 1\nname = "guest"\n\n[component]\nsource = "%s"\n' \
            "$GUEST"
        for line in "$@"; do
            echo "$line"
        done
    } >slightfile.toml
}

finish() {
    FINISHED=1
    [ ! -e "$FAILED" ] || {
        # Where a failure told of itself, its output may have gone elsewhere.
        cat "$FAILED"
        echo "$(grep -c '^FAIL' "$FAILED") failed"
        return 1
    }
}
