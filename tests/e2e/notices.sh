#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `slight version --licenses` names everything that the program is linked with.
. "$(dirname "$0")/lib.sh"

slight 0 version --licenses
is err </dev/null
lacks out "unknown license"

# Shared libraries: those of the dynamic section, each with a license.
readelf -dW "$SLIGHT" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort >needed
sed -n 's/^  \([^ ]*\.so[^ ]*\) (.*): .*/\1/p' out | sort >listed
holds test -s needed
holds cmp needed listed

# Crates: those of the lock file, at its versions, and each with a license.
sed -n '/^Rust crates/,/^Their licenses/p' out | sed -n 's/^  \([^ ]* [^ ]*\): \(..*\)/\1/p' >crates
sed -n '/^\[\[package\]\]/,/^$/p' "$SL_TEST_BRIDGE/Cargo.lock" |
    awk -F '"' '/^name/ { name = $2 } /^version/ { print name " " $2 }' >locked
holds test "$(wc -l <crates)" -gt 100
while read -r crate; do
    grep -qxF "$crate" locked || fail "$crate is not in Cargo.lock"
done <crates
# What the bridge names itself is there, and what only builds it is not.
for crate in wasmtime wasmtime-wasi-http hyper rustls tokio toml wit-component libc; do
    says crates "$crate "
done
lacks crates "syn "
lacks crates "wasmtime-internal-versioned-export-macros "

# C libraries that are linked statically.
slight 0 version
version=$(sed -n 's/^librdkafka //p' out)
slight 0 version --licenses
says out "  librdkafka $version: BSD-2-Clause"
# The texts.
for text in "Apache License" "Permission is hereby granted, free of charge" "Magnus Edenhill"; do
    says out "$text"
done

finish
