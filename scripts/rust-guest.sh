#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build a guest in Rust, a crate that makes one program:
#
#     scripts/rust-guest.sh CRATE-FOLDER OUT.wasm
#
# A toolchain that has the target wasm32-wasip2 (rustup target add) is used as it
# is.  Otherwise Debian's rustc-web makes the target's standard library out of
# rust-web-src, once, in the cache: $SLIGHT_CACHE/rust-guest/KEY.
set -eu

crate=$(cd "$1" && pwd)
out=$2
target=wasm32-wasip2
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/rust-guest
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR

has_target() {
    ls "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1
}

# What `rustup target add` would bring, made from source. With bitcode, since
# programs are linked with link-time optimisation.
make_sysroot() {
    echo "slight: building Rust's standard library for $target, once (about 2 minutes)" >&2
    build=$sysroot.new
    rm -rf "$build"
    lib=$build/lib/rustlib/$target/lib
    mkdir -p "$lib/self-contained" "$build/crate/src"
    for file in crt1-command.o crt1-reactor.o libc.a; do
        cp "/usr/lib/wasm32-wasi/$file" "$lib/self-contained/"
    done
    printf '[package]\nname = "std-for-guests"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' \
        >"$build/crate/Cargo.toml"
    echo 'fn main() {}' >"$build/crate/src/main.rs"
    (
        cd "$build/crate"
        export RUSTC_BOOTSTRAP=1
        export RUSTFLAGS="-Cembed-bitcode=yes -Clink-self-contained=no -Clink-arg=$lib/self-contained/crt1-command.o -L$lib/self-contained"
        cargo build -q --release --target $target -Zbuild-std=std,panic_abort >&2
        cp target/$target/release/deps/lib*.rlib "$lib/"
    )
    rm -rf "$build/crate"
    mv "$build" "$sysroot"
}

mkdir -p "$cache"
if has_target; then
    key=own
else
    PATH=/usr/lib/llvm-22/bin:/usr/bin:/bin
    export PATH
    key=$(rustc --version --verbose | sha256sum | cut -c 1-24)
    sysroot=$cache/$key
    {
        flock 9
        [ -d "$sysroot" ] || make_sysroot
    } 9>"$cache/lock"
    export CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS="--sysroot=$sysroot"
fi

# The macro's crates take a minute; they are the same for every guest.  Guests of
# the same name in two checkouts share the file that cargo leaves: copy it before
# another build replaces it.
name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n 1)
{
    flock 9
    CARGO_TARGET_DIR=$cache/target-$key cargo build -q --release --locked \
        --target $target --manifest-path "$crate/Cargo.toml" >&2
    cp "$cache/target-$key/$target/release/$name.wasm" "$out"
} 9>"$cache/lock"
