#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The parts of the documentation that the program and the WIT files tell:
#
#     scripts/docs.sh BUILD-FOLDER            writes them into docs/
#     scripts/docs.sh BUILD-FOLDER --check    shows where docs/ differs, and fails
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
new=$(mktemp)
trap 'rm -f "$new"' EXIT
status=0

# compare PAGE: with what it should be, in $new.
compare() {
    if [ "${check:-}" = --check ]; then
        diff -u "$1" "$new" || status=1
    else
        cmp -s "$1" "$new" || cp "$new" "$1"
    fi
}

check=${2:-}
for page in docs/providers/*.md; do
    provider=$(basename "$page" .md)
    [ "$provider" != README ] || provider=
    begin="<!-- slight providers${provider:+ $provider} --markdown -->"
    grep -qxF -e "$begin" "$page" || {
        echo "$page has no line $begin" >&2
        exit 1
    }
    {
        sed "/^$begin\$/q" "$page"
        "$build/slight" providers ${provider:+"$provider"} --markdown
        sed "1,/^$begin\$/d" "$page" | sed -n '/^<!-- end -->$/,$p'
    } >"$new"
    compare "$page"
done
scripts/specification.sh >"$new"
compare docs/specification.md
exit $status
