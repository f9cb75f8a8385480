#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# example.sh FOLDER: the example runs twice with each of its manifests, and
# prints what sort and uniq say; the second time with the totals doubled.
. "$(dirname "$0")/lib.sh"
. "$SL_TEST_SERVICES/redis.env"
EXAMPLE=$1
TEXT=/usr/share/common-licenses/GPL-3

cp "$EXAMPLE"/*.toml .
component=$(sed -n 's/^source = "\(.*\)"/\1/p' slightfile.toml)
cp "$SL_TEST_GUESTS/$(basename "$EXAMPLE").wasm" "$component"
# A prefix of our own on a server that others use too.
sed -i "s/^prefix = .*/prefix = \"$(basename "$FOLDER"):\"/" redis.toml

# counted TIMES: the ten most frequent words, the totals of so many runs.
counted() {
    printf '%-16s %10s %10s\n' word 'this text' 'all runs'
    LC_ALL=C tr -cs 'A-Za-z' '\n' <"$TEXT" | LC_ALL=C tr 'A-Z' 'a-z' |
        grep . | LC_ALL=C sort | uniq -c | LC_ALL=C sort -k1,1nr -k2,2 |
        head -n 10 | while read -r count word; do
        printf '%-16s %10d %10d\n' "$word" "$count" $((count * $1))
    done
}

# doubles MANIFEST
doubles() {
    INPUT=$TEXT
    for run in 1 2; do
        slight 0 run "$1"
        counted $run >counts
        is out <counts
        is err </dev/null
    done
    INPUT=/dev/null
    slight 0 check "$1"
}

holds test "$(counted 1 | wc -l)" -eq 11
doubles slightfile.toml
holds test -s counts.db

export REDIS_URL="$SL_TEST_REDIS_URL"
doubles redis.toml

# By TLS, with the same data: the third and the fourth run; then from nothing.
export REDIS_URL="$SL_TEST_REDIS_TLS_URL"
echo "ca = \"$SL_TEST_CA\"" >>redis.toml
INPUT=$TEXT
slight 0 run redis.toml
counted 3 >counts
is out <counts
sed -i 's/^prefix = "/prefix = "tls-/' redis.toml
doubles redis.toml

# Without the variable it is the manifest that is wrong.
unset REDIS_URL
slight 3 run redis.toml
says err REDIS_URL

finish
