#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A slight that is built with the embedded drivers alone: it needs the libraries of
# these alone, runs guests on them, and names what it was built without.
. "$(dirname "$0")/lib.sh"

slight 0 providers
says out "sql.mysql "

# What of pkg-config's packages it may ask for.
mkdir packages
for package in libseccomp jemalloc; do
    ln -s "$(pkg-config --variable pcfiledir $package)/$package.pc" packages
done
export PKG_CONFIG_LIBDIR="$FOLDER/packages"

# runs COMMAND...: it succeeds; what it says is shown where it does not.
runs() {
    WHAT="$*"
    "$@" >out 2>err </dev/null || fail "exit code $?"
}
SOURCE=$HERE/../..
# shellcheck disable=SC2086 # words are meant
runs cmake -S "$SOURCE" -B embedded -G Ninja -DBUILD_TESTING=OFF \
    -DSLIGHT_DRIVERS=embedded $SL_TEST_CMAKE
runs cmake --build embedded --target slight

WHAT="the libraries of the embedded slight"
ldd embedded/slight >libraries
says libraries libsqlite3.so
for library in libpq. libmariadb. libhiredis. libcurl. libjansson. libssl. libzstd.; do
    lacks libraries "$library"
done
SLIGHT=$FOLDER/embedded/slight
slight 0 version
lacks out librdkafka
slight 0 providers
for driver in kv.sqlite kv.memory sql.sqlite lockd.sqlite mq.sqlite pubsub.sqlite; do
    says out "$driver "
done
slight 0 run "$SL_TEST_GUESTS/wordcount-c.wasm" -- "$HERE/lib.sh"

# What was left out is named, with its place in a manifest.
slight 0 providers
for driver in kv.redis sql.mysql lockd.etcd mq.redis pubsub.kafka; do
    holds grep -qE "^$driver +not built in$" out
done
slight 2 providers sql.mysql
is err <<END
error: this slight was built without sql.mysql
END
manifest '[[resource]]' 'name = "orders"' 'type = "sql.mysql"' 'url = "mysql://localhost/orders"'
slight 3 check
is err <<END
slightfile.toml:$(grep -n sql.mysql slightfile.toml | cut -d : -f 1):8: error: this slight was built without sql.mysql; "slight providers" lists the types
END
slight 0 version --licenses
lacks out librdkafka
lacks out libpq
says out "libsqlite3.so"
says out "  wasmtime "

# An unknown driver is refused, and the known ones are listed.
WHAT="an unknown driver"
cmake -S "$SOURCE" -B embedded -DSLIGHT_DRIVERS=kv.sqlte >out 2>err && fail "it is configured"
says err "there is no driver kv.sqlte"
says err "kv.sqlite"
finish
