#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that are missing, and nothing where none is:
#
#     scripts/deps.sh build|guest|test|bench...
set -eu
cd "$(dirname "$0")/.."

# clang 19 and its parts compile guests in C.
BUILD="cmake ninja-build gcc g++ libc6-dev pkg-config libssl-dev libsqlite3-dev
    libhiredis-dev libzstd-dev zlib1g-dev libpq-dev libmariadb-dev clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32
    libcurl4-openssl-dev libjansson-dev libjemalloc-dev libseccomp-dev
    ca-certificates"
# A guest in Rust needs a compiler whose standard library has sources.
GUEST="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"
TEST="python3-prometheus-client libcmocka-dev groff-base default-jre-headless maven kcat redis-server redis-tools postgresql
    mariadb-server etcd-server etcd-client curl shellcheck sqlite3 openssl clang-format-19 clang-tidy-19 libclang-rt-19-dev"
BENCH="default-jre-headless maven kcat libzookeeper-mt-dev redis-tools wrk"

wanted=
for set in "$@"; do
    case $set in
    build) wanted="$wanted $BUILD" ;;
    guest) wanted="$wanted $GUEST" ;;
    test) wanted="$wanted $GUEST $TEST" ;;
    bench) wanted="$wanted $BENCH" ;;
    *) echo "usage: $0 build|guest|test|bench..." >&2; exit 2 ;;
    esac
done

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
# Of cargo and rustc, an old version is as good as none.
SLIGHT_CARGO_OPTIONAL=1 . scripts/cargo.sh
[ -n "${CARGO:-}" ] || missing="$missing cargo-web rustc-web"
# A guest in JavaScript; whoever has npm has node, from wherever.
case $* in *guest* | *test*) command -v npm >/dev/null || missing="$missing nodejs npm" ;; esac
# The checker of histories is in Go; whoever has go has it from wherever.
case $* in *test*) command -v go >/dev/null || missing="$missing golang-go" ;; esac
[ -n "$missing" ] || exit 0

echo "slight: installing Debian packages:$missing" >&2
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "slight: not root and no sudo; as root run: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
# shellcheck disable=SC2086 # words are meant
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null

# Says so, where Debian's is too old as well.
SLIGHT_CARGO_OPTIONAL=
. scripts/cargo.sh
