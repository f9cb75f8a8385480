#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the Rust bridge, or take it from the cache:
#
#     scripts/bridge.sh OUT.a
#
# The cache is outside of the checkout, so that a second clone, a sanitizer
# build or CI on the same machine has it at once:
#
#     $SLIGHT_CACHE/bridge/KEY.a          by sources, header, lock file, toolchain
#     $SLIGHT_CACHE/bridge/target-KEY/    what cargo has built of the dependencies
#
# SLIGHT_CACHE is ${XDG_CACHE_HOME:-~/.cache}/slight where it is not set.
set -eu

out=$1
bridge=$(cd "$(dirname "$0")/../bridge" && pwd)
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/bridge
mkdir -p "$cache"

# Flags of the environment would build something that its key does not say.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
. "$(dirname "$0")/cargo.sh"

key() {
    sha256sum | cut -c 1-24
}

# The structs of the header, whatever its comments are; and, beside the archive,
# the headers that it includes, for the build tool.
declarations() {
    "${CC:-cc}" -E -P -MD -MF "$out.d" -MT "$out" -D_GNU_SOURCE \
        -I"$bridge" -I"$bridge/../src" -x c "$bridge/slight_bridge.h"
}

toolchain=$("$RUSTC" --version --verbose)
deps_key=$( { echo "$toolchain"; cat "$bridge/Cargo.toml" "$bridge/Cargo.lock"; } | key)
target=$cache/target-$deps_key

bridge_key() {
    { echo "$deps_key"; cat "$bridge/build.rs" "$bridge"/src/*.rs; declarations; } | key
}

build() {
    echo "slight: building the Rust bridge into $cache; the first time takes about 11 minutes on two cores" >&2
    # Cargo looks at times only: what it built of another clone, later than these
    # sources were written, it would take for this one's.
    rm -rf "$target"/release/.fingerprint/slight-bridge-*
    CARGO_TARGET_DIR=$target RUSTC=$RUSTC "$CARGO" build --release --locked \
        --manifest-path "$bridge/Cargo.toml" >&2
    cp "$target/release/libslight_bridge.a" "$cache/new.a"
}

# The archive of these sources, which somebody may change during a build.
find_or_build() {
    wanted=$(bridge_key)
    until [ -f "$cache/$wanted.a" ]; do
        build
        built=$wanted
        wanted=$(bridge_key)
        if [ "$built" = "$wanted" ]; then mv "$cache/new.a" "$cache/$built.a"; fi
    done
    archive=$cache/$wanted.a
}

# What nobody has used for a month is of no use any more.
prune() {
    find "$cache" -maxdepth 1 -name '*.a' -mtime +30 -delete
    find "$cache" -maxdepth 1 -name 'target-*' -mtime +30 -exec rm -rf {} +
}

{
    flock 9
    find_or_build
    touch "$archive"
    if [ -d "$target" ]; then touch "$target"; fi
    prune
    ln -f "$archive" "$out" 2>/dev/null || cp "$archive" "$out"
} 9>"$cache/lock"
