#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Search on with a fuzzer: scripts/fuzz.sh manifest|redis_reply [SECONDS]
# New inputs go into tests/fuzz/corpus/TARGET; delete what teaches nothing.
set -eu
cd "$(dirname "$0")/.."
target=$1
build=build-fuzz
cmake -S . -B $build -G Ninja -DBUILD_TESTING=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_COMPILER=clang-19 -DSLIGHT_SANITIZE=address \
    -DCMAKE_C_FLAGS=-fsanitize=fuzzer-no-link -DSLIGHT_FUZZ=ON >/dev/null
cmake --build $build --target "fuzz-$target"
exec "$build/tests/fuzz/fuzz-$target" -max_total_time="${2:-60}" -max_len=65536 \
    "tests/fuzz/corpus/$target"
