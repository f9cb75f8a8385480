#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example echo-rust, a handler of WASI 0.3.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

# echo LINES...: its manifest, at a free port, with these lines in the trigger.
echo_with() {
    example=$HERE/../../examples/echo-rust/slightfile.toml
    sed -e 's|:8080"|:0"|' \
        -e "s|\"echo.wasm\"|\"$SL_TEST_GUESTS/echo-rust.wasm\"|" "$example" \
        >echo.toml
    printf '%s\n' "$@" >>echo.toml
    serve echo.toml --grace 60s
}

echo_with 'timeout = "300s"'
get 200 /some/path?query=1
says body "/some/path?query=1"
get 200 /seen
get 200 /seen
is body <<END
1
END

# Bodies, both ways at the same time, of known length and not.
head -c 5000000 /dev/urandom >large
get 200 /echo --data-binary @large
holds cmp -s body large
get 200 /echo --data-binary @large -H 'Transfer-Encoding: chunked' -H 'Expect:'
holds cmp -s body large
get 200 /echo --data-binary ''
holds cmp -s body /dev/null

# What goes wrong.
get 500 /fail
says served "event=failed component=echo method=GET path=/fail"
get 500 /trap
says body "internal error"
says served "event=trapped component=echo method=GET path=/trap"

# Another server: this one, granted by its name and not by its address.
get 200 "/fetch?http://localhost:${URL##*:}/seen"
says body "answered 200"
get 200 "/fetch?$URL/seen"
says body "HttpRequestDenied"
get 200 "/fetch?http://localhost:1/"
says body "ConnectionRefused"

# Many at once; without what has curl wait a second for leave to send.
WHAT="many at once"
for i in 1 2 3 4 5 6 7 8; do
    for j in 1 2 3 4 5; do
        curl -s -m 300 -H Expect: --data-binary @large "$URL/echo" | cmp -s - large ||
            echo "$i $j" >>different
    done &
    JOBS="${JOBS:-} $!"
done
# shellcheck disable=SC2086 # words are meant
wait $JOBS
[ ! -e different ] || fail "not what was sent: $(cat different)"
stop TERM 0

# Instances that are used again.
echo_with 'timeout = "300s"' 'reuse = 2'
for expected in 1 2 1 2; do
    get 200 /seen
    is body <<END
$expected
END
done
get 200 /echo --data-binary @large -H Expect:
get 200 /echo --data-binary @large -H Expect:
holds cmp -s body large
stop TERM 0

finish
