#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build a guest in JavaScript, by componentize-qjs:
#
#     scripts/js-guest.sh FOLDER OUT.wasm
#     scripts/js-guest.sh FOLDER              prints the folder of node_modules
#
# FOLDER/NAME.js is the program, FOLDER/wit/NAME.wit its world NAME, where NAME is
# the folder's own, and FOLDER/package-lock.json says which versions of what npm
# brings, once, into the cache: $SLIGHT_CACHE/js-guest/KEY.  SLIGHT is the slight
# that has the interfaces.
set -eu

folder=$(cd "$1" && pwd)
name=$(basename "$folder")
out=${2:-}
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/js-guest
key=$( { node --version; cat "$folder/package-lock.json"; } | sha256sum | cut -c 1-24)
tools=$cache/$key

install() {
    rm -rf "$tools.new"
    mkdir -p "$tools.new"
    cp "$folder/package.json" "$folder/package-lock.json" "$tools.new/"
    (cd "$tools.new" && npm ci --silent --no-audit --no-fund >&2)
    mv "$tools.new" "$tools"
}

mkdir -p "$cache"
{
    flock 9
    [ -d "$tools" ] || install
} 9>"$cache/lock"

[ -n "$out" ] || { echo "$tools"; exit 0; }
wit=$(mktemp -d)
trap 'rm -rf "$wit"' EXIT
cp "$folder/wit/$name.wit" "$wit/"
"$SLIGHT" wit "$wit/deps" >/dev/null
"$tools/node_modules/.bin/componentize-qjs" --sync -w "$wit" -n "$name" \
    -j "$folder/$name.js" -o "$out" >/dev/null
