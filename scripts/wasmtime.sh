#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The path of `wasmtime` 48, to compare with: the one in PATH where it is that
# version, otherwise from crates.io, once, in slight's cache (about 10 minutes).
set -eu

wanted=48.0.8
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/wasmtime-$wanted
. "$(dirname "$0")/cargo.sh"

if wasmtime --version 2>/dev/null | grep -q "^wasmtime $wanted"; then
    command -v wasmtime
    exit 0
fi
if [ ! -x "$cache/bin/wasmtime" ]; then
    echo "slight: building wasmtime $wanted to compare with, once (about 10 minutes)" >&2
    RUSTC=$RUSTC "$CARGO" install -q --locked --root "$cache" --no-track \
        wasmtime-cli@$wanted >&2
fi
echo "$cache/bin/wasmtime"
