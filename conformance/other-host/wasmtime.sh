#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Print the folder of Python's wasmtime, for PYTHONPATH: installed once, in the
# version and with the checksums of requirements.txt.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}
FOLDER=$CACHE/wasmtime-python-$(cat "$0" "$HERE/requirements.txt" | sha256sum | cut -c 1-12)

mkdir -p "$CACHE"
{
    flock 9
    if [ ! -d "$FOLDER" ]; then
        rm -rf "$FOLDER.new"
        /usr/bin/python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
            --disable-pip-version-check --root-user-action ignore --target "$FOLDER.new" -r "$HERE/requirements.txt" >&2
        mv "$FOLDER.new" "$FOLDER"
    fi
} 9>"$CACHE/wasmtime-python.lock"
echo "$FOLDER"
