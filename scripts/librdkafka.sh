#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The folder of librdkafka's include/, lib/librdkafka.a and LICENSES.txt, for pubsub.kafka:
# its source is in the crate rdkafka-sys, and is built once, into slight's cache
# (about a minute on two cores).
#
# Debian 12's is 2.0.2.  Before 2.6.1 its SCRAM is refused by Kafka 4.
set -eu

crate=4.10.0 # librdkafka 2.12.1
sum=e234cf318915c1059d4921ef7f75616b5219b10b46e9f3a511a15eb4b56a3f77
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/librdkafka
. "$(dirname "$0")/cargo.sh"
key=$( { cat "$0"; cc --version; openssl version; } | sha256sum | cut -c 1-24)
folder=$cache/$key

# cargo has no command that only downloads one.
download() {
    mkdir -p "$1/src"
    : >"$1/src/lib.rs"
    cat >"$1/Cargo.toml" <<TOML
[package]
name = "librdkafka"
version = "0.0.0"
edition = "2021"
[dependencies]
rdkafka-sys = { version = "=$crate", default-features = false }
TOML
    (cd "$1" && RUSTC=$RUSTC "$CARGO" vendor -q >/dev/null)
    grep -q "\"package\":\"$sum\"" "$1/vendor/rdkafka-sys/.cargo-checksum.json" || {
        echo "slight: rdkafka-sys $crate is not what it should be" >&2
        exit 1
    }
}

# Who leaves a group while its coordinator is not known crashes (librdkafka
# #5347): no broker to log for. As in 2.14.2, which no crate has yet.
mend() {
    in_leave='/^static void rd_kafka_cgrp_handle_LeaveGroup(/,/^}/'
    sed -i "$in_leave s/rd_kafka_dbg(rkb->rkb_rk,/rd_kafka_dbg(rk,/" "$1"
    [ "$(sed -n "$in_leave p" "$1" | grep -c 'rd_kafka_dbg(rk,')" = 2 ] || {
        echo "slight: rd_kafka_cgrp_handle_LeaveGroup is not what it was" >&2
        exit 1
    }
}

# SCRAM without Cyrus SASL; POSIX threads, which the sanitizers know.
build() {
    echo "slight: building librdkafka into $cache (about a minute on two cores)" >&2
    work=$folder.new
    rm -rf "$work"
    download "$work"
    source=$work/vendor/rdkafka-sys/librdkafka
    mend "$source/src/rdkafka_cgrp.c"
    cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DRDKAFKA_BUILD_STATIC=ON \
        -DRDKAFKA_BUILD_EXAMPLES=OFF -DRDKAFKA_BUILD_TESTS=OFF \
        -DWITH_SSL=ON -DWITH_SASL=OFF -DWITH_SASL_SCRAM=ON -DWITH_ZLIB=ON \
        -DWITH_ZSTD=ON -DENABLE_LZ4_EXT=OFF -DWITH_C11THREADS=OFF -DWITH_CURL=OFF -DWITH_PLUGINS=OFF \
        >"$cache/log" 2>&1 &&
        cmake --build "$work/build" --target rdkafka >>"$cache/log" 2>&1 || {
        tail -n 20 "$cache/log" >&2
        exit 1
    }
    mkdir -p "$work/include/librdkafka" "$work/lib"
    cp "$source"/src/rdkafka*.h "$work/include/librdkafka/"
    cp "$work/build/src/librdkafka.a" "$work/lib/"
    cp "$source/LICENSES.txt" "$work/"
    rm -rf "$work/vendor" "$work/build" "$work/src" "$work"/Cargo.*
    mv "$work" "$folder"
}

mkdir -p "$cache"
{
    flock 9
    [ -d "$folder" ] || build
    touch "$folder"
    # What nobody has used for a month is of no use any more.
    find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
} 9>"$cache/lock"
echo "$folder"
