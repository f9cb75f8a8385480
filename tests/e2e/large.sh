#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components of more parts than a small one has: each gets what it begins with, and
# what is refused says which limit it met.
. "$(dirname "$0")/lib.sh"

# large NUMBERS...: large.wasm, see large.c.
large() {
    "$SL_TEST_LARGE" "$@" >large.wasm
}

# runs NUMBERS...: compiled, and from the cache.
runs() {
    large "$@"
    slight 0 run large.wasm
    lacks err error # it may tell of compiling
    slight 0 run large.wasm
    is err </dev/null
}

SLIGHT_CACHE_DIR=$FOLDER/cache
export SLIGHT_CACHE_DIR
mkdir -m 700 cache
runs 1 1 1 10 1
runs 9 1 1 10 1        # core instances
runs 200 1 1 10 1
runs 30 4 1 10 1       # memories
runs 20 1 12 10 1      # tables
runs 1 1 1 200000 1    # elements
runs 1 1 1 100000 60000 # what an instance itself takes: megabytes

# Memory is the manifest's to give.
large 1 40 1 10 1
slight 0 run large.wasm # 2.5 MiB of 64
printf 'slight = 1\nname = "app"\n[component]\nsource = "large.wasm"\nmemory = "1MiB"\n' >slightfile.toml
slight 4 run .
one_error
says err memory

# And so is the size to which tables grow; with a wrong one nothing runs.
printf 'slight = 1\nname = "app"\n[component]\nsource = "large.wasm"\ntable-elements = 0\n' >slightfile.toml
slight 3 run .
says err table-elements

finish
