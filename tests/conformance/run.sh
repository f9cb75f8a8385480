#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All cases of one suite in one run, as conformance/README.md says; and what the
# component may import:
#
#     run.sh SLIGHT FOLDER-OF-COMPONENTS kv|lockd|pubsub FEATURES
set -eu

settings=$(cd "$(dirname "$0")/../.." && pwd)/src/$3/sqlite/conformance.toml
slight=$1 component=$2/conformance-$3.wasm kind=$3 features=$4
folder=$(mktemp -d "${TMPDIR:-/tmp}/slight-run-XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir store other

{
    printf 'slight = 1\nname = "%s"\n[component]\nsource = "%s"\nmemory = "256MiB"\n' "$kind" "$component"
    for resource in store other; do
        printf '[[resource]]\nname = "%s"\ntype = "%s.sqlite"\n' "$resource" "$kind"
        sed "s|@DIR@|$resource|" "$settings"
    done
} >slightfile.toml

"$slight" check >imports
sed -n '/ imports$/,/^$/s/^  \([a-z:]*\).*/\1/p' imports | sort -u >words
if grep -vxE 'slight:(types|kv|lockd|pubsub)|wasi:(cli|clocks|io|filesystem)' words; then
    echo "a host need not have these"
    exit 1
fi
grep -qx "slight:$kind" words

"$slight" run -- --features "$features" >tap || { cat tap; exit 1; }
cat tap
"$slight" run -- --list >cases
[ "$(grep -c '^ok ' tap)" -eq "$(wc -l <cases)" ]
[ "$(head -n 1 tap)" = "1..$(wc -l <cases)" ]

# Behind a case that failed the others are run; this one fails for a wrong limit.
if [ "$kind" = kv ]; then
    "$slight" run -- --features "$features" --limit max-value=2MiB >tap && exit 1
    failed=$(sed -n 's/^not ok \([0-9]*\) .*/\1/p' tap)
    "$slight" run -- --features "$features" --after "$failed" >tap
    [ "$(head -n 1 tap | cut -d ' ' -f 1,2)" = "ok $((failed + 1))" ]
    # And what is missing is said.
    "$slight" run -- --case "an absent number counts as zero" >tap && exit 1
    grep -q "not unsupported" tap
fi
