#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Responses that are not whole, or late: never do they look whole; and what is slow
# but moves is not late.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

ALLOWED=

# web GUEST LINES...: a manifest for the guest, with these lines in its trigger, that
# is served.
web() {
    {
        printf 'slight = 1\nname = "web"\n[component]\nsource = "%s"\n' \
            "$SL_TEST_GUESTS/$1.wasm"
        printf 'allowed-hosts = [%s]\n' "$ALLOWED"
        printf '[[resource]]\nname = "default"\ntype = "kv.memory"\n'
        printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n'
        shift
        printf '%s\n' "$@"
    } >web.toml
    serve web.toml --grace 60s --log-level info
}

# ask PATH CURL-ARGS...: $got is the status, $code curl's exit code.
ask() {
    WHAT="$* of $URL"
    asked=$1
    shift
    rm -f body
    got=$(curl -s -m 300 -o body -D head -w '%{http_code}' "$@" "$URL$asked")
    code=$?
}

# It begins, and the connection ends before the response does: curl finds the last
# chunk or the rest of its length missing (18), or the connection reset (56).
cut() {
    ask "$@"
    [ "$got" = 200 ] || fail "answered $got, not 200"
    [ "$code" = 18 ] || [ "$code" = 56 ] || fail "curl ends with $code: it looks whole"
}

# whole BYTES PATH CURL-ARGS...
whole() {
    bytes=$1
    shift
    ask "$@"
    [ "$got $code" = "200 0" ] || fail "answered $got, curl ends with $code"
    touch body # curl makes none of no bytes
    [ "$(wc -c <body)" = "$bytes" ] || fail "$(wc -c <body) bytes, not $bytes"
}

# Its request is logged as one whose response was cut.
logged() {
    WHAT="the log of $1"
    wait_for grep -q "event=request method=[A-Z]* path=$1 .*response=cut" served
}

# An upload that stops before its end: the client is late, not the guest.
stop_upload() {
    WHAT="an upload that stops"
    {
        echo half
        wait_for grep -q 'path=/read/begin/finish .*status=408' served
    } | curl -s -m 300 -o body -T - "$URL/read/begin/finish"
}

counted() {
    told=$(curl -s -m 300 "$URL/tell")
    [ "$told" = "$1" ]
}

sunk_all() {
    [ "$(wc -l <sunk)" = $(($1 + 1)) ]
}

went_on() {
    [ "$(grep -c "went on" served.out)" = "$1" ]
}

# --- Whatever ends a response before its end ------------------------------------
web e2e-responses 'timeout = "2s"'
for version in --http1.1 --http1.0; do
    for end in trap exit-0 exit-1 eat drop nothing-more; do
        [ $end = nothing-more ] && end=
        cut "/begin/write-5/$end" $version
        says body xxxxx
        cut "/begin/write-300000/$end" $version
        cut "/begin/$end" $version
    done
    cut /begin/write-5/spin $version
    cut /begin/nap $version

    # A length that is not the body's.
    cut /length-10/begin/write-5/finish $version
    cut /length-10/begin/write-15/finish $version
    cut /length-10/begin/write-10/write-5/finish $version
    cut /length-10/begin/write-10/trap $version
    cut /length-10/begin/write-10 $version
    whole 0 /length-0/begin/write-5/finish $version
    whole 10 /length-10/begin/write-10/finish $version
    whole 0 /length-0/begin/finish $version
    get 500 /length-10/bodiless $version

    # What is whole stays whole, whatever the guest does then.
    whole 5 /begin/write-5/finish/trap $version
    whole 300000 /begin/write-300000/finish/exit-1 $version
    whole 5 /begin/write-5/trailers/trap $version
    whole 5 /begin/write-5/trailers $version -H 'TE: trailers'
    whole 0 /begin/finish/spin $version
    whole 0 /bodiless/trap $version
done
logged /begin/write-5/trap
WHAT="the log"
says served "event=trapped component=web method=GET path=/begin/write-5/trap"
says served "event=timed-out component=web method=GET path=/begin/write-5/spin"
says served "event=exited component=web method=GET path=/begin/write-5/exit-1"
says served 'reason="it did not finish the body of its response"'
says served 'reason="its response has content-length 10, and a body of 5 bytes"'
says served 'reason="its response has content-length 10, and a longer body"'
says served 'reason="its response has content-length 10, and no body"'
says served 'reason="its response has content-length 0, and a longer body"'
grep "response=cut" served | grep "path=/[a-z0-9/-]*finish/\|path=/bodiless/trap" >whole-but-cut
is whole-but-cut </dev/null

