#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components that answer HTTP: what a client sees, and what the limits do.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

# web LINES...: a manifest for the guest, of these lines, that is served.
web() {
    {
        printf 'slight = 1\nname = "web"\n[component]\nsource = "%s"\n' \
            "$SL_TEST_GUESTS/e2e-http.wasm"
        printf '[[resource]]\nname = "default"\ntype = "kv.memory"\n'
        printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n'
        printf '%s\n' "$@"
    } >web.toml
    serve web.toml --grace 60s
}

web 'timeout = "5s"' 'max-body = "1MiB"'

get 200 /some/path?query=1
says body "/some/path?query=1"
says head "content-type: text/plain"
get 200 / -H 'x-request-id: mine-7'
says head "x-request-id: mine-7"
get 200 / -H "x-request-id: two words"
lacks head "two words"
says head "x-request-id: "

# A store outlives its requests; an instance does not.
get 200 /count
is body <<END
1
END
get 200 /count
is body <<END
2
END

# Bodies, both ways at the same time, of known length and not.
head -c 900000 /dev/urandom >large
get 200 /echo --data-binary @large
holds cmp -s body large
get 200 /echo --data-binary @large -H 'Transfer-Encoding: chunked' -H 'Expect:'
holds cmp -s body large
head -c 1048577 /dev/zero >larger
get 413 / --data-binary @larger
get 200 /length --data-binary @larger -H 'Transfer-Encoding: chunked' -H 'Expect:'
says body "cut 0"

# Headers.
long=$(head -c 100000 /dev/zero | tr '\0' 'a')
get 431 / -H "x: $long"

# What goes wrong in a component is its own affair.
get 500 /trap
says body "internal error"
lacks body "unreachable"
get 500 /nothing
get 504 /spin
# A response that is whole stays whole (those that are not: responses.sh).
WHAT="a component that loops behind its response"
holds curl -s -m 300 -o body "$URL/half"
[ "$(cat body)" = half ] || fail "it is not whole"
wait_for grep -q "event=timed-out component=web method=GET path=/half" served
get 200 /
WHAT="the log"
says served "event=trapped component=web method=GET path=/trap"
says served "event=failed component=web method=GET path=/nothing"
says served "event=timed-out component=web method=GET path=/spin"

# Nothing is granted outside, and an instance sees one request.  holds: slight-1
get 200 /fetch/http/127.0.0.1:1/
says body "denied"
says served "event=host-denied component=web scheme=http host=127.0.0.1 port=1"
get 200 /seen
get 200 /seen
is body <<END
1
END

get 200 /print
WHAT="lines of the component"
says served.out "[web] to stdout"
says served.out "[web] and more"
says served "[web] to stderr"

# One connection, many requests.
WHAT="keep-alive"
curl -s -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' \
    "$URL/a" "$URL/b" "$URL/c" >body
says body "100"

# No guest's request, no HTTP at all.
WHAT="what is no HTTP"
printf 'hello\r\n\r\n' | timeout 300 "${BASH:-bash}" -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1"; cat >&3; cat <&3' - "${URL##*:}" >body
says body "400"

# What runs may finish.
curl -s -m 300 -o body -w '%{http_code}' "$URL/sleep" >code &
CLIENT=$!
begun /sleep
stop TERM 0
wait $CLIENT
says code 200
says body /sleep
WHAT="the port is free"
! curl -s -m 300 "$URL/" >body || fail "it answers still"

# Instances that are used again, but not after they failed.
web 'timeout = "5s"' 'reuse = 3'
for expected in 1 2 3 1; do
    get 200 /seen
    is body <<END
$expected
END
done
get 500 /trap
get 200 /seen
is body <<END
1
END
get 504 /spin
get 200 /seen
is body <<END
1
END
stop TERM 0

# Routes, and too many at once.
web 'route = "/api"'
get 200 /api
get 200 /api/x
get 404 /apix
get 404 /
curl -s -m 300 -o first "$URL/api" >/dev/null
stop INT 0

web 'timeout = "300s"' 'concurrency = 1'
hold
get 503 /
says head "retry-after: 1"
let_go
says held "HTTP/1.1 200"
is_free() {
    [ "$(curl -s -m 300 -o body -w '%{http_code}' "$URL/")" = 200 ]
}
wait_for is_free

# An address that is taken.
sed "s|127.0.0.1:0|${URL#http://}|" web.toml >taken.toml
slight 4 run taken.toml
says err "taken.toml:$(grep -n ^listen taken.toml | head -n 1 | cut -d: -f1):10: error: cannot listen at ${URL#http://}"
stop TERM 0

# A second signal does not wait.
web 'timeout = "300s"'
curl -s -m 300 -o body "$URL/spin" &
begun /spin
kill -TERM "$SERVER"
wait_for grep -q 'finishing calls in progress' served
kill -TERM "$SERVER"
WHAT="the second signal"
wait "$SERVER"
got=$?
[ $got -eq 143 ] || fail "exit code $got"

# Several components, each with its own grants.
{
    printf 'slight = 1\nname = "app"\n'
    printf '[[resource]]\nname = "default"\ntype = "kv.sqlite"\npath = "app.db"\n'
    for name in full bare; do
        printf '[[component]]\nname = "%s"\nsource = "%s"\n' $name \
            "$SL_TEST_GUESTS/e2e-http.wasm"
        [ $name = bare ] || echo 'resources = ["default"]'
        printf '[[trigger]]\ntype = "http"\ncomponent = "%s"\n' $name
        printf 'listen = "127.0.0.1:0"\n'
        [ $name = full ] || echo 'route = "/count"'
    done
} >app.toml
slight 0 check app.toml
says out "app.toml grants full"
serve app.toml
get 200 /x
get 503 /count
says body 'component "bare" is not granted "default"; add it to the component'
get 500 /trap
says served "event=trapped component=full"
stop TERM 0
sed -i 's|route = "/count"|route = "/print"|' app.toml
serve app.toml
get 200 /count
is body <<END
1
END
get 200 /print
says served.out "[bare] to stdout"
stop TERM 0

# A component that answers nobody.
cat >wrong.toml <<END
slight = 1
name = "web"
[component]
source = "$GUEST"
[[trigger]]
type = "http"
END
slight 4 run wrong.toml
says err "exports no wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3, which the trigger in line 5"
slight 4 check wrong.toml
says err "exports no wasi:http/incoming-handler@0.2"
# A handler of messages needs a manifest; one of requests does not (wasi.sh).
slight 4 run "$SL_TEST_GUESTS/e2e-worker.wasm"
says err 'give it a manifest with [[trigger]] type = "mq"'
slight 0 check web.toml
says out "trigger http, 127.0.0.1:0/"

finish
