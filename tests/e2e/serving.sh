# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced, after lib.sh, by scripts that talk to a server:
#
#     serve MANIFEST ARGS...      run it; $URL is its address, $SERVER its process,
#                                 and what it says is in the files served and
#                                 served.out
#     get CODE PATH CURL-ARGS...  a request, whose answer has this code; its body
#                                 is in the file body, its header in head
#     stop SIGNAL CODE            end it, and expect this exit code

serving_or_ended() {
    grep -qs '[ "]http://[^/]*/' served || ended "$SERVER"
}

serve() {
    : >served
    "$SLIGHT" run "$@" >served.out 2>served &
    SERVER=$!
    PIDS="$PIDS $SERVER"
    wait_for 60 serving_or_ended
    grep -qs '[ "]http://[^/]*/' served || fail "no server: $(cat served)"
    URL=$(sed -n 's|.*[ "]\(http://[^/]*\)/.*|\1|p' served | head -n 1)
}

get() {
    WHAT="$2 of $URL"
    code=$1
    path=$2
    shift 2
    got=$(curl -s -m 20 -o body -D head -w '%{http_code}' "$@" "$URL$path")
    [ "$got" = "$code" ] || fail "answered $got, not $code"
}

stop() {
    WHAT="the end by $1"
    kill "-$1" "$SERVER"
    wait "$SERVER"
    got=$?
    [ "$got" = "$2" ] || fail "exit code $got, not $2"
}
