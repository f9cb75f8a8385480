# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced, after lib.sh, by scripts that look at what a trigger logs and counts.

# has FILE COUNT TEXT...: so many lines of it have all these texts.
has() {
    file=$1 count=$2
    shift 2
    cp "$file" lines.found
    for text in "$@"; do
        grep -F -e "$text" lines.found >lines.left
        mv lines.left lines.found
    done
    [ "$(wc -l <lines.found)" -eq "$count" ]
}

# value METRIC TEXT: of the sample with this text.
value() {
    curl -s -m 300 "$(sed -n 's/.* management \(http[^ ]*\).*/\1/p' "$1.log" |
        tail -n 1)/metrics" | grep -F -e "$3" | sed -n "s/^$2{.*} //p"
}

counted() {
    [ "$(value "$1" "$2" "$3")" = "$4" ]
}
