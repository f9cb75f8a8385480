#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The kv part of the suite on a host that is not slight: it passes there, and it
# finds each planted fault.
#
#     test.sh COMPONENT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
component=$1
PYTHONPATH=$("$here/wasmtime.sh")
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1
folder=$(mktemp -d "${TMPDIR:-/tmp}/slight-other-host-XXXXXX")
trap 'rm -rf "$folder"' EXIT

/usr/bin/python3 "$here/host.py" "$component" --list >"$folder/cases"

# It passes with all features; and with few, since the others are `unsupported`.
for features in ttl,versions,if-absent,increment,keys keys; do
    /usr/bin/python3 "$here/host.py" "$component" --features "$features" \
        --limit max-value=4KiB >"$folder/tap" || { cat "$folder/tap"; exit 1; }
    [ "$(grep -c '^ok ' "$folder/tap")" -eq "$(wc -l <"$folder/cases")" ]
    cat "$folder/tap"
done

# All at once: the cases wait for times to live.
find_fault() {
    status=0
    features=ttl,versions,if-absent,increment,keys
    [ "$1" != WhatIsMissingIsInternal ] || features=keys
    /usr/bin/python3 "$here/faults.py" "$1" "$component" --features "$features" \
        --limit max-value=4KiB >"$folder/$1.tap" || status=$?
    echo "$status" >"$folder/$1.status"
}
/usr/bin/python3 "$here/faults.py" >"$folder/faults"
[ "$(wc -l <"$folder/faults")" -ge 10 ]
while read -r fault; do
    find_fault "$fault" &
done <"$folder/faults"
wait

failed=0
while read -r fault; do
    if [ "$(cat "$folder/$fault.status")" -eq 1 ] && grep -q '^not ok' "$folder/$fault.tap"; then
        grep '^not ok' "$folder/$fault.tap" | sed "s/^not ok/# $fault:/"
    else
        echo "nobody found $fault"
        failed=1
    fi
done <"$folder/faults"
[ "$failed" -eq 0 ]
