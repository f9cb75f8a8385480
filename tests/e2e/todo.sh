#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The to-do list: what it answers, and that nobody writes SQL through it.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

sed 's/127.0.0.1:8080/127.0.0.1:0/' "$HERE/../../examples/todo-c/slightfile.toml" >todo.toml
cp "$SL_TEST_GUESTS/todo-c.wasm" todo.wasm
serve todo.toml

get 200 /
holds test ! -s body
get 201 /plants -X PUT --data 'water the plants'
get 409 /plants -X PUT --data 'again'
get 201 /bread -X PUT --data "'); DROP TABLE todo; --"
get 200 /plants/done -X POST
get 404 /nothing/done -X POST
get 404 "/'%20OR%20''='" -X DELETE
get 200 /
is body <<END
bread open '); DROP TABLE todo; --
plants done water the plants
END
get 200 /bread -X DELETE
get 404 /bread -X DELETE
get 405 /plants -X POST
get 404 /a/b/c
head -c 1001 /dev/zero | tr '\0' x >long
get 413 /long -X PUT --data-binary @long

kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null
serve todo.toml
get 200 /
is body <<END
plants done water the plants
END
stop TERM 0

finish
