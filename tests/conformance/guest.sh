#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run a suite on one driver as conformance/README.md says, each case on empty
# resources, and report in TAP:
#
#     SL_TEST_DRIVER=kv.redis SL_TEST_SETTINGS=FILE \
#         guest.sh SLIGHT COMPONENT TEST-PROGRAM
#
# The program SL_TEST_PREPARE, if any, makes the place that @CASE@ in the settings
# names.
set -eu

slight=$1 component=$2 native=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/slight-guest-XXXXXX")
trap 'rm -rf "$folder"' EXIT

# What the running services say of themselves.
for file in "${SL_TEST_SERVICES:-/nonexistent}"/*.env; do
    if [ -f "$file" ]; then
        set -a
        . "$file"
        set +a
    fi
done

# The manifest of one case: two resources, each with the driver's settings, and
# one of another kind.
manifest() {
    printf 'slight = 1\nname = "conformance"\n'
    printf '[component]\nsource = "%s"\nmemory = "256MiB"\n' "$component"
    for resource in store other; do
        printf '[[resource]]\nname = "%s"\ntype = "%s"\n' \
            "$resource" "$SL_TEST_DRIVER"
        [ -z "${SL_TEST_PREPARE:-}" ] || [ "$1" = 0 ] ||
            "$SL_TEST_PREPARE" "guest-$$-$1-$resource" >&2
        sed "s|@CASE@|guest-$$-$1-$resource|; s|@DIR@|$folder/$1-$resource|; s|@OTHER@|${resource#store}|" \
            "$SL_TEST_SETTINGS"
    done
    case $SL_TEST_DRIVER in
    kv.*) printf '[[resource]]\nname = "alien"\ntype = "mq.sqlite"\npath = "%s/alien"\n' "$folder" ;;
    *) printf '[[resource]]\nname = "alien"\ntype = "kv.memory"\n' ;;
    esac
}

set -- --features "$("$native" --features)"
case $SL_TEST_DRIVER in sql.*) set -- "$@" --dialect "${SL_TEST_DRIVER#*.}" ;; esac
manifest 0 >"$folder/slightfile.toml"
"$slight" run "$folder" -- --list >"$folder/cases"

number=0 failed=0
echo "1..$(wc -l <"$folder/cases")"
while read -r name; do
    number=$((number + 1))
    manifest "$number" >"$folder/slightfile.toml"
    status=0
    "$slight" run "$folder" -- "$@" --case "$name" </dev/null >"$folder/out" || status=$?
    cat "$folder/out"
    if [ "$status" -ne 0 ]; then
        # An instance that trapped said nothing.
        grep -q "^not ok" "$folder/out" || echo "not ok $number - $name (exit code $status)"
        failed=$((failed + 1))
    fi
done <"$folder/cases"

[ "$number" -gt 0 ] && [ "$failed" -eq 0 ]
