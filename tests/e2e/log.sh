#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Standard error is one format: where it is JSON, each line of slight's is, whatever
# happens.  And output that nobody can take is told.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

cat >entries.py <<'END'
# entries.py FILE [NAME=TEXT...]: each line is an entry, and one has these.
import json, sys
entries = [json.loads(line) for line in open(sys.argv[1])]
for entry in entries:
    assert entry["time"].endswith("Z") and entry["level"] and entry["event"], entry
wanted = [word.split("=", 1) for word in sys.argv[2:]]
found = [e for e in entries if all(text in str(e.get(name, "")) for name, text in wanted)]
assert found or not wanted, (wanted, entries)
END

# entries FILE NAME=TEXT...
entries() {
    python entries.py "$@" 2>trace || {
        fail "$(tail -n 1 trace)"
        cat "$1"
    }
}

# fails CODE NAME=TEXT... -- ARGS...: slight does, and says this in JSON.
fails() {
    code=$1 wanted=
    shift
    while [ "$1" != -- ]; do
        wanted="$wanted $1"
        shift
    done
    shift
    slight "$code" "$@"
    lacks err "$(printf '\033')"
    # shellcheck disable=SC2086 # words are meant
    entries err $wanted
}

web() {
    {
        printf 'slight = 1\nname = "web"\n[component]\nsource = "%s"\n' \
            "$SL_TEST_GUESTS/e2e-http.wasm"
        printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:%s"\n' "$1"
        echo 'timeout = "300s"'
    } >web.toml
}

# --- Everything that ends a run before it begins, and that warns ---
# Where nobody reads along it is the format anyway; told so it is one on a terminal.
check_errors() {
    fails 2 event=error reason=--nonsense -- run --nonsense
    fails 2 event=error reason=--log-level -- run --log-level nonsense web.toml
    fails 3 event=error reason=slightfile.toml -- run .
    fails 4 event=error reason=none.wasm -- run none.wasm
    printf 'slight = 1\nname = "a"\nnmae = 1\n[component]\nsource = "none.wasm"\n' >wrong.toml
    fails 3 event=error file=wrong.toml line=3 column=1 reason=nmae -- run wrong.toml
    sed -i /nmae/d wrong.toml
    fails 4 event=error file=wrong.toml line=4 reason=none.wasm -- run wrong.toml
    fails 4 event=import-missing import=acme:warehouse -- run "$SL_TEST_GUESTS/e2e-missing.wasm"
    fails 5 event=trapped component=e2e-guest reason=unreachable -- run "$GUEST" -- unreachable
    fails 6 event=error reason=--timeout -- run --timeout 100ms "$GUEST" -- loop
    SLIGHT_CACHE_DIR=/dev/null/none fails 0 event=no-cache -- run "$GUEST" -- args
}
unset SLIGHT_LOG_FORMAT
check_errors
SLIGHT_LOG=nonsense fails 2 event=error reason=SLIGHT_LOG -- run web.toml
export SLIGHT_LOG_FORMAT=json
check_errors
SLIGHT_LOG=nonsense fails 2 event=error reason=SLIGHT_LOG -- version
fails 2 event=error reason=frobnicate -- frobnicate
fails 2 event=error reason=--frobnicate -- --frobnicate
fails 3 event=error reason=slightfile.toml -- check .
export SLIGHT_LOG_FORMAT=text
fails 2 event=error reason=--nonsense -- run --nonsense --log-format json
fails 2 event=error reason=--nonsense -- run --nonsense --log-format=json

# The option counts before the environment, and text is text.
SLIGHT_LOG_FORMAT=json slight 2 run --nonsense --log-format text
says err "error: unknown option --nonsense"
slight 2 run --log-format nonsense web.toml
says err 'error: the log format is "nonsense"; expected text or json'

# --- A server, from its start to a drain that is cut ---
web 0
serve web.toml --grace 500ms --log-format json --log-level debug
get 200 /print
get 500 /trap
curl -s -m 300 -o /dev/null "$URL/spin" &
CLIENT=$!
begun /spin
web "${URL##*:}"
fails 4 event=error reason=listen -- run web.toml --log-format json
stop TERM 6
wait $CLIENT
WHAT="the log of a server that was cut"
entries served event=trigger name=web text=http://
entries served event=output stream=stderr
entries served event=trapped
entries served event=draining
entries served event=drain-cut level=warn "reason=calls still in progress after 500 ms were cancelled"

# As text it is an entry too.
web 0
serve web.toml --grace 500ms
curl -s -m 300 -o /dev/null "$URL/spin" &
CLIENT=$!
begun /spin
stop TERM 6
wait $CLIENT
says served 'level=warn event=drain-cut reason="calls still in progress after 500 ms were cancelled"'

# --- Standard output that fails: the server goes on, and standard error tells, once
# while it runs and once at its end ---
# fails_out REASON: it is served.out.
fails_out() {
    WHAT="standard output: $1"
    : >served
    "$SLIGHT" run web.toml --log-format json >"$2" 2>served &
    SERVER=$!
    PIDS="$PIDS $SERVER"
    wait_for grep -qs 'http://' served
    URL=$(sed -n 's|.*[ "]\(http://[^/]*\)/.*|\1|p' served | head -n 1)
    get 200 /print
    wait_for grep -q output-dropped served
    get 200 /print
    stop TERM 0
    entries served event=output-dropped level=warn stream=stdout "reason=$1"
    holds test "$(grep -c output-dropped served)" -eq 2
}
fails_out "No space left on device" /dev/full
mkfifo closed
head -c 0 <closed &
fails_out "Broken pipe" closed

# A command whose output fails says so; who stopped reading knows.
WHAT="a full disk"
"$SLIGHT" help >/dev/full 2>err && fail "exit code 0"
is err <<END
error: standard output: No space left on device
END
{ sleep 0.3; "$SLIGHT" completion bash 2>err; echo $? >code; } | head -c 0
WHAT="a closed pipe"
is err </dev/null

finish
