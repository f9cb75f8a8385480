#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build etcd from its source, once, and print the folder that etcd, etcdctl, and
# etcd-locks (bench/services) are in.  Debian 12 has etcd 3.4; `go install` takes
# none of the newer ones, whose modules have replace directives, so that they are
# built in a module of ours.
set -eu

VERSION=v3.7.3
CACHE=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
LOCKS=$(cd "$(dirname "$0")/../../bench/services" && pwd)/etcd_locks.go
KEY=$(cat "$0" "$LOCKS" | sha256sum | cut -c 1-12)
FOLDER=$CACHE/etcd-$VERSION-$KEY

build() {
    command -v go >/dev/null || { echo "etcd: there is no Go to build it with" >&2; exit 1; }
    echo "slight: building etcd $VERSION into $CACHE; the first time takes about 2 minutes" >&2
    rm -rf "$FOLDER.new"
    mkdir -p "$FOLDER.new/source/ctl" "$FOLDER.new/source/locks"
    cd "$FOLDER.new/source"
    cat >main.go <<END
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
END
    cat >ctl/main.go <<END
package main

import "go.etcd.io/etcd/etcdctl/v3/ctlv3"

func main() { ctlv3.MustStart() }
END
    cp "$LOCKS" locks/main.go
    printf 'module slight.test/etcd\n\ngo 1.26\n' >go.mod
    go get "go.etcd.io/etcd/server/v3@$VERSION" "go.etcd.io/etcd/etcdctl/v3@$VERSION" \
        "go.etcd.io/etcd/client/v3@$VERSION"
    go mod tidy
    go build -trimpath -buildvcs=false -o ../etcdctl ./ctl
    go build -trimpath -buildvcs=false -o ../etcd-locks ./locks
    go build -trimpath -buildvcs=false -o ../etcd .
    mv "$FOLDER.new" "$FOLDER"
}

mkdir -p "$CACHE"
{
    flock 9
    [ -d "$FOLDER" ] || (build) >"$FOLDER.log" 2>&1 || { tail -n 20 "$FOLDER.log" >&2; exit 1; }
} 9>"$CACHE/etcd.lock"
echo "$FOLDER"