# --- Every response lets the guest go on as GET's does ----------------------------
n=0
for path in /begin/write-5/finish /status-204/length-5/begin/write-5/finish \
    /status-304/length-5/begin/write-5/finish /status-205/length-5/begin/write-5/finish \
    /status-204/bodiless /length-5/begin/finish /length-0/begin/finish /length-5/bodiless \
    /status-500/begin/finish; do
    for method in GET HEAD POST; do
        head=
        [ $method = HEAD ] && head=-I
        # shellcheck disable=SC2086 # words are meant
        ask "$path/pause/count" -X $method $head
        n=$((n + 1))
        case $method$path in
        GET/length-5/* | POST/length-5/*) continue ;; # it is wrong then, and goes on, too
        esac
        [ "$code" = 0 ] || fail "curl ends with $code"
        case $path in
        /status-20[45]* | /status-304*)
            lacks head 'content-length: 5'
            lacks head 'transfer-encoding' ;;
        esac
        case $path in
        /status-204*) lacks head 'content-length' ;;
        esac
    done
done
wait_for counted $n
ask /length-5/bodiless -I
says head 'content-length: 5'

# An error code, and a status that is not final, are errors of the guest's, which goes
# on, too.
for path in /fail /status-100/bodiless /status-101/begin/finish /status-103/begin/write-5/finish; do
    get 500 $path/pause/count
    n=$((n + 1))
done
wait_for counted $n
WHAT="the log"
says served 'reason="it answered with status 101 Switching Protocols, which is no final one"'

# It may take as long for that as for a response.
get 200 /begin/finish/nap/count
WHAT="what is late after its response"
wait_for grep -q 'reason="it went on for longer than 2000 ms after its response"' served
wait_for counted $n

# Nobody reads what has no end, and nobody leaves.
ask /begin/drip-1000/finish -I
wait_for grep -q 'reason="it wrote for longer than 2000 ms to a response without a body"' served

# --- Slow, but not late ----------------------------------------------------------
whole 25 /begin/drip-25/finish
whole 25 /begin/drip-25/finish --http1.0
whole 3000000 /begin/write-3000000/finish --limit-rate 1200k
head -c 250000 /dev/zero >upload
whole 5 /read/begin/write-5/finish --limit-rate 100k --data-binary @upload -H Expect:
whole 5 /begin/read/write-5/finish --limit-rate 100k --data-binary @upload -H Expect:
get 504 /nap/begin/finish

# Who sends no more, and who takes no more, is not waited for.
stop_upload
WHAT="a client that reads nothing"
"${BASH:-bash}" -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf "GET /begin/write-30000000/finish HTTP/1.1\r\nHost: a\r\n\r\n" >&3
    exec sleep 600' - "${URL##*:}" &
PIDS="$PIDS $!"
logged /begin/write-30000000/finish
stop TERM 0

# --- Each limit by itself ----------------------------------------------------------
web e2e-responses 'timeout = "20s"' 'between-bytes-timeout = "2s"'
whole 1 /nap/begin/write-1/finish
cut /begin/write-1/nap/finish
stop TERM 0
web e2e-responses 'timeout = "2s"' 'between-bytes-timeout = "20s"'
stop_upload
whole 1 /begin/write-1/nap/finish
get 504 /nap/begin/finish
stop TERM 0
web e2e-responses 'total-timeout = "1s"'
cut /begin/drip-25/finish
get 504 /nap/begin/finish
says served "it took longer than 1000 ms"
stop TERM 0

# A client that takes some now and then, and too little.
cat >trickle.py <<'END'
import socket, sys, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
one.settimeout(300)
one.connect(("127.0.0.1", int(sys.argv[1])))
one.sendall(b"GET /begin/write-8000000/finish HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
got = b""
deadline = time.monotonic() + float(sys.argv[2])
try:
    while True:
        if time.monotonic() < deadline:
            time.sleep(0.05)
        piece = one.recv(8192 if time.monotonic() < deadline else 1 << 20)
        if not piece:
            break
        got += piece
except ConnectionError:
    pass
print("whole" if got.endswith(b"\r\n0\r\n\r\n") else "cut")
END
web e2e-responses 'timeout = "2s"' 'min-rate = "1MiB"'
WHAT="a client that takes too little"
/usr/bin/python3 trickle.py "${URL##*:}" 15 >trickled
says trickled cut
stop TERM 0
web e2e-responses 'timeout = "2s"'
WHAT="a client that takes enough"
/usr/bin/python3 trickle.py "${URL##*:}" 3 >trickled
says trickled whole

# --- The end of the process is no end of a response ---------------------------------
for version in --http1.1 --http1.0; do
    curl -sN -m 300 -o body-$version $version "$URL/begin/write-5/drip-1000/finish" &
    CLIENTS="${CLIENTS:-} $!"
done
WHAT="clients of a server that is killed"
wait_for test -s body---http1.1
wait_for test -s body---http1.0
kill -9 "$SERVER"
for client in $CLIENTS; do
    wait "$client"
    code=$?
    [ $code = 18 ] || [ $code = 56 ] || fail "curl ends with $code: it looks whole"
done

# --- A component's own requests: a body that is not finished is cut, too --------------
cat >sink.py <<'END'
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        one, _ = server.accept()
        one.settimeout(300)
        got = b""
        try:
            while not got.endswith(b"\r\n0\r\n\r\n"):
                piece = one.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass
        end = "whole" if got.endswith(b"\r\n0\r\n\r\n") else "cut"
        print(end if b"xxxxx" in got else "nothing", flush=True)
        one.close()
END
/usr/bin/python3 sink.py >sunk &
PIDS="$PIDS $!"
WHAT="the server of what a component sends"
wait_for test -s sunk
PORT=$(head -n 1 sunk)
ALLOWED="\"http://127.0.0.1:$PORT\""
web e2e-responses 'timeout = "2s"'
for end in trap exit-1 spin drop ''; do
    ask "/send-$PORT/pause/$end"
done
ask "/send-$PORT/pause/sent/pause"
WHAT="what a component sends"
wait_for sunk_all 6
is sunk <<END
$PORT
cut
cut
cut
cut
cut
whole
END
stop TERM 0

# --- The same of WASI 0.3 ------------------------------------------------------------
web e2e-responses3 'timeout = "2s"'
for version in --http1.1 --http1.0; do
    for end in trap exit error; do
        cut /write-5/$end $version
        says body xxxxx
        cut /write-300000/$end $version
    done
    cut /write-5/spin $version
    cut /write-5/leave $version
    cut /nap2 $version
    cut /length-10/write-5/finish $version
    cut /length-10/write-15/finish $version
    cut /length-10/write-10/write-5/finish $version
    cut /length-10/write-10/trap $version
    whole 10 /length-10/write-10/finish $version
    whole 300000 /write-300000/finish/trap $version
    whole 0 /finish/pause/spin $version
    whole 25 /drip-25/finish $version
    get 504 /nap
done
logged /write-5/trap
WHAT="the log"
says served "event=trapped component=web method=GET path=/write-5/trap"
says served "event=timed-out component=web method=GET path=/write-5/leave"
says served 'reason="its response has content-length 10, and a body of 5 bytes"'
n=0
for path in /write-5/finish /status-204/length-5/write-5/finish /status-304/write-5/finish; do
    for method in GET HEAD; do
        head=
        [ $method = HEAD ] && head=-I
        ask "$path/pause/say" $head
        [ "$code" = 0 ] || fail "curl ends with $code"
        n=$((n + 1))
    done
done
get 500 /status-101/finish/pause/say
wait_for went_on $((n + 1))
stop TERM 0
web e2e-responses3 'timeout = "2s"' 'reuse = 100'
for end in trap error leave; do
    cut "/write-5/$end"
    whole 5 /write-5/finish
done
stop TERM 0

# --- Instances that are used again ------------------------------------------------
web e2e-responses 'timeout = "2s"' 'reuse = 100'
for end in trap exit-0 drop ''; do
    cut "/begin/write-5/$end"
    whole 5 /begin/write-5/finish
done
get 500 /
get 500 /count
whole 5 /begin/write-5/finish
ask /begin/write-5 -I
[ "$code" = 0 ] || fail "curl ends with $code"
whole 5 /begin/write-5/finish
stop TERM 0

finish
