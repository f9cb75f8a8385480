# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced, after lib.sh, by scripts that talk to a server:
#
#     serve MANIFEST ARGS...      run it; $URL is its address, $SERVER its process,
#                                 and what it says is in the files served and
#                                 served.out
#     get CODE PATH CURL-ARGS...  a request, whose answer has this code; its body
#                                 is in the file body, its header in head
#     begun PATH [COUNT]          wait until the guest e2e-http has begun so many of
#                                 these requests (one): /count, /sleep or /spin
#     hold, let_go                the guest e2e-http has a request, from here to there;
#                                 its answer is in the file held
#     stop SIGNAL CODE            end it, and expect this exit code

serving_or_ended() {
    grep -qs '[ "]http://[^/]*/' served || ended "$SERVER"
}

serve() {
    : >served
    "$SLIGHT" run "$@" >served.out 2>served &
    SERVER=$!
    PIDS="$PIDS $SERVER"
    wait_for serving_or_ended
    grep -qs '[ "]http://[^/]*/' served || fail "no server: $(cat served)"
    URL=$(sed -n 's|.*[ "]\(http://[^/]*\)/.*|\1|p' served | head -n 1)
}

get() {
    WHAT="$2 of $URL"
    code=$1
    path=$2
    shift 2
    got=$(curl -s -m 300 -o body -D head -w '%{http_code}' "$@" "$URL$path")
    [ "$got" = "$code" ] || fail "answered $got, not $code"
}

has_begun() {
    [ "$(grep -c "begun $1" served)" -ge "$2" ]
}

begun() {
    wait_for has_begun "$1" "${2:-1}"
}

hold() {
    rm -f hold held
    mkfifo hold
    /usr/bin/python3 - "${URL#http://}" <<'END' 4<>hold &
import os, socket, sys
host, port = sys.argv[1].rsplit(":", 1)
one = socket.create_connection((host, int(port)))
one.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nheld\n\r\n")
got = b""
while piece := one.recv(4096):
    got += piece
    if b"held" in got:
        break
open("held", "wb").write(got)
os.read(4, 1)
one.sendall(b"0\r\n\r\n")
while piece := one.recv(4096):
    got += piece
open("held", "wb").write(got)
END
    HOLDER=$!
    PIDS="$PIDS $HOLDER"
    wait_for test -s held
}

let_go() {
    echo >hold
    wait "$HOLDER"
}

stop() {
    WHAT="the end by $1"
    kill "-$1" "$SERVER"
    wait "$SERVER"
    got=$?
    [ "$got" = "$2" ] || fail "exit code $got, not $2"
}
