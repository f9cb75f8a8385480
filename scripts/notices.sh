#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write the third-party notices of everything that is linked statically:
#
#     scripts/notices.sh OUT [NAME VERSION LICENSE FILE]...
#
# These are the crates of the Rust bridge, as cargo resolves bridge/Cargo.lock for
# this machine (without build scripts, macros and their dependencies), and the C
# libraries that the arguments name, each with the file that has its license.
# Each text is written once, below the names of all that carry it.
#
# The crates' part is kept beside the bridge in slight's cache, so that a build
# from the cache needs neither the network nor the sources of the crates.
set -eu
export LC_ALL=C

out=$1
shift
scripts=$(cd "$(dirname "$0")" && pwd)
bridge=$scripts/../bridge
unset CARGO_BUILD_TARGET
. "$scripts/cargo.sh"
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/bridge
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a text says, without how its lines are broken.
text_key() {
    tr -s '[:space:]' ' ' <"$1" | sed 's/^ //; s/ $//' | sha256sum | cut -c 1-32
}

# "NAME VERSION<TAB>FOLDER" of every package that cargo knows.
list_folders() {
    host=$("$RUSTC" -vV | sed -n 's/^host: //p')
    "$CARGO" metadata --locked --format-version 1 --filter-platform "$host" \
        --manifest-path "$bridge/Cargo.toml" |
        grep -oE '"(id|manifest_path)":"[^"]*"' |
        awk -F '"' '
            $2 == "id" { name = $4; sub(/.*#/, "", name); sub(/@/, " ", name) }
            $2 == "manifest_path" {
                sub(/\/Cargo\.toml$/, "", $4)
                print name "\t" $4
            }'
}

# "NAME VERSION<TAB>LICENSE<TAB>REPOSITORY" of what is linked.
list_crates() {
    "$CARGO" tree --locked --manifest-path "$bridge/Cargo.toml" \
        --edges normal,no-proc-macro --prefix none --format '{p}|{l}|{r}' |
        grep -v '^slight-bridge ' |
        sed 's/ (\*)$//; s/ v\([0-9][^ |]*\)[^|]*|/ \1|/; s/|/\t/g' | sort -u
}

# "KEY<TAB>NAME VERSION<TAB>FILE" of each license file of the crates in $1.
list_texts() {
    while IFS="$(printf '\t')" read -r crate _; do
        folder=$(awk -F '\t' -v crate="$crate" '$1 == crate { print $2; exit }' "$work/folders")
        find "$folder" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' \
            -o -iname 'copyright*' -o -iname 'notice*' -o -iname 'unlicense*' \) | sort |
            while read -r file; do
                printf '%s\t%s\t%s\n' "$(text_key "$file")" "$crate" "$file"
            done
    done <"$1"
}

# Each text of the list in $1 once.
write_texts() {
    cut -f 1 "$1" | awk '!seen[$1]++' | while read -r key; do
        printf '%s\n' ------------------------------------------------------------------------
        awk -F '\t' -v key="$key" '$1 == key && !seen[$2]++ { printf "%s%s", n++ ? ", " : "", $2 } END { print ":\n" }' "$1" |
            fold -s -w 80 | sed 's/ $//'
        cat "$(awk -F '\t' -v key="$key" '$1 == key { print $3; exit }' "$1")"
        printf '\n'
    done
}

write_crates() {
    list_folders >"$work/folders"
    list_crates >"$work/crates"
    list_texts "$work/crates" >"$work/texts"
    [ -s "$work/crates" ] && [ -s "$work/texts" ] || {
        echo "slight: cargo names no crates of $bridge" >&2
        exit 1
    }
    printf 'Rust crates, linked statically:\n\n'
    awk -F '\t' '{ printf "  %s: %s\n      %s\n", $1, $2, $3 }' "$work/crates"
    printf '  Rust standard library %s: MIT OR Apache-2.0\n      https://github.com/rust-lang/rust\n' \
        "$("$RUSTC" --version | cut -d ' ' -f 2)"
    printf '\nTheir licenses. A crate that is not named below has no file of its own; the\n'
    printf 'texts of the licenses that the list above names are those of the other crates.\n\n'
    write_texts "$work/texts"
}

key=$( { "$RUSTC" --version --verbose; cat "$0" "$bridge/Cargo.toml" "$bridge/Cargo.lock"; } | sha256sum | cut -c 1-24)
mkdir -p "$cache"
crates=$cache/notices-$key.txt
if [ ! -s "$crates" ]; then
    write_crates >"$work/notices"
    cp "$work/notices" "$crates.$$"
    mv "$crates.$$" "$crates"
fi
touch "$crates"
find "$cache" -maxdepth 1 -name 'notices-*' -mtime +30 -delete

{
    if [ $# -gt 0 ]; then
        printf 'C libraries, linked statically:\n\n'
        : >"$work/libraries"
        while [ $# -gt 0 ]; do
            printf '  %s %s: %s\n' "$1" "$2" "$3"
            printf '%s\t%s %s\t%s\n' "$1" "$1" "$2" "$4" >>"$work/libraries"
            shift 4
        done
        printf '\nTheir licenses:\n\n'
        write_texts "$work/libraries"
    fi
    cat "$crates"
} >"$work/out"
mv "$work/out" "$out"
