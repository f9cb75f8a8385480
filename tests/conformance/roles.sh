#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The roles of one suite against slight, as conformance/README.md says:
#
#     roles.sh SLIGHT FOLDER-OF-COMPONENTS kv|sql|lockd|mq|pubsub
set -eu

slight=$1 components=$2 kind=$3
settings=$(cd "$(dirname "$0")/../.." && pwd)/src/$kind/sqlite/conformance.toml
folder=$(mktemp -d "${TMPDIR:-/tmp}/slight-roles-XXXXXX")
holder=
finish() {
    [ -z "$holder" ] || kill -9 "$holder" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

# A place of its own for each part.
manifest() {
    mkdir "$folder/$1"
    {
        printf 'slight = 1\nname = "%s"\n[component]\nsource = "%s/conformance-%s.wasm"\n' \
            "$kind" "$components" "$kind"
        printf '[[resource]]\nname = "store"\ntype = "%s.sqlite"\n' "$kind"
        sed 's|@DIR@|.|' "$settings"
    } >"$folder/$1/slightfile.toml"
}

options="--word roles"
[ "$kind" != sql ] || options="$options --dialect sqlite"

# play FOLDER ROLE [--stay]
play() {
    # shellcheck disable=SC2086 # words are meant
    "$slight" run "$folder/$1" -- $options --role "$2" ${3:-}
}

manifest ended
play ended holder
play ended finder

manifest killed
# shellcheck disable=SC2086
"$slight" run "$folder/killed" -- $options --role holder --stay >"$folder/holder" &
holder=$!
until grep -q '^ok' "$folder/holder"; do
    kill -0 "$holder"
    sleep 0.1
done
kill -9 "$holder"
wait "$holder" || true
play killed finder

case $kind in kv | lockd) ;; *) exit 0 ;; esac
manifest contended
pids=
for _ in 1 2 3 4; do
    play contended contender &
    pids="$pids $!"
done
for pid in $pids; do
    wait "$pid"
done
play contended auditor
