#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a component asks for beyond what it is allowed: an error that it can read,
# never harm to the host.
. "$(dirname "$0")/lib.sh"

STORE='[[resource]]
name = "store"
type = "kv.memory"'

# refused CODE TEXT ARGS...: the call fails, the component tells, ends with 1.
refused() {
    code=$1 text=$2
    shift 2
    slight 1 "$@"
    holds test "$(wc -l <out)" -eq 1
    says out "$code: "
    says out "$text"
    is err </dev/null
}

# --- Memory: all that there is, and no more ---
# eats MEMORY: prints nothing, and leaves in out how many MiB it got.
eats() {
    manifest "memory = \"$1\""
    slight 0 run . -- eat
    is err </dev/null
}
eats 16MiB
holds test "$(cat out)" -ge 12 -a "$(cat out)" -lt 16
eats 200MiB
holds test "$(cat out)" -ge 190 -a "$(cat out)" -lt 200
slight 0 run "$GUEST" -- eat
holds test "$(cat out)" -ge 60 -a "$(cat out)" -lt 64

# --- Resources that it was not granted ---
manifest "$STORE"
refused permission-denied \
    'component "guest" is not granted "other"; add [[resource]] name = "other" to slightfile.toml' \
    run . -- get other key
refused permission-denied \
    'not granted "Store"; add [[resource]] name = "Store" to slightfile.toml' \
    run slightfile.toml -- get Store key
refused permission-denied 'whose name no manifest could have' \
    run . -- get "$(printf 'a\033[31mb')" key
lacks out "$(printf '\033')"
refused permission-denied 'whose name no manifest could have' run . -- get '' key
refused permission-denied 'without a slightfile.toml there is only "default"' \
    run "$GUEST" -- get store key
holds test ! -e .slight

# --- Handles ---
slight 0 run . -- open-many store 1024
is out </dev/null
slight 0 run . -- open-many store 1025
says out 'resource-exhausted: component "guest" has 1024 resources open, the most that may be'
says out '1024 were open'

# Messages that are not settled are resources too; and come back.
manifest '[[resource]]' 'name = "jobs"' 'type = "mq.sqlite"' 'path = "jobs.db"'
sed -i "s|^source = .*|source = \"$SL_TEST_GUESTS/e2e-sender.wasm\"|" slightfile.toml
seq 1100 >lines
INPUT=lines slight 0 run . -- mq jobs
for _ in 1 2; do
    slight 0 run . -- hold jobs
    says out '1020 held, then: component "guest" has 1024 resources open'
    is err </dev/null
done
holds test "$(sqlite3 jobs.db 'SELECT count(*) FROM message')" = 1100

# --- Keys and values ---
manifest 'memory = "3GiB"' "$STORE" 'max-value = "1MiB"'
refused invalid-argument 'a key of 1073741824 bytes: at most 1024 are allowed' \
    run . -- get-long store 1024
refused too-large \
    "a value of 1073741824 bytes: at most 1048576 are allowed; the manifest's max-value" \
    run . -- set-large store 1024
refused permission-denied 'whose name no manifest could have' \
    run . -- open-long 1024
refused too-large 'a value of 2097152 bytes: at most 1048576' \
    run . -- set-large store 2
refused invalid-argument 'key' run . -- get store ''
slight 0 run . -- set-large store 1
is out <<END
set
END
key=$(head -c 1024 /dev/zero | tr '\0' k)
slight 0 run . -- get store "$key"
refused invalid-argument 'a key of 1025 bytes' run . -- get store "${key}k"

# A list that is longer than its memory; keys by the million.
refused too-large 'keys' run . -- get-many store 1001
slight 0 run . -- get-many store 1000
refused too-large 'keys' run . -- get-many store 10000000

# A value that does not fit into what the store has of memory, or the disk.
manifest "$STORE" 'max-bytes = "64KiB"' 'max-value = "8MiB"'
slight 1 run . -- set-large store 1
is err </dev/null

# --- Stores that cannot be had ---
manifest '[[resource]]' 'name = "store"' 'type = "kv.sqlite"' \
    'path = "slightfile.toml/store.db"'
slight 1 run . -- get store key
says out 'store.db'
is err </dev/null
head -c 100000 /dev/urandom >noise.db
manifest '[[resource]]' 'name = "store"' 'type = "kv.sqlite"' 'path = "noise.db"'
slight 1 run . -- get store key
says out 'noise.db'
is err </dev/null

finish
