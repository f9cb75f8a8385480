#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests with the C code under a sanitizer: scripts/sanitize.sh address|thread [all]
# Without "all" those labelled `once` are left out.
# Rust and WebAssembly code is not instrumented; the bridge is the same archive.
set -eu
cd "$(dirname "$0")/.."

case $1 in
address)
    build=build-asan
    # The guests' stacks are Wasmtime's, which ASan knows nothing of.
    export ASAN_OPTIONS=detect_stack_use_after_return=0:allow_user_segv_handler=1:abort_on_error=0
    export UBSAN_OPTIONS=print_stacktrace=1
    ;;
thread)
    build=build-tsan
    export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/scripts/tsan.supp"
    ;;
*)
    echo "usage: $0 address|thread" >&2
    exit 2
    ;;
esac
cmake -S . -B $build -G Ninja -DBUILD_TESTING=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    "-DSLIGHT_SANITIZE=$1"
cmake --build $build
less="-LE once"
[ "${2:-}" != all ] || less=
# shellcheck disable=SC2086 # words are meant
ctest --test-dir $build --output-on-failure -j6 $less
