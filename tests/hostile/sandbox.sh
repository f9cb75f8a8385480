#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Code of an attacker inside of slight (escape.c) gets no further than what the
# manifest names, on whatever thread it runs; and slight does its work confined:
# a database, a server that is started again, certificates, logs, signals.
. "$(dirname "$0")/lib.sh"

REDIS_PORT=$("$HERE/../services/free_port.sh")
echo secret >outside-secret
mkdir data redis
mv outside-secret "$FOLDER/secret"

redis_ready() {
    redis-cli -p "$REDIS_PORT" ping 2>/dev/null | grep -q PONG
}

redis_start() {
    redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save "" --appendonly no \
        --dir "$FOLDER/redis" >redis/log 2>&1 </dev/null &
    REDIS=$!
    PIDS="$PIDS $REDIS"
    wait_for redis_ready
}

manifest_of() {
    printf 'slight = 1\nname = "app"\n'
    victim
    cat <<END
[[component]]
name = "attacker"
source = "$SL_TEST_GUESTS/http-kv-c.wasm"
resources = ["values"]
[[trigger]]
type = "http"
component = "attacker"
listen = "127.0.0.2:0"
[[resource]]
name = "values"
$1
END
}

# Everything that some thread tried, and what came of it.
outcomes() {
    sort -u escaped
}

# attack: every thread tries, and at least this many do.
attack() {
    WHAT="an attack inside"
    : >escaped
    kill -WINCH "$SERVER"
    enough() { [ "$(grep -c '^thread done' escaped)" -ge 4 ]; }
    wait_for enough
    sleep 0.5
}

confined_serve() {
    SL_TEST_ESCAPED="$FOLDER/escaped" SL_TEST_SECRET="$FOLDER/secret" \
        ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}" \
        LD_PRELOAD="$SL_TEST_HOSTILE/libescape.so" serve_hostile "$@"
}

stopped() {
    outcomes | grep -v '^thread done$' >got
    is got <<END
bpf EPERM
clone EPERM
execve EPERM
execveat EPERM
mount EPERM
${1:-ptrace EPERM}
secret EACCES
shadow EACCES
unshare EPERM
END
}

# LeakSanitizer traces the process at its end.
PTRACE="ptrace EPERM"
[ "$SL_TEST_SANITIZED" != address ] || PTRACE="ptrace ESRCH"

# --- With a database beside it, and without: what is tried would work.
manifest_of 'type = "kv.sqlite"
path = "data/store.db"' >app.toml

confined_serve --no-sandbox
URL=$ATTACKER
get 200 /apple -X PUT --data red
attack
WHAT="without the sandbox"
outcomes >got
says got "secret done"
lacks got "execve EPERM"
lacks got "unshare EPERM"
stop TERM 0

confined_serve --log-level info
URL=$ATTACKER
says served "landlock (ABI "
get 200 /apple
says body red
probe_start
attack
stopped "$PTRACE"
WHAT="every thread"
for thread in "/proc/$SERVER/task"/*/status; do
    grep -qs '^Seccomp:[[:space:]]*2' "$thread" &&
        grep -qs '^NoNewPrivs:[[:space:]]*1' "$thread" || [ ! -e "$thread" ] ||
        fail "is not confined: $thread"
done
# A large body through the database, whose log is written, folded and removed.
head -c 1000000 /dev/zero >large
get 200 /large -X PUT --data-binary @large
get 200 /large
probe_stop
WHAT="the log"
says served "path=/large"
stop TERM 0

# --- A service, which goes away and comes again.
redis_start
manifest_of "type = \"kv.redis\"
url = \"redis://localhost:$REDIS_PORT\"" >app.toml
confined_serve
URL=$ATTACKER
get 200 /pear -X PUT --data green
attack
stopped "$PTRACE"
kill "$REDIS"
wait "$REDIS"
get 503 /pear
redis_start
again() { [ "$(curl -s -m 300 -o body -w '%{http_code}' "$URL/pear")" = 404 ]; }
wait_for again
get 200 /pear -X PUT --data yellow
stop TERM 0

# --- A program that is run once, in a folder that it leaves as it was.
mkdir once
cd once || exit 1
INPUT=/dev/null
slight 0 run "$SL_TEST_GUESTS/e2e-network.wasm"
holds [ ! -e .slight ]
slight 0 run "$GUEST" -- set default key value
slight 0 run "$GUEST" -- get default key
says out value
cd "$FOLDER" || exit 1

finish
