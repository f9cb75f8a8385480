#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The URL shortener: codes are never given twice.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

sed 's/127.0.0.1:8080/127.0.0.1:0/' "$HERE/../../examples/shortener-c/slightfile.toml" >links.toml
cp "$SL_TEST_GUESTS/shortener-c.wasm" shortener.wasm
serve links.toml

get 201 / --data 'https://example.com/first'
is body <<END
/1
END
get 302 /1
says head "location: https://example.com/first"
get 404 /nobody
get 400 / --data 'ftp://example.com'
get 400 / --data 'https://example.com/with space'
get 405 /1 -X PUT --data x

# Many at once: as many codes.
WHAT="codes"
seq 200 | xargs -P 8 -I{} curl -s --data 'https://example.com/{}' "$URL/" >codes
holds test "$(sort -u codes | wc -l)" -eq 200
while read -r code; do
    curl -s -o /dev/null -w '%{redirect_url}\n' "$URL$code"
done <codes | sed 's|.*/||' | sort -n >followed
seq 200 >expected
holds cmp -s followed expected
stop TERM 0

finish
