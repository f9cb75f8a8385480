#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The key-value API: every answer of it, and that it outlives its process.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

sed 's/127.0.0.1:8080/127.0.0.1:0/' "$HERE/../../examples/http-kv-c/slightfile.toml" >api.toml
cp "$SL_TEST_GUESTS/http-kv-c.wasm" api.wasm

serve api.toml
get 404 /apple
says body "no such key"
get 200 /apple -X PUT --data red
get 200 /apple
says body red
get 412 /apple -X PUT -H 'if-none-match: *' --data green
get 200 /pear -X PUT -H 'if-none-match: *' --data green
get 200 /pear
says body green
get 405 /pear -X POST --data x
head -c 1048577 /dev/zero >large
get 413 /large -X PUT --data-binary @large
get 400 / -X PUT --data x
get 200 /pear -X DELETE
get 404 /pear -X DELETE

# What was answered is on the disk.
get 200 /last -X PUT --data kept
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null
serve api.toml
get 200 /last
says body kept
stop TERM 0

finish
