#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The layers of docs/architecture.md, by who includes what; and that an object of
# a driver exports one symbol.  scripts/check_layers.sh BUILD-FOLDER
set -eu
cd "$(dirname "$0")/.."
build=$1
failed=0

wrong() {
    echo "layers: $*" >&2
    failed=1
}

# The headers that the files of a directory include, one a line: "file header".
includes() {
    grep -HoE '^#include [<"][^>"]+[>"]' "$1"/*.[ch] |
        sed -E 's/:#include [<"]/ /; s/[>"]$//' | grep -v '_test\.c ' || true
}

# DIRECTORY ALLOWED...: of our own directories, it may include only these.
may_use() {
    directory=$1
    shift
    pattern=$(printf '%s|' "$directory" "$@")
    includes "src/$directory" |
        grep -E ' (base|service|sandbox|client|kv|lockd|sql|mq|pubsub|manifest|host|trigger|management|cli)/' |
        grep -vE " (${pattern%|})/" |
        while read -r file header; do echo "$file includes $header"; done
}

all="base service kv lockd sql mq pubsub"
for rule in "base" "sandbox base" "service base" "client base service" "kv base service client" "sql base service client" "lockd base service client" "mq base service client" "pubsub base service client" \
    "manifest $all" "host $all manifest sandbox" "trigger $all manifest host" "management base service manifest host trigger" \
    "cli base service sandbox manifest host trigger management"; do
    # shellcheck disable=SC2086 # words are meant
    found=$(may_use $rule)
    [ -z "$found" ] || wrong "$found"
done

# driver.h is the inside of a capability (src/client helps drivers), the bridge
# that of the host.
for directory in base manifest host trigger management cli; do
    found=$(includes src/$directory | grep -E ' [a-z]+/driver\.h$' || true)
    [ -z "$found" ] || wrong "$found: only a capability's own files may"
done
for directory in base service client kv sql lockd mq pubsub manifest cli; do
    found=$(includes src/$directory | grep -E ' slight_bridge\.h$' || true)
    [ -z "$found" ] || wrong "$found: only src/host, src/trigger and src/management may"
done

# A library's header is included in one directory only.
for library in sqlite3.h hiredis/ librdkafka/ openssl/ssl.h curl/ jansson.h libpq-fe.h mysql.h seccomp.h; do
    places=$(grep -lE "^#include <$library" src/*/*.[ch] | grep -v _test | xargs -n1 dirname | sort -u)
    # shellcheck disable=SC2086 # words are meant
    [ "$(echo "$places" | wc -l)" -le 1 ] || wrong "<$library> is included in:" $places
done

# A driver's object exports its table, and nothing else.
for source in $(grep -lE '^const struct sl_([a-z]+_)?driver sl_' src/*/*.c); do
    object=$(find "$build/src" -path "*$(basename "$(dirname "$source")")*/$(basename "$source").o" | head -n 1)
    [ -n "$object" ] || { wrong "$source has no object in $build"; continue; }
    count=$(nm --defined-only --extern-only "$object" | wc -l)
    [ "$count" -eq 1 ] || wrong "$source exports $count symbols, not one"
done

exit $failed
