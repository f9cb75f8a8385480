#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The checker of histories itself: it accepts what is linearizable, and refuses
# what is not, one file of samples/ each.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
checker=$("$here/../../scripts/porcupine.sh")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
tried=0
for sample in "$here"/samples/*.txt; do
    rm -f "$folder"/*
    cp "$sample" "$folder/0.log"
    case $(basename "$sample") in
    good-*) expected=0 ;;
    *) expected=1 ;;
    esac
    status=0
    "$checker" "$folder" 1 >/dev/null 2>&1 || status=$?
    tried=$((tried + 1))
    [ "$status" -eq "$expected" ] || {
        echo "$sample: exit code $status, expected $expected" >&2
        failed=1
    }
done
[ "$tried" -ge 8 ] || { echo "only $tried samples" >&2; exit 1; }
exit $failed
