#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that are missing; `make deps` and its kin call this:
#
#     scripts/deps.sh build|guest|test|bench...
#
# Root installs without a question.  Anyone else is asked, on a terminal, whether
# sudo may; without a terminal, or where the answer is no, the command is printed
# and nothing is installed.  DEPS=no skips all of this, DEPS=yes skips the question.
set -eu
cd "$(dirname "$0")/.."
[ "${DEPS:-}" != no ] || exit 0

# clang 19 and its parts compile guests in C, and read the header of the bridge.
BUILD="cmake ninja-build gcc g++ libc6-dev pkg-config libssl-dev libsqlite3-dev
    libhiredis-dev libzstd-dev zlib1g-dev libpq-dev libmariadb-dev clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32
    libcurl4-openssl-dev libjansson-dev libjemalloc-dev libseccomp-dev
    ca-certificates"
# A guest in Rust needs a compiler whose standard library has sources.
GUEST="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"
TEST="python3-prometheus-client python3-pip libcmocka-dev groff-base default-jre-headless maven kcat redis-server redis-tools postgresql
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
# An old cargo or rustc counts as missing.
SLIGHT_CARGO_OPTIONAL=1 . scripts/cargo.sh
[ -n "${CARGO:-}" ] || missing="$missing cargo-web rustc-web"
# For a guest in JavaScript.  npm brings node, wherever it is from.
case $* in *guest* | *test*) command -v npm >/dev/null || missing="$missing nodejs npm" ;; esac
# The checker of histories is in Go, of any origin.
case $* in *test*) command -v go >/dev/null || missing="$missing golang-go" ;; esac
[ -n "$missing" ] || exit 0

may_sudo() {
    [ "${DEPS:-}" != yes ] || return 0
    [ -t 0 ] && [ -t 2 ] || return 1
    printf 'slight: these Debian packages are missing:%s\nInstall them with sudo? [y/N] ' "$missing" >&2
    read -r answer || return 1
    case $answer in y | Y | yes) ;; *) return 1 ;; esac
}

install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
    echo "slight: installing Debian packages:$missing" >&2
    sh -c "$install" >/dev/null
elif command -v sudo >/dev/null && may_sudo; then
    sudo sh -c "$install" >/dev/null
else
    echo "slight: install the missing packages by this command, or skip this step by DEPS=no:" >&2
    echo "    sudo sh -c '$install'" >&2
    exit 1
fi

# Fails where Debian's cargo is too old as well.
SLIGHT_CARGO_OPTIONAL=
. scripts/cargo.sh
