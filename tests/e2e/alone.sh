#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A guest that is alone waits for its service on its own thread.  On one processor
# there is one such thread, and yet others are served meanwhile; and its own time
# ends no later than it should.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"
. "$HERE/server.sh"

server_start "$FOLDER/redis" --port "$(free_port)"
REDIS=$SERVER
printf '#!/bin/sh\nexec taskset -c 0 "%s" "$@"\n' "$SLIGHT" >one
chmod +x one
SLIGHT=./one

# app TIMEOUT: of a request; the service may take a minute.
app() {
    cat >app.toml <<END
slight = 1
name = "app"
[component]
source = "$SL_TEST_GUESTS/e2e-http.wasm"
[[resource]]
name = "default"
type = "kv.redis"
url = "redis://127.0.0.1:$SERVER_PORT"
timeout = "60s"
retry = { attempts = 1 }
[[trigger]]
type = "http"
listen = "127.0.0.1:0"
timeout = "$1"
END
    serve app.toml --grace 60s
}

is_count() {
    is body <<END
$1
END
}

# --- It waits, and others are served ---
app 300s
for i in 1 2 3; do # the first one connects
    get 200 /count
    is_count $i
done
kill -STOP $REDIS
{
    curl -s -m 300 -o slow "$URL/count"
    : >slow.over
} &
SLOW=$!
PIDS="$PIDS $SLOW"
begun /count 4
for path in /a /b /c; do
    get 200 "$path"
    says body "$path"
done
WHAT="who waits for the service"
holds test ! -e slow.over
kill -CONT $REDIS
wait $SLOW
cp slow body
is_count 4
stop TERM 0

# --- Its own time is shorter than the service's ---
app 5s
for i in 5 6; do
    get 200 /count
    is_count $i
done
kill -STOP $REDIS
get 504 /count # a service that answered now would have been given up after a minute
kill -CONT $REDIS
stop TERM 0

finish
