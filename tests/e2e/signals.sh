#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Signals, whenever they come: to a process like any other, and to PID 1 of a
# container, which the kernel spares whatever is not handled.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

MAP=
[ "$(id -u)" = 0 ] || MAP=--map-root-user

children() {
    tr -d ' ' <"/proc/$1/task/$1/children"
}

has_child() {
    [ -n "$(children "$1")" ]
}

is_childless() {
    [ -z "$(children "$1")" ]
}

# Its main has begun: SIGTERM, number 15, is caught.
is_slight() {
    [ "$(readlink "/proc/$1/exe")" = "$(readlink -f "$SLIGHT")" ] &&
        grep -q '^SigCgt:.*[4-7c-f][0-9a-f]\{3\}$' "/proc/$1/status"
}

# start ARGS...: slight, as $KIND says; $PID is its number here, and $WAITER ends
# with its code.
start() {
    WHAT="slight $* as $KIND"
    rm -f out err
    case "$KIND" in
    process) "$SLIGHT" "$@" <"$INPUT" >out 2>err & ;;
    pid-1)
        # shellcheck disable=SC2086 # none, or one
        unshare $MAP --pid --mount-proc --fork --kill-child "$SLIGHT" "$@" \
            <"$INPUT" >out 2>err &
        ;;
    pid-1-no-proc) # a /proc that it is not in, where leaks cannot be found
        # shellcheck disable=SC2086 # none, or one
        ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" \
            unshare $MAP --pid --fork --kill-child "$SLIGHT" "$@" \
            <"$INPUT" >out 2>err &
        ;;
    esac
    WAITER=$!
    PID=$WAITER
    PIDS="$PIDS $WAITER"
    if [ "$KIND" != process ]; then
        wait_for has_child "$WAITER"
        PID=$(children "$WAITER")
    fi
    wait_for is_slight "$PID"
}

# ends CODE: it does, with this code.
ends() {
    wait_for ended "$WAITER" || return
    wait "$WAITER"
    got=$?
    [ $got -eq "$1" ] || fail "exit code $got, expected $1"
}

# start_web ARGS...: the server.
start_web() {
    start run web.toml "$@"
    ln -f err served # as serving.sh knows it
    wait_for grep -qs 'http://' err
    URL=$(sed -n 's|.*\(http://[^/]*\)/.*|\1|p' err | head -n 1)
}

mkfifo never
sleep 600 >never &
PIDS="$PIDS $!"
"$SL_TEST_BOMB" loops 4000 >loops.wasm
cat >web.toml <<END
slight = 1
name = "web"
[component]
source = "$SL_TEST_GUESTS/e2e-http.wasm"
[[trigger]]
type = "http"
listen = "127.0.0.1:0"
timeout = "300s"
END

for KIND in process pid-1 pid-1-no-proc; do
    for signal in HUP:129 INT:130 QUIT:131 TERM:143; do
        number=${signal#*:} signal=${signal%:*}

        # While it does what has no end of its own.
        start componentize never -o never.wasm
        kill "-$signal" "$PID"
        ends "$number"
        [ "$KIND" != pid-1-no-proc ] || [ "$signal" = TERM ] || continue

        # While it compiles; nothing stays behind.
        SLIGHT_CACHE_DIR=off start run loops.wasm
        wait_for has_child "$PID"
        compiler=$(children "$PID")
        kill "-$signal" "$PID"
        ends "$number"
        holds wait_for ended "$compiler"

        # A program that is run once.
        INPUT=never start run "$GUEST" -- cat
        wait_for grep -qs reading err
        kill "-$signal" "$PID"
        ends "$number"

        # A server finishes what runs.
        start_web
        curl -s -m 300 -o body -w '%{http_code}' "$URL/sleep" >code &
        CLIENT=$!
        begun /sleep
        kill "-$signal" "$PID"
        ends 0
        wait "$CLIENT"
        says code 200
        says body /sleep

        # It ends at once when it is told once more, by whichever; but SIGHUP
        # may come twice where a terminal is closed.
        second=TERM:143
        [ "$signal" != TERM ] || second=INT:130
        [ "$signal" != INT ] || second=QUIT:131
        start_web --grace 300s
        curl -s -m 300 -o /dev/null "$URL/spin" &
        begun /spin
        kill "-$signal" "$PID"
        kill -HUP "$PID"
        wait_for grep -q 'finishing calls in progress' err
        kill -HUP "$PID"
        kill "-${second%:*}" "$PID"
        ends "${second#*:}"
    done

    # What means nothing changes nothing.
    start_web
    for signal in USR1 USR2 PIPE XFSZ; do
        kill "-$signal" "$PID"
    done
    get 200 /x
    kill -TERM "$PID"
    ends 0
done

# Processes that others leave to PID 1 do not stay when they have ended.
KIND=pid-1
start_web
nsenter -t "$PID" -p sh -c '(sleep 0.2; : >over) &'
wait_for test -e over
holds wait_for is_childless "$PID"
kill -TERM "$PID"
ends 0

# What was blocked or ignored before it began counts for nothing, but a SIGHUP
# that is to be ignored (nohup).
cat >before.py <<'END'
import os, signal, sys
for number in signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD:
    signal.signal(number, signal.SIG_IGN)
hangup = signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL
signal.signal(signal.SIGHUP, hangup)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.execv(sys.argv[2], sys.argv[2:])
END
for how in plain nohup; do
    for signal in HUP INT QUIT TERM; do
        [ $how$signal != nohupHUP ] || continue
        : >served
        SLIGHT_CACHE_DIR=off python before.py $how "$SLIGHT" run web.toml \
            >served.out 2>served &
        SERVER=$!
        PIDS="$PIDS $SERVER"
        wait_for grep -qs 'http://' served
        URL=$(sed -n 's|.*\(http://[^/]*\)/.*|\1|p' served | head -n 1)
        [ $how = plain ] || kill -HUP "$SERVER"
        get 200 /x
        stop "$signal" 0
    done
done

finish
