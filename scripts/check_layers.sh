#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The layers of docs/architecture.md, by who includes what; that the drivers
# export nothing but their tables; and that a name begins with its owner's
# prefix.  scripts/check_layers.sh BUILD-FOLDER
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
    find "$1" -name '*.[ch]' -exec grep -HoE '^#include [<"][^>"]+[>"]' {} + |
        sed -E 's/:#include [<"]/ /; s/[>"]$//' | grep -v '_test\.c ' || true
}

# DIRECTORY ALLOWED...: of our own directories, it may include only these.
may_use() {
    directory=$1
    shift
    pattern=$(printf '%s|' "$directory" "$@")
    includes "src/$directory" |
        grep -E ' (base|service|sandbox|net|client|driverkit|kv|lockd|sql|mq|pubsub|manifest|host|trigger|management|cli)/' |
        grep -vE " (${pattern%|})/" |
        while read -r file header; do echo "$file includes $header"; done
}

capabilities="kv sql lockd mq pubsub"
all="base service $capabilities"
for rule in "base" "sandbox base" "service base" "net base service" "client base service net" "driverkit base service" \
    "manifest $all" "host $all manifest sandbox" "trigger $all manifest host" "management base service manifest host trigger" \
    "cli base service sandbox manifest host trigger management"; do
    # shellcheck disable=SC2086 # words are meant
    found=$(may_use $rule)
    [ -z "$found" ] || wrong "$found"
done
for capability in $capabilities; do
    found=$(may_use "$capability" base service net client driverkit)
    [ -z "$found" ] || wrong "$found"
done

# A folder in a folder is for itself: a driver, or the client of one service.
for folder in $(find src -mindepth 2 -type d | sed 's,^src/,,'); do
    outer=${folder%/*}
    found=$(includes "src/$outer" | grep -E " $folder/" | grep -v "^src/$folder/" || true)
    [ "$outer" = client ] || [ "$outer" = net ] || [ -z "$found" ] || wrong "$found: only src/$folder may"
done

# driver.h is the inside of a capability, the bridge that of the host.
for directory in base net client driverkit manifest host trigger management cli; do
    found=$(includes src/$directory | grep -E ' (kv|lockd|sql|mq|pubsub)/driver\.h$' || true)
    [ -z "$found" ] || wrong "$found: only a capability's own files may"
done
for directory in base service net client driverkit $capabilities manifest cli; do
    found=$(includes "src/$directory" | grep -E ' slight_bridge\.h$' || true)
    [ -z "$found" ] || wrong "$found: only src/host, src/trigger and src/management may"
done

# LIBRARY FOLDER...: only these include its headers.
belongs() {
    library=$1
    shift
    pattern=$(printf 'src/%s/[^/]*$|' "$@")
    found=$(find src -name '*.[ch]' -exec grep -lE "^#include <$library" {} + | grep -v _test |
        grep -vE "^(${pattern%|})" || true)
    # shellcheck disable=SC2086 # words are meant
    [ -z "$found" ] || wrong "<$library> is included in:" $found
}
belongs sqlite3.h driverkit
belongs hiredis/ client/redis
belongs librdkafka/ pubsub/kafka
belongs openssl/ssl.h net client/postgres
belongs curl/ net/http
belongs jansson.h net/http
belongs libpq-fe.h client/postgres
belongs mysql.h sql/mysql
belongs seccomp.h sandbox

# A driver's object exports its table, and nothing else.
for source in src/*/*/driver.c; do
    object=$(find "$build/$(dirname "$source")" -name driver.c.o | head -n 1)
    [ -n "$object" ] || { wrong "$source has no object in $build"; continue; }
    count=$(nm --defined-only --extern-only "$object" | wc -l)
    [ "$count" -eq 1 ] || wrong "$source exports $count symbols, not one"
done

# An external symbol begins with the prefix of its folder, its owner.
found=$(find "$build/src" -path '*/CMakeFiles/sl-*' -name '*.c.o' -exec nm -A --defined-only --extern-only {} + |
    sed -E 's,^.*/src/([^:]*)/CMakeFiles/[^/]*/([^:]*)\.o:.* ([^ ]*)$,\1 \2 \3,' | awk '
    function prefix(folder) {
        if (folder == "net") return "base64|conn|peer|public_key|resolve|tls|url"
        if (folder == "net/http") return "http|json"
        if (folder == "client/postgres") return "pg"
        if (folder == "client/zookeeper") return "zk"
        if (folder == "driverkit") return "embedded|sqlite"
        if (folder == "lockd") return "lockd|lock"
        if (folder == "pubsub") return "pubsub|subscription"
        if (folder == "sql/postgres") return "sql_pg|sql_postgres"
        sub("^client/", "", folder)
        gsub("/", "_", folder)
        return folder
    }
    $1 !~ /^(net|client|driverkit|kv|sql|lockd|mq|pubsub)(\/|$)/ { next }
    (getline line < ("src/" $1 "/" $2)) < 0 { next } # left of an older build
    $3 !~ "^sl_(" prefix($1) ")(_|$)" && $3 !~ /^(sl_driver_|__)/ {
        print "src/" $1 "/" $2 " exports " $3 ", which lacks its prefix sl_(" prefix($1) ")_"
    }')
[ -z "$found" ] || wrong "$found"

exit $failed
