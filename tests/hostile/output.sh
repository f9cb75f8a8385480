#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who reads what slight writes stops, or goes; and guests write without end.
# Nobody waits but the guest that writes.
. "$(dirname "$0")/lib.sh"

# app RATE: the attacker may write so much.
app() {
    printf 'slight = 1\nname = "app"\n'
    printf '[[component]]\nname = "attacker"\nsource = "%s"\n' \
        "$SL_TEST_HOSTILE/hostile-printer.wasm"
    [ -z "$1" ] || printf 'output-rate = "%s"\n' "$1"
    printf '[[trigger]]\ntype = "http"\ncomponent = "attacker"\n'
    printf 'listen = "127.0.0.2:0"\ntimeout = "300s"\n'
    victim
}

flood() {
    curl -s -m 300 "$ATTACKER/flood" >flooded &
    FLOOD=$!
    PIDS="$PIDS $FLOOD"
}

# The sum of what was dropped for this reason.
dropped() {
    curl -s -m 300 "$HEALTH/metrics" |
        sed -n "s/^slight_log_dropped_total{.*reason=\"$1\"} //p" |
        awk '{ sum += $1 } END { print sum + 0 }'
}

some_dropped() {
    [ "$(dropped "$1")" -gt 0 ]
}

mkfifo pipe
exec 9<>pipe

# Read what is in the pipe, to the last byte.
drain() {
    dd if=pipe of=/dev/null bs=64K iflag=nonblock 2>/dev/null
}

# --- A server: both streams are a pipe that nobody reads any more ---------------

# serve_unread: it is read only until it has said where it listens.
serve_unread() {
    "$SLIGHT" run app.toml "$@" >pipe 2>&1 9>&- &
    SERVER=$!
    PIDS="$PIDS $SERVER"
    : >served
    until [ "$(grep -c 'http://127.0.0.[123]:' served)" -eq 3 ]; do
        timeout "${SL_TEST_SILENT:-300}" sh -c 'IFS= read -r line && echo "$line"' \
            <&9 >>served || { fail "no server"; break; }
    done
    # shellcheck disable=SC2034 # for the probe
    VICTIM=$(address_at 127.0.0.3)
    ATTACKER=$(address_at 127.0.0.2)
    HEALTH=$(address_at 127.0.0.1)
}

app 0B >app.toml
serve_unread --log-level info
probe_start
flood
WHAT="nobody reads"
wait_for some_dropped full
sleep 3
probe_stop
rss_below 200
kill "$FLOOD" 2>/dev/null
WHAT="the end while nobody reads"
kill -TERM "$SERVER"
wait_for ended "$SERVER"
wait "$SERVER"
[ $? -eq 0 ] || fail "not 0"

WHAT="somebody reads again"
drain
serve_unread
flood
wait_for some_dropped full
kill "$FLOOD" 2>/dev/null
cat <&9 >again &
PIDS="$PIDS $!"
wait_for grep -q 'level=warn event=output-dropped entries=[1-9]' again
grep -q '^\[attacker\] a line of an attacker' again || fail "no line of a guest"
stop TERM 0

# --- A file: a rate ---------------------------------------------------------------

WHAT="a flood into a file"
app "" >app.toml
serve_hostile
probe_start
flood
wait_for some_dropped rate
sleep 3
probe_stop
rss_below 200
kill "$FLOOD" 2>/dev/null
wait_for grep -q 'event=output-limited component=attacker lines=[1-9]' served
size=$(cat served served.out | wc -c)
limited=$(grep -c output-limited served)
seconds=$(($(date +%s) - $(stat -c %Y app.toml)))
# A second's worth at once, then that much a second.
[ "$size" -lt $(((seconds + 3) * 1048576)) ] || fail "$size bytes were written"
[ "$limited" -le $((seconds + 2)) ] || fail "$limited lines say so"
stop TERM 0

# --- A reader that is gone, and a disk that is full -------------------------------

for to in closed full; do
    WHAT="standard output is $to"
    : >served
    if [ $to = full ]; then
        "$SLIGHT" run app.toml >/dev/full 2>served &
    else
        # Somebody opens it to read, and closes it.
        mkfifo gone
        (exec <gone) &
        "$SLIGHT" run app.toml >gone 2>served 9>&- &
    fi
    SERVER=$!
    PIDS="$PIDS $SERVER"
    wait_for grep -q 'http://127.0.0.2:' served
    HEALTH=$(address_at 127.0.0.1)
    URL=$(address_at 127.0.0.2)
    get 200 /out -d "text
"
    wait_for some_dropped failed
    get 200 /out -d "text
"
    stop TERM 0
done

# --- A program that is run once: it waits, and is ended -----------------------------

drain
WHAT="the time-out of a program that waits for its reader"
"$SLIGHT" run "$GUEST" --timeout 1s -- flood >pipe 2>err 9>&- &
pid=$!
PIDS="$PIDS $pid"
wait_for ended $pid
wait $pid
[ $? -eq 6 ] || fail "not ended by its time"
says err "timed out; raise --timeout"

WHAT="SIGTERM for a program that waits for its reader"
drain
"$SLIGHT" run "$GUEST" -- flood >pipe 2>err 9>&- &
pid=$!
PIDS="$PIDS $pid"
sleep 1
kill -TERM $pid
wait_for ended $pid
wait $pid
[ $? -eq 143 ] || fail "not ended by SIGTERM"

WHAT="all streams of a program unread"
drain
"$SLIGHT" run "$GUEST" --timeout 1s -- flood >pipe 2>&1 9>&- &
pid=$!
PIDS="$PIDS $pid"
wait_for ended $pid
wait $pid
[ $? -eq 6 ] || fail "not ended by its time"

WHAT="input that never comes"
drain
"$SLIGHT" run "$GUEST" --timeout 1s -- cat <pipe >out 2>err &
pid=$!
PIDS="$PIDS $pid"
wait_for ended $pid
wait $pid
[ $? -eq 6 ] || fail "not ended by its time"

# Nothing is lost, and the writer waits for a reader that is late.
WHAT="a late reader"
seq 1 300000 >numbers
"$SLIGHT" run "$GUEST" -- cat <numbers 2>err | {
    sleep 1
    cat
} >out
cmp numbers out || fail "something else came"
says err "$(stat -c %s numbers) bytes"

# Who writes learns of a full disk, and of a reader that is gone.
WHAT="a full disk"
"$SLIGHT" run "$GUEST" --timeout 300s -- flood >/dev/full 2>err
[ $? -eq 0 ] || fail "the guest noticed nothing"
WHAT="a reader that is gone"
{
    "$SLIGHT" run "$GUEST" --timeout 300s -- flood 2>err
    echo $? >code
} | head -n 1 >out
[ "$(cat code)" = 0 ] || fail "the guest noticed nothing"

finish
