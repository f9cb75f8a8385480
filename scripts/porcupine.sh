#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Print the program that checks histories (tests/histories/checker), built once
# with porcupine, whose version and checksum stand in its go.mod and go.sum.
set -eu
SOURCE=$(cd "$(dirname "$0")/../tests/histories/checker" && pwd)
CACHE=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
KEY=$(cat "$0" "$SOURCE"/* | sha256sum | cut -c 1-12)
PROGRAM=$CACHE/history-checker-$KEY

mkdir -p "$CACHE"
{
    flock 9
    if [ ! -x "$PROGRAM" ]; then
        command -v go >/dev/null || {
            echo "slight: no go, which builds the checker of histories: apt-get install golang-go" >&2
            exit 1
        }
        (cd "$SOURCE" && GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o "$PROGRAM.new" .) >&2
        mv "$PROGRAM.new" "$PROGRAM"
    fi
} 9>"$CACHE/history-checker.lock"
echo "$PROGRAM"
