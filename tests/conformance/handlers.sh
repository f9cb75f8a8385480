#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The judge of one kind of handlers against slight, as conformance/README.md says:
#
#     handlers.sh SLIGHT FOLDER-OF-COMPONENTS mq|pubsub
set -eu

slight=$1 components=$2 kind=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/slight-handlers-XXXXXX")
subject=
finish() {
    [ -z "$subject" ] || kill "$subject" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

# A manifest for the component of this name: both see the same services.
manifest() {
    printf 'slight = 1\nname = "%s"\n[component]\nsource = "%s/conformance-%s-%s.wasm"\n' \
        "$1" "$components" "$kind" "$1"
    printf '[[resource]]\nname = "store"\ntype = "%s.sqlite"\npath = "store.db"\ntimeout = "60s"\n' "$kind"
    printf '[[resource]]\nname = "seen"\ntype = "kv.sqlite"\npath = "seen.db"\ntimeout = "60s"\n'
}

manifest judge >"$folder/judge.toml"
{
    manifest subject
    printf '[[trigger]]\ntype = "%s"\nresource = "store"\nbackoff = "50ms"\n' "$kind"
    [ "$kind" = mq ] || printf 'topic = "handled"\ngroup = "subject"\n'
} >"$folder/subject.toml"

"$slight" run "$folder/subject.toml" >"$folder/log" 2>&1 &
subject=$!
"$slight" run "$folder/judge.toml" || { cat "$folder/log"; exit 1; }
