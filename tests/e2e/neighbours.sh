#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A component that takes whatever it can get, beside one that does its work: the
# first meets its limits, the second notices nothing.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

{
    printf 'slight = 1\nname = "app"\n'
    printf '[[resource]]\nname = "default"\ntype = "kv.sqlite"\npath = "app.db"\n'
    for name in good bad; do
        host=127.0.0.1
        [ $name = good ] || host=127.0.0.2
        printf '[[component]]\nname = "%s"\nsource = "%s"\n' $name \
            "$SL_TEST_GUESTS/e2e-http.wasm"
        printf 'resources = ["default"]\nmemory = "16MiB"\n'
        printf '[[trigger]]\ntype = "http"\ncomponent = "%s"\n' $name
        printf 'listen = "%s:0"\ntimeout = "15s"\nconcurrency = 64\n' $host
    done
} >app.toml
serve app.toml --grace 60s
good=$(sed -n 's|.* \(http://[^/]*\)/.*|\1|p' served | sed -n 1p)
bad=$(sed -n 's|.* \(http://[^/]*\)/.*|\1|p' served | sed -n 2p)

# Each of its limits, by itself.
URL=$bad
get 200 /eat
says body ' MiB'
holds test "$(cut -d ' ' -f 1 body)" -ge 8 -a "$(cut -d ' ' -f 1 body)" -lt 16
get 200 /hoard
is body <<END
1024 open
END
get 500 /pile
says served 'event=trapped component=bad method=GET path=/pile'
get 504 /spin

# All of that at once, over and over, until the other one is done.
for path in eat hoard pile spin trap half echo; do
    while [ ! -e over ]; do
        curl -s -m 300 -o /dev/null --data-binary @"$GUEST" "$bad/$path"
    done &
    JOBS="${JOBS:-} $!"
done
URL=$good
i=0
while [ $i -lt 40 ]; do
    i=$((i + 1))
    get 200 /count
    is body <<END
$i
END
done
: >over
# shellcheck disable=SC2086 # words are meant
wait $JOBS
WHAT="the memory of all of them"
kib=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
[ "$kib" -lt 800000 ] || fail "$kib KiB"
get 200 /eat
stop TERM 0

finish
